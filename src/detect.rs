//! Decides: which source is an offender, and for how long. Pure: no clock, no I/O, no kernel, no logging.

pub mod prefixes;
