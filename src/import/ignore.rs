//! portsentry.ignore: who was never blocked.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::{inet_aton, is_nobodys};
use super::lines::{End, Line, Part, lines, shown};
use super::{File, Version};
use crate::detect::prefixes::Prefixes;

/// What becomes of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A source of the allow list; what is to be known of it, if anything.
    Allowed(IpNet, Vec<&'static str>),
    /// Nothing, for that reason.
    Left(&'static str),
}

pub(super) struct Said {
    pub(super) line: usize,
    /// The line, fit to be shown.
    pub(super) text: String,
    pub(super) meaning: Meaning,
}

const LOOPBACK: &str = "left out: loopback and 0.0.0.0 are never looked at";
const LOOPBACK_OF_ONE: &str =
    "left out: PortSentry took /0 for one address (/32), and loopback and 0.0.0.0 are never looked at";
const ONE: &str = "PortSentry took /0 for one address (/32)";
const NO_ADDRESS: &str = "left out: no address; write each address or network in numbers, one a line";

/// All lines of the file that are no comments.
pub(super) fn said(file: &File, version: Version) -> impl Iterator<Item = Said> {
    lines(&file.content).filter_map(move |line| {
        let text = line.text.trim_ascii();
        let says = !text.is_empty() && !text.starts_with(b"#");
        says.then(|| Said { line: line.number, text: shown(text), meaning: meaning(&line, version) })
    })
}

/// Whether these sources together are everybody.
pub(super) fn are_everybody(nets: &[IpNet]) -> bool {
    Prefixes::new(nets).nets().any(|net| net.prefix_len() == 0)
}

fn meaning(line: &Line<'_>, version: Version) -> Meaning {
    if line.part == Part::Later || line.end == End::Cut {
        return Meaning::Left("left out: part of a line of more than 1023 bytes, which is no address");
    }
    let Some((word, mut notes)) = word(line, version) else {
        return Meaning::Left(NO_ADDRESS);
    };
    if line.end == End::OfFile {
        notes.push(match version {
            Version::One => "PortSentry 1.2 did not honour it, since no line feed ends the last line",
            Version::Two => "PortSentry 2 cut its last character off, since no line feed ends the last line",
        });
    }
    match net(&word, version) {
        Ok((net, more)) => {
            notes.extend(more);
            Meaning::Allowed(net, notes)
        }
        Err(why) => Meaning::Left(why),
    }
}

/// The word on the line that may be an address, and in what it differs from what PortSentry honours.
fn word(line: &Line<'_>, version: Version) -> Option<(String, Vec<&'static str>)> {
    let text = std::str::from_utf8(line.text).ok()?;
    let start = text.trim_start();
    let mut notes = Vec::new();
    if start.len() < text.len() {
        notes.push("PortSentry did not honour it, since a blank precedes it");
    }
    let of_address = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '/');
    let end = start.find(|c| !of_address(c)).unwrap_or(start.len());
    let (word, rest) = start.split_at_checked(end)?;
    // A word that goes on is a name, or a slip that only its writer can mend.
    if word.is_empty() || !(rest.is_empty() || rest.starts_with([' ', '\t', '\r', '#', ',', ';'])) {
        return None;
    }
    if version == Version::Two && !rest.is_empty() {
        notes.push("PortSentry 2 does not start with what stands behind it");
    }
    Some((word.to_owned(), notes))
}

type Net = (IpNet, Vec<&'static str>);

fn net(word: &str, version: Version) -> Result<Net, &'static str> {
    let (address, length) = word.split_once('/').map_or((word, None), |(address, length)| (address, Some(length)));
    let mut notes = Vec::new();
    let address = match inet_aton(address) {
        Some(v4) => {
            if v4.to_string() != address {
                notes.push("written out as C reads it");
            }
            IpAddr::V4(v4)
        }
        None => of_ipv6(address, version, &mut notes)?,
    };
    let length = length_of(length, address, &mut notes)?;
    let net = IpNet::new(address, length).map_err(|_length| "left out: no such length of a prefix")?;
    if is_nobodys(net) {
        return Err(if notes.contains(&ONE) { LOOPBACK_OF_ONE } else { LOOPBACK });
    }
    if length == 0 {
        return Err("left out: it allows everybody; to watch without blocking, set mode = \"observe\"");
    }
    if net.trunc() != net {
        notes.push(match version {
            Version::One => "its host bits are taken off",
            Version::Two => "its host bits are taken off: PortSentry 2 matched nobody with them",
        });
    }
    Ok((net.trunc(), notes))
}

fn of_ipv6(address: &str, version: Version, notes: &mut Vec<&'static str>) -> Result<IpAddr, &'static str> {
    let parsed: IpAddr = address.parse().map_err(|_not_an_address| NO_ADDRESS)?;
    let IpAddr::V6(v6) = parsed else {
        return Err(NO_ADDRESS);
    };
    if let Some(v4) = v6.to_ipv4_mapped() {
        notes.push("IPv4 written as IPv6, which PortSentry did not match");
        return Ok(IpAddr::V4(v4));
    }
    match version {
        Version::One => notes.push("PortSentry 1.2 knew no IPv6, and nftrap does"),
        Version::Two if address.contains(|c: char| c.is_ascii_uppercase()) => {
            notes.push("PortSentry 2 wants small letters");
        }
        Version::Two => {}
    }
    Ok(IpAddr::V6(v6))
}

/// The length of the prefix, as it was honoured.
fn length_of(length: Option<&str>, address: IpAddr, notes: &mut Vec<&'static str>) -> Result<u8, &'static str> {
    let most = if address.is_ipv4() { 32 } else { 128 };
    let Some(length) = length else {
        return Ok(most);
    };
    if length.contains('.') {
        return Err("left out: PortSentry knew no masks like 255.255.255.0 either; write the length, such as /24");
    }
    let digits = length.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = digits.then(|| length.parse::<u8>().ok()).flatten().filter(|length| *length <= most);
    match parsed.ok_or("left out: an IPv4 prefix is 1 to 32 bits long, an IPv6 prefix 1 to 128")? {
        0 if address.is_ipv4() => {
            notes.push(ONE);
            Ok(most)
        }
        length => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(text: &str, version: Version) -> Meaning {
        meaning(&lines(text.as_bytes()).next().unwrap(), version)
    }

    fn allowed(text: &str, version: Version) -> Option<(String, usize)> {
        match meant(text, version) {
            Meaning::Allowed(net, notes) => Some((net.to_string(), notes.len())),
            Meaning::Left(_) => None,
        }
    }

    #[test]
    fn what_both_honour_is_taken_as_it_is() {
        for version in [Version::One, Version::Two] {
            assert_eq!(allowed("10.9.0.2\n", version), Some(("10.9.0.2/32".to_owned(), 0)));
            assert_eq!(allowed("10.9.0.0/24\n", version), Some(("10.9.0.0/24".to_owned(), 0)));
        }
        assert_eq!(allowed("fd09::/64\n", Version::Two), Some(("fd09::/64".to_owned(), 0)));
    }

    #[test]
    fn what_was_meant_and_not_honoured_is_taken_with_a_word() {
        for (text, net) in [
            ("10.9.0.77/24\n", "10.9.0.0/24"),
            ("10.9.0.2", "10.9.0.2/32"),
            (" 10.9.0.2\n", "10.9.0.2/32"),
            ("10.9.2\n", "10.9.0.2/32"),
            ("10.9.0.2/0\n", "10.9.0.2/32"),
            ("FD09::2\n", "fd09::2/128"),
            ("::ffff:10.9.0.2\n", "10.9.0.2/32"),
        ] {
            for version in [Version::One, Version::Two] {
                assert_eq!(allowed(text, version), Some((net.to_owned(), 1)), "{text}");
            }
        }
        assert_eq!(allowed("10.9.0.2 # me\n", Version::One), Some(("10.9.0.2/32".to_owned(), 0)));
        assert_eq!(allowed("10.9.0.2\r\n", Version::Two), Some(("10.9.0.2/32".to_owned(), 1)));
    }

    #[test]
    fn what_cannot_be_meant_is_left_out() {
        for text in [
            "gateway\n",
            "10.9.0.2.example.org\n",
            "10.9.0.0/255.255.255.0\n",
            "10.9.0.0/33\n",
            "10.9.0.0/\u{663}\n",
            "::/0\n",
            "127.0.0.1/32\n",
            "127.3.4.5/8\n",
            "0.0.0.0\n",
            "0.0.0.0/0\n",
            "::1\n",
            "fd09::/129\n",
            "10.9.0.2/24/24\n",
            "deadbeef\n",
        ] {
            for version in [Version::One, Version::Two] {
                assert_eq!(allowed(text, version), None, "{text}");
            }
        }
    }

    #[test]
    fn halves_are_everybody() {
        let halves = ["0.0.0.0/1", "128.0.0.0/1"].map(|net| net.parse().unwrap());
        assert!(are_everybody(&halves) && !are_everybody(&halves[..1]));
    }
}
