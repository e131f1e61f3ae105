//! nftrap: a port scan ends at its first probe.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod detect;
pub mod kernel;
pub mod packet;
pub mod report;
pub mod time;
