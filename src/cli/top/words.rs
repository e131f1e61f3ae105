//! Words and numbers as the screen shows them, in little room.

use std::time::Duration;

pub(super) use super::super::plain::{counted, printable, span};
use crate::event::{self, What};

/// What happened, where it is worth a line of its own: blocks have their table.
pub(super) fn notice(what: &What) -> Option<String> {
    Some(match what {
        What::Blocked(_) | What::WouldBlock(_) => return None,
        What::NotBlocked { source, reason } => format!("{source} is not blocked: {reason}"),
        What::Distributed(scan) => {
            format!("{} sources share a scan of {}, {} ports so far", scan.sources, scan.destination, scan.places)
        }
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

/// A span of time in its largest unit: `9m`.
pub(super) fn short(time: Duration) -> String {
    let both = span(time);
    both.split_once(' ').map_or_else(|| both.clone(), |(first, _)| first.to_owned())
}

/// The longest time that the daemon measures; past it there is only "longer".
const LONGEST_US: u64 = 1 << 20;

/// Microseconds: `12 µs`, or `12 ms` where they are many.
pub(super) fn micros(time: Option<u64>) -> String {
    match time {
        None => "-".to_owned(),
        Some(micros @ 0..10_000) => format!("{micros} µs"),
        Some(micros) if micros > LONGEST_US => "over 1 s".to_owned(),
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
    fn times_are_short_and_round_down() {
        let told = [0, 59, 60, 552, 3661, 90_000].map(|n| short(Duration::from_secs(n)));
        assert_eq!(told, ["0s", "59s", "1m", "9m", "1h", "1d"]);
        assert_eq!([None, Some(12), Some(12_345), Some(u64::MAX)].map(micros), ["-", "12 µs", "12 ms", "over 1 s"]);
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
