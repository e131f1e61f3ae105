//! Runs `nft`: to load the ruleset at start and after a flush, to put the queues in and out of force.
//! Takes milliseconds; never on a packet's way.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use ipnet::Ipv6Net;

use super::block_set::{BlockError, SET_V4, SET_V6, SETS};
use super::dump::{self, DumpError, Element};
use super::ruleset::{self, Banned, Decoys, Host, Method, Sctp};
use super::{bulk, queue, surroundings, xt_queue};
use crate::config::Config;
use crate::detect::prefixes::Prefixes;
use crate::detect::source::Source;

mod bans;
mod child;
mod earlier;
mod networks;

pub use bans::bans;
pub use networks::forget_networks;
pub use surroundings::listening;

/// Why the ruleset is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// `nft` cannot be started.
    #[error("cannot run nft: is the package nftables installed?")]
    NotRun(#[source] io::Error),
    /// `nft` waits for something.
    #[error(
        "nft did not end within {0} s, and it was ended: does something hold the ruleset, or is the machine overloaded?"
    )]
    TooSlow(u64),
    /// We lack the right.
    #[error("no right to change the ruleset: run it as root, through sudo, or with CAP_NET_ADMIN")]
    Forbidden,
    /// The table is there, and it is not ours.
    #[error("table inet {0} is not nftrap's, and stays as it is: choose another name with `table`")]
    Foreign(String),
    /// `nft` refused, and says why.
    #[error("nft refuses the ruleset: {0}")]
    Refused(String),
    /// What an earlier version left cannot be taken over.
    #[error(transparent)]
    Earlier(#[from] DumpError),
    /// The table is there, and its blocks are not.
    #[error(transparent)]
    Blocks(#[from] BlockError),
    /// Neither way to a queue works.
    #[error("this kernel can queue neither by nft_queue ({native}) nor by xt_NFQUEUE ({xt})")]
    NoQueue {
        /// What nft says.
        native: String,
        /// What the kernel says.
        xt: io::Error,
    },
}

/// Loads the whole table, with nothing queued, and then blocks, each with the time left to it. Blocks come second, for they come faster
/// by netlink than nft reads them: as one transaction with the table, a hundred thousand would leave us without any for seconds.
pub fn load(config: &Config, host: &Host, blocks: &[(Source, Duration)]) -> Result<(), NftError> {
    let (clear, kept) = match owner(&config.table)? {
        Owner::SomebodyElse => return Err(NftError::Foreign(config.table.clone())),
        Owner::We(listing) if !earlier::fits(&listing, config) => earlier::clear(config, &listing)?,
        Owner::We(listing) => (earlier::retire(config, &listing), String::new()),
        Owner::Nobody => (String::new(), String::new()),
    };
    run(&[clear, ruleset::table(config, host), ruleset::disarm(config), kept].concat())?;
    match bulk::add_all(&config.table, blocks) {
        // The operator filled them with elements of his own: no reason to guard without the rest.
        Ok(()) | Err(BlockError::SetFull) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Replaces rules and lists by those of another config, with `allow` for its allow list, in one transaction: queues, blocks and what was
/// learned stay, and packets go on being judged, but for one that is among the rules at that very moment. Number and numbers of the
/// queues must be as they were; see `rearm` for `no_daemon`. A changed `max` takes effect where the kernel changes a set's size (6.12
/// does, 5.10 and 6.1 keep it until the next start).
pub fn reload(config: &Config, host: &Host, allow: &Prefixes) -> Result<(), NftError> {
    if owner(&config.table)? == Owner::SomebodyElse {
        return Err(NftError::Foreign(config.table.clone()));
    }
    run(&ruleset::table(&Config { allow: allow.clone(), ..config.clone() }, host))
}

/// Tells the kernel of new surroundings.
pub fn refresh(config: &Config, host: &Host) -> Result<(), NftError> {
    run(&ruleset::refresh(config, host))
}

/// Makes these, and no others, the sources that are never blocked; at once, and nothing else changes.
pub fn allow(table: &str, allow: &Prefixes) -> Result<(), NftError> {
    run(&ruleset::allow(table, allow))
}

/// Makes these, and no others, the operator's own blocks.
pub fn ban(table: &str, banned: &[Banned]) -> Result<(), NftError> {
    run(&ruleset::banned(table, banned))
}

/// Sets that every version of ours has had.
const OUR_SETS: [&str; 4] = [SET_V4, SET_V6, "tcp_triggers", "udp_triggers"];
const ENOUGH_OF_THEM: usize = 2;

#[derive(PartialEq, Eq)]
enum Owner {
    Nobody,
    /// With nft's listing of it, without elements.
    We(String),
    SomebodyElse,
}

/// Whose table it is: who has a table of our name, but not our sets in it, has something of its own there. Of ours, somebody may have
/// deleted one.
fn owner(table: &str) -> Result<Owner, NftError> {
    let listing = match child::run(&["-t", "list", "table", "inet", table], "") {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(NftError::Refused(_)) => return Ok(Owner::Nobody),
        Err(error) => return Err(error),
    };
    let has = |set: &&&str| listing.contains(&format!("set {set} {{"));
    let ours = OUR_SETS.iter().filter(has).count() >= ENOUGH_OF_THEM;
    Ok(if ours { Owner::We(listing) } else { Owner::SomebodyElse })
}

/// Sends packets to the queues, by the way that this kernel has.
pub fn arm(config: &Config) -> Result<Method, NftError> {
    match run(&ruleset::arm(config)) {
        Ok(()) => Ok(Method::Native),
        Err(NftError::Refused(native)) => match xt_queue::replace_rules(config) {
            Ok(()) => Ok(Method::Xt),
            Err(xt) => Err(NftError::NoQueue { native, xt }),
        },
        Err(error) => Err(error),
    }
}

/// Does that again, by the way that was found, when the config says something else of an absent daemon. One transaction either way: each
/// packet meets the old rule or the new one.
pub fn rearm(config: &Config, method: Method) -> Result<(), NftError> {
    match method {
        Method::Native => run(&ruleset::arm(config)),
        Method::Xt => xt_queue::replace_rules(config).map_err(|error| NftError::Refused(error.to_string())),
    }
}

/// Sends nothing to the queues and the decoys any more; what waits there still gets its verdict.
pub fn disarm(config: &Config) -> Result<(), NftError> {
    run(&[ruleset::disarm(config), ruleset::silence(config)].concat())
}

/// Ends all blocks, whoever set them.
pub fn lift_all(table: &str) -> Result<(), NftError> {
    let sets = SETS.map(|set| format!("flush set inet {table} {set}\n")).concat();
    run(&[sets, ruleset::banned(table, &[])].concat()).map(|_output| ())
}

/// Removes what is ours, and nothing else. The table itself goes only if nobody in this namespace has packets queued: with its
/// base chains the kernel would drop them, whoever they belong to.
pub fn remove(config: &Config) -> Result<Removed, NftError> {
    match owner(&config.table)? {
        Owner::Nobody => return Ok(Removed::Wholly),
        Owner::SomebodyElse => return Err(NftError::Foreign(config.table.clone())),
        Owner::We(_) => {}
    }
    let table = format!("inet {}", config.table);
    let (text, removed) = if queue::nobody_listens() {
        (format!("delete table {table}\n"), Removed::Wholly)
    } else {
        (ruleset::idle(config), Removed::Emptied)
    };
    run(&text).map(|()| removed)
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
    /// Blocks with the time left to each.
    pub blocks: Vec<(Source, Duration)>,
    /// Elements without an end: the operator's, who added them with nft.
    pub lasting: Vec<Source>,
    /// So many elements fit into the smallest set.
    pub room: Option<u32>,
}

/// The blocks that the kernel has.
pub fn blocks(config: &Config) -> Result<Blocks, DumpError> {
    let mut found = Blocks { room: dump::room(&config.table)?, ..Blocks::default() };
    for Element { source, left, .. } in dump::dump(&config.table, config.detect.ipv6_prefix)? {
        match left {
            Some(left) => found.blocks.push((source, left)),
            None => found.lasting.push(source),
        }
    }
    Ok(found)
}

/// What the ruleset must know of this namespace; `on_link`: the networks of its links. Whom it depends on is left to the caller, who may
/// not want them spared.
#[must_use]
pub fn host(on_link: &[Ipv6Net]) -> Host {
    let spoken = Path::new("/proc/self/net/sctp").exists();
    Host {
        ephemeral: ephemeral_ports(),
        links: surroundings::links(on_link),
        exempt: Prefixes::default(),
        listening: listening(),
        sctp: if spoken { Sctp::Spoken } else { Sctp::Unknown },
        decoys: Decoys::default(),
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

pub(super) fn run(ruleset: &str) -> Result<(), NftError> {
    child::run(&["-f", "-"], ruleset).map(|_output| ())
}
