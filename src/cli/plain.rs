//! Times, spans of time and other people's words, as they are fit to print.

use crate::event::Wall;
pub(super) use crate::event::span;

/// Without what a terminal obeys: control characters, and those that turn the direction of writing.
pub(super) fn printable(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// JSON as one line. Some control characters may stand in JSON as they are, and a terminal obeys them all the same.
pub(super) fn json_line(value: &serde_json::Value) -> String {
    let mut line = String::new();
    for c in value.to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' => line.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => line.push(c),
        }
    }
    line
}

/// To the second: who needs more has JSON. What is no time is printed as it is.
pub(super) fn time(text: &str) -> String {
    let parsed = text.parse::<Wall>().map(|at| at.to_string()).ok();
    let seconds = parsed.as_deref().and_then(|text| text.split_once('.')).map(|(seconds, _)| format!("{seconds}Z"));
    seconds.unwrap_or_else(|| printable(text))
}

/// With a mark between thousands.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (left, digit) in (0..digits.len()).rev().zip(digits.chars()) {
        text.push(digit);
        if left > 0 && left.is_multiple_of(3) {
            text.push(',');
        }
    }
    text
}

/// `1 packet`, `2 packets`.
pub(super) fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", number(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_span_is_its_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (552, "9m 12s"),
            (3600, "1h"),
            (3601, "1h"),
            (7199, "1h 59m"),
            (90_000, "1d 1h"),
            (40 * 86_400, "40d"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_time_is_shown_to_the_second() {
        assert_eq!(time("2026-11-24T06:05:21.189Z"), "2026-11-24T06:05:21Z");
        assert_eq!(time("2026-11-24T06:05:21Z"), "2026-11-24T06:05:21Z");
        assert_eq!(time("soon\n"), "soon\u{fffd}");
    }

    #[test]
    fn what_people_typed_cannot_command_a_terminal() {
        assert_eq!(printable("a\u{1b}[2J\u{202e}b\u{9b}\t\u{e9}"), "a\u{fffd}[2J\u{fffd}b\u{fffd}\u{fffd}\u{e9}");
        let value = serde_json::json!({"reason": "a\u{1b}\u{9b}\u{7f}\u{e9}"});
        let line = json_line(&value);
        assert_eq!(line, "{\"reason\":\"a\\u001b\\u009b\\u007f\u{e9}\"}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[test]
    fn numbers_are_grouped_and_counted() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(number(n), text);
        }
        assert_eq!((counted(1, "packet"), counted(0, "packet")), ("1 packet".into(), "0 packets".into()));
    }
}
