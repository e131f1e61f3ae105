//! What the scan table promises, one sentence a test.

#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use super::super::prefixes::Prefixes;
use super::super::probe::Protocol;
use super::super::source::Surroundings;
use super::*;

mod repeats;

const SEEDS: Seeds = Seeds(1, 2);
const RULE: Threshold = Threshold {
    count: Count::Places,
    effect: Effect::Blocked,
    contacts: 1,
    unserved: 4,
    window: Duration::from_secs(600),
    block: Terms::constant(Duration::from_secs(60)),
    settle: Duration::MAX,
};

fn source(n: u32) -> Source {
    let surroundings = Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::default() };
    Source::of(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into(), &surroundings)
}

fn port(port: u16) -> Contact {
    Contact { destination: "192.0.2.1".parse().unwrap(), protocol: Protocol::Tcp, port }
}

fn at(second: u64) -> Moment {
    Moment::from_start(Duration::from_secs(second))
}

fn ask(table: &ScanTable, second: u64, to: u16, contacts: u8) -> Standing {
    table.observe(at(second), source(1), (&port(to), Weight::Full), &Threshold { contacts, ..RULE })
}

#[test]
fn the_first_contact_makes_an_offender_where_one_is_enough() {
    let table = ScanTable::new(1024, SEEDS);
    assert_eq!(ask(&table, 5, 111, 1), Standing::Offender { hits: 1, repeat: 1, until: at(65) });
    assert_eq!(ask(&table, 6, 112, 1), Standing::Blocked(at(65)));
}

#[test]
fn a_block_ends_on_time_and_its_evidence_with_it() {
    let table = ScanTable::new(1024, SEEDS);
    assert_eq!(ask(&table, 0, 1, 2), Standing::Watched(1, Novelty::First));
    assert_eq!(ask(&table, 0, 2, 2), Standing::Offender { hits: 2, repeat: 1, until: at(60) });
    assert_eq!(ask(&table, 59, 3, 2), Standing::Blocked(at(60)));
    assert_eq!(ask(&table, 60, 3, 2), Standing::Watched(1, Novelty::First));
}

#[test]
fn an_offender_that_the_kernel_lets_through_offends_again() {
    let table = ScanTable::new(1024, SEEDS);
    let rule = Threshold { settle: Duration::from_secs(1), ..RULE };
    let ask = |second, to, weight| table.observe(at(second), source(1), (&port(to), weight), &rule);
    assert_eq!(ask(0, 1, Weight::Full), Standing::Offender { hits: 1, repeat: 1, until: at(60) });
    assert_eq!(ask(1, 2, Weight::Full), Standing::Blocked(at(60)), "sent before the block, perhaps");
    assert_eq!(ask(2, 3, Weight::Half), Standing::Blocked(at(60)), "a late segment, perhaps");
    assert_eq!(ask(2, 3, Weight::Half), Standing::Blocked(at(60)), "the same again");
    assert_eq!(ask(2, 3, Weight::Full), Standing::Offender { hits: 1, repeat: 1, until: at(62) });
    assert_eq!(ask(3, 4, Weight::Full), Standing::Blocked(at(62)));
    assert_eq!(ask(5, 5, Weight::Half), Standing::Blocked(at(62)));
    assert_eq!(
        ask(6, 6, Weight::Half),
        Standing::Blocked(at(62)),
        "the kernel lets such come although the block holds"
    );
}

#[test]
fn the_blocked_can_be_listed() {
    let table = ScanTable::new(1024, SEEDS);
    let v6 = Source::network("2001:db8:1:2::".parse().unwrap(), 64);
    table.set_blocked(at(0), v6, Duration::from_secs(90), 1);
    assert!(matches!(ask(&table, 0, 1, 1), Standing::Offender { .. }));
    let mut listed = table.blocked(at(59));
    listed.sort_unstable_by_key(|(_, until)| *until);
    assert_eq!(listed, vec![(source(1), at(60)), (v6, at(90))]);
    assert_eq!(table.blocked(at(60)), vec![(v6, at(90))]);
}

#[test]
fn retransmits_of_one_contact_count_once() {
    let table = ScanTable::new(1024, SEEDS);
    assert_eq!(ask(&table, 0, 111, 2), Standing::Watched(1, Novelty::First));
    for second in 1..50 {
        assert_eq!(ask(&table, second, 111, 2), Standing::Watched(1, Novelty::Again));
    }
}

#[test]
fn a_contact_stops_counting_when_the_window_has_passed() {
    let table = ScanTable::new(1024, SEEDS);
    assert_eq!(ask(&table, 0, 1, 2), Standing::Watched(1, Novelty::First));
    assert_eq!(ask(&table, 601, 2, 2), Standing::Watched(1, Novelty::First));
    assert_eq!(ask(&table, 1201, 1, 2), Standing::Offender { hits: 2, repeat: 1, until: at(1261) });
}

#[test]
fn evidence_of_half_weight_takes_one_contact_more() {
    let table = ScanTable::new(1024, SEEDS);
    let ask = |to, weight| table.observe(at(0), source(1), (&port(to), weight), &RULE);
    assert_eq!(ask(1, Weight::Half), Standing::Watched(1, Novelty::First));
    assert_eq!(ask(1, Weight::Half), Standing::Watched(1, Novelty::Again));
    assert_eq!(ask(2, Weight::Half), Standing::Offender { hits: 2, repeat: 1, until: at(60) });
}

#[test]
fn a_contact_made_again_at_full_weight_has_it() {
    let table = ScanTable::new(1024, SEEDS);
    let ask = |weight| table.observe(at(0), source(1), (&port(1), weight), &RULE);
    assert_eq!(ask(Weight::Half), Standing::Watched(1, Novelty::First));
    assert_eq!(ask(Weight::Full), Standing::Offender { hits: 1, repeat: 1, until: at(60) });
}

#[test]
fn unserved_ports_have_a_number_of_their_own_and_trigger_ports_shorten_it() {
    let table = ScanTable::new(1024, SEEDS);
    let rule = Threshold { contacts: 2, ..RULE };
    let ask = |n, to, weight| table.observe(at(0), source(n), (&port(to), weight), &rule);
    for to in 1..=3 {
        assert!(matches!(ask(1, to, Weight::Unserved), Standing::Watched(_, Novelty::First)));
    }
    assert_eq!(ask(1, 3, Weight::Unserved), Standing::Watched(3, Novelty::Again), "a retransmit");
    assert!(matches!(ask(1, 4, Weight::Unserved), Standing::Offender { hits: 4, .. }));
    assert_eq!(ask(2, 1, Weight::Unserved), Standing::Watched(1, Novelty::First));
    assert_eq!(ask(2, 2, Weight::Unserved), Standing::Watched(2, Novelty::First));
    assert!(matches!(ask(2, 111, Weight::Full), Standing::Offender { hits: 3, .. }));
}

#[test]
fn every_number_of_contacts_can_be_asked_for_and_is_exact() {
    for contacts in 1..=crate::config::MAX_THRESHOLD {
        let rule = Threshold { contacts, unserved: contacts, ..RULE };
        for (weight, enough) in
            [(Weight::Full, contacts), (Weight::Unserved, contacts), (Weight::Half, contacts.saturating_add(1))]
        {
            let table = ScanTable::new(1024, SEEDS);
            let ask = |to: u8| table.observe(at(0), source(1), (&port(to.into()), weight), &rule);
            assert!((1..enough).all(|to| ask(to) == Standing::Watched(to, Novelty::First)), "{weight:?} {contacts}");
            assert!(matches!(ask(enough), Standing::Offender { hits, .. } if hits == enough), "{weight:?} {contacts}");
        }
    }
}

#[test]
fn the_highest_threshold_can_be_reached_by_half_weights() {
    let table = ScanTable::new(1024, SEEDS);
    let rule = Threshold { contacts: crate::config::MAX_THRESHOLD, ..RULE };
    let last = u16::from(rule.contacts);
    for to in 0..last {
        let standing = table.observe(at(0), source(1), (&port(to), Weight::Half), &rule);
        assert_eq!(standing, Standing::Watched(u8::try_from(to).unwrap() + 1, Novelty::First));
    }
    let standing = table.observe(at(0), source(1), (&port(last), Weight::Half), &rule);
    assert!(matches!(standing, Standing::Offender { .. }), "{standing:?}");
}

#[test]
fn a_block_that_the_kernel_refused_can_be_tried_again() {
    let table = ScanTable::new(1024, SEEDS);
    assert!(matches!(ask(&table, 0, 1, 1), Standing::Offender { .. }));
    table.unblock(source(1));
    assert!(matches!(ask(&table, 1, 2, 1), Standing::Offender { .. }));
}

#[test]
fn evidence_outlives_a_block_that_the_kernel_refused_and_no_other() {
    let table = ScanTable::new(1024, SEEDS);
    assert_eq!(ask(&table, 0, 1, 2), Standing::Watched(1, Novelty::First));
    assert!(matches!(ask(&table, 0, 2, 2), Standing::Offender { hits: 2, .. }));
    table.unblock(source(1));
    assert!(matches!(ask(&table, 0, 2, 2), Standing::Offender { hits: 2, .. }));
    assert_eq!(ask(&table, 60, 3, 2), Standing::Watched(1, Novelty::First));
}

#[test]
fn a_block_taken_over_lasts_as_long_as_it_has_left() {
    let table = ScanTable::new(1024, SEEDS);
    table.set_blocked(at(5), source(1), Duration::from_secs(1000), 3);
    assert_eq!(table.blocked_until(at(5), source(1)), Some(at(1005)));
    assert_eq!(table.blocked_until(at(1005), source(1)), None);
    assert_eq!(table.blocked_until(at(5), source(2)), None);
}

#[test]
fn who_is_forgotten_starts_as_a_stranger() {
    let table = ScanTable::new(1024, SEEDS);
    assert_eq!(ask(&table, 0, 1, 2), Standing::Watched(1, Novelty::First));
    table.forget(source(1));
    assert_eq!(table.show(at(0), source(1)), None);
    assert_eq!(ask(&table, 0, 2, 2), Standing::Watched(1, Novelty::First));
    assert!(matches!(ask(&table, 0, 3, 2), Standing::Offender { .. }));
    table.forget_all();
    assert_eq!((table.census(at(0)).remembered, table.blocked(at(0))), (0, vec![]));
    assert_eq!(ask(&table, 0, 4, 2), Standing::Watched(1, Novelty::First));
}

#[test]
fn a_table_of_another_size_remembers_what_finds_room_and_the_blocked_first() {
    let table = ScanTable::new(16_384, SEEDS);
    let rule = Threshold { contacts: 2, ..RULE };
    for n in 0..2000 {
        assert!(matches!(table.observe(at(0), source(n), (&port(1), Weight::Full), &rule), Standing::Watched(..)));
    }
    for n in 0..100 {
        let standing = table.observe(at(1), source(n), (&port(2), Weight::Full), &rule);
        assert!(matches!(standing, Standing::Offender { .. }), "{standing:?}");
    }
    let before = table.census(at(1)).remembered;
    table.resize(at(1), 65_536).unwrap();
    assert_eq!(table.census(at(1)), Census { room: 65_536, remembered: before, blocked: 100 });
    assert_eq!(table.blocked(at(1)).len(), 100);
    let standing = table.observe(at(1), source(1999), (&port(2), Weight::Full), &rule);
    assert!(matches!(standing, Standing::Offender { hits: 2, .. }), "{standing:?}");
    table.resize(at(1), 1024).unwrap();
    assert_eq!(table.census(at(1)).room, 1024);
    assert!(table.blocked(at(1)).len() >= 99, "{}", table.blocked(at(1)).len());
}

#[test]
fn what_is_known_of_a_source_can_be_shown() {
    let table = ScanTable::new(1024, SEEDS);
    assert_eq!(ask(&table, 7, 1, 2), Standing::Watched(1, Novelty::First));
    let watched = Known { last_seen: at(7), blocked_until: None, reported: false, repeats: 0, contacts: 1 };
    assert_eq!(table.show(at(7), source(1)), Some(watched));
    assert!(matches!(ask(&table, 8, 2, 2), Standing::Offender { .. }));
    let blocked = Known { last_seen: at(8), blocked_until: Some(at(68)), reported: false, repeats: 1, contacts: 2 };
    assert_eq!(table.show(at(8), source(1)), Some(blocked));
    assert_eq!(table.show(at(68), source(1)).unwrap().blocked_until, None);
}

#[test]
fn a_flood_of_sources_does_not_grow_it() {
    let table = ScanTable::new(1024, SEEDS);
    let rule = Threshold { contacts: 2, ..RULE };
    for n in 0..100_000 {
        let standing = table.observe(at(u64::from(n / 1000)), source(n), (&port(1), Weight::Full), &rule);
        assert_eq!(standing, Standing::Watched(1, Novelty::First));
    }
    let held: usize = table.shards.iter().map(|shard| shard.lock().all().len() * WAYS).sum();
    assert_eq!(held, 1024);
}

#[test]
fn the_silent_are_forgotten_before_the_busy_and_the_blocked() {
    let table = ScanTable::new(512, SEEDS); // one bucket a shard
    let rule = Threshold { contacts: 2, ..RULE };
    let see = |micros, n, to, rule: &Threshold| {
        let now = Moment::from_start(Duration::from_micros(micros));
        table.observe(now, source(n), (&port(to), Weight::Full), rule)
    };
    assert!(matches!(see(0, 1, 1, &RULE), Standing::Offender { .. }));
    assert_eq!(see(0, 2, 1, &rule), Standing::Watched(1, Novelty::First));
    for n in 3..20_000 {
        let _: Standing = see(u64::from(n), n, 1, &rule);
        assert_eq!(see(u64::from(n), 2, 1, &rule), Standing::Watched(1, Novelty::Again)); // stays busy
    }
    assert_eq!(see(20_000, 1, 2, &rule), Standing::Blocked(at(60)), "the blocked one is remembered");
    assert!(matches!(see(20_000, 2, 2, &rule), Standing::Offender { hits: 2, .. }), "and the busy one, too");
    assert_eq!(see(20_000, 3, 2, &rule), Standing::Watched(1, Novelty::First), "the silent one is not");
}

#[test]
fn many_threads_count_as_one() {
    let table = ScanTable::new(1024, SEEDS);
    let offences = std::thread::scope(|scope| {
        let ask = |thread: u16| {
            let table = &table;
            move || (0..7).filter(|to| matches!(ask(table, 0, thread * 7 + to, 7), Standing::Offender { .. })).count()
        };
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(ask(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(offences, 1, "28 contacts, 7 make an offender, and then it is blocked");
}
