//! The ruleset's text: `nft/nftrap.nft` with the config's values filled in. Pure: what runs it is in `kernel/nft.rs`.

use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

use super::block_set::{SETS, set_of};
use super::dump::Element;
use crate::config::{Config, Mode, NoDaemon, PortSet};
use crate::detect::prefixes::Prefixes;
use crate::detect::probe::{ANSWERING, HONEST_PROTOCOLS, TRACEROUTE};

mod banned;
mod decoys;
mod guests;

pub use banned::{Banned, banned};
pub(super) use decoys::flush as flush_decoys;
pub use decoys::{Decoys, Listener, silence};

const TEMPLATE: &str = include_str!("../../nft/nftrap.nft");

/// Where packets come to our rules.
const BASE_CHAINS: [&str; 4] = ["early", "blocked", "input", "forward"];
/// What nobody serves on purpose, at any port: TCP that no honest stack sends.
const STEALTH: &str = "        tcp flags & (syn | rst | ack) == 0 goto spread\n        \
                       tcp flags & (fin | syn) == fin | syn goto spread";
/// Room in the kernel sets beside our own blocks: the operator's, and those that ran out and are not swept up yet.
const SPARE_ELEMENTS: u32 = 65_536;

/// How packets are sent to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// nftables' own `queue` statement.
    Native,
    /// The xt target `NFQUEUE`, where the kernel has no `nft_queue`.
    Xt,
}

/// What the ruleset must know of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The ports that its own flows leave from.
    pub ephemeral: RangeInclusive<u16>,
    /// The networks of its links, none of which overlaps another.
    pub links: Prefixes,
    /// Those that it depends on.
    pub exempt: Prefixes,
    /// The ports that its services listen on.
    pub listening: Vec<Listening>,
    /// Whether anything here speaks SCTP: its ports have no socket that nftables could look for.
    pub sctp: Sctp,
    /// Where our decoys listen; nowhere, where none runs.
    pub decoys: Decoys,
}

/// A port that a program listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listening {
    /// By its name, as nft takes it.
    pub protocol: &'static str,
    /// The port.
    pub port: u16,
}

/// Whether a host speaks SCTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sctp {
    /// The kernel has it loaded: who asks for it may be a peer.
    Spoken,
    /// It does not: who asks for it scans.
    Unknown,
}

/// The whole table, with nothing sent to a queue yet.
#[must_use]
pub fn table(config: &Config, host: &Host) -> String {
    let drop = match config.mode {
        Mode::Enforce => "drop",
        Mode::Observe => "",
    };
    let sctp = match host.sctp {
        Sctp::Spoken => "        meta l4proto sctp return",
        Sctp::Unknown => "        meta l4proto sctp @th,96,8 1 goto spread\n        meta l4proto sctp return",
    };
    let mask = u128::MAX << u32::from(128_u8.saturating_sub(config.detect.ipv6_prefix).min(127));
    let (decoys, handed_over, no_decoy) = if config.decoy.is_none() {
        (String::new(), "", "")
    } else {
        (host.decoys.fill_in(decoys::TEMPLATE), decoys::HANDED_OVER, decoys::NO_DECOY)
    };
    [TEMPLATE, &decoys]
        .concat()
        .replace("%handed_over%", handed_over)
        .replace("%guests%", &guests::greet(config, &[no_decoy, "iif != lo jump guests"].concat()))
        .replace("%guests_there%", &guests::greet(config, "jump guests_there"))
        .replace("%from_guests%", &guests::go_apart(config, "saddr"))
        .replace("%to_guests%", &guests::go_apart(config, "daddr"))
        .replace("%guest_time%", &guests::time(config))
        .replace("%queue_chains%", per_queue(config, |i, _| format!("    chain {} {{ }}\n", queue_chain(i))).trim_end())
        .replace("%stealth%", if config.trigger.stealth { STEALTH } else { "" })
        .replace("%honest_protocols%", &numbers(&HONEST_PROTOCOLS))
        .replace("%sctp%", sctp)
        .replace("%spread%", &spread(config))
        .replace("%count%", &config.queue.count.to_string())
        .replace("%size%", &set_size(config).to_string())
        .replace("%mask6%", &Ipv6Addr::from_bits(mask).to_string())
        .replace("%ephemeral%", &format!("{}-{}", host.ephemeral.start(), host.ephemeral.end()))
        .replace("%answering%", &ranges(&ANSWERING))
        .replace("%traceroute%", &ranges(&TRACEROUTE))
        .replace("%drop%", drop)
        .replace("%elements%", &[elements(config), surroundings(host)].concat())
        .replace("%table%", &config.table)
}

/// What is to be told to the kernel when the surroundings change: the links' networks, whom we depend on, which ports are served.
#[must_use]
pub fn refresh(config: &Config, host: &Host) -> String {
    let flush = ["links6", "exempt4", "exempt6"].map(|set| format!("flush set inet %table% {set}\n"));
    [flush.concat(), surroundings(host)].concat().replace("%table%", &config.table)
}

/// Makes these, and no others, the sources that are never blocked in `table`.
#[must_use]
pub fn allow(table: &str, allow: &Prefixes) -> String {
    let flush = ["allow4", "allow6"].map(|set| format!("flush set inet %table% {set}\n"));
    let lists = [element("allow4", &list(allow.v4())), element("allow6", &list(allow.v6()))];
    [flush, lists].concat().concat().replace("%table%", table)
}

fn surroundings(host: &Host) -> String {
    let Host { links, exempt, listening, .. } = host;
    [
        element("links6", &list(links.v6())),
        element("exempt4", &list(exempt.v4())),
        element("exempt6", &list(exempt.v6())),
        served(listening),
    ]
    .concat()
}

fn served(listening: &[Listening]) -> String {
    let line = |listening: &Listening| {
        let Listening { protocol, port } = listening;
        // Added alone, an element that is there would keep its old end.
        ["add", "delete", "add"]
            .map(|verb| format!("{verb} element inet %table% served {{ {protocol} . {port} }}\n"))
            .concat()
    };
    listening.iter().map(line).collect()
}

/// Sends the packets of every queue chain to its queue, by nftables' own statement.
#[must_use]
pub fn arm(config: &Config) -> String {
    let bypass = match config.fail_mode().no_daemon {
        NoDaemon::Pass => " bypass",
        NoDaemon::Drop => "",
    };
    per_queue(config, |i, number| {
        let chain = format!("inet {} {}", config.table, queue_chain(i));
        format!("flush chain {chain}\nadd rule {chain} counter queue num {number}{bypass}\n")
    })
}

/// Sends nothing to any queue: packets do what they do when no daemon listens.
#[must_use]
pub fn disarm(config: &Config) -> String {
    per_queue(config, |i, _| {
        let chain = format!("inet {} {}", config.table, queue_chain(i));
        match config.fail_mode().no_daemon {
            NoDaemon::Pass => format!("flush chain {chain}\n"),
            NoDaemon::Drop => format!("flush chain {chain}\nadd rule {chain} counter drop comment \"no daemon\"\n"),
        }
    })
}

/// Lifts all blocks and takes every rule out of the packets' way. The chains that the base chains led to keep theirs: the kernel
/// drops what waits in any queue when a hook goes, and with a namespace's last `ct` and `socket` rules conntrack's hooks go.
#[must_use]
pub fn idle(config: &Config) -> String {
    let chains = BASE_CHAINS.iter().map(|chain| format!("flush chain inet {} {chain}\n", config.table));
    let sets = SETS.iter().map(|set| format!("flush set inet {} {set}\n", config.table));
    chains.chain(sets).chain([banned(&config.table, &[]), silence(config)]).collect()
}

/// Adds blocks to the kernel sets, each with the time left to it, if it has an end.
#[must_use]
pub fn blocks(table: &str, blocks: &[Element]) -> String {
    let mut text = String::new();
    for Element { source, left, .. } in blocks {
        let (set, address) = (set_of(source), source.address());
        let end = left.map_or_else(String::new, |left| format!(" timeout {}s", left.as_secs().max(1)));
        // Writing to a String does not fail.
        let (Ok(()) | Err(_)) = writeln!(text, "add element inet {table} {set} {{ {address}{end} }}");
    }
    text
}

/// How many elements a kernel set is to have room for.
#[must_use]
pub fn set_size(config: &Config) -> u32 {
    config.block.max.saturating_add(SPARE_ELEMENTS)
}

fn spread(config: &Config) -> String {
    (0..config.queue.count).map(|i| format!("{i} : goto {}", queue_chain(i))).collect::<Vec<_>>().join(", ")
}

/// Name of the chain that leads to the `i`-th queue.
#[must_use]
pub fn queue_chain(i: u16) -> String {
    format!("queue{i}")
}

fn per_queue(config: &Config, line: impl Fn(u16, u16) -> String) -> String {
    (0..).zip(config.queue.numbers()).map(|(i, number)| line(i, number)).collect()
}

fn elements(config: &Config) -> String {
    [
        element("allow4", &list(config.allow.v4())),
        element("allow6", &list(config.allow.v6())),
        element("protected4", &list(config.protect.v4())),
        element("protected6", &list(config.protect.v6())),
        element("dark4", &list(config.dark.v4())),
        element("dark6", &list(config.dark.v6())),
        element("tcp_decoys", &config.decoy.tcp.to_string()),
        element("udp_decoys", &config.decoy.udp.to_string()),
        element("tcp_watched", &config.watched_tcp().to_string()),
        element("udp_watched", &config.watched_udp().to_string()),
        element("tcp_triggers", &PortSet::to_string(&config.trigger.tcp)),
        element("udp_triggers", &PortSet::to_string(&config.trigger.udp)),
    ]
    .concat()
}

/// A list to put into a set; nft takes no empty one.
fn element(set: &str, list: &str) -> String {
    if list.is_empty() { String::new() } else { format!("add element inet %table% {set} {{ {list} }}\n") }
}

fn ranges(ranges: &[RangeInclusive<u16>]) -> String {
    ranges.iter().cloned().collect::<PortSet>().to_string()
}

fn numbers(numbers: &[u8]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn list(prefixes: &[impl ToString]) -> String {
    prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
