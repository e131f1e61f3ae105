//! What goes over the control socket: requests, and the parts of answers. Both ends are this same program; an older or newer one at the
//! other end is told so by what it does not understand.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::report::counters::Totals;

/// Longer requests are nobody's: a reason typed by an operator is the longest part of one.
pub const MAX_REQUEST: usize = 16 * 1024;
/// Characters of a reason; more is cut by nobody and refused.
pub const MAX_REASON: usize = 200;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the daemon does: one [`Status`].
    Status,
    /// Who is blocked: a [`Block`] each, those that end soonest first.
    List,
    /// What is known of one source: one [`Shown`].
    Show {
        /// Its address, or one of its addresses.
        who: IpAddr,
    },
    /// Block these addresses: one [`Changed`], as for all that follows but events.
    Block {
        /// Whom.
        prefix: IpNet,
        /// For so long; for ever without.
        seconds: Option<u64>,
        /// Why, in the operator's words.
        reason: String,
    },
    /// End the blocks of these addresses, and forget their evidence.
    Unblock {
        /// Whose.
        prefix: IpNet,
    },
    /// End all blocks, and forget all evidence.
    UnblockAll,
    /// Never block these addresses.
    Allow {
        /// Whom.
        prefix: IpNet,
        /// Why, in the operator's words.
        reason: String,
        /// Also after a restart.
        save: bool,
    },
    /// Take back such a permission.
    Disallow {
        /// Whose.
        prefix: IpNet,
    },
    /// Who is never blocked, and why: an [`Allowed`] each.
    AllowList,
    /// Read the config again.
    Reload,
    /// Everything that happens from now on: an event each, until the client goes.
    Events {
        /// Also each first contact of a source that is not blocked yet.
        watched: bool,
    },
}

impl Request {
    /// What a line asks for. One that says more than we know of is not understood: serde passes over what stands beside the name of a request
    /// that has no fields, and somebody's `unblock-all` may have been meant for less than all.
    pub fn read(line: &[u8]) -> serde_json::Result<Self> {
        let request: Self = serde_json::from_slice(line)?;
        let fields = |value: &Value| value.as_object().map_or(0, Map::len);
        if fields(&serde_json::from_slice(line)?) > fields(&serde_json::to_value(&request)?) {
            return Err(serde_json::Error::custom("it says more than is known here"));
        }
        Ok(request)
    }

    /// Whether it changes anything.
    #[must_use]
    pub const fn changes(&self) -> bool {
        match self {
            Self::Status | Self::List | Self::Show { .. } | Self::AllowList | Self::Events { .. } => false,
            Self::Block { .. }
            | Self::Unblock { .. }
            | Self::UnblockAll
            | Self::Allow { .. }
            | Self::Disallow { .. }
            | Self::Reload => true,
        }
    }
}

/// How an answer ends: its last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// That was all.
    Done,
    /// It was not done.
    Refused {
        /// Why not.
        problem: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
    },
}

/// How the daemon does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub process: u32,
    /// Since when it runs.
    pub since: String,
    /// Seconds that it has run, without the time that the machine was suspended.
    pub uptime: u64,
    /// `enforce` or `observe`.
    pub mode: String,
    /// Our table.
    pub table: String,
    /// The config file, if there is one.
    pub config: Option<String>,
    /// `whole`, or why packets do not come to us.
    pub protection: String,
    /// How packets come to us.
    pub method: String,
    /// What was done so far.
    pub counters: Totals,
    /// Of the last seconds.
    pub rates: Rates,
    /// From receipt to verdict, in microseconds.
    pub verdict_us: Quantiles,
    /// From receipt to the block in the kernel, in microseconds.
    pub block_us: Quantiles,
    /// The first queue's number, and how many there are for strangers.
    pub queue_numbers: (u16, u16),
    /// Whether guests have the one after these.
    #[serde(default)]
    pub guests_apart: bool,
    /// Each queue; none, where the daemon may not see them: the kernel shows them to root alone.
    pub queues: Vec<Queue>,
    /// Sources blocked now, as far as the scan table remembers them.
    pub blocked: u64,
    /// Blocks set by operators.
    pub banned: u64,
    /// Sources remembered.
    pub sources: u64,
    /// Sources that find room.
    pub max_sources: u64,
    /// Resident memory of the process.
    pub memory_bytes: u64,
    /// The journal; nothing, if there is none.
    pub journal: Option<JournalStatus>,
    /// What the config wants told or done, and cannot be: of the events file, the metrics, and lines for TCP wrappers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<String>,
    /// As whom it runs, and what the kernel holds it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<String>,
}

/// Packets and blocks a second, over the last few seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Packets judged.
    pub packets: u64,
    /// Sources blocked.
    pub blocks: u64,
}

/// Bounds that half of all, and all but one of a hundred, do not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    pub p50: Option<u64>,
    /// Of a hundred, the last but one.
    pub p99: Option<u64>,
}

/// One queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Its number.
    pub number: u16,
    /// Packets that wait.
    pub waiting: u32,
    /// Packets that found it full.
    pub overrun: u32,
    /// Packets that found the socket's buffer full.
    pub unsent: u32,
}

/// How the journal does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalStatus {
    /// Its file.
    pub file: String,
    /// Events stored.
    pub stored: u64,
    /// Events that could not be.
    pub dropped: u64,
    /// Age of the oldest event that is not stored yet, in milliseconds.
    pub lag_ms: u64,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// One block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Who is blocked.
    pub source: String,
    /// By whom: `nftrap`, `operator`, or `nft` for one that somebody added to the kernel's set by hand.
    pub by: String,
    /// Until when; nothing, if for ever.
    pub until: Option<String>,
    /// Seconds left.
    pub left: Option<u64>,
    /// For the so manieth time in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<u8>,
    /// Packets dropped since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// The operator's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is known of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Who it is to us: the address, or its network.
    pub source: String,
    /// `never blocked`, `blocked`, `would be blocked` (while only observing), `reported` (as `[block]` has it), `watched`,
    /// or `unknown`.
    pub state: String,
    /// Why it is never blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Blocks in force that hold it.
    pub blocks: Vec<Block>,
    /// When it was last seen.
    pub last_seen: Option<String>,
    /// Contacts that are remembered.
    pub contacts: u8,
    /// So many would be enough: of triggers, and of other unserved ports.
    pub enough: (u8, u8),
    /// How long one contact counts, in seconds.
    pub window: u64,
    /// Whether it is a guest: then more triggers are enough than of others.
    #[serde(default)]
    pub guest: bool,
    /// Blocks in a row so far.
    pub repeats: u8,
    /// What it did lately, oldest first, as events show it.
    pub evidence: Vec<Value>,
}

/// One who is never blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// Who.
    pub prefix: String,
    /// Why: `config`, `operator`, or what this host needs it for.
    pub why: String,
    /// The operator's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it outlives a restart.
    pub lasting: bool,
}

/// A follower of events missed some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// So many.
    pub missed: u64,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// What was done, for people.
    pub done: String,
    /// Whether the journal has it: a power cut does not undo it then.
    pub stored: bool,
    /// What else the operator should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_line_that_people_can_read() {
        let request = Request::Block {
            prefix: "192.0.2.0/24".parse().unwrap(),
            seconds: Some(7200),
            reason: "scans \"us\"\n".into(),
        };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(line, r#"{"ask":"block","prefix":"192.0.2.0/24","seconds":7200,"reason":"scans \"us\"\n"}"#);
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
    }

    #[test]
    fn what_is_not_understood_is_an_error_and_never_guessed() {
        let more = [r#"{"ask":"unblock-all","prefix":"192.0.2.0/24"}"#, r#"{"ask":"events","watched":true,"of":1}"#];
        for line in [r#"{"ask":"dance"}"#, "{}", "[]", "1", r#"{"ask":"show","who":"x"}"#].iter().chain(&more) {
            assert!(Request::read(line.as_bytes()).is_err(), "{line}");
        }
        assert_eq!(Request::read(br#"{"ask":"unblock-all"}"#).unwrap(), Request::UnblockAll);
    }
}
