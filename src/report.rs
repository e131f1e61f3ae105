//! What people and machines are told: facts from the workers, counters, log lines, metrics, a file of events.

pub mod counters;
pub mod events_file;
pub mod evidence;
pub mod exporter;
pub mod fact;
pub mod histogram;
pub mod hub;
pub mod logger;
pub mod metrics;
pub mod outlet;
