//! portsentry.conf: whose it is, and what its keys say to that PortSentry.

use std::collections::BTreeMap;

use super::key::Key;
use super::lines::{Line, lines, shown};
use super::notes::{Notes, Refusal};
use super::{File, Question, Version};

mod one;
mod two;

/// What a key says, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) value: String,
}

impl Entry {
    /// The key and what it says, as on its line.
    pub(super) fn shown(&self, key: Key) -> String {
        format!("{}=\"{}\"", key.name(), shown(self.value.as_bytes()))
    }
}

type Entries = BTreeMap<Key, Entry>;

/// The file, as its PortSentry reads it.
pub(super) struct Conf {
    pub(super) version: Version,
    /// Why it is taken for a file of that version.
    pub(super) because: String,
    pub(super) path: String,
    pub(super) name: String,
    entries: Entries,
}

impl Conf {
    pub(super) fn read(file: &File, question: &Question, notes: &mut Notes) -> Result<Self, Refusal> {
        let lines: Vec<_> = lines(&file.content).collect();
        let (version, because) = whose(&lines, question);
        notes.add(&file.path, None, &format!("read as a file of {}", version.name()), &because);
        let entries = match version {
            Version::One => one::entries(&lines, &file.path, notes),
            Version::Two => two::entries(&lines, &file.path, notes)?,
        };
        if entries.is_empty() {
            let help = "name PortSentry's own configuration file with --conf FILE";
            return Err(Refusal::new(&file.path, None, "there is no key of PortSentry's in it", help));
        }
        if version == Version::Two && !entries.contains_key(&Key::TcpPorts) && !entries.contains_key(&Key::UdpPorts) {
            let reason = "neither TCP_PORTS nor UDP_PORTS is there: PortSentry 2 does not start with it";
            return Err(Refusal::new(
                &file.path,
                None,
                reason,
                "add one of them; if this is a file of PortSentry 1.2, say --version 1",
            ));
        }
        Ok(Self { version, because, path: file.path.clone(), name: file.name.clone(), entries })
    }

    pub(super) fn entry(&self, key: Key) -> Option<&Entry> {
        self.entries.get(&key)
    }

    /// The same, if it says anything.
    pub(super) fn filled(&self, key: Key) -> Option<&Entry> {
        self.entry(key).filter(|entry| !entry.value.trim().is_empty())
    }
}

/// Whose file it is, and how that is known.
fn whose(lines: &[Line<'_>], question: &Question) -> (Version, String) {
    if let Some(version) = question.version {
        return (version, "as --version says".to_owned());
    }
    if let Some((key, line)) = Key::ONLY_OF_ONE.iter().find_map(|key| Some((key, one::line_of(lines, *key)?))) {
        return (Version::One, format!("line {line} has {}, which PortSentry 2 does not know", key.name()));
    }
    if question.connect {
        return (Version::Two, "--connect is an option of PortSentry 2".to_owned());
    }
    if let Some(line) = two::line_with_a_range(lines) {
        return (Version::Two, format!("line {line} has a range of ports, which PortSentry 1.2 does not know"));
    }
    if !question.modes.is_empty() {
        return (Version::One, "--mode is what PortSentry 1.2 is started with".to_owned());
    }
    if let Err(refusal) = two::entries(lines, "", &mut Notes::default()) {
        return (Version::One, format!("PortSentry 2 would not start with it: {}", refusal.reason()));
    }
    let needed = [Key::IgnoreFile, Key::HistoryFile, Key::BlockedFile];
    if let Some(key) = needed.iter().find(|key| one::line_of(lines, **key).is_none()) {
        return (Version::Two, format!("{} is missing, without which PortSentry 1.2 does not start", key.name()));
    }
    let both =
        "both versions read it, and what only 1.2 has (ADVANCED_ keys) is not there; if that is wrong, say --version 1";
    (Version::Two, both.to_owned())
}
