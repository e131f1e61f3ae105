//! What was seen of a host, as its own files and tools say it; `kernel/facts.rs` looks. What could not be seen says so, and
//! is never taken for something that is not there.

use std::net::IpAddr;
use std::time::Duration;

/// Everything that the checks judge.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The running kernel's release: `6.1.0-56-amd64`.
    pub release: String,
    /// How long the machine has been up.
    pub uptime: Duration,
    /// What `nft --version` prints; nothing where there is no nft.
    pub nft: Option<String>,
    /// Our own `/proc/self/status`.
    pub status: String,
    /// What came of loading our ruleset where it hurts nobody.
    pub rehearsal: Rehearsal,
    /// The ruleset as nft lists it.
    pub ruleset: Listing,
    /// Who listens to which netlink queue of this namespace; nothing where we may not see it.
    pub queues: Option<Vec<Listener>>,
    /// The daemon that guards the config's table.
    pub daemon: Option<Daemon>,
    /// The kernel's connection tracking.
    pub conntrack: Conntrack,
    /// Ports that programs listen on, other than on the loopback.
    pub served: Vec<Served>,
    /// `/proc/net/ip_vs`; empty without IPVS.
    pub ip_vs: String,
    /// `net.ipv4.ip_forward` and `net.ipv6.conf.all.forwarding`.
    pub forwards: [Option<bool>; 2],
    /// Links on which any sender may name any source (`rp_filter` is 0).
    pub unfiltered_links: Vec<String>,
    /// Tables of iptables-legacy; nothing where we may not see them.
    pub legacy: Option<Vec<String>>,
    /// Names of this machine's processes.
    pub programs: Vec<String>,
    /// The file that nftables' own service loads; empty where there is none.
    pub nftables_conf: String,
    /// The unit of that service; empty where there is none.
    pub nftables_unit: String,
    /// What systemd would start.
    pub units: Units,
    /// Where somebody is logged in from; nothing without logind.
    pub session_peers: Option<Vec<IpAddr>>,
    /// Whether systemd's own time service has set the clock.
    pub timesync: bool,
    /// Where state is kept between two starts.
    pub folder: Folder,
    /// The first number and the count of the queues that the daemon says it has.
    pub queue_numbers: Option<(u16, u16)>,
    /// Whether guests have the one after these; nothing where no daemon says so.
    pub guests_apart: Option<bool>,
    /// Whether the system knows the group that may ask; nothing where none is named, or that cannot be told.
    pub group_known: Option<bool>,
    /// What the daemon that runs says it cannot tell others of, though its config wants that.
    pub untold: Vec<String>,
    /// What the daemon that runs says is wrong with its journal.
    pub journal_problem: Option<String>,
}

/// The whole ruleset, without the elements of sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// What `nft -j -t list ruleset` prints.
    Json(Vec<u8>),
    /// It prints nothing, or not all.
    NotSeen(Unseen),
}

/// Why something is not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// The reason.
    pub reason: String,
    /// What to do, to see it.
    pub remedy: &'static str,
}

/// What came of loading our ruleset in a network namespace of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rehearsal {
    /// It loads, and packets are queued by that way.
    Works(&'static str),
    /// It does not load.
    Fails {
        /// What nft or the kernel says.
        reason: String,
        /// What the kernel lacks, tried one by one.
        missing: Vec<&'static str>,
    },
    /// It was not tried, for that reason.
    NotTried(String),
}

/// Who listens to a netlink queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The queue's number.
    pub number: u16,
    /// Who, in words.
    pub owner: String,
    /// The process, where its netlink port tells.
    pub process: Option<i32>,
    /// Packets that wait.
    pub waiting: u32,
    /// Packets that found no room, since somebody listens.
    pub lost: u32,
}

/// A running daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daemon {
    /// Its process.
    pub process: i32,
    /// Whether that is more than a name.
    pub claim: Claim,
    /// Who started it.
    pub started: Started,
}

/// How sure it is that who claims a table guards it. Anybody may claim a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is root's or our own user's, or it listens to a queue, which takes a right.
    Proven,
    /// It is another user's, and who listens to queues cannot be seen.
    Unproven,
}

/// Who started a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// systemd, as the unit `nftrap.service`.
    ByUnit,
    /// Anybody else.
    Otherwise,
}

/// The kernel's connection tracking, as far as it is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conntrack {
    /// Flows that are tracked.
    pub count: Option<u64>,
    /// Flows that there is room for.
    pub max: Option<u64>,
    /// `nf_conntrack_tcp_loose`.
    pub loose: Option<u64>,
    /// Whether IPv6 fragments are put together before rules see them.
    pub defragments: bool,
}

/// A port that a program listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// By its name: tcp or udp.
    pub protocol: &'static str,
    /// The port.
    pub port: u16,
}

/// What systemd would start. By its files: nothing is asked of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Units {
    /// Whether systemd runs here.
    pub systemd: bool,
    /// Our own `nftrap.service`.
    pub nftrap: Unit,
    /// `nftables.service`, which loads the administrator's ruleset.
    pub nftables: Unit,
}

/// What systemd knows of a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unit {
    /// Nothing.
    #[default]
    Absent,
    /// It is there, and starts when somebody says so.
    Installed,
    /// It starts with the machine.
    Enabled,
}

/// The folder for state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Folder {
    /// There is none.
    #[default]
    Absent,
    /// We may not look.
    NotSeen,
    /// It is there.
    Present {
        /// Permission bits.
        mode: u32,
        /// Whether we could write into it.
        writable: bool,
        /// Room on its disk, in MiB, for who is not root.
        free: u64,
    },
}

impl Default for Rehearsal {
    fn default() -> Self {
        Self::NotTried(String::from("not looked at"))
    }
}

impl Default for Listing {
    fn default() -> Self {
        Self::NotSeen(Unseen { reason: String::from("not looked at"), remedy: "look at it" })
    }
}
