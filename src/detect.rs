//! Decides what a packet makes of its source. Pure: no clock, no I/O, no kernel, no logging; the daemon and a replay of a capture
//! call the same function.

use std::time::Duration;

use ipnet::IpNet;

use crate::config::{Act, Config, Distributed, PortSet};
use crate::packet::Packet;
use crate::time::Moment;

pub mod distributed;
pub mod prefixes;
pub mod probe;
pub mod source;
pub mod table;
pub mod widen;

use prefixes::Prefixes;
use probe::{Port, Probe, Protocol, Weight};
use source::{Source, Surroundings};
use table::{Effect, Novelty, ScanTable, Standing, Terms, Threshold};

/// The rules by which packets are judged: values, to be replaced as a whole while what is remembered stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What makes an offender.
    pub threshold: Threshold,
    /// The operator's bait. A port that is none of these counts as unserved, or it would not have been queued.
    pub triggers: Triggers,
    /// Before this moment unserved ports do not count: services that start with the machine are not there yet.
    pub unserved_from: Moment,
    /// What is done about who probes by UDP; `threshold` has it for all else.
    pub udp: Effect,
    /// How long who has proven its address is blocked; `threshold` has it for all whose address may be forged.
    pub proven: Terms,
    /// What is done about scans that many sources share.
    pub distributed: Distributed,
    /// Whether IPv6 networks are blocked as a whole in which several sources are.
    pub widen6: bool,
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
    /// Of UDP, those that answer.
    pub udp_decoys: PortSet,
}

impl Triggers {
    /// Those of `config`.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let (trigger, udp_decoys) = (&config.trigger, config.decoy.udp.clone());
        Self { tcp: trigger.tcp.clone(), udp: trigger.udp.clone(), udp_decoys }
    }
}

/// What is to be done about a packet's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// An honest host may send this: nothing is remembered.
    Innocent,
    /// Evidence, and not yet enough of it.
    Watch(Sighting, Novelty),
    /// The source became an offender: block it, then drop the packet.
    Block(Offence),
    /// The source became an offender that is to be reported only.
    Report(Offence),
    /// The source is blocked already: drop the packet.
    StillBlocked,
}

/// Who did what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Who it is to us: an address, or the network that it belongs to.
    pub source: Source,
    /// What it did.
    pub probe: Probe,
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
    /// For the so manieth time in a row, from 1 on.
    pub repeat: u8,
    /// Until then it is blocked.
    pub until: Moment,
}

/// A probe, how much it says, and what makes an offender of who sends it.
#[derive(Clone, Copy)]
struct Case {
    probe: Probe,
    weight: Weight,
    rule: Threshold,
}

impl Rules {
    /// What `config` asks for. Unserved ports count from `unserved_from` on; a blocked source's packets may be on their way to us
    /// for `settle`.
    #[must_use]
    pub fn of(config: &Config, unserved_from: Moment, settle: Duration) -> Self {
        let block = &config.block;
        let terms = Terms { first: block.time, factor: block.factor, longest: block.longest, memory: block.memory };
        Self {
            threshold: Threshold {
                count: config.detect.count,
                contacts: config.detect.threshold,
                unserved: config.detect.sensitivity.contacts(),
                window: config.detect.window,
                block: terms,
                settle,
                effect: effect(block.tcp),
            },
            udp: effect(block.udp),
            proven: Terms { first: block.proven_time, longest: block.proven_longest, ..terms },
            triggers: Triggers::of(config),
            unserved_from,
            distributed: config.detect.distributed,
            widen6: block.widen6,
            allow: config.allow.clone(),
        }
    }

    /// Judges `packet`, which the ruleset found suspicious, at `now`, by what `table` remembers, and has it remember this.
    #[must_use]
    pub fn judge(&self, table: &ScanTable, now: Moment, packet: &Packet, surroundings: &Surroundings) -> Decision {
        let Some(probe) = Probe::read(packet) else { return Decision::Innocent };
        self.decide(table, now, &Case { probe, weight: self.weight(&probe), rule: self.rule(&probe) }, surroundings)
    }

    /// The same of a guest's packet. Whoever sent it may have forged its source, and cuts off a client at work by it.
    #[must_use]
    pub fn judge_guest(
        &self,
        table: &ScanTable,
        now: Moment,
        packet: &Packet,
        surroundings: &Surroundings,
    ) -> Decision {
        let Some(probe) = Probe::read(packet) else { return Decision::Innocent };
        let rule = self.rule(&probe).of_guests();
        self.decide(table, now, &Case { probe, weight: self.weight(&probe), rule }, surroundings)
    }

    /// Judges at `now` who asked a decoy, and was answered: in full, whatever other lists say of the port.
    #[must_use]
    pub fn judge_answered(
        &self,
        table: &ScanTable,
        now: Moment,
        probe: Probe,
        surroundings: &Surroundings,
    ) -> Decision {
        self.decide(table, now, &Case { probe, weight: Weight::Full, rule: self.rule(&probe) }, surroundings)
    }

    fn decide(&self, table: &ScanTable, now: Moment, case: &Case, surroundings: &Surroundings) -> Decision {
        let Case { probe, weight, rule } = *case;
        if self.spares(&probe, surroundings) {
            return Decision::Innocent;
        }
        if matches!(weight, Weight::Unserved | Weight::UnservedHalf) && now < self.unserved_from {
            return Decision::Innocent;
        }
        let source = Source::of(probe.source, surroundings);
        let standing = table.observe(now, source, (&probe.contact, weight), &rule);
        decision(standing, Sighting { source, probe }, rule.effect)
    }

    /// Judges at `now` who took part in a scan of many: what `table` remembers of it is taken for enough. Of whom nothing is remembered that
    /// counts, or who is blocked already, nothing comes.
    #[must_use]
    pub fn judge_member(
        &self,
        table: &ScanTable,
        now: Moment,
        sighting: Sighting,
        surroundings: &Surroundings,
    ) -> Decision {
        if self.spares(&sighting.probe, surroundings) {
            return Decision::Innocent;
        }
        let rule = self.rule(&sighting.probe);
        let standing = table.convict(now, sighting.source, &rule);
        standing.map_or(Decision::Innocent, |standing| decision(standing, sighting, rule.effect))
    }

    /// Judges at `now` an IPv6 network in which so many sources are blocked, the last for `probe`. Nothing comes of one that holds whom we
    /// spare, or reaches into our own links: one scanner there is no reason to shut them out.
    #[must_use]
    pub fn judge_network(
        &self,
        table: &ScanTable,
        now: Moment,
        (network, blocks, probe): (Source, u8, Probe),
        surroundings: &Surroundings,
    ) -> Decision {
        let net = IpNet::from(network);
        let links = surroundings.on_link.iter().map(|link| IpNet::V6(*link));
        let is_ours = links.into_iter().any(|link| net.contains(&link) || link.contains(&net));
        if is_ours || self.allow.meets(net) || surroundings.exempt.meets(net) {
            return Decision::Innocent;
        }
        let rule = self.rule(&probe);
        let standing = table.convict_network(now, network, blocks, &rule);
        standing
            .map_or(Decision::Innocent, |standing| decision(standing, Sighting { source: network, probe }, rule.effect))
    }

    /// Whether nobody is to be blocked for it.
    fn spares(&self, probe: &Probe, surroundings: &Surroundings) -> bool {
        self.allow.contains(probe.source) || surroundings.exempt.contains(probe.source)
    }

    /// What makes an offender of who sends `probe`, and for how long.
    fn rule(&self, probe: &Probe) -> Threshold {
        let rule = if probe.kind.proves_its_source() {
            Threshold { block: self.proven, ..self.threshold }
        } else {
            self.threshold
        };
        match probe.contact.protocol {
            Protocol::Udp => Threshold { effect: self.udp, ..rule },
            Protocol::Tcp | Protocol::Sctp | Protocol::Icmp | Protocol::Number(_) | Protocol::Unknown => rule,
        }
    }

    fn weight(&self, probe: &Probe) -> Weight {
        let bait = match probe.contact.protocol {
            Protocol::Tcp => self.triggers.tcp.contains(probe.contact.port),
            Protocol::Udp => self.triggers.udp.contains(probe.contact.port),
            Protocol::Sctp | Protocol::Icmp | Protocol::Number(_) | Protocol::Unknown => false,
        };
        probe.kind.weight(if bait { Port::Trigger } else { Port::Unserved })
    }
}

/// What follows for who did it.
fn decision(standing: Standing, sighting: Sighting, effect: Effect) -> Decision {
    let Sighting { source, probe } = sighting;
    match standing {
        Standing::Watched(_, novelty) => Decision::Watch(sighting, novelty),
        Standing::Offender { hits, repeat, until } => {
            let offence = Offence { source, probe, hits, repeat, until };
            match effect {
                Effect::Blocked => Decision::Block(offence),
                Effect::Reported => Decision::Report(offence),
            }
        }
        Standing::Blocked(_) => Decision::StillBlocked,
    }
}

const fn effect(act: Act) -> Effect {
    match act {
        Act::Block => Effect::Blocked,
        Act::Observe | Act::Command => Effect::Reported,
    }
}

#[cfg(test)]
mod tests;
