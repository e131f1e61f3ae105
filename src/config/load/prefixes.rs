//! Lists of addresses and prefixes, and the files that such a list names. Reads a file only through the caller's hand.

use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net};

use super::ReadFile;
use super::problem::{Fault, quoted};
use super::source::{Source, Value};
use super::value::expected;
use crate::detect::prefixes::Prefixes;

const LIST_HELP: &str = "write it as [\"192.0.2.0/24\", \"2001:db8::1\", \"./allow.list\"]";
const ENTRY_HELP: &str =
    "write an address, a prefix such as \"192.0.2.0/24\", or a file such as \"/etc/nftrap/allow.list\"";
const LINE_HELP: &str = "write one address or prefix a line; `#` starts a comment";

/// What a list is for: it decides what a prefix of length zero would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Allow,
    Protect,
}

impl Role {
    /// What is wrong with a list that covers every address of a family.
    fn covers_everything(self, prefixes: &str) -> Fault {
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

/// The prefixes of a list and of the files it names, or nothing and the notes on what is wrong with them.
pub(super) fn prefixes(
    source: &mut Source<'_>,
    value: &Value<'_>,
    role: Role,
    read: &mut ReadFile<'_>,
) -> Option<Prefixes> {
    let entries = source.list(value, "a list of addresses", LIST_HELP)?;
    let mut list = List { role, nets: Vec::new(), sound: true };
    for entry in entries {
        if let Err(fault) = list.add_entry(source, entry, read) {
            source.refuse(entry.span(), fault);
            list.sound = false;
        }
    }
    let prefixes = list.sound.then(|| Prefixes::new(&list.nets))?;
    // Halves add up: 0.0.0.0/1 and 128.0.0.0/1 are everybody as well.
    if prefixes.v4().iter().any(|net| net.prefix_len() == 0) || prefixes.v6().iter().any(|net| net.prefix_len() == 0) {
        source.refuse(value.span(), role.covers_everything("the whole of this list"));
        return None;
    }
    Some(prefixes)
}

struct List {
    role: Role,
    nets: Vec<IpNet>,
    sound: bool,
}

impl List {
    fn add_entry(&mut self, source: &mut Source<'_>, entry: &Value<'_>, read: &mut ReadFile<'_>) -> Result<(), Fault> {
        let word = entry.get_ref().as_str().ok_or_else(|| expected("an address", entry, ENTRY_HELP))?;
        if let Some(path) = as_file(word, source.path) {
            let content = read(&path).map_err(|fault| fault.within(&path.display().to_string()))?;
            match source.beside(&path, &content) {
                Some(file) => self.add_lines(file),
                None => self.sound = false,
            }
        } else {
            self.nets.push(prefix(word, self.role, ENTRY_HELP)?);
        }
        Ok(())
    }

    fn add_lines(&mut self, mut file: Source<'_>) {
        for (start, word) in words(file.text) {
            match prefix(word, self.role, LINE_HELP) {
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

fn prefix(word: &str, role: Role, help: &str) -> Result<IpNet, Fault> {
    let (address, length) = word.split_once('/').map_or((word, None), |(address, length)| (address, Some(length)));
    let parsed = address.parse::<IpAddr>().ok();
    let address = parsed.ok_or_else(|| Fault::new(format!("{} is not an address", quoted(address)), help))?;
    let (family, bits) = match address {
        IpAddr::V4(_) => ("IPv4", 32),
        IpAddr::V6(_) => ("IPv6", 128),
    };
    let net = length.map_or(Some(bits), digits).and_then(|length| IpNet::new(address, length).ok());
    let net = net.ok_or_else(|| {
        let reason = format!("{} is not the length of a prefix", quoted(length.unwrap_or_default()));
        Fault::new(reason, format!("an {family} prefix is 1 to {bits} bits long"))
    })?;
    if let IpAddr::V6(v6) = address {
        not_mapped(word, v6, net.prefix_len())?;
    }
    if net.prefix_len() == 0 {
        return Err(role.covers_everything(&quoted(word)));
    }
    if net.trunc() != net {
        let fault = Fault::new(format!("{} has host bits set", quoted(word)), format!("did you mean {}?", net.trunc()));
        return Err(fault);
    }
    Ok(net)
}

/// No `+24`, which Rust would take.
fn digits(length: &str) -> Option<u8> {
    length.chars().all(|c| c.is_ascii_digit()).then(|| length.parse().ok())?
}

/// On the wire an IPv4 source has its IPv4 address: its IPv6 disguise would allow and protect nobody.
fn not_mapped(word: &str, address: Ipv6Addr, length: u8) -> Result<(), Fault> {
    let Some((v4, length)) = address.to_ipv4_mapped().zip(length.checked_sub(96)) else {
        return Ok(());
    };
    let help = match Ipv4Net::new(v4, length) {
        Ok(net) if length == 32 => format!("write {}", net.addr()),
        Ok(net) if length != 0 => format!("write {}", net.trunc()),
        Ok(_) | Err(_) => "write the IPv4 prefixes that it stands for".to_owned(),
    };
    Err(Fault::new(format!("{} is IPv4 written as IPv6", quoted(word)), help))
}
