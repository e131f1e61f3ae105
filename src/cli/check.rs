//! `nftrap check FILE`: what `run` would say of the file, and nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::load;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The config file.
    file: PathBuf,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to who calls it")]
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match load::load(&arguments.file) {
        Ok(_) => {
            println!("{}: ok", arguments.file.display());
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::FAILURE
        }
    }
}
