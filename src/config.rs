//! What can be set, its default and its reason. Values only: what a file says is turned into these in `config/load.rs`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use crate::detect::prefixes::Prefixes;
use crate::detect::probe::Protocol;

mod act;
mod detect;
pub mod load;
pub mod ports;
mod queue;
mod report;
mod rights;

pub use act::{Act, Command, Decoy, HostsDeny, MAX_UDP_DECOYS};
pub use detect::{Count, Detect, Distributed, Sensitivity};
pub use ports::PortSet;
pub use queue::{GuestQueue, Queue, Reader};
pub use report::{LogFormat, MetricsAddress, Report};
pub use rights::{Cage, Rights, RunAs};

/// Everything an operator can set, checked and resolved: no names, no strings left to interpret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whether offenders are blocked or only reported.
    pub mode: Mode,
    /// Name of our nftables table, family `inet`: a letter, then letters, digits and `_`; at most 31 characters.
    pub table: String,
    /// What becomes of blocks when the daemon ends.
    pub on_exit: OnExit,
    /// What only a scanner sends.
    pub trigger: Trigger,
    /// What mostly a scanner sends.
    pub unserved: Unserved,
    /// When a source is an offender.
    pub detect: Detect,
    /// What a block is.
    pub block: Block,
    /// Ports that answer.
    pub decoy: Decoy,
    /// What is run for a block.
    pub command: Command,
    /// What is written of a block for TCP wrappers.
    pub hosts_deny: HostsDeny,
    /// Sources that are never blocked.
    pub allow: Prefixes,
    /// Where the config names them.
    pub allow_sources: Sources,
    /// Whether those whom this host depends on are never blocked either.
    pub exempt: Exempt,
    /// Destinations behind this gateway that are guarded as this host is.
    pub protect: Prefixes,
    /// Destinations behind this gateway where no host lives.
    pub dark: Prefixes,
    /// How packets come to us.
    pub queue: Queue,
    /// What happens to a packet when we cannot judge it.
    pub fail: Fail,
    /// Which rights we keep ourselves.
    pub rights: Rights,
    /// Who may ask us what.
    pub control: Control,
    /// What is kept of what happened.
    pub journal: Journal,
    /// Where else it is told.
    pub report: Report,
}

/// Where a list of prefixes comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// What the config itself names.
    pub named: Vec<IpNet>,
    /// Files of more, by their whole paths.
    pub files: Vec<PathBuf>,
}

/// Whether offenders are blocked or only reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Offenders are blocked.
    Enforce,
    /// Nothing is dropped and nobody is blocked; the log says what `Enforce` would have done.
    Observe,
}

/// What becomes of blocks when the daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExit {
    /// They stay in the kernel and run out on time.
    Keep,
    /// They are lifted and our table goes.
    Remove,
}

/// What only a scanner sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// TCP ports that nobody serves.
    pub tcp: PortSet,
    /// UDP ports that nobody serves.
    pub udp: PortSet,
    /// Whether TCP packets that no honest stack sends (NULL, FIN, XMAS, SYN+FIN) count at any port.
    pub stealth: bool,
}

/// Ports that count although they are no triggers, where nobody serves them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unserved {
    /// Of TCP.
    pub tcp: PortSet,
    /// Of UDP.
    pub udp: PortSet,
    /// Of TCP, never: honest programs ask for these unasked.
    pub except_tcp: PortSet,
    /// Of UDP, likewise.
    pub except_udp: PortSet,
    /// So long after the machine has started they do not count: its services are not all there yet.
    pub after_boot: Duration,
}

/// Whether default gateways, resolvers, time servers, own addresses and administrators' peers are exempt by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exempt {
    /// They are, as the system's own files name them.
    Automatic,
    /// Only who is on the allow list is.
    AllowListOnly,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// How long the first one lasts; whole seconds, at least one.
    pub time: Duration,
    /// Each further one is so many times as long; 1 to `MAX_FACTOR`.
    pub factor: u32,
    /// No further one is longer; whole seconds.
    pub longest: Duration,
    /// The same as `time`, for who has proven its address.
    pub proven_time: Duration,
    /// The same as `longest`, for who has proven its address.
    pub proven_longest: Duration,
    /// So long after a block its source counts as a repeat offender.
    pub memory: Duration,
    /// So many blocks at most; past this the one that would end first makes room.
    pub max: u32,
    /// What is done about who probes by TCP, or by anything but UDP.
    pub tcp: Act,
    /// What is done about who probes by UDP.
    pub udp: Act,
    /// Whether an IPv6 network is blocked as a whole when several sources in it were.
    pub widen6: bool,
}

impl Block {
    /// What is done about who probes by `protocol`.
    #[must_use]
    pub const fn act_on(&self, protocol: Protocol) -> Act {
        match protocol {
            Protocol::Udp => self.udp,
            Protocol::Tcp | Protocol::Sctp | Protocol::Icmp | Protocol::Number(_) | Protocol::Unknown => self.tcp,
        }
    }
}

/// What happens to a packet when we cannot judge it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fail {
    /// Its queue is full.
    pub queue_full: QueueFull,
    /// No daemon listens.
    pub no_daemon: NoDaemon,
}

/// What happens to a packet whose queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueFull {
    /// It goes on, unjudged.
    Open,
    /// It is dropped.
    Closed,
}

/// What happens to a packet when no daemon listens to its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDaemon {
    /// It goes on, unjudged (`bypass`).
    Pass,
    /// It is dropped.
    Drop,
}

/// Who may ask us what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// A group whose members may ask, and change nothing.
    pub group: Option<String>,
}

/// What is kept of what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Where.
    pub file: JournalFile,
    /// What is older is deleted, but for what is still in force.
    pub keep: Duration,
    /// The oldest is deleted when the file is larger.
    pub max_bytes: u64,
}

/// Where the journal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalFile {
    /// In the state folder, by the table's name.
    InStateFolder,
    /// There.
    At(PathBuf),
    /// Nowhere: nothing is kept.
    Nowhere,
}

/// Where the journal and what operators want kept is, unless the config says otherwise.
pub const STATE_FOLDER: &str = "/var/lib/nftrap";

/// A block that grows faster than this is as long as the longest at its second repeat.
pub const MAX_FACTOR: u32 = 100;

/// A record remembers eight contacts, and evidence of half weight takes one more than the threshold.
pub const MAX_THRESHOLD: u8 = 7;
/// `PortSentry` 1.2 counts no further.
pub const MAX_PACKETS: u8 = 50;
/// More workers than this have nothing to do: one judges hundreds of thousands of packets a second.
pub const MAX_QUEUES: u16 = 32;

/// `PortSentry` 1.2's shipped TCP list.
const TCP_TRIGGERS: [u16; 26] = [
    1, 11, 15, 79, 111, 119, 143, 540, 635, 1080, 1524, 2000, 5742, 6667, 12345, 12346, 20034, 27665, 31337, 32771,
    32772, 32773, 32774, 40421, 49724, 54320,
];
/// `PortSentry` 1.2's shipped UDP list.
const UDP_TRIGGERS: [u16; 21] = [
    1, 7, 9, 69, 161, 162, 513, 635, 640, 641, 700, 37444, 34555, 31335, 32770, 32771, 32772, 32773, 32774, 31337,
    54321,
];

/// `PortSentry`'s exclusions: ident, which mail servers ask for, and NetBIOS sessions.
const EXCEPT_TCP: [u16; 2] = [113, 139];
/// `PortSentry`'s exclusions (RIP, NetBIOS, DHCP servers), and DHCP clients.
const EXCEPT_UDP: [u16; 5] = [67, 68, 137, 138, 520];

impl Config {
    /// TCP ports that are looked at when nobody serves them: triggers, and unserved ports that are not excepted.
    #[must_use]
    pub fn watched_tcp(&self) -> PortSet {
        self.trigger.tcp.with(&self.unserved.tcp.without(&self.unserved.except_tcp))
    }

    /// The same of UDP.
    #[must_use]
    pub fn watched_udp(&self) -> PortSet {
        self.trigger.udp.with(&self.unserved.udp.without(&self.unserved.except_udp))
    }

    /// The file that keeps what happened, if one does.
    #[must_use]
    pub fn journal_file(&self) -> Option<PathBuf> {
        match &self.journal.file {
            JournalFile::InStateFolder => Some(Path::new(STATE_FOLDER).join(format!("{}.db", self.table))),
            JournalFile::At(path) => Some(path.clone()),
            JournalFile::Nowhere => None,
        }
    }

    /// The folder of the journal, and of what else is to outlive us.
    #[must_use]
    pub fn state_folder(&self) -> Option<PathBuf> {
        self.journal_file()?.parent().map(Path::to_owned)
    }

    /// The file beside the journal that keeps whom operators allowed for good.
    #[must_use]
    pub fn allow_file(&self) -> Option<PathBuf> {
        self.journal_file().map(|journal| journal.with_extension("allow"))
    }

    /// The file beside the journal that keeps what commands and lines for TCP wrappers are to be ended one day.
    #[must_use]
    pub fn acted_file(&self) -> Option<PathBuf> {
        self.journal_file().map(|journal| journal.with_extension("acted"))
    }

    /// The file beside the journal that keeps which ports were served lately.
    #[must_use]
    pub fn served_file(&self) -> Option<PathBuf> {
        self.journal_file().map(|journal| journal.with_extension("served"))
    }

    /// Whether anybody is blocked at all: not while only observing, nor where either protocol's offenders are let go.
    #[must_use]
    pub fn mode_in_effect(&self) -> Mode {
        let nobody = self.block.tcp != Act::Block && self.block.udp != Act::Block;
        if nobody { Mode::Observe } else { self.mode }
    }

    /// Whether anybody is blocked for what many sources do together.
    #[must_use]
    pub const fn blocks_together(&self) -> bool {
        matches!(self.detect.distributed, Distributed::Block) || self.block.widen6
    }

    /// The fail mode in force: observing drops nothing, whatever is set for the day when it ends.
    #[must_use]
    pub const fn fail_mode(&self) -> Fail {
        match self.mode {
            Mode::Enforce => self.fail,
            Mode::Observe => Fail { queue_full: QueueFull::Open, no_daemon: NoDaemon::Pass },
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            table: String::from("nftrap"),
            on_exit: OnExit::Keep,
            trigger: Trigger {
                tcp: TCP_TRIGGERS.into_iter().collect(),
                udp: UDP_TRIGGERS.into_iter().collect(),
                stealth: true,
            },
            unserved: Unserved {
                tcp: [1..=65_535].into_iter().collect(),
                udp: [1..=65_535].into_iter().collect(),
                except_tcp: EXCEPT_TCP.into_iter().collect(),
                except_udp: EXCEPT_UDP.into_iter().collect(),
                after_boot: Duration::from_secs(300),
            },
            detect: Detect::default(),
            block: Block::default(),
            decoy: Decoy::default(),
            command: Command::default(),
            hosts_deny: HostsDeny::default(),
            allow: Prefixes::default(),
            allow_sources: Sources::default(),
            exempt: Exempt::Automatic,
            protect: Prefixes::default(),
            dark: Prefixes::default(),
            queue: Queue::default(),
            fail: Fail { queue_full: QueueFull::Open, no_daemon: NoDaemon::Pass },
            rights: Rights::default(),
            control: Control { group: None },
            journal: Journal {
                file: JournalFile::InStateFolder,
                keep: Duration::from_secs(90 * 86_400),
                max_bytes: 256 << 20,
            },
            report: Report::default(),
        }
    }
}

impl Default for Block {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(600),
            factor: 2,
            longest: Duration::from_secs(7200),
            proven_time: Duration::from_secs(3600),
            proven_longest: Duration::from_secs(7 * 86_400),
            memory: Duration::from_secs(7 * 86_400),
            max: 131_072,
            tcp: Act::Block,
            udp: Act::Block,
            widen6: false,
        }
    }
}
