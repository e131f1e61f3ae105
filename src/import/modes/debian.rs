//! /etc/default/portsentry, as Debian has it for 1.2: shell variables, of which those are read that need no shell to be known.

use std::collections::BTreeMap;

use super::{Mode, Modes, Protocol, Watch, Watched};
use crate::import::File;
use crate::import::lines::{lines, shown};
use crate::import::notes::{Notes, Refusal};

/// What Debian's start script was told; nothing, if the file does not set either variable.
pub(super) fn modes(file: &File, notes: &mut Notes) -> Result<Option<Modes>, Refusal> {
    let mut set = BTreeMap::new();
    for line in lines(&file.content) {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        let mut note = |why: &str| notes.add(&file.path, Some(line.number), &shown(line.text), why);
        let (protocol, value) = match assignment(text) {
            Some(("TCP_MODE", value)) => (Protocol::Tcp, value),
            Some(("UDP_MODE", value)) => (Protocol::Udp, value),
            Some(_) => {
                note("left out: PortSentry reads TCP_MODE and UDP_MODE here, and nothing else");
                continue;
            }
            None => {
                note("left out: nothing is executed here; say the modes with --mode if they depend on this line");
                continue;
            }
        };
        let place = format!("{}:{}: {}", file.path, line.number, shown(text));
        set.insert(protocol.name(), watched(protocol, &value, file, (line.number, place))?);
    }
    if set.is_empty() {
        return Ok(None);
    }
    if set.values().all(|watched: &Watched| watched.watch == Watch::Nothing) {
        let help = "set TCP_MODE or UDP_MODE, or say the modes with --mode";
        return Err(Refusal::new(&file.path, None, "it sets no mode: PortSentry does not start with it", help));
    }
    let unset = |protocol: Protocol| Watched {
        watch: Watch::Nothing,
        because: format!("{} sets no mode for {}", file.path, protocol.name()),
    };
    let mut of = |protocol: Protocol| set.remove(protocol.name()).unwrap_or_else(|| unset(protocol));
    Ok(Some(Modes { tcp: of(Protocol::Tcp), udp: of(Protocol::Udp) }))
}

fn watched(protocol: Protocol, value: &str, file: &File, (line, place): (usize, String)) -> Result<Watched, Refusal> {
    if value.is_empty() {
        return Ok(Watched { watch: Watch::Nothing, because: place });
    }
    let mode = Mode::named(value).filter(|mode| mode.protocol() == protocol);
    let mode = mode.ok_or_else(|| {
        let reason = format!("{} is no mode of PortSentry 1.2 for {}", shown(value.as_bytes()), protocol.name());
        Refusal::new(&file.path, Some(line), &reason, "mend it, or say the modes with --mode")
    })?;
    Ok(Watched { watch: mode.watch(), because: place })
}

/// A shell's `NAME=value` whose value needs no shell to be known.
fn assignment(line: &[u8]) -> Option<(&str, String)> {
    let text = std::str::from_utf8(line).ok()?;
    let text = text.strip_prefix("export ").map_or(text, str::trim_start);
    let (name, value) = text.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let (value, rest) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.strip_prefix(quote)?.split_once(quote)?,
        Some(_) | None => value.split_at_checked(value.find([' ', '\t', ';']).unwrap_or(value.len()))?,
    };
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'/' | b' '));
    // A word that goes on, or a second command, changes what the line means.
    let rest_is_comment = rest.is_empty() || rest.starts_with([' ', '\t', ';']);
    let rest = rest.trim_start_matches([' ', '\t', ';']);
    (is_name && plain && rest_is_comment && (rest.is_empty() || rest.starts_with('#')))
        .then(|| (name, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_read_and_nothing_is_executed() {
        for (line, value) in [
            ("TCP_MODE=\"stcp\"", "stcp"),
            ("export TCP_MODE='atcp' # all", "atcp"),
            ("TCP_MODE=tcp;", "tcp"),
            ("TCP_MODE=", ""),
            ("TCP_MODE=\"\"", ""),
        ] {
            assert_eq!(assignment(line.as_bytes()), Some(("TCP_MODE", value.to_owned())), "{line}");
        }
        for line in ["TCP_MODE=$X", "TCP_MODE=\"`id`\"", "TCP_MODE=a'b'", "TCP_MODE=tcp; id", "if x=y", "TCP_MODE=\"a"]
        {
            assert_eq!(assignment(line.as_bytes()), None, "{line}");
        }
    }
}
