//! `nftrap help`: what `--help` says, for those who ask for it by that name. It has no line in the help itself, which has no room.

use std::process::ExitCode;

use clap::CommandFactory as _;

/// Say what can be asked, or what a command does.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which, as `allow add`.
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

/// Its exit status, where there is no such command.
const WRONG_COMMAND_LINE: u8 = 2;

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let names = arguments.command.iter().map(String::as_str);
    let line = ["nftrap"].into_iter().chain(names).chain(["--help"]);
    match super::Arguments::command().try_get_matches_from(line) {
        Err(answer) if !answer.use_stderr() => super::answer(&answer.to_string()),
        Err(problem) => {
            super::complain(problem.to_string().trim_end());
            ExitCode::from(WRONG_COMMAND_LINE)
        }
        Ok(_) => ExitCode::SUCCESS,
    }
}
