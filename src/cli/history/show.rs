//! One event, as a row for people or as JSON. From the network come numbers only; what people typed cannot move the cursor.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::cli::plain::{counted, json_line, printable};
use crate::event::{Distributed, Event, Offence, What, plain};

/// A row; before the first, the heads of the columns.
pub(in crate::cli) fn row(out: &mut impl Write, event: &Event, is_first: bool) -> io::Result<()> {
    if is_first {
        let [when, what, whom] = ["when", "event", "whom"];
        writeln!(out, "{when:<20} {what:<16} {whom:<24} details")?;
    }
    let whom = event.what.whom().map_or_else(|| String::from("-"), |whom| plain(&whom));
    let line = format!("{:<20} {:<16} {whom:<24} {}", event.at.to_second(), event.what.name(), details(&event.what));
    writeln!(out, "{}", line.trim_end())
}

fn details(what: &What) -> String {
    match what {
        What::Blocked(offence) | What::WouldBlock(offence) => offence_details(offence),
        What::NotBlocked { reason, .. } => printable(reason),
        What::Distributed(scan) => scan_details(scan),
        What::Unblocked { by, .. } | What::UnblockedAll { by } | What::Disallowed { by, .. } => {
            printable(&format!("by {by}"))
        }
        What::OperatorBlocked { until, reason, by, .. } => {
            let end = until.map_or_else(|| String::from("for good"), |until| format!("until {}", until.to_second()));
            printable(&format!("{end}, by {by}{}", because(reason)))
        }
        What::Allowed { reason, saved, by, .. } => {
            let how_long = if *saved { "saved" } else { "until the daemon ends" };
            printable(&format!("{how_long}, by {by}{}", because(reason)))
        }
        What::Reloaded { waiting, by } => {
            let who = by.as_ref().map_or_else(|| String::from("by a signal"), |by| format!("by {by}"));
            let rest =
                if waiting.is_empty() { String::new() } else { format!("; for a restart: {}", waiting.join(", ")) };
            printable(&format!("{who}{rest}"))
        }
        What::ReloadRefused { problem } => printable(problem),
        What::Started { version, blocks } => {
            printable(&format!("nftrap {version}, {} in force", counted(u64::from(*blocks), "block")))
        }
        What::Stopped => String::new(),
        What::TableRestored { blocks } => format!("with {}", counted(u64::from(*blocks), "block")),
    }
}

fn offence_details(offence: &Offence) -> String {
    let Offence { probe, hits, until, repeat, .. } = offence;
    let mut text = format!("{} to {} {}/{}, ", probe.kind, probe.destination, probe.port, probe.protocol);
    // Writing to a string does not fail.
    let (Ok(()) | Err(_)) =
        write!(text, "{hits} {}, until {}", if *hits == 1 { "hit" } else { "hits" }, until.to_second());
    if *repeat > 1 {
        let (Ok(()) | Err(_)) = write!(text, ", block {repeat}");
    }
    text
}

fn scan_details(scan: &Distributed) -> String {
    let Distributed { destination, sources, places, first, last, among } = scan;
    let among = among.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (first, last) = (first.to_second(), last.to_second());
    format!("{sources} sources asked {destination} for {places} ports from {first} to {last}, among them {among}")
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// A line of JSON.
pub(super) fn json(out: &mut impl Write, event: &Event) -> io::Result<()> {
    writeln!(out, "{}", json_line(&serde_json::to_value(event)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Operator, Wall};

    fn event(json: &str) -> Event {
        serde_json::from_str(json).unwrap()
    }

    fn shown(event: &Event) -> String {
        let mut out = Vec::new();
        row(&mut out, event, false).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_block_is_a_row_that_says_who_why_and_how_long() {
        let blocked = concat!(
            r#"{"at":"2026-11-24T05:55:21.189Z","event":"blocked","source":"198.51.100.2","port":111,"protocol":"tcp","#,
            r#""kind":"syn","destination":"203.0.113.2","hits":1,"until":"2026-11-24T06:05:21.189Z","repeat":2}"#
        );
        assert_eq!(
            shown(&event(blocked)),
            "2026-11-24T05:55:21Z blocked          198.51.100.2             \
             syn to 203.0.113.2 111/tcp, 1 hit, until 2026-11-24T06:05:21Z, block 2\n"
        );
    }

    #[test]
    fn what_an_operator_typed_does_not_reach_the_terminal_as_a_command() {
        let by = Operator { uid: 0, pid: 1, name: Some("ro\u{9b}ot".into()) };
        let reason = String::from("a\u{1b}]0;title\u{7}b\nc\u{202e}d\u{9b}2J");
        let what = What::OperatorBlocked { prefix: "192.0.2.0/24".parse().unwrap(), until: None, reason, by };
        let event = Event { at: Wall::from_millis(0), what };
        let text = shown(&event);
        assert!(text.trim_end().chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text:?}");
        let mut out = Vec::new();
        json(&mut out, &event).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert!(line.trim_end().chars().all(|c| !c.is_control()), "{line:?}");
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }
}
