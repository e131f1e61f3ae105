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

impl Rules {
    /// What `config` asks for. Unserved ports count from `unserved_from` on; a blocked source's packets may be on their way to us
    /// for `settle`.
    #[must_use]
    pub fn of(config: &Config, unserved_from: Moment, settle: Duration) -> Self {
        let block = &config.block;
        Self {
            threshold: Threshold {
                count: config.detect.count,
                contacts: config.detect.threshold,
                unserved: config.detect.sensitivity.contacts(),
                window: config.detect.window,
                block: Terms { first: block.time, factor: block.factor, longest: block.longest, memory: block.memory },
                settle,
                effect: effect(block.tcp),
            },
            udp: effect(block.udp),
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
        let weight = probe.kind.weight(self.port(&probe));
        self.weigh(table, now, (probe, weight), surroundings)
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
        self.weigh(table, now, (probe, Weight::Full), surroundings)
    }

    fn weigh(
        &self,
        table: &ScanTable,
        now: Moment,
        (probe, weight): (Probe, Weight),
        surroundings: &Surroundings,
    ) -> Decision {
        if self.spares(&probe, surroundings) {
            return Decision::Innocent;
        }
        if matches!(weight, Weight::Unserved | Weight::UnservedHalf) && now < self.unserved_from {
            return Decision::Innocent;
        }
        let source = Source::of(probe.source, surroundings);
        let rule = self.rule(&probe);
        let standing = table.observe(now, source, (&probe.contact, weight), &rule);
        decide(standing, Sighting { source, probe }, rule.effect)
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
        standing.map_or(Decision::Innocent, |standing| decide(standing, sighting, rule.effect))
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
            .map_or(Decision::Innocent, |standing| decide(standing, Sighting { source: network, probe }, rule.effect))
    }

    /// Whether nobody is to be blocked for it.
    fn spares(&self, probe: &Probe, surroundings: &Surroundings) -> bool {
        self.allow.contains(probe.source) || surroundings.exempt.contains(probe.source)
    }

    /// What makes an offender of who sends this.
    fn rule(&self, probe: &Probe) -> Threshold {
        match probe.contact.protocol {
            Protocol::Udp => Threshold { effect: self.udp, ..self.threshold },
            Protocol::Tcp | Protocol::Sctp | Protocol::Icmp | Protocol::Number(_) | Protocol::Unknown => self.threshold,
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

/// What follows for who did it.
fn decide(standing: Standing, sighting: Sighting, effect: Effect) -> Decision {
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
mod tests {
    use super::probe::{Contact, Kind};
    use super::table::Seeds;
    use super::*;

    fn at_decoy(protocol: Protocol, kind: Kind) -> Probe {
        let contact = Contact { destination: [203, 0, 113, 2].into(), protocol, port: 8888 };
        Probe { source: [198, 51, 100, 2].into(), contact, kind }
    }

    fn judged(config: &Config, probe: Probe) -> Decision {
        let around = Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::default() };
        let rules = Rules::of(config, Moment::from_start(Duration::from_secs(300)), Duration::MAX);
        rules.judge_answered(&ScanTable::new(1024, Seeds(1, 2)), Moment::ZERO, probe, &around)
    }

    #[test]
    fn who_asks_a_decoy_is_an_offender_at_once_whatever_else_its_port_is() {
        for (protocol, kind) in [(Protocol::Tcp, Kind::Connect), (Protocol::Udp, Kind::Udp)] {
            let probe = at_decoy(protocol, kind);
            let Decision::Block(offence) = judged(&Config::default(), probe) else { panic!("{kind} is no offence") };
            assert_eq!((offence.probe, offence.hits), (probe, 1));
        }
    }

    #[test]
    fn a_network_is_not_blocked_as_a_whole_that_holds_whom_we_spare_or_reaches_into_our_links() {
        let spares = |text: &str| Prefixes::new(&[text.parse().unwrap()]);
        let judged = |allow: Prefixes, around: &Surroundings| {
            let rules = Rules::of(&Config { allow, ..Config::default() }, Moment::ZERO, Duration::MAX);
            let why = ("2001:db8:0:100::/56".parse().unwrap(), 4, at_decoy(Protocol::Tcp, Kind::Syn));
            rules.judge_network(&ScanTable::new(1024, Seeds(1, 2)), Moment::ZERO, why, around)
        };
        let nobody = Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::default() };
        for text in ["2001:db8:0:1ff::7/128", "2001:db8::/32", "2001:db8:0:100::/56"] {
            assert_eq!(judged(spares(text), &nobody), Decision::Innocent, "{text}");
            let exempt = Surroundings { exempt: spares(text), ..nobody.clone() };
            assert_eq!(judged(Prefixes::default(), &exempt), Decision::Innocent, "{text}");
        }
        for link in ["2001:db8:0:177::/64", "2001:db8::/48"] {
            let linked = Surroundings { on_link: vec![link.parse().unwrap()], ..nobody.clone() };
            assert_eq!(judged(Prefixes::default(), &linked), Decision::Innocent, "{link}");
        }
        let Decision::Block(offence) = judged(spares("2001:db8:0:200::7/128"), &nobody) else { panic!("not blocked") };
        assert_eq!((offence.source.to_string().as_str(), offence.hits), ("2001:db8:0:100::/56", 4));
    }

    #[test]
    fn who_is_allowed_may_ask_a_decoy() {
        let config = Config { allow: Prefixes::new(&["198.51.100.0/24".parse().unwrap()]), ..Config::default() };
        assert_eq!(judged(&config, at_decoy(Protocol::Tcp, Kind::Connect)), Decision::Innocent);
    }
}
