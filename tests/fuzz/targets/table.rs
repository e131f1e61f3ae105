//! Operations on the scan table, in any order and at any time.
//!
//! Input: operations, a few octets each.

use std::time::Duration;

use ipnet::IpNet;
use nftrap::config::{Count, Distributed};
use nftrap::detect::prefixes::Prefixes;
use nftrap::detect::probe::{Contact, Protocol, Weight};
use nftrap::detect::source::{Source, Surroundings};
use nftrap::detect::table::{Effect, ScanTable, Seeds, Standing, Terms, Threshold};
use nftrap::detect::{Decision, Rules, Triggers};
use nftrap::packet::{Packet, TcpFlags, Transport};
use nftrap::time::Moment;

use super::feed::Feed;

/// Sources that find room, as the table rounds them.
const LEAST_ROOM: u64 = 512;

pub(super) fn target(input: &[u8]) {
    let mut feed = Feed(input);
    let mut play = Play::begin(&mut feed);
    while !feed.is_over() {
        play.step(&mut feed);
        let census = play.table.census(play.now);
        assert_eq!(census.room, play.room);
        assert!(census.blocked <= census.remembered && census.remembered <= census.room);
    }
    let blocked = play.table.blocked(play.now);
    assert!(blocked.iter().all(|(_, until)| *until > play.now));
    assert_eq!(u64::try_from(blocked.len()).unwrap(), play.table.census(play.now).blocked);
}

struct Play {
    table: ScanTable,
    room: u64,
    now: Moment,
    rules: Rules,
    around: Surroundings,
}

impl Play {
    fn begin(feed: &mut Feed<'_>) -> Self {
        let prefixes = |address| Prefixes::new(&[IpNet::from(address)]);
        let (allow, exempt) = (prefixes(feed.address()), prefixes(feed.address()));
        let threshold = Threshold {
            count: feed.one_of([Count::Places, Count::Packets]),
            contacts: feed.octet() % 7 + 1,
            unserved: feed.one_of([3, 4, 5]),
            window: feed.span(),
            block: Terms {
                first: Duration::from_secs(u64::from(feed.number()) + 1),
                factor: u32::from(feed.octet() % 100) + 1,
                longest: feed.span(),
                memory: feed.span(),
            },
            settle: feed.span(),
            effect: Effect::Blocked,
        };
        let rules = Rules {
            threshold,
            triggers: Triggers {
                tcp: [111].into_iter().collect(),
                udp: [69].into_iter().collect(),
                ..Triggers::default()
            },
            unserved_from: Moment::from_start(feed.span()),
            udp: feed.one_of([Effect::Blocked, Effect::Reported]),
            proven: threshold.block,
            distributed: Distributed::Report,
            widen6: false,
            allow,
        };
        let around = Surroundings { ipv6_prefix: feed.one_of([64, 48, 128]), on_link: Vec::new(), exempt };
        Self { table: ScanTable::new(0, Seeds(1, 2)), room: LEAST_ROOM, now: Moment::ZERO, rules, around }
    }

    fn step(&mut self, feed: &mut Feed<'_>) {
        match feed.octet() % 16 {
            0 => self.now = self.now.plus(feed.span()),
            1 => self.blocks(feed),
            2 => self.forgets(feed),
            3 => self.takes_back(feed),
            4 => self.ends(feed),
            5 => self.remembers(feed),
            6 => self.resizes(feed),
            7 => self.observes(feed),
            8 if feed.octet() == 0 => {
                self.table.forget_all();
                assert_eq!(self.table.census(self.now).remembered, 0);
            }
            _ => self.judges(feed),
        }
    }

    fn source(&self, feed: &mut Feed<'_>) -> Source {
        Source::of(feed.address(), &self.around)
    }

    fn blocks(&self, feed: &mut Feed<'_>) {
        let (source, lasts, repeat) = (self.source(feed), feed.span(), feed.octet());
        self.table.set_blocked(self.now, source, lasts, repeat);
        let known = self.table.show(self.now, source).expect("who was just blocked is remembered");
        assert_eq!(known.blocked_until.is_some(), !lasts.is_zero());
        assert_eq!(known.repeats, repeat);
    }

    fn forgets(&self, feed: &mut Feed<'_>) {
        let source = self.source(feed);
        self.table.forget(source);
        assert_eq!(self.table.show(self.now, source), None);
    }

    fn takes_back(&self, feed: &mut Feed<'_>) {
        let source = self.source(feed);
        let before = self.table.show(self.now, source);
        self.table.unblock(source);
        let after = self.table.show(self.now, source);
        assert_eq!(before.map(|known| known.contacts), after.map(|known| known.contacts), "its evidence stays");
        assert_eq!(self.table.blocked_until(self.now, source), None);
    }

    fn ends(&self, feed: &mut Feed<'_>) {
        let source = self.source(feed);
        self.table.end(self.now, source);
        assert_eq!(self.table.blocked_until(self.now, source), None);
    }

    fn remembers(&self, feed: &mut Feed<'_>) {
        let (source, repeats) = (self.source(feed), feed.octet());
        let before = self.table.census(self.now);
        self.table.remember_repeats(self.now, source, repeats);
        assert!(self.table.census(self.now).remembered >= before.remembered, "nobody is forgotten for it");
    }

    fn resizes(&mut self, feed: &mut Feed<'_>) {
        let sources = feed.one_of([0, 1, 1023, 1024, 2048]);
        self.table.resize(self.now, sources).expect("memory for a small table");
        self.room = u64::from(sources / 512 * 512).max(LEAST_ROOM);
    }

    /// What the table is told without a packet.
    fn observes(&self, feed: &mut Feed<'_>) {
        let (source, weight) = (self.source(feed), feed.one_of([Weight::Full, Weight::Half, Weight::Unserved]));
        let contact =
            Contact { destination: feed.address(), protocol: Protocol::Number(feed.octet()), port: feed.number() };
        let was = self.table.blocked_until(self.now, source);
        match self.table.observe(self.now, source, (&contact, weight), &self.rules.threshold) {
            Standing::Watched(hits, _) => assert!(hits <= 8 && was.is_none()),
            Standing::Offender { hits, repeat, until } => {
                assert!(hits > 0 && repeat > 0);
                assert_eq!(self.table.blocked_until(self.now, source), Some(until));
            }
            Standing::Blocked(until) => assert_eq!(was, Some(until)),
        }
    }

    fn judges(&self, feed: &mut Feed<'_>) {
        let (source, destination, to) = (feed.address(), feed.address(), feed.one_of([111, 69, 22, 8080, 40_000]));
        let transport = match feed.octet() {
            flags @ 0..64 => Transport::Tcp { from: 40_000, to, flags: TcpFlags(flags) },
            64..128 => Transport::Udp { from: 40_000, to },
            _ => Transport::Hidden,
        };
        let packet = Packet { source, destination, transport };
        let decision = self.rules.judge(&self.table, self.now, &packet, &self.around);
        let spared = self.rules.allow.contains(source) || self.around.exempt.contains(source);
        match decision {
            Decision::Block(offence) => {
                assert!(!spared, "{offence:?}");
                assert_eq!(self.table.blocked_until(self.now, offence.source), Some(offence.until));
                assert!(offence.until > self.now, "a block has an end that is not there yet");
            }
            Decision::Report(_) | Decision::Watch(_, _) | Decision::StillBlocked => assert!(!spared),
            Decision::Innocent => {}
        }
    }
}
