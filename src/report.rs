//! What people and machines are told: facts from the workers, counters, log lines, metrics, files of lines.

pub mod chronicle;
pub mod counters;
pub mod evidence;
pub mod exporter;
pub mod fact;
pub mod histogram;
pub mod hub;
pub mod line_file;
pub mod logger;
pub mod metrics;
pub mod outlet;
