//! What people and machines are told: facts from the workers, counters, log lines.

pub mod counters;
pub mod fact;
pub mod histogram;
pub mod logger;
pub mod outlet;
