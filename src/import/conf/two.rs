//! The grammar of PortSentry 2: every line is a comment at its first byte, blank, or `KEY = "value"`; the last line of a key counts.

use super::{Entries, Entry};
use crate::import::key::Key;
use crate::import::lines::{End, Line, Part, shown};
use crate::import::notes::{Notes, Refusal};

/// What each key says; or the first line with which it would not start.
pub(super) fn entries(lines: &[Line<'_>], path: &str, notes: &mut Notes) -> Result<Entries, Refusal> {
    let mut entries = Entries::new();
    for line in lines {
        let refuse = |reason: String, help: &str| Refusal::new(path, Some(line.number), &reason, help);
        let Some((name, value)) = parts(line).map_err(|(reason, help)| refuse(reason.to_owned(), help))? else {
            continue;
        };
        let Some(key) = Key::OF_TWO.into_iter().find(|key| key.name().as_bytes().starts_with(name)) else {
            let reason = format!("PortSentry 2 has no key {}", shown(name));
            return Err(refuse(reason, "take the line out; if this is a file of PortSentry 1.2, say --version 1"));
        };
        let what = shown(line.text);
        let mut note = |why: &str| notes.add(path, Some(line.number), &what, why);
        if name.len() < key.name().len() {
            note(&format!("read as {}, as PortSentry 2 reads a key that is cut short: write it out", key.name()));
        }
        let Ok(value) = String::from_utf8(value.to_vec()) else {
            note("left out: it is not UTF-8, and the config of nftrap is");
            continue;
        };
        sound(key, &value).map_err(|(reason, help)| refuse(reason, help))?;
        if let Some(before) = entries.insert(key, Entry { line: line.number, value }) {
            let why = "left out: a line further down sets it again, and PortSentry 2 takes the last one";
            notes.add(path, Some(before.line), &before.shown(key), why);
        }
    }
    Ok(entries)
}

/// The first line with a list of ports in which a range stands.
pub(super) fn line_with_a_range(lines: &[Line<'_>]) -> Option<usize> {
    let is_range = |token: &[u8]| {
        let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        let mut ends = token.trim_ascii().split(|byte| *byte == b'-');
        matches!((ends.next(), ends.next(), ends.next()), (Some(first), Some(last), None) if digits(first) && digits(last))
    };
    let line = lines.iter().find(|line| {
        let entry = parts(line).ok().flatten().filter(|(name, _)| matches!(*name, b"TCP_PORTS" | b"UDP_PORTS"));
        entry.is_some_and(|(_, value)| value.split(|byte| *byte == b',').any(is_range))
    })?;
    Some(line.number)
}

type Parts<'a> = (&'a [u8], &'a [u8]);
/// What is wrong, and what to do.
type Wrong = (&'static str, &'static str);

/// The key and the value of a line; nothing, if it is a comment or blank.
fn parts<'a>(line: &Line<'a>) -> Result<Option<Parts<'a>>, Wrong> {
    let text = line.text;
    if line.end == End::Nul {
        return Err(("there is a NUL in the line", "take it out"));
    }
    if text.is_empty() || text.starts_with(b"#") || text.starts_with(b"\r") {
        return Ok(None);
    }
    if line.part == Part::Later {
        return Err(("the line is longer than 1023 bytes, and PortSentry 2 takes its rest for a line", "shorten it"));
    }
    let form = "PortSentry 2 wants comments, empty lines and KEY=\"value\" from the line's first byte on: mend it, or say --version 1";
    let name_length = text.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b'_').count();
    let (name, rest) = text.split_at_checked(name_length).unwrap_or((text, &[]));
    if name.is_empty() {
        return Err(("the line does not begin with a key, a `#`, or its end", form));
    }
    let after_equals = blanks_off(rest).strip_prefix(b"=").ok_or(("there is no `=` behind the key", form))?;
    let quoted = blanks_off(after_equals).strip_prefix(b"\"").ok_or(("there is no quote behind the `=`", form))?;
    let length = quoted.iter().position(|byte| *byte == b'"').ok_or(("the closing quote is missing", form))?;
    match quoted.get(..length) {
        Some(value) if !value.is_empty() => Ok(Some((name, value))),
        Some(_) | None => Err(("there is nothing between the quotes", "take the line out, or say --version 1")),
    }
}

fn blanks_off(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(blanks..).unwrap_or_default()
}

/// Numbers that PortSentry 2 would not start with.
fn sound(key: Key, value: &str) -> Result<(), (String, &'static str)> {
    let wrong = |help| Err((format!("{} cannot be \"{}\" to PortSentry 2", key.name(), shown(value.as_bytes())), help));
    match key {
        Key::BlockTcp | Key::BlockUdp if !matches!(value, "0" | "1" | "2") => {
            wrong("write 0 (report), 1 (block) or 2 (run KILL_RUN_CMD)")
        }
        Key::ResolveHost if !matches!(value, "0" | "1") => wrong("write 0 or 1"),
        Key::ScanTrigger if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) => {
            wrong("write a number")
        }
        Key::TcpPorts
        | Key::UdpPorts
        | Key::AdvancedPortsTcp
        | Key::AdvancedPortsUdp
        | Key::AdvancedExcludeTcp
        | Key::AdvancedExcludeUdp
        | Key::IgnoreFile
        | Key::HistoryFile
        | Key::BlockedFile
        | Key::ResolveHost
        | Key::BlockUdp
        | Key::BlockTcp
        | Key::KillRoute
        | Key::KillHostsDeny
        | Key::KillRunCmdFirst
        | Key::KillRunCmd
        | Key::ScanTrigger
        | Key::PortBanner => Ok(()),
    }
}
