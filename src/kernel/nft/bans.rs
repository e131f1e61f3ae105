//! The operators' blocks that the kernel has, read back: for a daemon whose journal is gone, or that keeps none.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::{NftError, child};
use crate::kernel::ruleset::Banned;

/// All of them; none, where there is no such set.
pub fn bans(table: &str) -> Result<Vec<Banned>, NftError> {
    let mut found = Vec::new();
    for set in ["banned4", "banned6"] {
        match child::run(&["-j", "list", "set", "inet", table, set], "") {
            Ok(output) => found.extend(parse(&output.stdout)),
            Err(NftError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// nft's JSON, as far as it matters.
#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    set: Option<Set>,
}

#[derive(Deserialize)]
struct Set {
    #[serde(default)]
    elem: Vec<Element>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Timed { elem: Timed },
    Lasting(Value),
}

#[derive(Deserialize)]
struct Timed {
    val: Value,
    expires: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Address(IpAddr),
    Prefix {
        prefix: Prefix,
    },
    /// Nothing of ours: the blocks of operators are whole prefixes.
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Prefix {
    addr: IpAddr,
    len: u8,
}

fn parse(json: &[u8]) -> Vec<Banned> {
    let Ok(listing) = serde_json::from_slice::<Listing>(json) else { return Vec::new() };
    let elements = listing.nftables.into_iter().filter_map(|object| object.set).flat_map(|set| set.elem);
    elements.filter_map(read).collect()
}

fn read(element: Element) -> Option<Banned> {
    let (value, left) = match element {
        Element::Timed { elem: Timed { val, expires } } => (val, expires.map(Duration::from_secs)),
        Element::Lasting(value) => (value, None),
    };
    let prefix = match value {
        Value::Address(address) => IpNet::from(address),
        Value::Prefix { prefix: Prefix { addr, len } } => IpNet::new(addr, len).ok()?,
        Value::Other(_) => return None,
    };
    Some(Banned { prefix, left })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_read_with_the_time_left_and_what_is_no_prefix_is_not() {
        let json = br#"{"nftables": [{"metainfo": {}}, {"set": {"name": "banned4", "elem": [
            {"elem": {"val": {"prefix": {"addr": "203.0.113.0", "len": 24}}, "timeout": 3600, "expires": 3598}},
            "192.0.2.1", {"range": ["192.0.2.5", "192.0.2.9"]}, {"prefix": {"addr": "198.51.100.0", "len": 25}}]}}]}"#;
        let found: Vec<_> = parse(json).iter().map(|ban| (ban.prefix.to_string(), ban.left)).collect();
        let hour = Some(Duration::from_secs(3598));
        let expected = [("203.0.113.0/24", hour), ("192.0.2.1/32", None), ("198.51.100.0/25", None)];
        assert_eq!(found, expected.map(|(prefix, left)| (prefix.to_owned(), left)));
        assert_eq!(parse(b"{}").len() + parse(b"nonsense").len(), 0);
    }
}
