//! `nftrap check FILE`: what `run` would say of the file, and nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::load;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The config file.
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match load::load(&arguments.file) {
        Ok(_) => super::answer(&format!("{}: ok\n", arguments.file.display())),
        Err(problems) => super::complain(&problems.to_string()),
    }
}
