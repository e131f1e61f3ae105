//! `nftrap restore`: table and blocks, without the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use super::run::{config_of, with_causes};
use crate::daemon;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The config file; without it, the built-in defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match config_of(arguments.config.as_deref()) {
        Ok(config) => config,
        Err(problems) => return super::complain(&problems.to_string()),
    };
    match daemon::restore(&config) {
        Ok(blocks) => super::answer(&format!("table inet {} is loaded, with {blocks} blocks\n", config.table)),
        Err(error) => super::complain(&with_causes(&error)),
    }
}
