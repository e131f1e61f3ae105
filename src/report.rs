//! What people and machines are told: facts from the workers, counters, log lines, metrics.

pub mod counters;
pub mod evidence;
pub mod exporter;
pub mod fact;
pub mod histogram;
pub mod hub;
pub mod logger;
pub mod metrics;
pub mod outlet;
