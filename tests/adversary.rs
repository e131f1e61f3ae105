//! The detector against somebody who chooses addresses, ports and times, and knows all of this code, but not the key.

#![expect(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "what an attack costs is a number that the documentation states")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use nftrap::config::Config;
use nftrap::detect::prefixes::Prefixes;
use nftrap::detect::probe::{Contact, Kind, Probe, Protocol, Weight};
use nftrap::detect::source::{Source, Surroundings};
use nftrap::detect::table::{ScanTable, Seeds, Standing, Terms, Threshold};
use nftrap::detect::{Decision, Rules};
use nftrap::packet::{Packet, TcpFlags, Transport};
use nftrap::time::Moment;

#[path = "lab/dice.rs"]
mod dice;

use dice::Dice;

const WEIGHTS: [Weight; 4] = [Weight::Full, Weight::Half, Weight::Unserved, Weight::UnservedHalf];

/// The default rules, as an enforcing daemon has them.
fn rules() -> Rules {
    Rules::of(&Config::default(), Moment::ZERO, Duration::from_secs(1))
}

fn around(exempt: &[&str]) -> Surroundings {
    let exempt: Vec<_> = exempt.iter().map(|prefix| prefix.parse().unwrap()).collect();
    Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::new(&exempt) }
}

fn ms(milliseconds: u64) -> Moment {
    Moment::from_start(Duration::from_millis(milliseconds))
}

/// One of four thousand million.
fn forged(n: u64) -> Source {
    Source::host(Ipv4Addr::from_bits(u32::try_from(n).unwrap()).into())
}

fn place(port: u64) -> Contact {
    Contact { destination: [203, 0, 113, 1].into(), protocol: Protocol::Tcp, port: u16::try_from(port).unwrap() }
}

/// Any packet that the parser can make, from `source`.
fn any_packet(dice: &mut Dice, source: IpAddr) -> Packet {
    let port = |dice: &mut Dice| u16::try_from(dice.below(1 << 16)).unwrap();
    let octet = |dice: &mut Dice| u8::try_from(dice.below(1 << 8)).unwrap();
    let (from, to) = (port(dice), if dice.below(2) == 0 { 111 } else { port(dice) });
    let transport = match dice.below(7) {
        0 | 1 => Transport::Tcp { from, to, flags: TcpFlags(octet(dice)) },
        2 => Transport::Udp { from, to },
        3 => Transport::SctpInit { to },
        4 => Transport::Echo,
        5 => Transport::Hidden,
        _ => Transport::Other(octet(dice)),
    };
    Packet { source, destination: Ipv4Addr::from_bits(u32::from(to)).into(), transport }
}

/// One probe; what comes of it shows later.
fn send(table: &ScanTable, at: u64, source: Source, rule: &Threshold) {
    let standing = table.observe(ms(at), source, (&place(1), Weight::Full), rule);
    assert!(!matches!(standing, Standing::Watched(2.., _)), "it asks for one place");
}

/// How many sources are forged, one probe each, until the table has forgotten a quiet `victim`. What they do besides is `rule`'s.
fn cost_of_forgetting(table: &ScanTable, dice: &mut Dice, rule: &Threshold, now: u64) -> u64 {
    let victim = Source::network("2001:db8::".parse().unwrap(), 64);
    table.forget(victim);
    let quiet = Threshold { contacts: 7, ..*rule };
    assert!(matches!(table.observe(ms(now), victim, (&place(1), Weight::Full), &quiet), Standing::Watched(1, _)));
    (1..u64::MAX)
        .find(|_| {
            send(table, now, forged(dice.below(1 << 32)), rule);
            table.show(ms(now), victim).is_none()
        })
        .unwrap()
}

fn mean_and_least(costs: &[u64]) -> (u64, u64) {
    (costs.iter().sum::<u64>() / u64::try_from(costs.len()).unwrap(), *costs.iter().min().unwrap())
}

#[test]
fn to_have_evidence_forgotten_takes_as_many_forged_sources_as_the_table_holds() {
    const ROOM: u32 = 8192;
    let watched = Threshold { contacts: 7, ..rules().threshold };
    let cost = |seed| {
        let table = ScanTable::new(ROOM, Seeds(seed, !seed));
        cost_of_forgetting(&table, &mut Dice(seed), &watched, 0)
    };
    let (mean, least) = mean_and_least(&(0..200).map(cost).collect::<Vec<_>>());
    let told = format!("forged sources for a table of {ROOM}: {mean} on the average of 200 tries, {least} at least");
    println!("{told}");
    assert!(mean.abs_diff(ROOM.into()) < u64::from(ROOM) / 8 && least > u64::from(ROOM) / 16, "{told}");
}

/// Who is blocked is kept before who is watched: in a table that is full of the blocked, the watched have one place in each bucket.
#[test]
fn in_a_table_full_of_blocked_sources_it_takes_an_eighth_of_that() {
    const ROOM: u32 = 8192;
    let blocked = rules().threshold;
    let (table, mut dice) = (ScanTable::new(ROOM, Seeds(3, 4)), Dice(5));
    for _ in 0..4 * ROOM {
        send(&table, 0, forged(dice.below(1 << 32)), &blocked);
    }
    assert_eq!(table.census(ms(1)).blocked, u64::from(ROOM));
    let watched = Threshold { contacts: 7, ..blocked };
    let costs: Vec<_> = (1..200).map(|now| cost_of_forgetting(&table, &mut dice, &watched, now)).collect();
    let (mean, _) = mean_and_least(&costs);
    let told = format!("forged sources for a table of {ROOM} that are all blocked: {mean} on the average of 200 tries");
    println!("{told}");
    assert!(mean > u64::from(ROOM) / 16 && mean < u64::from(ROOM) / 4, "{told}");
}

#[test]
fn sources_that_are_chosen_for_one_key_push_nobody_out_under_another() {
    const ROOM: u32 = 1024;
    let rule = Threshold { contacts: 7, ..rules().threshold };
    let victim = forged(1);
    let known = ScanTable::new(ROOM, Seeds(1, 2));
    // Each makes a fresh table with this key a little fuller in the victim's bucket: the eighth shows which they are.
    let pushes = |of: &[u64]| {
        send(&known, 0, victim, &rule);
        for n in of {
            send(&known, 1, forged(*n), &rule);
        }
        let gone = known.show(ms(2), victim).is_none();
        known.forget_all();
        gone
    };
    let mut needed: Vec<u64> = (2..20_000).collect();
    while needed.len() > 8 {
        // What can be left out is: halves, quarters, eighths.
        let part = needed.len().div_ceil(16);
        let without = |at: usize| [&needed[..at], &needed[(at + part).min(needed.len())..]].concat();
        needed = (0..needed.len()).step_by(part).map(without).find(|rest| pushes(rest)).unwrap();
    }
    assert_eq!(needed.len(), 8, "with the key, eight sources are enough");
    for seed in 3..103 {
        let table = ScanTable::new(ROOM, Seeds(seed, !seed));
        send(&table, 0, victim, &rule);
        for n in &needed {
            send(&table, 1, forged(*n), &rule);
        }
        assert!(table.show(ms(2), victim).is_some(), "key {seed}");
    }
}

#[test]
fn whatever_is_sent_no_block_lasts_longer_than_the_longest_and_the_table_has_its_size() {
    for round in 0..40 {
        let mut dice = Dice(round);
        let mut seconds = |most: u64| Duration::from_secs(1 + dice.below(most));
        let block = Terms { first: seconds(4000), factor: 1, longest: seconds(40_000), memory: seconds(1 << 20) };
        let mut rules = rules();
        rules.threshold.block = Terms { factor: u32::try_from(1 + dice.below(1 << 32)).unwrap_or(u32::MAX), ..block };
        rules.threshold.settle = Duration::from_secs(dice.below(3));
        let longest = block.longest.max(block.first);
        let (table, mut now) = (ScanTable::new(512, Seeds(round, 7)), 0);
        for _ in 0..5000 {
            // At once, or just when a block may have ended, or much later.
            now += [0, 1, 60_000, 4_000_000_000][usize::try_from(dice.below(4)).unwrap()] * dice.below(3);
            let source = Ipv4Addr::from_bits(u32::try_from(dice.below(2000)).unwrap()).into();
            let packet = any_packet(&mut dice, source);
            let decision = rules.judge(&table, ms(now), &packet, &around(&[]));
            if let Decision::Block(offence) | Decision::Report(offence) = decision {
                let lasts = offence.until.since(ms(now));
                assert!(!lasts.is_zero() && lasts <= longest, "{lasts:?} of {longest:?}, repeat {}", offence.repeat);
            }
        }
        let census = table.census(ms(now));
        assert!(census.room == 512 && census.remembered <= 512, "{census:?}");
        assert!(table.blocked(ms(now)).iter().all(|(_, until)| until.since(ms(now)) <= longest));
    }
}

#[test]
fn who_is_allowed_or_needed_is_no_offender_whatever_is_sent_in_its_name() {
    let mut rules = rules();
    rules.allow = Prefixes::new(&["192.0.2.0/24".parse().unwrap(), "2001:db8:a::/48".parse().unwrap()]);
    // Addresses one by one, so that a source is no more than its address.
    let around = Surroundings { ipv6_prefix: 128, ..around(&["198.51.100.1/32", "2001:db8:b::1/128"]) };
    let (table, mut dice) = (ScanTable::new(4096, Seeds(1, 2)), Dice(9));
    for n in 0..50_000 {
        let low = dice.below(1 << 8);
        let (v4, v6) = (u32::try_from(low).unwrap(), u128::from(low) << 64);
        let source: IpAddr = match dice.below(5) {
            0 => Ipv4Addr::from_bits(Ipv4Addr::new(192, 0, 2, 0).to_bits() | v4).into(),
            4 => Ipv4Addr::from_bits(Ipv4Addr::new(192, 0, 2, 0).to_bits() | v4).to_ipv6_mapped().into(),
            1 => Ipv6Addr::from_bits("2001:db8:a::1".parse::<Ipv6Addr>().unwrap().to_bits() | v6).into(),
            2 => [198, 51, 100, 1].into(),
            _ => "2001:db8:b::1".parse().unwrap(),
        };
        let packet = any_packet(&mut dice, source);
        assert_eq!(rules.judge(&table, ms(n), &packet, &around), Decision::Innocent, "{packet:?}");
        let kind = Kind::ALL[usize::try_from(dice.below(13)).unwrap()];
        let probe = Probe { source: source.to_canonical(), contact: place(low), kind };
        assert_eq!(rules.judge_answered(&table, ms(n), probe, &around), Decision::Innocent, "{probe:?}");
    }
    assert_eq!(table.census(ms(50_000)).remembered, 0, "nor is anything remembered of it");
}

#[test]
fn two_sources_never_answer_for_each_other() {
    let rule = Threshold { contacts: 2, unserved: 3, ..rules().threshold };
    let (table, mut dice) = (ScanTable::new(1 << 18, Seeds(1, 2)), Dice(11));
    let mut seen = std::collections::HashSet::new();
    for n in 0..40_000 {
        // Networks of any length around a few addresses, the mapped ones of IPv4 among them: one bit tells most of them apart.
        let near =
            [0_u128, 0xffff_0000_0000, 0xfe80 << 112, 0x2001_0db8 << 96][usize::try_from(dice.below(4)).unwrap()];
        let bit = u32::try_from(dice.below(128)).unwrap();
        let prefix = u8::try_from(dice.below(129)).unwrap();
        let source = Source::network(Ipv6Addr::from_bits(near ^ 1 << bit ^ u128::from(dice.below(4))), prefix);
        let weight = WEIGHTS[usize::try_from(dice.below(4)).unwrap()];
        let standing = table.observe(ms(n), source, (&place(dice.below(9)), weight), &rule);
        if seen.insert(source) {
            assert!(matches!(standing, Standing::Watched(1, _)), "{source}: {standing:?}");
        }
    }
    assert!(seen.len() > 1000, "{}", seen.len());
}
