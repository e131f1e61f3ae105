//! What can be set of what makes an offender.

use std::time::Duration;

/// How few distinct contacts with unserved ports make an offender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sensitivity {
    /// Five.
    Low,
    /// Four.
    Medium,
    /// Three.
    High,
}

impl Sensitivity {
    /// The number behind the word.
    #[must_use]
    pub const fn contacts(self) -> u8 {
        match self {
            Self::Low => 5,
            Self::Medium => 4,
            Self::High => 3,
        }
    }
}

/// What is counted of what a source sends to trigger ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Distinct places, each a destination and a port.
    Places,
    /// Every packet, as `PortSentry` does.
    Packets,
}

/// When a source is an offender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detect {
    /// What `threshold` counts.
    pub count: Count,
    /// So many contacts with trigger ports within `window` make an offender; 1 to `MAX_THRESHOLD`, or to `MAX_PACKETS`.
    pub threshold: u8,
    /// The same for ports that nobody serves and that are no triggers.
    pub sensitivity: Sensitivity,
    /// How long one contact counts.
    pub window: Duration,
    /// So many sources are remembered at most; memory does not grow past this.
    pub max_sources: u32,
    /// An IPv6 source is the network of this prefix length, 48 to 128.
    pub ipv6_prefix: u8,
    /// So long after it sent data over a connection with a service, a source is a guest; zero for never.
    pub guest: Duration,
    /// What is done about scans that many sources share.
    pub distributed: Distributed,
}

/// What is done about scans that many sources share, each with too few contacts to be an offender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distributed {
    /// They are told.
    Report,
    /// And those who took part are blocked.
    Block,
    /// Nobody looks for them.
    Off,
}

impl Default for Detect {
    fn default() -> Self {
        Self {
            count: Count::Places,
            threshold: 1,
            sensitivity: Sensitivity::Medium,
            window: Duration::from_secs(3600),
            max_sources: 131_072,
            ipv6_prefix: 64,
            guest: Duration::from_secs(3600),
            distributed: Distributed::Report,
        }
    }
}
