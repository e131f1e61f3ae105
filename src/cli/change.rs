//! What all commands have in common that change something: each address is asked for by itself, and what was refused is told at the end.

use std::process::ExitCode;
use std::time::Duration;

use super::ask::{self, Instance};
use super::plain::{counted, json_line, printable};
use crate::control::client::ClientError;
use crate::control::wire::{Changed, MAX_REASON, Request};

/// Whom to ask, and how to answer.
#[derive(Debug, clap::Args)]
pub(super) struct How {
    #[command(flatten)]
    instance: Instance,
    /// One JSON object a line for each change.
    #[arg(long)]
    json: bool,
}

/// About whom a change is that names nobody.
pub(super) const EVERYBODY: &str = "all";

/// One change.
pub(super) struct Change {
    /// About whom, for people.
    pub(super) whom: String,
    /// What is asked for.
    pub(super) request: Request,
}

/// Asks for each, and says what was done, and at last `note`. One that is refused keeps no other from being done.
pub(super) fn each(how: &How, changes: &[Change], note: Option<&str>) -> ExitCode {
    let table = match how.instance.config() {
        Ok(config) => config.table,
        Err(problem) => return super::complain(&problem),
    };
    let (mut refused, mut last_word, mut heard) = (Vec::new(), None, ExitCode::SUCCESS);
    for (n, change) in changes.iter().enumerate() {
        match done(how, &table, &change.request) {
            Ok(text) => {
                // It is done, whoever reads that it is; who cannot is told once.
                if heard == ExitCode::SUCCESS {
                    heard = super::answer(&text);
                }
                last_word = note.filter(|_| !how.json);
            }
            Err(error @ ClientError::Refused { .. }) => {
                refused.push(named(&change.whom, &ask::problem(&error)));
            }
            // Nor would it answer the next.
            Err(error) => {
                let left = changes.len().saturating_sub(n);
                let of =
                    if changes.len() > 1 { format!("{left} of {} not done: ", changes.len()) } else { String::new() };
                refused.push(of + &ask::problem(&error));
                break;
            }
        }
    }
    if let Some(note) = last_word {
        super::answer(&format!("{note}\n"));
    }
    if refused.is_empty() { heard } else { super::complain(&refused.join("\n")) }
}

/// A problem that says whose it is.
fn named(whom: &str, problem: &str) -> String {
    let is_whom =
        |word: &str| word == whom || word.trim_end_matches(',') == whom || word.strip_suffix(':') == Some(whom);
    if whom == EVERYBODY || problem.split_whitespace().any(is_whom) {
        problem.to_owned()
    } else {
        format!("{whom}: {problem}")
    }
}

fn done(how: &How, table: &str, request: &Request) -> Result<String, ClientError> {
    let part = ask::one(table, request)?;
    let changed = ask::read::<Changed>(&part)?;
    Ok(if how.json { json_line(&part) + "\n" } else { shown(&changed) })
}

fn shown(changed: &Changed) -> String {
    let not_stored = (!changed.stored)
        .then(|| "not in the journal: a reboot undoes it; `nftrap status` says how the journal does".to_owned());
    let lines = [&changed.done].into_iter().chain(&changed.notes).chain(&not_stored);
    lines.map(|line| printable(line) + "\n").collect()
}

/// An operator's reason: one line.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if length > MAX_REASON {
        return Err(format!(
            "this is {}: write at most {MAX_REASON}",
            counted(length.try_into().unwrap_or(u64::MAX), "character")
        ));
    }
    if printable(text) != text {
        return Err("control characters are no words: write one line of text".to_owned());
    }
    Ok(text.to_owned())
}

/// How long a block lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// So many seconds.
    Seconds(u64),
    /// Until somebody ends it.
    ForEver,
}

/// As long as the config lets a block be: who writes more means for ever.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// `2h`, `1h 30m` or `forever`.
pub(super) fn length(text: &str) -> Result<Length, &'static str> {
    const HELP: &str = "write it as 90s, 10m, 2h or 7d, in whole seconds, or forever";
    const TOO_LONG: &str = "a block lasts at most 365d, or forever";
    if text == "forever" {
        return Ok(Length::ForEver);
    }
    let length = humantime::parse_duration(text).ok().filter(|length| length.subsec_nanos() == 0 && !length.is_zero());
    match length {
        Some(length) if length > LONGEST => Err(TOO_LONG),
        Some(length) => Ok(Length::Seconds(length.as_secs())),
        None => Err(HELP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_with_what_else_there_is_to_know() {
        let mut changed =
            Changed { done: "blocked 192.0.2.1\n".into(), stored: true, notes: vec!["it is also \u{1b}here".into()] };
        assert_eq!(shown(&changed), "blocked 192.0.2.1\u{fffd}\nit is also \u{fffd}here\n");
        changed.stored = false;
        assert!(
            shown(&changed)
                .ends_with("here\nnot in the journal: a reboot undoes it; `nftrap status` says how the journal does\n")
        );
    }

    #[test]
    fn a_problem_says_whose_it_is_once() {
        assert_eq!(named("192.0.2.1", "192.0.2.1 is not blocked"), "192.0.2.1 is not blocked");
        assert_eq!(named("192.0.2.1", "no operator allowed 192.0.2.1: look"), "no operator allowed 192.0.2.1: look");
        assert_eq!(named("2001:db8::", "2001:db8::, yes"), "2001:db8::, yes");
        assert_eq!(named(EVERYBODY, "nftrap is busy: try again"), "nftrap is busy: try again");
        assert_eq!(named("192.0.2.1", "no"), "192.0.2.1: no");
    }

    #[test]
    fn a_length_is_whole_seconds_or_for_ever() {
        assert_eq!(length("2h"), Ok(Length::Seconds(7200)));
        assert_eq!(length("1h 30m"), Ok(Length::Seconds(5400)));
        assert_eq!(length("forever"), Ok(Length::ForEver));
        assert_eq!(length("365d"), Ok(Length::Seconds(31_536_000)));
        for text in ["10y", "8761h"] {
            assert_eq!(length(text), Err("a block lasts at most 365d, or forever"));
        }
        for text in ["", "2", "0s", "500ms", "-1h", "soon", "99999999999999999999y"] {
            assert!(length(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_reason_is_one_line_of_text() {
        assert_eq!(reason("it scans \"us\" \u{e9}").as_deref(), Ok("it scans \"us\" \u{e9}"));
        assert!(reason("a\nb").is_err());
        assert!(reason("\u{1b}[31m").is_err());
        assert!(reason(&"x".repeat(MAX_REASON)).is_ok());
        assert!(reason(&"x".repeat(MAX_REASON + 1)).unwrap_err().contains("201 characters"));
    }
}
