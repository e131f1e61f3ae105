//! What can be set of what is done about an offender, beside the kernel's block.

use std::path::PathBuf;
use std::time::Duration;

use super::PortSet;

/// Each has a socket of its own.
pub const MAX_UDP_DECOYS: usize = 64;

/// What is done about an offender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is blocked.
    Block,
    /// It is reported.
    Observe,
    /// It is reported, and the operator's command is run.
    Command,
}

/// Ports that answer, so that who asks there proves its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoy {
    /// Of TCP.
    pub tcp: PortSet,
    /// Of UDP; at most `MAX_UDP_DECOYS`.
    pub udp: PortSet,
    /// What they say.
    pub banner: String,
    /// How long a connection is held open.
    pub hold: Duration,
    /// So many connections are held at once.
    pub max: u32,
}

/// What is run for a block. A command is its arguments, the program's whole path first; none, if there are none. With `shell`, it is
/// one line for the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// For every offender.
    pub run: Vec<String>,
    /// Whether `run` comes before `block` and the line for TCP wrappers, or after.
    pub first: bool,
    /// For every block, beside the kernel's.
    pub block: Vec<String>,
    /// When that block ends.
    pub unblock: Vec<String>,
    /// Whether `/bin/sh` reads the command.
    pub shell: bool,
    /// A command that takes longer is ended.
    pub timeout: Duration,
    /// So many run at once.
    pub at_once: u32,
}

/// What is written of a block for TCP wrappers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostsDeny {
    /// The line, with `$TARGET$` for the source.
    pub line: Option<String>,
    /// The file that it goes into.
    pub file: PathBuf,
}

impl Decoy {
    /// Whether no port answers.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.tcp.is_empty() && self.udp.is_empty()
    }
}

impl Default for Decoy {
    fn default() -> Self {
        Self { tcp: PortSet::default(), udp: PortSet::default(), banner: String::new(), hold: Duration::ZERO, max: 256 }
    }
}

impl Default for Command {
    fn default() -> Self {
        Self {
            run: Vec::new(),
            first: false,
            block: Vec::new(),
            unblock: Vec::new(),
            shell: false,
            timeout: Duration::from_secs(10),
            at_once: 4,
        }
    }
}

impl Default for HostsDeny {
    fn default() -> Self {
        Self { line: None, file: PathBuf::from("/etc/hosts.deny") }
    }
}
