//! An event as a line for people, in the words of the log. An event of a later daemon is shown by the same rule: its JSON is flat.

use serde_json::{Map, Value};

use super::Output;
use super::plain::{counted, json_line, printable, time};
use crate::event::Event;

/// What has a place of its own in a line, or none: evidence is for `nftrap why`.
const ELSEWHERE: [&str; 8] = ["at", "event", "source", "prefix", "evidence", "uid", "pid", "user"];

/// A part of what the daemon answers to those who follow events, with the time of day.
pub(super) fn line(part: &Value, output: Output) -> String {
    if let Some(missed) = part.get("missed").and_then(Value::as_u64) {
        return format!("missed {}: they came faster than they were read", counted(missed, "event"));
    }
    let Some((event, name)) = part.as_object().zip(part.get("event").and_then(Value::as_str)) else {
        return json_line(part);
    };
    let at = time(part.get("at").and_then(Value::as_str).unwrap_or_default());
    let time_of_day = at.split_once('T').map_or(at.as_str(), |(_, time)| time);
    [time_of_day, &coloured(name, output), &details(event)].join(" ").trim_end().to_owned()
}

/// An event with its whole time.
pub(super) fn dated(event: &Event) -> String {
    let value = serde_json::to_value(event).unwrap_or_default();
    let details = value.as_object().map(details).unwrap_or_default();
    let line = [time(&event.at.to_string()), coloured(event.what.name(), Output::Plain), details].join(" ");
    line.trim_end().to_owned()
}

fn coloured(name: &str, output: Output) -> String {
    let words = printable(&name.replace('_', " "));
    match (output, name) {
        (Output::Plain, _) => words,
        (Output::Terminal, "blocked" | "operator_blocked") => format!("\x1b[31m{words}\x1b[0m"),
        (Output::Terminal, "not_blocked" | "reload_refused" | "table_restored") => format!("\x1b[33m{words}\x1b[0m"),
        (Output::Terminal, "watched") => format!("\x1b[2m{words}\x1b[0m"),
        (Output::Terminal, _) => format!("\x1b[32m{words}\x1b[0m"),
    }
}

/// Whom it is about, then what belongs to it, then who asked for it.
fn details(event: &Map<String, Value>) -> String {
    let text = |key: &str| event.get(key).and_then(Value::as_str).map(printable);
    let whom = text("source").or_else(|| text("prefix"));
    let pairs = event.iter().filter(|(key, _)| !ELSEWHERE.contains(&key.as_str())).filter_map(|(key, value)| {
        let value = match value {
            Value::Null => return None,
            Value::String(text) if text.is_empty() => return None,
            Value::Array(list) if list.is_empty() => return None,
            Value::String(text) if ["until", "first", "last"].contains(&key.as_str()) => time(text),
            Value::String(text) if text.contains(' ') => Value::from(text.as_str()).to_string(),
            Value::String(text) => text.clone(),
            Value::Array(list) => list.iter().map(word).collect::<Vec<_>>().join(","),
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
        };
        Some(printable(&format!("{key}={value}")))
    });
    let by = text("user").or_else(|| event.get("uid").map(|uid| format!("uid {uid}"))).map(|who| format!("by {who}"));
    whom.into_iter().chain(pairs).chain(by).collect::<Vec<_>>().join(" ")
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> String {
        line(&serde_json::from_str(json).unwrap(), Output::Plain)
    }

    const BLOCKED: &str = concat!(
        r#"{"at":"2026-11-24T05:55:21.189Z","event":"blocked","source":"198.51.100.2","port":111,"protocol":"tcp","#,
        r#""kind":"syn","destination":"203.0.113.2","hits":1,"until":"2026-11-24T06:05:21.189Z","repeat":1,"#,
        r#""evidence":[{"at":"2026-11-24T05:55:21.189Z","port":111,"protocol":"tcp","kind":"syn","#,
        r#""destination":"203.0.113.2"}]}"#
    );

    #[test]
    fn a_block_reads_as_in_the_log() {
        let words = "198.51.100.2 port=111 protocol=tcp kind=syn destination=203.0.113.2 hits=1 \
                     until=2026-11-24T06:05:21Z repeat=1";
        assert_eq!(shown(BLOCKED), format!("05:55:21Z blocked {words}"));
        let event = serde_json::from_str::<Event>(BLOCKED).unwrap();
        assert_eq!(dated(&event), format!("2026-11-24T05:55:21Z blocked {words}"));
    }

    #[test]
    fn what_operators_do_is_told_with_their_names() {
        let at = r#""at":"2026-11-24T05:55:21.189Z""#;
        for (json, expected) in [
            (
                r#""event":"unblocked","prefix":"192.0.2.1","uid":1000,"pid":4321,"user":"alice""#,
                "unblocked 192.0.2.1 by alice",
            ),
            (r#""event":"unblocked_all","uid":1000,"pid":4321"#, "unblocked all by uid 1000"),
            (
                r#""event":"operator_blocked","prefix":"192.0.2.0/24","reason":"so much noise","uid":0,"pid":1,"user":"root""#,
                r#"operator blocked 192.0.2.0/24 reason="so much noise" by root"#,
            ),
            (r#""event":"reloaded","waiting":["queue.count","table"]"#, "reloaded waiting=queue.count,table"),
            (
                r#""event":"distributed","destination":"192.0.2.1","sources":20,"places":30,"first":"2026-11-24T05:55:20.5Z","last":"2026-11-24T05:55:21Z","among":["198.51.100.1","198.51.100.2"]"#,
                "distributed destination=192.0.2.1 sources=20 places=30 first=2026-11-24T05:55:20Z \
                 last=2026-11-24T05:55:21Z among=198.51.100.1,198.51.100.2",
            ),
            (r#""event":"stopped""#, "stopped"),
        ] {
            assert_eq!(shown(&format!("{{{at},{json}}}")), format!("05:55:21Z {expected}"));
        }
    }

    #[test]
    fn what_was_missed_and_what_is_new_is_told_too() {
        assert_eq!(shown(r#"{"missed":1200}"#), "missed 1,200 events: they came faster than they were read");
        assert_eq!(
            shown(r#"{"at":"2026-11-24T05:55:21Z","event":"sung","song":{"a":1}}"#),
            r#"05:55:21Z sung song={"a":1}"#
        );
        assert_eq!(shown(r#"{"what":"is this"}"#), r#"{"what":"is this"}"#);
    }

    #[test]
    fn colours_are_ours_alone() {
        let value = serde_json::json!({"at": "2026-11-24T05:55:21Z", "event": "allowed", "prefix": "::1", "reason": "\u{1b}[2J"});
        assert_eq!(line(&value, Output::Terminal), "05:55:21Z \u{1b}[32mallowed\u{1b}[0m ::1 reason=\u{fffd}[2J");
        assert!(!line(&value, Output::Plain).contains('\u{1b}'));
    }
}
