//! The command line: what can be asked of `nftrap`, and its exit status. The only place that prints.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod doctor;
mod replay;
mod restore;
mod rules;
mod run;

/// Ends a port scan at its first probe, on hosts and gateways whose firewall is nftables.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Guard this network namespace, in the foreground, until SIGTERM or SIGINT.
    Run(run::Arguments),
    /// Check a config file and say what is wrong with it.
    Check(check::Arguments),
    /// Look at this host, and say what keeps nftrap from guarding it, and what to do; status 1 if something does.
    Doctor(doctor::Arguments),
    /// Say what would have become of the traffic in capture files: who would have been blocked, when, and for what.
    Replay(replay::Arguments),
    /// Load the ruleset and the blocks that the journal has, with nothing queued, and end: for the time before `run`.
    Restore(restore::Arguments),
    /// Print the ruleset that `run` would load, ready for `nft -f`.
    Rules(rules::Arguments),
}

/// Reads the arguments and does what they ask: 0 is success, 1 an error that was explained, 2 a wrong command line.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Rules(arguments) => rules::run(&arguments),
    }
}

/// Prints what was asked for. Who does not take it (a full disk, a closed pipe) learns so by the exit status.
fn answer(text: &str) -> ExitCode {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("cannot write the answer: {error}")),
    }
}

/// Says what is wrong.
fn complain(problem: &str) -> ExitCode {
    // Who closed standard error does not want to know.
    let (Ok(()) | Err(_)) = writeln!(io::stderr(), "{problem}");
    ExitCode::FAILURE
}
