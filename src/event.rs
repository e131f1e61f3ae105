//! What happened, in one shape for the journal, the event stream, the events file, the log and commands. Pure values.
//!
//! As JSON an event is one flat object, and its keys are the words of the log line: `at`, `event`, then what belongs to that event.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::detect::probe::{Kind, Probe, Protocol};
use crate::detect::source::Source;

pub mod portsentry;
#[cfg(test)]
mod tests;
mod text;
mod wall;

pub use text::plain;
pub use wall::{NotATime, Wall, span};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Wall,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A source is blocked now.
    Blocked(Offence),
    /// It would be, were we not only observing.
    WouldBlock(Offence),
    /// It should be, and the kernel does not take it.
    NotBlocked {
        /// Who.
        source: Source,
        /// Why not.
        reason: String,
    },
    /// Many sources share a scan of one destination, each with too few contacts to be an offender.
    Distributed(Distributed),
    /// An operator ended every block of what lies in a prefix: sources' blocks, and operators'.
    Unblocked {
        /// Of whom; a source as the prefix that it is.
        #[serde(with = "text")]
        prefix: IpNet,
        /// Who asked.
        #[serde(flatten)]
        by: Operator,
    },
    /// An operator ended all blocks.
    UnblockedAll {
        /// Who asked.
        #[serde(flatten)]
        by: Operator,
    },
    /// An operator had somebody blocked.
    OperatorBlocked {
        /// Whom.
        #[serde(with = "text")]
        prefix: IpNet,
        /// Until then; without it, until somebody unblocks it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Wall>,
        /// What the operator says of it.
        reason: String,
        /// Who asked.
        #[serde(flatten)]
        by: Operator,
    },
    /// An operator put somebody on the allow list, which ends blocks of sources there.
    Allowed {
        /// Whom.
        #[serde(with = "text")]
        prefix: IpNet,
        /// What the operator says of it.
        reason: String,
        /// Whether it is in a file, too, and so outlives the daemon.
        saved: bool,
        /// Who asked.
        #[serde(flatten)]
        by: Operator,
    },
    /// An operator took somebody off the allow list.
    Disallowed {
        /// Whom.
        #[serde(with = "text")]
        prefix: IpNet,
        /// Who asked.
        #[serde(flatten)]
        by: Operator,
    },
    /// The config was read anew and is in force.
    Reloaded {
        /// Keys whose change waits for a restart.
        waiting: Vec<String>,
        /// Who asked; nobody that we know, where a signal did.
        #[serde(flatten)]
        by: Option<Operator>,
    },
    /// The config was read anew, and the old one stays in force.
    ReloadRefused {
        /// What is wrong with it.
        problem: String,
    },
    /// The daemon is ready.
    Started {
        /// Its version.
        version: String,
        /// So many blocks are in force.
        blocks: u32,
    },
    /// The daemon ends.
    Stopped,
    /// Somebody removed our table, and it is back.
    TableRestored {
        /// So many blocks with it.
        blocks: u32,
    },
}

/// Why a source is blocked: [`crate::detect::Offence`] on the wall clock, with what came before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offence {
    /// Who.
    pub source: Source,
    /// The probe that decided.
    #[serde(flatten)]
    pub probe: Asked,
    /// So many distinct contacts made it an offender.
    pub hits: u8,
    /// The block's end.
    pub until: Wall,
    /// How often it was blocked, with this time: 1 is the first.
    pub repeat: u32,
    /// The contacts that counted, as far as they are remembered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Seen>,
}

/// A scan that many sources share: [`crate::detect::distributed::Scan`] on the wall clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distributed {
    /// Whom they scan.
    pub destination: IpAddr,
    /// So many sources took part, as far as they are counted.
    pub sources: u32,
    /// So many ports were asked for, each by one of them alone.
    pub places: u32,
    /// When the first contact was made that counts.
    pub first: Wall,
    /// When the last.
    pub last: Wall,
    /// Some of those who took part, those first that came first.
    pub among: Vec<Source>,
}

/// What was asked for, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The port; 0 where there is none, or it cannot be read.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// What scanners call it.
    pub kind: Kind,
    /// The address.
    pub destination: IpAddr,
}

/// One contact, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When.
    pub at: Wall,
    /// What.
    #[serde(flatten)]
    pub probe: Asked,
}

/// What a source did that is not blocked yet. Only those who follow events as they happen are told; nobody keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// When.
    pub at: Wall,
    /// Always `watched`.
    pub event: WatchedName,
    /// Who.
    pub source: Source,
    /// What.
    #[serde(flatten)]
    pub probe: Asked,
}

/// The name of [`Watched`] in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchedName {
    /// The one that there is.
    #[default]
    Watched,
}

/// Who asked on the control socket, as the kernel says. In JSON the keys are `uid`, `pid` and `user`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Their user's number.
    pub uid: u32,
    /// Their process.
    pub pid: i32,
    /// Their user's name, where there is one.
    #[serde(rename = "user", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl What {
    /// The names of all events, as in JSON's `event`.
    pub const NAMES: [&'static str; 14] = [
        "blocked",
        "would_block",
        "not_blocked",
        "distributed",
        "unblocked",
        "unblocked_all",
        "operator_blocked",
        "allowed",
        "disallowed",
        "reloaded",
        "reload_refused",
        "started",
        "stopped",
        "table_restored",
    ];

    /// Its name, as in JSON's `event`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Blocked(_) => "blocked",
            Self::WouldBlock(_) => "would_block",
            Self::NotBlocked { .. } => "not_blocked",
            Self::Distributed(_) => "distributed",
            Self::Unblocked { .. } => "unblocked",
            Self::UnblockedAll { .. } => "unblocked_all",
            Self::OperatorBlocked { .. } => "operator_blocked",
            Self::Allowed { .. } => "allowed",
            Self::Disallowed { .. } => "disallowed",
            Self::Reloaded { .. } => "reloaded",
            Self::ReloadRefused { .. } => "reload_refused",
            Self::Started { .. } => "started",
            Self::Stopped => "stopped",
            Self::TableRestored { .. } => "table_restored",
        }
    }

    /// Whom it is about.
    #[must_use]
    pub fn whom(&self) -> Option<IpNet> {
        match self {
            Self::Blocked(Offence { source, .. })
            | Self::WouldBlock(Offence { source, .. })
            | Self::NotBlocked { source, .. } => Some((*source).into()),
            Self::Unblocked { prefix, .. }
            | Self::OperatorBlocked { prefix, .. }
            | Self::Allowed { prefix, .. }
            | Self::Disallowed { prefix, .. } => Some(*prefix),
            Self::Distributed(_)
            | Self::UnblockedAll { .. }
            | Self::Reloaded { .. }
            | Self::ReloadRefused { .. }
            | Self::Started { .. }
            | Self::Stopped
            | Self::TableRestored { .. } => None,
        }
    }

    /// Whom else it names.
    #[must_use]
    pub fn among(&self) -> &[Source] {
        if let Self::Distributed(scan) = self { &scan.among } else { &[] }
    }

    /// The offence, where it is about one.
    #[must_use]
    pub const fn offence(&self) -> Option<&Offence> {
        if let Self::Blocked(offence) | Self::WouldBlock(offence) = self { Some(offence) } else { None }
    }

    /// The end of the block that it is about.
    #[must_use]
    pub fn until(&self) -> Option<Wall> {
        if let Self::OperatorBlocked { until, .. } = self {
            *until
        } else {
            self.offence().map(|offence| offence.until)
        }
    }
}

impl From<&Probe> for Asked {
    fn from(probe: &Probe) -> Self {
        let place = probe.contact;
        Self { port: place.port, protocol: place.protocol, kind: probe.kind, destination: place.destination }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} (uid {}, pid {})", self.uid, self.pid),
            None => write!(f, "uid {} (pid {})", self.uid, self.pid),
        }
    }
}
