//! Words and numbers as the screen shows them. Nothing that somebody else wrote passes with characters that command a terminal.

use std::time::Duration;

use crate::event::{self, What};

/// `text` without characters that command a terminal, or that turn round or hide what stands beside them.
pub(super) fn plain(text: &str) -> String {
    let hides = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    text.chars().filter(|&c| !c.is_control() && !hides(c)).collect()
}

/// What happened, where it is worth a line of its own: blocks have their table.
pub(super) fn notice(what: &What) -> Option<String> {
    Some(match what {
        What::Blocked(_) | What::WouldBlock(_) => return None,
        What::NotBlocked { source, reason } => format!("{source} is not blocked: {reason}"),
        What::Unblocked { prefix, by } => format!("{} unblocked by {by}", event::plain(prefix)),
        What::UnblockedAll { by } => format!("all unblocked by {by}"),
        What::OperatorBlocked { prefix, by, .. } => format!("{} blocked by {by}", event::plain(prefix)),
        What::Allowed { prefix, by, .. } => format!("{} put on the allow list by {by}", event::plain(prefix)),
        What::Disallowed { prefix, by } => format!("{} taken off the allow list by {by}", event::plain(prefix)),
        What::Reloaded { .. } => "the config was read anew and is in force".to_owned(),
        What::ReloadRefused { problem } => format!("the config was read anew and refused: {problem}"),
        What::Started { blocks, .. } => format!("nftrap is ready, with {blocks} blocks"),
        What::Stopped => "nftrap ends".to_owned(),
        What::TableRestored { blocks } => format!("somebody removed our table; it is back, with {blocks} blocks"),
    })
}

/// A length of time in at most two units: `9m 12s`.
pub(super) fn long(time: Duration) -> String {
    let seconds = time.as_secs();
    let of = |unit: u64| seconds.checked_div(unit).unwrap_or(0);
    let rest = |unit: u64, of: u64| seconds.checked_rem(of).and_then(|rest| rest.checked_div(unit)).unwrap_or(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", of(60), rest(1, 60)),
        3600..86_400 => format!("{}h {:02}m", of(3600), rest(60, 3600)),
        _ => format!("{}d {:02}h", of(86_400), rest(3600, 86_400)),
    }
}

/// The same in its largest unit: `9m`.
pub(super) fn short(time: Duration) -> String {
    let long = long(time);
    long.split_once(' ').map_or_else(|| long.clone(), |(first, _)| first.to_owned())
}

/// Microseconds: `12 µs`, or `12 ms` where they are many.
pub(super) fn micros(time: Option<u64>) -> String {
    match time {
        None => "-".to_owned(),
        Some(micros @ 0..10_000) => format!("{micros} µs"),
        Some(micros) => format!("{} ms", micros.checked_div(1000).unwrap_or(0)),
    }
}

/// Distinct ones, of which no more than `most` are told apart.
pub(super) fn distinct(n: usize, most: usize) -> String {
    if n < most { n.to_string() } else { format!("{most}+") }
}

/// `text` in `width` characters: the middle goes, for a network's end tells it from its neighbours.
pub(super) fn fit(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(1) else { return String::new() };
    let tail = room.div_ceil(2);
    let head = text.chars().take(room.saturating_sub(tail));
    head.chain(['…']).chain(text.chars().skip(length.saturating_sub(tail))).collect()
}

/// A sentence in `width` characters: its end goes.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(1) else { return String::new() };
    text.chars().take(room).chain(['…']).collect()
}

/// `text` in lines of `width` characters, broken between words where one fits into a line.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let length = |text: &str| text.chars().count();
    for word in text.split_inclusive(' ') {
        let taken = lines.last().map_or(0, |line| length(line));
        let breaks = taken > 0 && taken.saturating_add(length(word.trim_end())) > width;
        if breaks {
            lines.push(String::new());
        }
        for c in word.chars() {
            match lines.last_mut() {
                Some(line) if length(line) < width => line.push(c),
                // A space at the end of a line is seen by nobody.
                Some(_) | None if c == ' ' => {}
                Some(_) | None => lines.push(c.to_string()),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_does_not_pass() {
        assert_eq!(plain("a\u{1b}[31mb\r\n\u{9b}2J\u{7}c\u{7f}"), "a[31mb2Jc");
        assert_eq!(plain("192.0.2.1\u{202e}\u{200b}\u{2066} µs"), "192.0.2.1 µs");
    }

    #[test]
    fn times_are_short_and_round_down() {
        let secs = Duration::from_secs;
        let told = [0, 59, 60, 552, 3599, 3661, 86_399, 90_000].map(|n| long(secs(n)));
        assert_eq!(told, ["0s", "59s", "1m 00s", "9m 12s", "59m 59s", "1h 01m", "23h 59m", "1d 01h"]);
        assert_eq!(short(secs(552)), "9m");
        assert_eq!([micros(None), micros(Some(12)), micros(Some(12_345))], ["-", "12 µs", "12 ms"]);
        assert_eq!([distinct(63, 64), distinct(64, 64)], ["63", "64+"]);
    }

    #[test]
    fn an_address_loses_its_middle_and_a_sentence_its_end() {
        assert_eq!(fit("192.0.2.1", 9), "192.0.2.1");
        assert_eq!(fit("2001:db8:aaaa:bbbb::/64", 15), "2001:db…bb::/64");
        assert_eq!(["abc", "abc", "abc"].map(|text| fit(text, 0)), ["", "", ""]);
        assert_eq!(fit("abc", 1), "…");
        assert_eq!(["", "…", "ab…", "abcd"], [0, 1, 3, 4].map(|width| cut("abcd", width)));
    }

    #[test]
    fn a_text_is_broken_between_words_and_a_long_word_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one 123456789", 4), ["one ", "1234", "5678", "9"]);
        assert_eq!(wrap("", 7), [""]);
    }
}
