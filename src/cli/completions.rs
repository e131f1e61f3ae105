//! `nftrap completions SHELL`: a script for that shell, made from the command line's own definition.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell that is to read the script.
    shell: Known,
}

/// Those that administrators of Linux hosts have.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let shell = match arguments.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut super::Arguments::command(), "nftrap", &mut script);
    super::answer(&String::from_utf8_lossy(&script))
}
