//! Lists of addresses and prefixes, and the files that such a list names. Reads a file only through the caller's hand.

use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::ReadFile;
use super::prefix::{Place, prefix};
use super::problem::{Fault, Problems};
use super::source::{Source, Value};
use super::value::expected;
use crate::config::Sources;
use crate::detect::prefixes::Prefixes;

const LIST_HELP: &str = "write it as [\"192.0.2.0/24\", \"2001:db8::1\", \"./allow.list\"]";
/// What a list is for: it decides what a prefix of length zero would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Allow,
    Protect,
}

impl Role {
    /// What is wrong with a list that covers every address of a family.
    pub(super) fn covers_everything(self, prefixes: &str) -> Fault {
        match self {
            Self::Allow => Fault::new(
                format!("{prefixes} allows everybody"),
                "to watch without blocking, use mode = \"observe\" at the top of the file",
            ),
            Self::Protect => Fault::new(
                format!("{prefixes} protects the whole internet from those behind this gateway"),
                "name the networks behind this gateway",
            ),
        }
    }
}

/// What a list says.
pub(super) struct Listed {
    /// All of it.
    pub(super) prefixes: Prefixes,
    /// Where it says so.
    pub(super) sources: Sources,
}

/// The prefixes of a list and of the files it names, or nothing and the notes on what is wrong with them.
pub(super) fn prefixes(
    source: &mut Source<'_>,
    value: &Value<'_>,
    role: Role,
    read: &mut ReadFile<'_>,
) -> Option<Listed> {
    let entries = source.list(value, "a list of addresses", LIST_HELP)?;
    let mut list = List { role, nets: Vec::new(), sources: Sources::default(), sound: true };
    for entry in entries {
        if let Err(fault) = list.add_entry(source, entry, read) {
            source.refuse(entry.span(), fault);
            list.sound = false;
        }
    }
    let prefixes = list.sound.then(|| Prefixes::new(&list.nets))?;
    if is_everybody(&prefixes) {
        source.refuse(value.span(), role.covers_everything("the whole of this list"));
        return None;
    }
    Some(Listed { prefixes, sources: list.sources })
}

/// The prefixes of an allow list whose files may have changed, or nothing and the notes on what is wrong with them.
pub(super) fn read_again(sources: &Sources, problems: &mut Problems, read: &mut ReadFile<'_>) -> Option<Prefixes> {
    let nets = sources.named.clone();
    let mut list = List { role: Role::Allow, nets, sources: Sources::default(), sound: true };
    for path in &sources.files {
        match read(path) {
            Ok(content) => match Source::new(path, &content, problems) {
                Some(file) => list.add_lines(file),
                None => list.sound = false,
            },
            Err(fault) => {
                problems.refuse_file(path, fault);
                list.sound = false;
            }
        }
    }
    let prefixes = list.sound.then(|| Prefixes::new(&list.nets))?;
    match sources.files.last() {
        Some(path) if is_everybody(&prefixes) => {
            problems.refuse_file(path, Role::Allow.covers_everything("with this file, the whole list"));
            None
        }
        Some(_) | None => Some(prefixes),
    }
}

/// Halves add up: 0.0.0.0/1 and 128.0.0.0/1 are everybody as well.
fn is_everybody(prefixes: &Prefixes) -> bool {
    prefixes.v4().iter().any(|net| net.prefix_len() == 0) || prefixes.v6().iter().any(|net| net.prefix_len() == 0)
}

struct List {
    role: Role,
    nets: Vec<IpNet>,
    sources: Sources,
    sound: bool,
}

impl List {
    fn add_entry(&mut self, source: &mut Source<'_>, entry: &Value<'_>, read: &mut ReadFile<'_>) -> Result<(), Fault> {
        let word = entry.get_ref().as_str().ok_or_else(|| expected("an address", entry, Place::Entry.help()))?;
        if let Some(path) = as_file(word, source.path) {
            let content = read(&path).map_err(|fault| fault.within(&path.display().to_string()))?;
            match source.beside(&path, &content) {
                Some(file) => self.add_lines(file),
                None => self.sound = false,
            }
            self.sources.files.push(path);
        } else {
            let net = prefix(word, self.role, Place::Entry)?;
            self.nets.push(net);
            self.sources.named.push(net);
        }
        Ok(())
    }

    fn add_lines(&mut self, mut file: Source<'_>) {
        for (start, word) in words(file.text) {
            match prefix(word, self.role, Place::Line) {
                Ok(net) => self.nets.push(net),
                Err(fault) => {
                    file.refuse(start..start.saturating_add(word.len()), fault);
                    self.sound = false;
                }
            }
        }
    }
}

/// The file that an entry names: no address begins like a path.
fn as_file(entry: &str, config: &Path) -> Option<PathBuf> {
    let is_path = ["/", "./", "../"].iter().any(|start| entry.starts_with(start));
    let folder = config.parent().unwrap_or_else(|| Path::new(""));
    is_path.then(|| folder.join(entry).components().collect())
}

/// What stands on each line beside its comment, and the byte it begins at.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.split_inclusive('\n').scan(0_usize, |next, line| {
        let start = *next;
        *next = start.saturating_add(line.len());
        Some((start, line))
    });
    lines.filter_map(|(start, line)| {
        let said = line.split('#').next().unwrap_or_default().trim_end();
        let word = said.trim_start();
        let blank = said.len().saturating_sub(word.len());
        (!word.is_empty()).then_some((start.saturating_add(blank), word))
    })
}
