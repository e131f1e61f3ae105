//! `nftrap doctor`: what is well with this host and what is not, the worst first.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::ask;
use super::run::config_of;
use crate::config::Config;
use crate::control::wire::{Request, Status};
use crate::doctor::facts::Facts;
use crate::doctor::{self, Check, Report, State};
use crate::kernel::facts;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The config file that nftrap runs with; without it, the one that a running nftrap names, or the built-in defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object: all checks, and how many are problems, warnings, unknown.
    #[arg(long)]
    json: bool,
}

/// 0 if there is no problem, whatever the warnings; 1 otherwise.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let running = || status(&Config::default().table)?.config.map(PathBuf::from);
    let file = arguments.config.clone().or_else(running);
    let config = match config_of(file.as_deref()) {
        Ok(config) => config,
        Err(problems) => return super::complain(&problems.to_string()),
    };
    let status = status(&config.table);
    let facts = Facts {
        queue_numbers: status.as_ref().map(|status| status.queue_numbers),
        guests_apart: status.as_ref().map(|status| status.guests_apart),
        untold: status.as_ref().map(|status| status.untold.clone()).unwrap_or_default(),
        journal_problem: status.and_then(|status| status.journal?.problem),
        ..facts::collect(&config)
    };
    let report = doctor::examine(&facts, &config);
    let answer =
        if arguments.json { serde_json::to_string(&report).map(|json| json + "\n") } else { Ok(text(&report)) };
    let answered = match answer {
        Ok(answer) => super::answer(&answer),
        Err(error) => super::complain(&format!("cannot write the report as JSON: {error}")),
    };
    if report.problems == 0 { answered } else { ExitCode::FAILURE }
}

/// A daemon that is well answers within milliseconds; one that hangs is what other checks find out.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the daemon says of itself. Whether one runs, and may be asked, other checks find out.
fn status(table: &str) -> Option<Status> {
    let (tell, told) = bounded(1);
    let table = table.to_owned();
    // It ends with us, if it waits in vain.
    thread::spawn(move || tell.send(ask::one(&table, &Request::Status)));
    let answer = told.recv_timeout(PATIENCE).ok()?.ok()?;
    ask::read::<Status>(&answer).ok()
}

/// One line a check, and what to do below it; at the end, for who reads the end first, how many there are of what.
fn text(report: &Report) -> String {
    let checks: String = report.checks.iter().map(line).collect();
    let Report { problems, warnings, unknown, .. } = report;
    let many = |count: &usize| if *count == 1 { "" } else { "s" };
    format!("{checks}{problems} problem{}, {warnings} warning{}, {unknown} unknown\n", many(problems), many(warnings))
}

fn line(check: &Check) -> String {
    let Check { name, finding, remedy, .. } = check;
    let state = match check.state {
        State::Ok => "ok",
        State::Unknown => "unknown",
        State::Warning => "warning",
        State::Problem => "PROBLEM",
    };
    let remedy = remedy.as_ref().map(|remedy| format!("         do: {}\n", printable(remedy))).unwrap_or_default();
    format!("{state:<8} {name}: {}\n{remedy}", printable(finding))
}

/// Names of processes are whatever their users like; a terminal is not to obey them.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_has_its_remedy_below_and_commands_no_terminal() {
        let check = |state, remedy: Option<&str>| Check {
            name: "clock",
            state,
            finding: String::from("off \u{1b}[2J"),
            remedy: remedy.map(str::to_owned),
        };
        let checks = vec![check(State::Problem, Some("set it")), check(State::Ok, None)];
        let report = Report { checks, problems: 1, warnings: 0, unknown: 0 };
        let lines = "PROBLEM  clock: off ?[2J\n         do: set it\nok       clock: off ?[2J\n1 problem, 0 warnings, 0 unknown\n";
        assert_eq!(text(&report), lines);
    }
}
