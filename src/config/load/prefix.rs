//! One address or prefix, as operators write it and as `PortSentry`'s ignore files have it. What could be read in two ways is refused, and
//! both are said: on the wrong one hangs who is never blocked. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, ipv4_mask_to_prefix};

use super::prefixes::Role;
use super::problem::{Fault, quoted};

/// Where an address stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a list, where names of files may stand as well.
    Entry,
    /// On a line of a file.
    Line,
}

impl Place {
    /// What can stand there.
    pub(super) const fn help(self) -> &'static str {
        match self {
            Self::Entry => {
                "write an address, a prefix such as \"192.0.2.0/24\", or a file such as \"/etc/nftrap/allow.list\""
            }
            Self::Line => "write one address or prefix a line; `#` starts a comment",
        }
    }
}

/// What `word` means, in a list that is for `role`.
pub(super) fn prefix(word: &str, role: Role, place: Place) -> Result<IpNet, Fault> {
    let (address, length) = word.split_once('/').map_or((word, None), |(address, length)| (address, Some(length)));
    let parsed = address.parse::<IpAddr>().ok();
    let address = parsed.ok_or_else(|| no_address(address, place))?;
    let net = length.map_or_else(|| Ok(IpNet::from(address)), |length| with_length(address, length))?;
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

/// The address with the length of its prefix, which may be written as a netmask.
fn with_length(address: IpAddr, length: &str) -> Result<IpNet, Fault> {
    let (family, bits) = match address {
        IpAddr::V4(_) => ("IPv4", 32),
        IpAddr::V6(_) => ("IPv6", 128),
    };
    let mask = length.parse::<Ipv4Addr>().ok().filter(|_| address.is_ipv4());
    let meant = match mask {
        Some(mask) => Some(ipv4_mask_to_prefix(mask).map_err(|_nothing_more_to_say| {
            let help = "a netmask is ones, then zeros, such as 255.255.255.0";
            Fault::new(format!("{} is no netmask", quoted(length)), help)
        })?),
        None => digits(length),
    };
    meant.and_then(|length| IpNet::new(address, length).ok()).ok_or_else(|| {
        let reason = format!("{} is not the length of a prefix", quoted(length));
        Fault::new(reason, format!("an {family} prefix is 1 to {bits} bits long"))
    })
}

/// No `+24`, which Rust would take.
fn digits(length: &str) -> Option<u8> {
    length.chars().all(|c| c.is_ascii_digit()).then(|| length.parse().ok())?
}

/// What is wrong with an address that is none.
fn no_address(word: &str, place: Place) -> Fault {
    ambiguous(word).or_else(|| name(word, place)).unwrap_or_else(|| {
        let reason = format!("{} is not an address", quoted(word));
        Fault::new(reason, place.help())
    })
}

/// The C library reads parts with a zero in front as octal, and fills up addresses of fewer parts in their middle; people mean either.
fn ambiguous(word: &str) -> Option<Fault> {
    let parts: Vec<&str> = word.split('.').collect();
    if !parts.iter().all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit())) {
        return None;
    }
    let decimal: Option<Vec<u8>> = parts.iter().map(|part| part.parse().ok()).collect();
    let decimal = decimal?;
    if parts.iter().any(|part| part.len() > 1 && part.starts_with('0')) {
        let decimal = full(&decimal)?;
        let octal = parts.iter().map(|part| c_number(part)).collect::<Option<Vec<u8>>>().and_then(|octal| full(&octal));
        let help = match octal {
            Some(octal) if octal != decimal => format!(
                "it can mean {decimal}, or {octal} where a zero in front stands for octal, as for PortSentry: write the one that you mean"
            ),
            Some(_) | None => format!("write {decimal}"),
        };
        return Some(Fault::new(format!("{} has zeros in front of its numbers", quoted(word)), help));
    }
    let (short, network) = (full(&decimal)?, network(&decimal)?);
    let help = format!("it can mean {short}, as for PortSentry, or {network}: write the one that you mean");
    Some(Fault::new(format!("{} is short of an address", quoted(word)), help))
}

/// A number as the C library reads it.
fn c_number(part: &str) -> Option<u8> {
    if part.len() > 1 && part.starts_with('0') { u8::from_str_radix(part, 8).ok() } else { part.parse().ok() }
}

/// Two to four numbers as the C library makes an address of them.
fn full(numbers: &[u8]) -> Option<Ipv4Addr> {
    match *numbers {
        [a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d)),
        [a, b, d] => Some(Ipv4Addr::new(a, b, 0, d)),
        [a, d] => Some(Ipv4Addr::new(a, 0, 0, d)),
        _ => None,
    }
}

/// Two or three numbers as the beginning of a network.
fn network(numbers: &[u8]) -> Option<Ipv4Net> {
    match *numbers {
        [a, b, c] => Ipv4Net::new(Ipv4Addr::new(a, b, c, 0), 24).ok(),
        [a, b] => Ipv4Net::new(Ipv4Addr::new(a, b, 0, 0), 16).ok(),
        _ => None,
    }
}

/// A name can come to mean another address at any time, and who answers for it decides which.
fn name(word: &str, place: Place) -> Option<Fault> {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let help = match place {
        Place::Entry => "write its addresses; the name of a file begins with `/` or `./`",
        Place::Line => "write its addresses",
    };
    (plain && word.chars().any(|c| c.is_ascii_alphabetic()))
        .then(|| Fault::new(format!("{} is a name, and names are not looked up", quoted(word)), help))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: &str) -> Result<String, Fault> {
        prefix(word, Role::Allow, Place::Line).map(|net| net.to_string())
    }

    fn refused(word: &str, reason: &str, help: &str) {
        assert_eq!(read(word), Err(Fault::new(format!("`{word}` {reason}"), help)));
    }

    #[test]
    fn what_either_portsentry_takes_for_one_address_or_prefix_we_do() {
        for (word, meant) in [
            ("10.9.0.2", "10.9.0.2/32"),
            ("10.9.0.2/32", "10.9.0.2/32"),
            ("10.9.0.0/24", "10.9.0.0/24"),
            ("10.9.0.0/255.255.255.0", "10.9.0.0/24"),
            ("10.9.0.2/255.255.255.255", "10.9.0.2/32"),
            ("0.0.0.0", "0.0.0.0/32"),
            ("FD09::2", "fd09::2/128"),
            ("fd09::/64", "fd09::/64"),
        ] {
            assert_eq!(read(word), Ok(meant.to_owned()), "{word}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused_with_both() {
        for (word, one, other) in [
            ("012.9.0.2", "12.9.0.2", "10.9.0.2"),
            ("10.010.0.1", "10.10.0.1", "10.8.0.1"),
            ("10.9.010", "10.9.0.10", "10.9.0.8"),
        ] {
            let help = format!(
                "it can mean {one}, or {other} where a zero in front stands for octal, as for PortSentry: write the one that you mean"
            );
            refused(word, "has zeros in front of its numbers", &help);
        }
        refused("10.9.0.08", "has zeros in front of its numbers", "write 10.9.0.8");
        refused("10.09.0.1", "has zeros in front of its numbers", "write 10.9.0.1");
        refused("01.2.3.4", "has zeros in front of its numbers", "write 1.2.3.4");
        let help = "it can mean 10.9.0.2, as for PortSentry, or 10.9.2.0/24: write the one that you mean";
        refused("10.9.2", "is short of an address", help);
        let help = "it can mean 10.0.0.9, as for PortSentry, or 10.9.0.0/16: write the one that you mean";
        refused("10.9", "is short of an address", help);
    }

    #[test]
    fn what_would_allow_more_than_was_meant_is_refused() {
        refused("10.9.0.77/24", "has host bits set", "did you mean 10.9.0.0/24?");
        refused("10.9.0.77/255.255.255.0", "has host bits set", "did you mean 10.9.0.0/24?");
        let everybody = "to watch without blocking, use mode = \"observe\" at the top of the file";
        for word in ["0.0.0.0/0", "0.0.0.0/0.0.0.0", "::/0"] {
            refused(word, "allows everybody", everybody);
        }
        for mask in ["255.0.255.0", "0.0.0.255", "255.255.255.1"] {
            let reason = format!("`{mask}` is no netmask");
            let fault = Fault::new(reason, "a netmask is ones, then zeros, such as 255.255.255.0");
            assert_eq!(read(&format!("10.9.0.0/{mask}")), Err(fault));
        }
    }

    #[test]
    fn names_and_junk_are_refused() {
        refused("gateway.example", "is a name, and names are not looked up", "write its addresses");
        refused("fd09", "is a name, and names are not looked up", "write its addresses");
        for word in ["10.9.0.2 me", "10.9.", "10.9.0.256", "5", "...", "1.2.3.4.5", "fd09::2g", "-"] {
            refused(word, "is not an address", Place::Line.help());
        }
        let reason = "`255.255.255.0` is not the length of a prefix";
        let fault = Fault::new(reason, "an IPv6 prefix is 1 to 128 bits long");
        assert_eq!(read("fd09::/255.255.255.0"), Err(fault));
    }
}
