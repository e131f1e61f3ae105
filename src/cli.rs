//! The command line: what can be asked of `nftrap`, and its exit status. The only place that prints.

use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, StdoutLock, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

mod allow;
mod ask;
mod block;
mod change;
mod check;
mod completions;
mod doctor;
mod events;
#[doc(hidden)]
pub mod fuzzing;
mod held;
mod help;
mod history;
mod import;
mod list;
mod man;
mod plain;
mod reload;
mod replay;
mod restore;
mod rules;
mod run;
#[cfg(test)]
mod samples;
mod services;
mod stats;
mod status;
mod table;
mod top;
mod unblock;
mod when;
mod whom;
mod why;
mod words;

/// Ends a port scan at its first probe, on hosts whose firewall is nftables.
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true, help_template = HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Short enough for any terminal.
const HELP: &str = "{about}\n\n{usage-heading} {usage}; `nftrap COMMAND --help` says more\n\n{subcommands}";

/// In the order in which they are wanted: what guards, what looks, what changes, what prepares.
#[derive(Debug, Subcommand)]
enum Command {
    /// Guard this network namespace, in the foreground, until SIGTERM.
    Run(run::Arguments),
    Status(status::Arguments),
    List(list::Arguments),
    #[command(visible_alias = "show")]
    Why(why::Arguments),
    Events(events::Arguments),
    Top(top::Arguments),
    /// Say what happened: who was blocked and why, what operators did.
    History(history::Arguments),
    /// Count past blocks: which ports, sources and networks, and when.
    Stats(stats::Arguments),
    Block(block::Arguments),
    Unblock(unblock::Arguments),
    Allow(allow::Arguments),
    Reload(reload::Arguments),
    /// Say what keeps nftrap from guarding this host, and what to do.
    ///
    /// Exit status: 0 nothing does; 1 something does; 2 a wrong command line.
    Doctor(doctor::Arguments),
    /// Check a config file and say what is wrong with it.
    Check(check::Arguments),
    Import(import::Arguments),
    /// Say who would have been blocked in capture files, and for what.
    Replay(replay::Arguments),
    /// Print the ruleset that `run` would load, ready for `nft -f`.
    Rules(rules::Arguments),
    /// Load ruleset and the journal's blocks, for the time before `run`.
    ///
    /// Nothing is queued, and it ends at once: until the daemon runs, what is blocked stays blocked.
    #[command(hide = true)]
    Restore(restore::Arguments),
    /// Print a manual page, for man: nftrap(8), or nftrap.toml(5).
    Man(man::Arguments),
    /// Print what makes a shell complete this command line.
    #[command(hide = true)]
    Completions(completions::Arguments),
    /// Say what can be asked, or what a command does.
    #[command(hide = true)]
    Help(help::Arguments),
    /// Say which nftrap this is.
    #[command(hide = true)]
    Version,
}

/// Reads the arguments and does what they ask: 0 is success, 1 an error that was explained, 2 a wrong command line.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Block(arguments) => block::run(&arguments),
        Command::Unblock(arguments) => unblock::run(&arguments),
        Command::Allow(arguments) => allow::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Stats(arguments) => stats::run(&arguments),
        Command::Rules(arguments) => rules::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Help(arguments) => help::run(&arguments),
        Command::Version => answer(&Arguments::command().render_version()),
    }
}

/// Who reads the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// Somebody at a terminal, who did not ask for plain text.
    Terminal,
    /// Anything else.
    Plain,
}

fn output() -> Output {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stdout().is_terminal() && !plain { Output::Terminal } else { Output::Plain }
}

/// Prints what was asked for. Who cannot take it (a full disk) learns so by the exit status.
fn answer(text: &str) -> ExitCode {
    let mut stdout = io::stdout();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Where an answer of many lines goes.
fn page() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// The same, to be watched.
fn standard_output() -> io::Stdout {
    io::stdout()
}

/// Ends the process from a thread that is not the one that answers.
#[expect(clippy::exit, reason = "the other thread waits for what may never come, and nobody would read it")]
fn leave() {
    std::process::exit(0)
}

/// How such an answer ended. Who closed the pipe has read enough.
fn written(written: io::Result<()>) -> ExitCode {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => complain(&format!("cannot write the answer: {error}")),
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// Says what is wrong.
fn complain(problem: &str) -> ExitCode {
    // Who closed standard error does not want to know.
    let (Ok(()) | Err(_)) = writeln!(io::stderr(), "{problem}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_fits_on_a_small_terminal() {
        let help = Arguments::command().render_help().to_string();
        assert!(help.lines().count() <= 24, "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        for command in Arguments::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(help.contains(&format!("\n  {}", command.get_name())), "{help}");
        }
    }
}
