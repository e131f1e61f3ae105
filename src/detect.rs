//! Decides what a packet makes of its source. Pure: no clock, no I/O, no kernel, no logging; the daemon and a replay of a capture
//! call the same function.

use crate::config::PortSet;
use crate::packet::Packet;
use crate::time::Moment;

pub mod prefixes;
pub mod probe;
pub mod source;
pub mod table;

use prefixes::Prefixes;
use probe::{Port, Probe, Protocol, Weight};
use source::{Source, Surroundings};
use table::{ScanTable, Standing, Threshold};

/// What is remembered, and the rules by which it is judged.
#[derive(Debug)]
pub struct Detector {
    /// The shared memory of sources.
    pub table: ScanTable,
    /// What makes an offender.
    pub threshold: Threshold,
    /// The operator's bait. A port that is none of these counts as unserved, or it would not have been queued.
    pub triggers: Triggers,
    /// Before this moment unserved ports do not count: services that start with the machine are not there yet.
    pub unserved_from: Moment,
    /// Who is never one. The ruleset lets these pass before they are queued; this holds even if another's rule queues them.
    pub allow: Prefixes,
}

/// Ports that only a scanner asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Of TCP.
    pub tcp: PortSet,
    /// Of UDP.
    pub udp: PortSet,
}

/// What is to be done about a packet's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// An honest host may send this: nothing is remembered.
    Innocent,
    /// Evidence, and not yet enough of it.
    Watch,
    /// The source became an offender: block it, then drop the packet.
    Block(Offence),
    /// The source is blocked already: drop the packet.
    StillBlocked,
}

/// Why a source is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offence {
    /// Who is blocked.
    pub source: Source,
    /// The probe that decided.
    pub probe: Probe,
    /// So many distinct contacts counted.
    pub hits: u8,
    /// Until then it is blocked.
    pub until: Moment,
}

impl Detector {
    /// Judges `packet`, which the ruleset found suspicious, at `now`.
    #[must_use]
    pub fn observe(&self, now: Moment, packet: &Packet, surroundings: &Surroundings) -> Decision {
        let Some(probe) = Probe::read(packet) else { return Decision::Innocent };
        if self.allow.contains(probe.source) || surroundings.exempt.contains(probe.source) {
            return Decision::Innocent;
        }
        let Some(weight) = probe.kind.weight(self.port(&probe)) else { return Decision::Innocent };
        if weight == Weight::Unserved && now < self.unserved_from {
            return Decision::Innocent;
        }
        let source = Source::of(probe.source, surroundings);
        match self.table.observe(now, source, (&probe.contact, weight), &self.threshold) {
            Standing::Watched(_) => Decision::Watch,
            Standing::Offender { hits, until } => Decision::Block(Offence { source, probe, hits, until }),
            Standing::Blocked(_) => Decision::StillBlocked,
        }
    }

    fn port(&self, probe: &Probe) -> Port {
        let bait = match probe.contact.protocol {
            Protocol::Tcp => self.triggers.tcp.contains(probe.contact.port),
            Protocol::Udp => self.triggers.udp.contains(probe.contact.port),
            Protocol::Sctp | Protocol::Icmp | Protocol::Number(_) | Protocol::Unknown => false,
        };
        if bait { Port::Trigger } else { Port::Unserved }
    }
}
