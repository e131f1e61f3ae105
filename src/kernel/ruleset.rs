//! The ruleset's text: `nft/nftrap.nft` with the config's values filled in. Pure: what runs it is in `kernel/nft.rs`.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::block_set::{SET_V4, SET_V6, SET_V6_NETWORKS, SETS};
use crate::config::{Config, Mode, NoDaemon, PortSet};
use crate::detect::prefixes::Prefixes;
use crate::detect::probe::{ANSWERING, HONEST_PROTOCOLS, TRACEROUTE};
use crate::detect::source::Source;

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
    /// The ports that its services listen on.
    pub listening: Vec<Listening>,
    /// Whether anything here speaks SCTP: its ports have no socket that nftables could look for.
    pub sctp: Sctp,
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
    TEMPLATE
        .replace("%queue_chains%", per_queue(config, |i, _| format!("    chain {} {{ }}\n", queue_chain(i))).trim_end())
        .replace("%stealth%", if config.trigger.stealth { STEALTH } else { "" })
        .replace("%honest_protocols%", &numbers(&HONEST_PROTOCOLS))
        .replace("%sctp%", sctp)
        .replace(
            "%spread%",
            per_queue(config, |i, _| format!("{i} : goto {}, ", queue_chain(i))).trim_end_matches(", "),
        )
        .replace("%count%", &config.queue.count.to_string())
        .replace("%size%", &config.block.max.saturating_add(SPARE_ELEMENTS).to_string())
        .replace("%mask6%", &Ipv6Addr::from_bits(mask).to_string())
        .replace("%ephemeral%", &format!("{}-{}", host.ephemeral.start(), host.ephemeral.end()))
        .replace("%answering%", &ranges(&ANSWERING))
        .replace("%traceroute%", &ranges(&TRACEROUTE))
        .replace("%drop%", drop)
        .replace("%elements%", &[elements(config), links(&host.links), served(&host.listening)].concat())
        .replace("%table%", &config.table)
}

/// What is to be told to the kernel when the surroundings change: the links' networks, and which ports are served.
#[must_use]
pub fn refresh(config: &Config, host: &Host) -> String {
    let text = ["flush set inet %table% links6\n", &links(&host.links), &served(&host.listening)].concat();
    text.replace("%table%", &config.table)
}

fn links(networks: &Prefixes) -> String {
    format!("add element inet %table% links6 {{ {} }}\n", list(networks.v6()))
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

/// Empties every queue chain: packets go on, for the moment that this lasts.
#[must_use]
pub fn clear(config: &Config) -> String {
    per_queue(config, |i, _| format!("flush chain inet {} {}\n", config.table, queue_chain(i)))
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
    chains.chain(sets).collect()
}

/// Adds blocks to the kernel sets, each with the time left to it.
#[must_use]
pub fn blocks(config: &Config, blocks: &[(Source, Duration)]) -> String {
    let mut text = String::new();
    for (source, left) in blocks {
        let set = match source.address() {
            IpAddr::V4(_) => SET_V4,
            IpAddr::V6(_) if source.is_host() => SET_V6,
            IpAddr::V6(_) => SET_V6_NETWORKS,
        };
        let (table, address, seconds) = (&config.table, source.address(), left.as_secs().max(1));
        // Writing to a String does not fail.
        let (Ok(()) | Err(_)) = writeln!(text, "add element inet {table} {set} {{ {address} timeout {seconds}s }}");
    }
    text
}

/// Name of the chain that leads to the `i`-th queue.
#[must_use]
pub fn queue_chain(i: u16) -> String {
    format!("queue{i}")
}

fn per_queue(config: &Config, line: impl Fn(u16, u16) -> String) -> String {
    (0..config.queue.count).map(|i| line(i, config.queue.first.saturating_add(i))).collect()
}

fn elements(config: &Config) -> String {
    let mut text = String::new();
    let mut add = |set: &str, list: String| {
        if !list.is_empty() {
            // Writing to a String does not fail.
            let (Ok(()) | Err(_)) = writeln!(text, "add element inet %table% {set} {{ {list} }}");
        }
    };
    add("allow4", list(config.allow.v4()));
    add("allow6", list(config.allow.v6()));
    add("protected4", list(config.protect.v4()));
    add("protected6", list(config.protect.v6()));
    add("dark4", list(config.dark.v4()));
    add("dark6", list(config.dark.v6()));
    add("tcp_watched", config.watched_tcp().to_string());
    add("udp_watched", config.watched_udp().to_string());
    add("tcp_triggers", PortSet::to_string(&config.trigger.tcp));
    add("udp_triggers", PortSet::to_string(&config.trigger.udp));
    text
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
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            ephemeral: 32_768..=60_999,
            links: Prefixes::new(&["fe80::/10".parse().unwrap()]),
            listening: vec![Listening { protocol: "tcp", port: 143 }],
            sctp: Sctp::Unknown,
        }
    }

    #[test]
    fn every_variable_of_the_template_is_filled_in() {
        let text = table(&Config::default(), &host());
        assert!(!text.contains('%'), "{text}");
        assert!(text.contains("add element inet nftrap tcp_triggers { 1, 11, 15, 79, 111, "));
        assert!(text.contains("mod 2 vmap { 0 : goto queue0, 1 : goto queue1 }"));
        assert!(text.contains("ip6 saddr & ffff:ffff:ffff:ffff:: @block6net ip6 saddr != @links6 goto openers"));
    }

    #[test]
    fn observing_drops_nothing() {
        let config = Config { mode: Mode::Observe, ..Config::default() };
        let dropping = |line: &&str| line.contains(" drop") && !line.trim_start().starts_with('#');
        assert_eq!(table(&config, &host()).lines().find(dropping), None);
        assert!(table(&Config::default(), &host()).lines().any(|line| dropping(&line)));
    }

    #[test]
    fn observing_drops_nothing_without_a_daemon_either() {
        let mut config = Config { mode: Mode::Observe, ..Config::default() };
        config.fail.no_daemon = NoDaemon::Drop;
        assert!(arm(&config).contains("bypass") && !disarm(&config).contains("drop"));
    }

    #[test]
    fn no_base_chain_and_no_table_is_ever_deleted() {
        let config = Config::default();
        for text in [table(&config, &host()), arm(&config), disarm(&config)] {
            for words in ["delete chain", "delete table", "destroy "] {
                assert!(!text.contains(words), "{words} in {text}");
            }
        }
    }

    #[test]
    fn an_idle_table_has_no_rule_that_a_packet_meets_and_no_block() {
        let text = idle(&Config::default());
        let base = |line: &&str| line.contains(" hook ");
        for chain in TEMPLATE.lines().filter(base).filter_map(|line| line.split_whitespace().nth(1)) {
            assert!(text.contains(&format!("flush chain inet nftrap {chain}\n")), "{chain} in {text}");
        }
        assert!(text.contains("flush set inet nftrap block4\n") && !text.contains("own_port"));
    }

    #[test]
    fn the_fail_mode_decides_what_happens_without_a_daemon() {
        let mut config = Config::default();
        assert!(arm(&config).contains("queue num 3101 bypass"));
        config.fail.no_daemon = NoDaemon::Drop;
        assert!(arm(&config).lines().all(|line| !line.contains("bypass")));
        assert!(disarm(&config).contains("drop"));
    }

    #[test]
    fn blocks_go_to_their_familys_set_with_their_time() {
        let host = |address: &str| Source::host(address.parse().unwrap());
        let network = Source::network("2001:db8:1:2::".parse().unwrap(), 64);
        let sources = [host("192.0.2.1"), network, host("2001:db8:1:2::")];
        let text = blocks(&Config::default(), &sources.map(|source| (source, Duration::from_millis(61_900))));
        let lines = [
            "add element inet nftrap block4 { 192.0.2.1 timeout 61s }",
            "add element inet nftrap block6net { 2001:db8:1:2:: timeout 61s }",
            "add element inet nftrap block6 { 2001:db8:1:2:: timeout 61s }",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn any_prefix_length_has_its_mask() {
        let mut config = Config::default();
        for (prefix, mask) in [(128, "& ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff @"), (48, "& ffff:ffff:ffff:: @")] {
            config.detect.ipv6_prefix = prefix;
            assert!(table(&config, &host()).contains(mask), "{mask}");
        }
    }
}
