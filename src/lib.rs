//! nftrap: a port scan ends at its first probe.

pub mod config;
pub mod detect;
pub mod time;
