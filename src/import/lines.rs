//! Lines as C programs of the nineties read them, and foreign text made fit to be shown. Total: answers to any bytes.

/// What `fgets` takes at once for a buffer of 1024 bytes: what is longer is several lines to PortSentry.
const TAKEN: usize = 1023;
/// More of a line than this is not read by people; PortSentry's longest list of its own fits.
const SHOWN: usize = 220;

/// What one `fgets` brought.
pub(super) struct Line<'a> {
    /// Of the line in the file, from 1.
    pub(super) number: usize,
    /// Up to the line's end or the first NUL, where a C string ends.
    pub(super) text: &'a [u8],
    /// Where in its line this begins.
    pub(super) part: Part,
    /// Whether it is all of its line, and how that ended.
    pub(super) end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    First,
    Later,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At its line feed.
    LineFeed,
    /// Too long for the buffer.
    Cut,
    /// At the file's end, without a line feed.
    OfFile,
    /// At a NUL.
    Nul,
}

/// All lines of a file.
pub(super) fn lines(content: &[u8]) -> impl Iterator<Item = Line<'_>> {
    content.split_inclusive(|byte| *byte == b'\n').zip(1..).flat_map(|(whole, number)| pieces(whole, number))
}

fn pieces(whole: &[u8], number: usize) -> Vec<Line<'_>> {
    let mut pieces = Vec::new();
    let (mut part, mut rest) = (Part::First, whole);
    while !rest.is_empty() {
        let (taken, left) = rest.split_at_checked(TAKEN).unwrap_or((rest, &[]));
        pieces.push(line(number, taken, part, left));
        (part, rest) = (Part::Later, left);
    }
    pieces
}

fn line<'a>(number: usize, taken: &'a [u8], part: Part, left: &[u8]) -> Line<'a> {
    let (text, end) = match taken.strip_suffix(b"\n") {
        Some(text) => (text, End::LineFeed),
        None if left.is_empty() => (taken, End::OfFile),
        None => (taken, End::Cut),
    };
    let before_nul = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let end = if before_nul.len() < text.len() { End::Nul } else { end };
    Line { number, text: before_nul, part, end }
}

/// What C's `atoi` makes of a text: blanks, a sign, digits; the rest is ignored.
pub(super) fn atoi(text: &str) -> i64 {
    let text = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.bytes().take_while(u8::is_ascii_digit);
    let number = digits
        .fold(0_i64, |number, digit| number.saturating_mul(10).saturating_add(i64::from(digit.saturating_sub(b'0'))));
    number.saturating_mul(sign)
}

/// Bytes as a line shows them: at most so many, and nothing that steers a terminal or ends a comment.
pub(super) fn shown(bytes: &[u8]) -> String {
    let (start, rest) = bytes.split_at_checked(SHOWN).unwrap_or((bytes, &[]));
    let more = if rest.is_empty() { "" } else { "..." };
    format!("{}{more}", printable(&String::from_utf8_lossy(start)))
}

/// Letters, digits and what ASCII prints; a tab is a blank, and the rest question marks.
pub(super) fn printable(text: &str) -> String {
    let show = |c: char| match c {
        '\t' => ' ',
        c if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() => c,
        _ => '?',
    };
    text.chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_the_buffer_ends_and_its_rest_is_a_line() {
        let text = [&b"a".repeat(1024)[..], b"\nb\0c\n", b"d"].concat();
        let lines: Vec<_> = lines(&text).map(|l| (l.number, l.text.len(), l.part, l.end)).collect();
        let expected = [
            (1, 1023, Part::First, End::Cut),
            (1, 1, Part::Later, End::LineFeed),
            (2, 1, Part::First, End::Nul),
            (3, 1, Part::First, End::OfFile),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_line_that_fills_the_buffer_leaves_its_line_feed_for_the_next() {
        let text = [&b"a".repeat(1023)[..], b"\n"].concat();
        let ends: Vec<_> = lines(&text).map(|l| (l.text.len(), l.end)).collect();
        assert_eq!(ends, [(1023, End::Cut), (0, End::LineFeed)]);
    }

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, number) in [("12", 12), (" \t+7x", 7), ("-3", -3), ("abc", 0), ("", 0), ("1-5", 1), ("- 1", 0)] {
            assert_eq!(atoi(text), number, "{text}");
        }
        assert_eq!(atoi(&"9".repeat(50)), i64::MAX);
    }

    #[test]
    fn what_is_shown_is_bounded_and_steers_nothing() {
        assert_eq!(shown(b"a\x1b[31m\tb\n\xff\xe2\x80\xae"), "a?[31m b???");
        assert_eq!(shown(&b"x".repeat(1000)).len(), SHOWN + 3);
    }
}
