//! `nftrap run`: the daemon, in the foreground.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use log::error;

use crate::config::{Config, load};
use crate::daemon;
use crate::report::logger::{self, LogFormat};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The config file; without it, the built-in defaults: the shipped file shows them all.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Form of the log on standard error.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match config_of(arguments.config.as_deref()) {
        Ok(config) => config,
        Err(problems) => return super::complain(&problems.to_string()),
    };
    let log = match logger::set_up(arguments.log_format) {
        Ok(log) => log,
        Err(error) => return super::complain(&format!("cannot start a thread for the log: {error}")),
    };
    let status = match daemon::run(config, arguments.config.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => {
            error!("{}", with_causes(&stopped));
            ExitCode::FAILURE
        }
    };
    log.finish();
    status
}

pub(super) fn config_of(file: Option<&Path>) -> Result<Config, load::Problems> {
    file.map_or_else(|| Ok(Config::default()), load::load)
}

/// An error and what caused it, on one line.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
