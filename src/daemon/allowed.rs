//! Whom operators allowed while the daemon runs, beside the config's list: until it ends, or for good, in a file of lines that the config
//! could read as well. **Bounded.**

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use log::warn;

use crate::control::server::Refusal;
use crate::detect::prefixes::Prefixes;
use crate::event::plain;
use crate::journal::{read_operators, replace_ours};

/// More belong into the config.
const MAX_ENTRIES: usize = 4096;
/// Lines of reasons and all; what is longer we did not write.
const MAX_FILE: u64 = 4 << 20;
/// The first line of a new file.
const HEAD: &str = "# Whom operators allowed for good. `nftrap allow add --save` and `allow remove` change lines here, and so may you: \
                    they are read within seconds.\n";

/// One whom an operator allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) prefix: IpNet,
    pub(super) reason: String,
    /// Whether it is in the file, too.
    pub(super) saved: bool,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowed {
    entries: Vec<Entry>,
    file: Option<PathBuf>,
}

impl Allowed {
    /// What `file` has; nothing, if it is not there. A line that is no address is said and passed over, and so is a file that may be
    /// anybody's: to guard nobody would be worse.
    pub(super) fn load(file: Option<PathBuf>) -> io::Result<Self> {
        let Some(path) = &file else { return Ok(Self::default()) };
        let text = read(path).or_else(|error| {
            if error.kind() != io::ErrorKind::InvalidData {
                return Err(error);
            }
            warn!(error:%, file:% = path.display(); "nobody is allowed by a list that is not ours to trust");
            Ok(String::new())
        })?;
        let (entries, bad) = parse(&text);
        for number in bad {
            warn!(file:% = path.display(), line = number; "neither an address nor a prefix: nobody is allowed by this line");
        }
        Ok(Self { entries, file })
    }

    /// The same with the file as it is now, which people may have edited: what it has is saved, and what it had not is gone.
    pub(super) fn read_again(&self) -> Result<Self, Refusal> {
        let Some(file) = &self.file else { return Ok(self.clone()) };
        let (_, of_file) = read_all(file)?;
        Ok(Self { entries: self.beside(of_file), file: self.file.clone() })
    }

    /// All of them.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Together with the config's list.
    pub(super) fn with(&self, config: &Prefixes) -> Prefixes {
        let ours = self.entries.iter().map(|entry| entry.prefix);
        Prefixes::new(&config.nets().chain(ours).collect::<Vec<_>>())
    }

    /// Adds one, or puts it in place of the same one, and says what is there now: who was saved stays so until removed.
    pub(super) fn add(&mut self, mut entry: Entry) -> Result<Entry, Refusal> {
        let known = self.entries.iter().find(|known| known.prefix == entry.prefix);
        if known.is_none() && self.entries.len() >= MAX_ENTRIES {
            return Err(Refusal::new(
                format!("operators allowed {MAX_ENTRIES} already"),
                "put long lists into the config",
            ));
        }
        entry.saved |= known.is_some_and(|known| known.saved);
        if entry.saved {
            self.entries = self.beside(self.rewrite(entry.prefix, Some(&entry))?);
        } else {
            self.entries.retain(|known| known.prefix != entry.prefix);
            self.entries.push(entry.clone());
        }
        Ok(entry)
    }

    /// Takes one back.
    pub(super) fn remove(&mut self, prefix: IpNet) -> Result<Entry, Refusal> {
        let entry = self.entries.iter().find(|known| known.prefix == prefix).cloned().ok_or_else(|| {
            Refusal::new(
                format!("no operator allowed {}", plain(&prefix)),
                "`nftrap allow list` shows who is allowed and by what; the config's list is changed in its file",
            )
        })?;
        if entry.saved {
            self.entries = self.beside(self.rewrite(prefix, None)?);
        }
        self.entries.retain(|known| known.prefix != prefix);
        Ok(entry)
    }

    /// Has all as it was `before` what was just done about `prefix`, in the file, too.
    pub(super) fn take_back(&mut self, before: Vec<Entry>, prefix: IpNet) -> Result<(), Refusal> {
        let of_it = |entries: &[Entry]| entries.iter().find(|known| known.prefix == prefix && known.saved).cloned();
        let (was, is) = (of_it(&before), of_it(&self.entries));
        self.entries = before;
        if was == is { Ok(()) } else { self.rewrite(prefix, was.as_ref()).map(drop) }
    }

    /// Those who are allowed until we end, and what the file has.
    fn beside(&self, of_file: Vec<Entry>) -> Vec<Entry> {
        let in_file: HashSet<_> = of_file.iter().map(|entry| entry.prefix).collect();
        let until_we_end =
            self.entries.iter().filter(|known| !known.saved && !in_file.contains(&known.prefix)).cloned();
        let until_we_end: Vec<_> = until_we_end.collect();
        of_file.into_iter().chain(until_we_end).collect()
    }

    /// Puts `entry` into the file in place of the lines about `prefix`, and says all that it has now: every other line stays as people
    /// wrote it. A file that we cannot read we do not write either.
    fn rewrite(&self, prefix: IpNet, entry: Option<&Entry>) -> Result<Vec<Entry>, Refusal> {
        let file = self.file.as_deref().ok_or_else(|| {
            Refusal::new(
                "there is no folder to keep it in",
                "set [journal] file in the config, or put it into [allow] there",
            )
        })?;
        let (text, _) = read_all(file)?;
        let text = with_line(&text, prefix, entry);
        replace_ours(file, text.as_bytes()).map_err(|error| {
            Refusal::new(format!("cannot write {}: {error}", file.display()), "nothing was changed; check the folder")
        })?;
        Ok(parse(&text).0)
    }
}

/// `text` with `entry` instead of what it says about `prefix`.
fn with_line(text: &str, prefix: IpNet, entry: Option<&Entry>) -> String {
    let ours = entry.map(|entry| format!("{}  # {}\n", plain(&entry.prefix), entry.reason));
    let about_others = |line: &&str| !matches!(of_line(line), Some(Ok(known)) if known.prefix == prefix);
    let head = if text.is_empty() { HEAD } else { "" };
    let kept = text.lines().filter(about_others).flat_map(|line| [line, "\n"]);
    [head].into_iter().chain(kept).chain(ours.as_deref()).collect()
}

/// What the lines say, each prefix once, and the numbers of those that say nothing we know.
fn parse(text: &str) -> (Vec<Entry>, Vec<usize>) {
    let (mut entries, mut bad, mut known) = (Vec::new(), Vec::new(), HashSet::new());
    for (line, number) in text.lines().zip(1..) {
        match of_line(line) {
            Some(Ok(entry)) if known.insert(entry.prefix) => entries.push(entry),
            Some(Ok(_)) | None => {}
            Some(Err(NoPrefix)) => bad.push(number),
        }
    }
    (entries, bad)
}

/// A line that is neither an address nor a prefix.
struct NoPrefix;

fn of_line(line: &str) -> Option<Result<Entry, NoPrefix>> {
    let (prefix, reason) = line.split_once('#').unwrap_or((line, ""));
    let prefix = prefix.trim();
    if prefix.is_empty() {
        return None;
    }
    let read = prefix.parse::<IpNet>().or_else(|_| prefix.parse::<IpAddr>().map(IpNet::from));
    let entry = |prefix: IpNet| Entry { prefix: prefix.trunc(), reason: reason.trim().to_owned(), saved: true };
    Some(read.map(entry).map_err(|_nothing_more_to_say| NoPrefix))
}

/// The text of `file` and what it says, if we understand every line.
fn read_all(file: &Path) -> Result<(String, Vec<Entry>), Refusal> {
    let name = file.display();
    let text = read(file).map_err(|error| {
        Refusal::new(format!("cannot read {name}: {error}"), "nothing was changed; mend the file, or move it away")
    })?;
    let (entries, bad) = parse(&text);
    match bad.first() {
        None => Ok((text, entries)),
        Some(number) => Err(Refusal::new(
            format!("{name}:{number}: this is neither an address nor a prefix"),
            "nothing was changed; mend that line, or take it out",
        )),
    }
}

fn read(file: &Path) -> io::Result<String> {
    // A letter of another encoding, in a reason, keeps nobody from being allowed.
    match read_operators(file, MAX_FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(String::new()), // the journal says so
        read => read.map(|text| String::from_utf8_lossy(&text.unwrap_or_default()).into_owned()),
    }
}

#[cfg(test)]
mod tests;
