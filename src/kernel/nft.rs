//! Runs `nft`: to load the ruleset at start and after a flush, to put the queues in and out of force, to read the blocks that are there.
//! Takes milliseconds; never on a packet's way.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use ipnet::Ipv6Net;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::block_set::{SET_V4, SET_V6, SET_V6_NETWORKS, SETS};
use super::ruleset::{self, Host, Method, Sctp};
use super::{queue, surroundings, xt_queue};
use crate::config::Config;
use crate::detect::source::Source;

/// Why the ruleset is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// `nft` cannot be started.
    #[error("cannot run nft: is the package nftables installed?")]
    NotRun(#[source] io::Error),
    /// We lack the right.
    #[error("no right to change the ruleset: run it as root, through sudo, or with CAP_NET_ADMIN")]
    Forbidden,
    /// The table is there, and it is not ours.
    #[error("table inet {0} is not nftrap's, and stays as it is: choose another name with `table`")]
    Foreign(String),
    /// `nft` refused, and says why.
    #[error("nft refuses the ruleset: {0}")]
    Refused(String),
    /// Neither way to a queue works.
    #[error("this kernel can queue neither by nft_queue ({native}) nor by xt_NFQUEUE ({xt})")]
    NoQueue {
        /// What nft says.
        native: String,
        /// What the kernel says.
        xt: io::Error,
    },
    /// `nft` answered something else than it should.
    #[error("cannot read what nft lists of set {0}")]
    Listing(&'static str),
}

/// Loads the whole table, with nothing queued, together with blocks, each with the time left to it: one transaction, all or
/// nothing.
pub fn load(config: &Config, host: &Host, blocks: &[(Source, Duration)]) -> Result<(), NftError> {
    if owner(&config.table)? == Owner::SomebodyElse {
        return Err(NftError::Foreign(config.table.clone()));
    }
    let texts = [ruleset::table(config, host), ruleset::disarm(config), ruleset::blocks(config, blocks)];
    run(&texts.concat()).map(|_output| ())
}

/// Tells the kernel of new surroundings.
pub fn refresh(config: &Config, host: &Host) -> Result<(), NftError> {
    run(&ruleset::refresh(config, host)).map(|_output| ())
}

#[derive(PartialEq, Eq)]
enum Owner {
    Nobody,
    We,
    SomebodyElse,
}

/// Whose table it is: who has a table of our name, but not our sets in it, has something of its own there.
fn owner(table: &str) -> Result<Owner, NftError> {
    let listing = match run_with(&["-t", "list", "table", "inet", table], "") {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(NftError::Refused(_)) => return Ok(Owner::Nobody),
        Err(error) => return Err(error),
    };
    let ours = [SET_V4, SET_V6].iter().all(|set| listing.contains(&format!("set {set} {{")));
    Ok(if ours { Owner::We } else { Owner::SomebodyElse })
}

/// Sends packets to the queues, by the way that this kernel has.
pub fn arm(config: &Config) -> Result<Method, NftError> {
    let native = match run(&ruleset::arm(config)) {
        Ok(_) => return Ok(Method::Native),
        Err(NftError::Refused(reason)) => reason,
        Err(error) => return Err(error),
    };
    // What stands for an absent daemon would come first, and nothing would ever reach the queue.
    run(&ruleset::clear(config))?;
    for i in 0..config.queue.count {
        let number = config.queue.first.saturating_add(i);
        xt_queue::append_rule(&config.table, &ruleset::queue_chain(i), number, config.fail_mode().no_daemon)
            .map_err(|xt| NftError::NoQueue { native: native.clone(), xt })?;
    }
    Ok(Method::Xt)
}

/// Sends nothing to the queues any more; what waits there still gets its verdict.
pub fn disarm(config: &Config) -> Result<(), NftError> {
    run(&ruleset::disarm(config)).map(|_output| ())
}

/// Removes what is ours, and nothing else. The table itself goes only if nobody in this namespace has packets queued: with its
/// base chains the kernel would drop them, whoever they belong to.
pub fn remove(config: &Config) -> Result<Removed, NftError> {
    match owner(&config.table)? {
        Owner::Nobody => return Ok(Removed::Wholly),
        Owner::SomebodyElse => return Err(NftError::Foreign(config.table.clone())),
        Owner::We => {}
    }
    let table = format!("inet {}", config.table);
    let (text, removed) = if queue::states().is_empty() {
        (format!("delete table {table}\n"), Removed::Wholly)
    } else {
        (ruleset::idle(config), Removed::Emptied)
    };
    run(&text).map(|_output| removed)
}

/// How much of our table is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// All of it.
    Wholly,
    /// Blocks, and all rules that a packet meets; the table stays for the sake of somebody else's queues.
    Emptied,
}

/// What the kernel has of ours.
#[derive(Debug, Default)]
pub struct Blocks {
    /// Blocks with the time left to each. Elements without an end are the operator's, and left out.
    pub blocks: Vec<(Source, Duration)>,
    /// So many elements fit into the smallest set. A kernel may keep the size that a set was first made with (6.1 does).
    pub room: Option<u32>,
}

/// The blocks that the kernel has.
pub fn blocks(config: &Config) -> Result<Blocks, NftError> {
    let mut found = Blocks::default();
    for set in SETS {
        let output = run_with(&["-j", "list", "set", "inet", &config.table, set], "")?;
        let listed = parse_set(&output.stdout).ok_or(NftError::Listing(set))?;
        found.room = found.room.into_iter().chain(listed.size).min();
        let source = |address| match address {
            IpAddr::V6(v6) if set == SET_V6_NETWORKS => Source::network(v6, config.detect.ipv6_prefix),
            IpAddr::V4(_) | IpAddr::V6(_) => Source::host(address),
        };
        let ends = listed.elem.into_iter().filter_map(Element::end);
        found.blocks.extend(ends.map(|(address, left)| (source(address), left)));
    }
    Ok(found)
}

/// nft's JSON, as far as it matters; read straight into this, for there may be very many elements.
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
    size: Option<u32>,
    #[serde(default)]
    elem: Vec<Element>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Timed { elem: Timed },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Timed {
    val: IpAddr,
    expires: Option<u64>,
}

impl Element {
    fn end(self) -> Option<(IpAddr, Duration)> {
        match self {
            Self::Timed { elem: Timed { val, expires } } => Some((val, Duration::from_secs(expires?))),
            Self::Other(_) => None,
        }
    }
}

fn parse_set(json: &[u8]) -> Option<Set> {
    let listing: Listing = serde_json::from_slice(json).ok()?;
    listing.nftables.into_iter().find_map(|object| object.set)
}

/// What the ruleset must know of this namespace; `on_link`: the networks of its links.
#[must_use]
pub fn host(on_link: &[Ipv6Net]) -> Host {
    let spoken = Path::new("/proc/self/net/sctp").exists();
    Host {
        ephemeral: ephemeral_ports(),
        links: surroundings::links(on_link),
        listening: surroundings::listening(),
        sctp: if spoken { Sctp::Spoken } else { Sctp::Unknown },
    }
}

/// The ports that flows leave from here; Linux's default where it cannot be read.
#[expect(clippy::disallowed_methods, reason = "a kernel setting is a file")]
fn ephemeral_ports() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let forwards = |path| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == "1");
    if forwards("/proc/sys/net/ipv4/ip_forward") || forwards("/proc/sys/net/ipv6/conf/all/forwarding") {
        // Flows of others leave from here, too, where addresses are translated; and they chose their ports.
        return 1024..=65_535;
    }
    let mut ports = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (ports.next(), ports.next()) {
        (Some(low), Some(high)) if low <= high => low..=high,
        _ => 32_768..=60_999,
    }
}

fn run(ruleset: &str) -> Result<Output, NftError> {
    run_with(&["-f", "-"], ruleset)
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts nft")]
fn run_with(arguments: &[&str], input: &str) -> Result<Output, NftError> {
    // Debian keeps nft where an ordinary user's PATH does not look.
    let start = |program| {
        let mut command = Command::new(program);
        command.args(arguments).env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn()
    };
    let mut nft = start("nft").or_else(|_| start("/usr/sbin/nft")).map_err(NftError::NotRun)?;
    if let Some(mut stdin) = nft.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(NftError::NotRun)?;
    }
    let output = nft.wait_with_output().map_err(NftError::NotRun)?;
    if output.status.success() {
        return Ok(output);
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    if reason.contains("Operation not permitted") {
        return Err(NftError::Forbidden);
    }
    let first = reason.lines().find(|line| line.contains("Error")).unwrap_or(&reason);
    Err(NftError::Refused(first.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_with_the_time_left_and_the_operators_own_are_not() {
        let json = br#"{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"set": {"family": "inet", "name": "block4", "size": 9,
            "elem": [{"elem": {"val": "192.0.2.1", "timeout": 600, "expires": 42}}, "192.0.2.9"]}}]}"#;
        let set = parse_set(json).unwrap();
        assert_eq!(set.size, Some(9));
        let blocks: Vec<_> = set.elem.into_iter().filter_map(Element::end).collect();
        assert_eq!(blocks, vec![("192.0.2.1".parse().unwrap(), Duration::from_secs(42))]);
    }

    #[test]
    fn an_empty_set_has_no_blocks_and_nonsense_is_an_error() {
        assert!(parse_set(br#"{"nftables": [{"set": {"name": "block4"}}]}"#).unwrap().elem.is_empty());
        assert!(parse_set(b"nothing").is_none());
    }
}
