//! The scan table against a naive model that forgets nothing: they agree on every packet of whom the table remembers.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a model that overflows or cannot go on fails the test"
)]

use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::time::Duration;

use nftrap::config::Count;
use nftrap::detect::probe::{Contact, Protocol, Weight};
use nftrap::detect::source::Source;
use nftrap::detect::table::{Effect, Novelty, ScanTable, Seeds, Standing, Terms, Threshold};
use nftrap::time::Moment;

#[path = "lab/dice.rs"]
mod dice;
#[path = "model/full.rs"]
mod full;

use dice::Dice;

/// Everything ever seen, in whole seconds.
#[derive(Default)]
struct Model {
    /// By source and place: how heavy at most, and when last.
    /// And whether who made it is reported only.
    contacts: HashMap<(Source, Contact), (f64, u64, bool)>,
    blocks: HashMap<Source, Block>,
    /// Packets of full weight in a row, and when a source was last seen.
    packets: HashMap<Source, u8>,
    seen: HashMap<Source, u64>,
}

/// A source's last block, in whole seconds.
#[derive(Clone, Copy)]
struct Block {
    set: u64,
    until: u64,
    repeat: u8,
    /// Whether its evidence went with it already.
    over: bool,
    /// Whether it is none: the source was reported only.
    reported: bool,
}

impl Model {
    fn observe(
        &mut self,
        second: u64,
        source: Source,
        (contact, weight): (Contact, Weight),
        rule: &Threshold,
    ) -> Standing {
        let last_seen = self.seen.insert(source, second);
        let current = self.blocks.get(&source).copied().filter(|block| block.until > second);
        if let Some(block) = current.filter(|block| !block.reported) {
            if second - block.set <= rule.settle.as_secs() || rule.effect == Effect::Reported {
                return Standing::Blocked(at(block.until));
            }
            return match weight {
                // No contact shortens a block that is there.
                Weight::Full | Weight::Unserved => self.block(second, source, (1, block.repeat, block.until), rule),
                Weight::Half | Weight::UnservedHalf => Standing::Blocked(at(block.until)),
            };
        }
        if current.is_some() && rule.effect == Effect::Reported {
            return Standing::Watched(0, Novelty::Again);
        }
        if let Some(block) = self.blocks.get_mut(&source).filter(|block| current.is_none() && !block.over) {
            block.over = true;
            self.contacts.retain(|(who, _), _| *who != source);
            self.packets.remove(&source);
        }
        let oldest = second.saturating_sub(rule.window.as_secs());
        let packets = self.packets.entry(source).or_default();
        if rule.count == Count::Packets && weight == Weight::Full {
            *packets = if last_seen.is_none_or(|last| last < oldest) { 1 } else { packets.saturating_add(1) };
        }
        let enough = rule.count == Count::Packets && weight == Weight::Full && *packets >= rule.contacts;
        let packets = *packets;
        let counted = (contact, share_of(weight, rule), rule.effect == Effect::Reported);
        let (sum, hits, novelty) = self.count(second, source, counted, oldest);
        if sum < 0.999 && !enough {
            return Standing::Watched(hits, novelty);
        }
        let recent = |block: &&Block| second.saturating_sub(block.until) <= rule.block.memory.as_secs();
        let next = |block: &Block| if current.is_some() { block.repeat } else { block.repeat.saturating_add(1) };
        let repeat = self.blocks.get(&source).filter(recent).map_or(1, next);
        if rule.effect == Effect::Reported {
            self.packets.insert(source, 0);
            self.contacts.retain(|(who, _), (_, _, only)| *who != source || !*only);
        }
        self.block(second, source, (if enough { packets } else { hits }, repeat, 0), rule)
    }

    /// Whether it knew anything of `source`, of which it knows nothing any more.
    fn forget(&mut self, source: Source) -> bool {
        self.contacts.retain(|(who, _), _| *who != source);
        self.blocks.remove(&source);
        self.packets.remove(&source);
        self.seen.remove(&source).is_some()
    }

    fn count(
        &mut self,
        second: u64,
        source: Source,
        (contact, share, reported): (Contact, f64, bool),
        oldest: u64,
    ) -> (f64, u8, Novelty) {
        self.contacts.retain(|(who, _), (_, last, _)| *who != source || *last >= oldest);
        let known = self.contacts.contains_key(&(source, contact));
        let entry = self.contacts.entry((source, contact)).or_insert((0.0, 0, false));
        // Asked for in different ways, it weighs as the worst of them.
        *entry = (entry.0.max(share), second, reported);
        // What may be forged helps to report, and to nothing else.
        let counting = self.contacts.iter().filter(|((who, _), (_, _, only))| *who == source && (reported || !only));
        let (sum, hits) = counting.fold((0.0, 0), |(sum, hits), (_, (share, ..))| (sum + share, hits + 1));
        (sum, hits, if known { Novelty::Again } else { Novelty::First })
    }

    fn block(
        &mut self,
        second: u64,
        source: Source,
        (hits, repeat, least): (u8, u8, u64),
        rule: &Threshold,
    ) -> Standing {
        let grown =
            (1..repeat).fold(rule.block.first, |length, _| (length * rule.block.factor).min(rule.block.longest));
        let until = least.max(second + grown.max(rule.block.first).as_secs());
        self.blocks.insert(
            source,
            Block { set: second, until, repeat, over: false, reported: rule.effect == Effect::Reported },
        );
        Standing::Offender { hits, repeat, until: at(until) }
    }
}

fn share_of(weight: Weight, rule: &Threshold) -> f64 {
    1.0 / f64::from(match weight {
        Weight::Full => rule.contacts,
        Weight::Half => rule.contacts + 1,
        Weight::Unserved => rule.unserved,
        Weight::UnservedHalf => rule.unserved + 1,
    })
}

fn at(second: u64) -> Moment {
    Moment::from_start(Duration::from_secs(second))
}

#[test]
fn the_table_agrees_with_a_model_that_forgets_nothing() {
    for round in 0..60 {
        let forgotten = compare(round, 3000, 12, 1 << 16);
        assert_eq!(forgotten, 0, "round {round}");
    }
}

/// So many packets of so many sources, in a table of so much room; says how often somebody came back whom the table had
/// forgotten: the model forgets him then, too.
fn compare(round: u64, packets: u64, sources: u64, room: u32) -> u32 {
    let mut dice = Dice(round);
    let rule = rule(round, &mut dice);
    let proven = Terms { first: rule.block.first * 3, longest: rule.block.longest * 5, ..rule.block };
    let table = ScanTable::new(room, Seeds(round, !round));
    let (mut model, mut second, mut forgotten) = (Model::default(), 0, 0);
    for packet in 0..packets {
        second += dice.below(4) * dice.below(20);
        let source = Source::network(Ipv6Addr::from_bits(dice.below(sources).into()), 128);
        let place = Contact {
            destination: [192, 0, 2, 1].into(),
            protocol: [Protocol::Tcp, Protocol::Udp][usize::try_from(dice.below(2)).unwrap()],
            port: u16::try_from(dice.below(12)).unwrap(),
        };
        let weights = [Weight::Full, Weight::Half, Weight::Unserved, Weight::UnservedHalf];
        let weight = weights[usize::try_from(dice.below(4)).unwrap()];
        // In every other round one of two packets is of a protocol whose offenders are reported only.
        let reported = round.is_multiple_of(2) && dice.below(2) == 0;
        let effect = if reported { Effect::Reported } else { Effect::Blocked };
        // One of four contacts proves its source.
        let block = if dice.below(4) == 0 { proven } else { rule.block };
        let rule = Threshold { effect, block, ..rule };
        if table.show(at(second), source).is_none() {
            forgotten += u32::from(model.forget(source));
        }
        let expected = model.observe(second, source, (place, weight), &rule);
        let decided = table.observe(at(second), source, (&place, weight), &rule);
        assert_eq!(decided, expected, "round {round}, packet {packet}, second {second}, {source}, {rule:?}");
    }
    forgotten
}

fn rule(round: u64, dice: &mut Dice) -> Threshold {
    // Contacts that are reported only take room from the others.
    let most = if round.is_multiple_of(2) { 3 } else { 7 };
    Threshold {
        count: if round.is_multiple_of(3) { Count::Packets } else { Count::Places },
        effect: Effect::Blocked,
        contacts: u8::try_from(1 + dice.below(most)).unwrap(),
        unserved: u8::try_from(1 + dice.below(most)).unwrap(),
        window: Duration::from_secs(1 + dice.below(600)),
        block: Terms {
            first: Duration::from_secs(1 + dice.below(300)),
            factor: u32::try_from(1 + dice.below(4)).unwrap(),
            longest: Duration::from_secs(1 + dice.below(2000)),
            memory: Duration::from_secs(dice.below(1000)),
        },
        settle: Duration::from_secs(dice.below(3)),
    }
}
