//! The grammar of PortSentry 1.2: it looks through the file once for each key, takes the first line that fits, and whatever stands
//! between the first two quotes there.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entries, Entry};
use crate::import::key::Key;
use crate::import::lines::{End, Line, Part, shown};
use crate::import::notes::Notes;

/// The first line of `key`.
pub(super) fn line_of(lines: &[Line<'_>], key: Key) -> Option<usize> {
    let line = lines.iter().find(|line| fits(line.text, key))?;
    Some(line.number)
}

/// What each key says.
pub(super) fn entries(lines: &[Line<'_>], path: &str, notes: &mut Notes) -> Entries {
    let mut entries = Entries::new();
    let mut read = BTreeSet::new();
    let mut first = BTreeMap::new();
    for key in Key::OF_ONE {
        let Some((index, line)) = (0_usize..).zip(lines).find(|(_, line)| fits(line.text, key)) else { continue };
        read.insert(index);
        first.insert(key, line.number);
        let what = shown(line.text);
        let mut note = |why: &str| notes.add(path, Some(line.number), &what, why);
        if !line.text.starts_with(key.name().as_bytes()) {
            note(&format!("PortSentry 1.2 takes this for {}, since that name stands in it; move the word", key.name()));
        }
        match value(line) {
            Some((value, ending)) => {
                if let Some(why) = ending.oddity(line.end) {
                    note(&why);
                }
                entries.insert(key, Entry { line: line.number, value });
            }
            None => note("no quotes, so PortSentry 1.2 goes without this key, further lines of it included: not read"),
        }
    }
    for (_, line) in (0_usize..).zip(lines).filter(|(index, _)| !read.contains(index)) {
        if let Some(why) = unread(line, &first) {
            notes.add(path, Some(line.number), &shown(line.text), &why);
        }
    }
    entries
}

/// Whether the line is one of `key`, to PortSentry 1.2: the name is in it, and an equals sign or a blank at the name's length.
fn fits(line: &[u8], key: Key) -> bool {
    let name = key.name().as_bytes();
    let ended = line.get(name.len()).is_some_and(|byte| matches!(byte, b'=' | b' '));
    ended && !line.starts_with(b"#") && line.windows(name.len()).any(|window| window == name)
}

/// How a value ended.
enum Ending<'a> {
    /// With its quote, and what stands behind that.
    Quote(&'a [u8]),
    /// With a byte that it does not print.
    Unprintable,
    Line,
}

impl Ending<'_> {
    fn oddity(&self, end: End) -> Option<String> {
        let why = match (self, end) {
            (Self::Quote(behind), _) => {
                let cut = behind.trim_ascii();
                let says = !cut.is_empty() && !cut.starts_with(b"#");
                let why = "read up to the second quote, as PortSentry 1.2 reads it; cut off:";
                return says.then(|| format!("{why} {}", shown(cut)));
            }
            (Self::Unprintable, _) => "read up to the first byte that is not ASCII, as PortSentry 1.2 reads it",
            (Self::Line, End::Cut) => "read up to its 1023rd byte, as PortSentry 1.2 reads it: shorten the line",
            (Self::Line, End::LineFeed | End::OfFile | End::Nul) => {
                "the closing quote is missing: read to the line's end, as PortSentry 1.2 reads it"
            }
        };
        Some(why.to_owned())
    }
}

/// What the line says between its quotes; nothing, if it has none.
fn value<'a>(line: &Line<'a>) -> Option<(String, Ending<'a>)> {
    let open = line.text.iter().position(|byte| *byte == b'"')?;
    let rest = line.text.get(open.saturating_add(1)..)?;
    let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
    let printed: String =
        rest.iter().take_while(|byte| matches!(byte, b' '..=b'~') && **byte != b'"').copied().map(char::from).collect();
    let ending = match rest.get(printed.len()..).and_then(<[u8]>::split_first) {
        Some((b'"', behind)) => Ending::Quote(behind),
        Some(_) => Ending::Unprintable,
        None => Ending::Line,
    };
    Some((printed, ending))
}

/// Why a line that says something is read by nobody.
fn unread(line: &Line<'_>, first: &BTreeMap<Key, usize>) -> Option<String> {
    let said = line.text.trim_ascii();
    if said.is_empty() || line.text.starts_with(b"#") {
        return None;
    }
    if line.part == Part::Later {
        return Some(
            "the rest of a line of more than 1023 bytes, which PortSentry 1.2 does not read: left out".to_owned(),
        );
    }
    if let Some((_, first)) = first.iter().find(|(key, _)| fits(line.text, **key)) {
        return Some(format!("left out: PortSentry 1.2 takes the first line of a key, which is line {first}"));
    }
    // The longer of two names that begin alike comes first.
    let named = Key::OF_ONE.into_iter().find(|key| said.starts_with(key.name().as_bytes()));
    Some(match named {
        Some(key) => format!(
            "left out: PortSentry 1.2 sees {} only at the line's start with `=` or a blank behind it; if it is meant, mend it and import again",
            key.name()
        ),
        None => "left out: no key of PortSentry 1.2".to_owned(),
    })
}
