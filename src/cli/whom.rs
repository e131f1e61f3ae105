//! Addresses and networks as operators type them. What could mean something else than it says is refused with what to write.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::detect::source::Source;

const HELP: &str = "neither an address nor a network: write it as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32";

/// An address, or a network that is not everybody.
pub(super) fn some(text: &str) -> Result<IpNet, String> {
    let prefix = any(text)?;
    if prefix.prefix_len() == 0 {
        return Err("that is everybody: name a smaller network".to_owned());
    }
    Ok(prefix)
}

/// An address or a network.
pub(super) fn any(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from).ok();
    let prefix = address.or_else(|| text.parse().ok()).ok_or_else(|| HELP.to_owned())?;
    if prefix.trunc() != prefix {
        return Err(format!("this is an address and a network in one: did you mean {}?", prefix.trunc()));
    }
    match prefix {
        IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some() => {
            // On the wire an IPv4 source has its IPv4 address.
            let v4 = v6.addr().to_canonical();
            let length = v6.prefix_len().saturating_sub(96);
            Err(if length == 32 {
                format!("this is IPv4 written as IPv6: write {v4}")
            } else {
                format!("this is IPv4 written as IPv6: write {v4}/{length}")
            })
        }
        IpNet::V4(_) | IpNet::V6(_) => Ok(prefix),
    }
}

/// One address; a source as it is listed stands for its first one.
pub(super) fn one(text: &str) -> Result<IpAddr, &'static str> {
    let source = text.parse::<Source>().ok();
    source.map(|source| source.address()).ok_or("this is no address: write it as 192.0.2.1 or 2001:db8::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_read() {
        for (text, prefix) in [
            ("192.0.2.1", "192.0.2.1/32"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:db8:a::/64", "2001:db8:a::/64"),
        ] {
            assert_eq!(some(text), Ok(prefix.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_could_mean_something_else_is_refused_with_what_to_write() {
        for (text, told) in [
            ("192.0.2.7/24", "did you mean 192.0.2.0/24?"),
            ("2001:db8::1/64", "did you mean 2001:db8::/64?"),
            ("::ffff:192.0.2.1", "write 192.0.2.1"),
            ("::ffff:192.0.2.0/120", "write 192.0.2.0/24"),
            ("0.0.0.0/0", "everybody"),
            ("::/0", "everybody"),
            ("example.org", "neither an address nor a network"),
            ("192.0.2.1/33", "neither an address nor a network"),
            ("192.0.2", "neither an address nor a network"),
            ("", "neither an address nor a network"),
        ] {
            let problem = some(text).unwrap_err();
            assert!(problem.contains(told), "{text}: {problem}");
        }
        assert!(any("0.0.0.0/0").is_ok());
    }

    #[test]
    fn a_listed_source_can_be_asked_for_as_it_stands_there() {
        assert_eq!(one("192.0.2.1"), Ok([192, 0, 2, 1].into()));
        assert_eq!(one("2001:db8:a::/64"), Ok("2001:db8:a::".parse().unwrap()));
        assert!(one("192.0.2.0/24").is_err());
    }
}
