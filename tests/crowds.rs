//! Shared scans against a naive model that forgets nothing, and what no traffic can make of them.

#![expect(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a model that overflows fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use nftrap::detect::Sighting;
use nftrap::detect::distributed::{BLOCKED, CONTACTS, Crowds, FLOOD, PLACES, SOURCES, Scan, TOLD_A_MINUTE};
use nftrap::detect::probe::{Contact, Kind, Probe, Protocol};
use nftrap::detect::source::Source;
use nftrap::detect::table::Seeds;
use nftrap::time::Moment;

/// A scan gathers for so long before it is told, in milliseconds.
const GATHER: u64 = 3000;
const MINUTE: u64 = 60_000;

/// Every contact with one host in its first hour: when, by whom, with which port.
#[derive(Default)]
struct Model {
    contacts: Vec<(u64, u64, u64)>,
    gathers: Option<(u64, u64)>,
}

impl Model {
    /// Ports that one source alone asked for since then, with who that was.
    fn own(&self, since: u64) -> BTreeMap<u64, u64> {
        let mut askers: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
        for (at, source, port) in &self.contacts {
            askers.entry(*port).or_default().push((*at, *source));
        }
        let alone = |(port, by): (u64, Vec<(u64, u64)>)| {
            let first = by.iter().map(|(at, _)| *at).min()?;
            let (_, one) = *by.first()?;
            (first >= since && by.iter().all(|(_, source)| *source == one)).then_some((port, one))
        };
        askers.into_iter().filter_map(alone).collect()
    }

    fn is_enough(&self, since: u64) -> bool {
        let own = self.own(since);
        let sources: BTreeSet<_> = own.values().collect();
        own.len() >= usize::try_from(PLACES).unwrap() && sources.len() >= SOURCES
    }

    /// One more contact; the number of places and sources, once there is something to tell.
    fn observe(&mut self, now: u64, source: u64, port: u64) -> Option<(usize, usize)> {
        self.contacts.push((now, source, port));
        if self.gathers.is_none() && self.is_enough(now.saturating_sub(MINUTE)) {
            self.gathers = Some((now.saturating_sub(MINUTE), now + GATHER));
        }
        let (since, _) = self.gathers.filter(|(_, due)| *due <= now)?;
        self.gathers = None;
        let own = self.own(since);
        self.is_enough(since).then(|| (own.len(), own.values().collect::<BTreeSet<_>>().len()))
    }
}

/// Splitmix64: the same sequence on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

fn at(millis: u64) -> Moment {
    Moment::from_start(Duration::from_millis(millis))
}

fn sighting(source: u64, host: u64, port: u64) -> Sighting {
    let address = |base: u32, n: u64| IpAddr::from(Ipv4Addr::from_bits(base + u32::try_from(n).unwrap()));
    let (source, destination) = (address(0x0a00_0000, source), address(0xcb00_7100, host));
    let contact = Contact { destination, protocol: Protocol::Tcp, port: u16::try_from(port).unwrap() };
    Sighting { source: Source::host(source), probe: Probe { source, contact, kind: Kind::Syn } }
}

#[test]
fn what_is_told_first_agrees_with_a_model_that_forgets_nothing() {
    let mut told = 0;
    for round in 0..300 {
        let mut dice = Dice(round);
        let (mut crowds, mut model) = (Crowds::new(Moment::ZERO, Seeds(round, !round)), Model::default());
        let (sources, ports, pause) = (1 + dice.below(40), 1 + dice.below(80), 1 + dice.below(5000));
        let mut now = 0;
        for step in 0..CONTACTS {
            now += dice.below(pause);
            let (source, port) = (dice.below(sources), 1 + dice.below(ports));
            crowds.note(at(now), sighting(source, 0, port));
            let found = crowds.due(at(now)).map(|scan| (usize::try_from(scan.places).unwrap(), scan.members.len()));
            let expected = model.observe(now, source, port);
            assert_eq!(found, expected, "round {round}, step {step}, {now} ms");
            if found.is_some() {
                told += 1;
                break; // whatever follows, it is told
            }
        }
    }
    assert!((30..270).contains(&told), "the rounds are of both kinds: {told}");
}

#[test]
fn no_traffic_passes_a_bound_or_has_anybody_named_twice() {
    for round in 0..40 {
        let mut dice = Dice(round);
        let mut crowds = Crowds::new(Moment::ZERO, Seeds(round, !round));
        let (sources, hosts, ports) = (1 + dice.below(100_000), 1 + dice.below(600), 1 + dice.below(40_000));
        let pause = 1 + dice.below(300);
        let (mut now, mut minutes) = (0, BTreeMap::<u64, u32>::new());
        for _ in 0..5000 {
            now += dice.below(pause);
            crowds.note(at(now), sighting(dice.below(sources), dice.below(hosts), 1 + dice.below(ports)));
            while let Some(scan) = crowds.due(at(now)) {
                *minutes.entry(now / MINUTE).or_default() += 1;
                holds(&scan);
            }
            assert!(crowds.len() <= 256);
        }
        // A minute of the budget may begin in one of the clock's and end in the next.
        assert!(minutes.values().all(|told| *told <= 2 * TOLD_A_MINUTE), "round {round}: {minutes:?}");
    }
}

fn holds(scan: &Scan) {
    let members: BTreeSet<_> = scan.members.iter().map(|member| member.source).collect();
    assert_eq!(members.len(), scan.members.len());
    assert!(members.len() >= SOURCES && scan.places >= PLACES && scan.first <= scan.last);
    assert!(members.len() <= usize::try_from(scan.places).unwrap() && members.len() <= CONTACTS);
    assert!(scan.newcomers.iter().all(|member| scan.members.contains(member)));
    let blocked = scan.to_block();
    assert!(blocked.len() <= BLOCKED && (members.len() <= FLOOD || blocked.is_empty()));
    assert!(blocked.iter().all(|member| member.probe.contact.destination == scan.destination));
}
