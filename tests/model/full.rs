//! A full table: what strangers can make it forget, and at what price.

use nftrap::detect::table::Census;

use super::*;

/// Small, so that each property is tried with many secret numbers.
const ROOM: u32 = 2048;
const TRIGGER: Threshold = Threshold {
    count: Count::Places,
    effect: Effect::Blocked,
    contacts: 2,
    unserved: 4,
    window: Duration::from_secs(3600),
    block: Terms::constant(Duration::from_secs(3600)),
    settle: Duration::MAX,
};

fn stranger(number: u64) -> Source {
    Source::network(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number)), 128)
}

/// One contact of a source that nothing is known of.
fn ask(table: &ScanTable, now: Moment, source: Source) -> Standing {
    let place = Contact { destination: [192, 0, 2, 1].into(), protocol: Protocol::Tcp, port: 23 };
    table.observe(now, source, (&place, Weight::Full), &TRIGGER)
}

/// Microseconds: time goes on with every packet, and no window or block ends.
fn moment(packet: u64) -> Moment {
    Moment::from_start(Duration::from_micros(packet))
}

#[test]
fn a_full_table_decides_as_the_model_does_on_whom_it_remembers() {
    let mut forgotten = 0;
    for round in 0..6 {
        forgotten += compare(round, 4000, 1000, 512);
    }
    assert!(forgotten > 3000, "only {forgotten} were forgotten: it was not full");
}

#[test]
fn a_flood_changes_nothing_about_how_much_is_remembered() {
    let table = ScanTable::new(ROOM, Seeds(3, 4));
    let room = table.census(moment(0)).room;
    assert_eq!(room, u64::from(ROOM));
    for packet in 0..u64::from(ROOM) * 30 {
        ask(&table, moment(packet), stranger(packet));
        if packet.is_multiple_of(1000) {
            let Census { room: now, remembered, .. } = table.census(moment(packet));
            assert!(now == room && remembered <= room, "after {packet}: {remembered} of {now}");
        }
    }
    assert_eq!(table.census(moment(u64::from(ROOM) * 30)).remembered, room, "full to the last place");
}

#[test]
fn no_blocked_source_is_pushed_out_while_others_can_be() {
    for round in 0..10 {
        let table = ScanTable::new(ROOM, Seeds(round, !round));
        let blocked: Vec<_> = (0..u64::from(ROOM) / 8).map(|number| stranger(u64::MAX - number)).collect();
        for source in &blocked {
            table.set_blocked(moment(0), *source, Duration::from_secs(3600), 1);
        }
        for packet in 1..u64::from(ROOM) * 20 {
            ask(&table, moment(packet), stranger(packet));
        }
        let now = moment(u64::from(ROOM) * 20);
        let lost = blocked.iter().filter(|source| table.blocked_until(now, **source).is_none()).count();
        assert_eq!(lost, 0, "of {} in round {round}", blocked.len());
    }
}

#[test]
fn pushing_out_one_given_source_takes_about_as_many_forged_ones_as_the_table_holds() {
    const ROUNDS: u64 = 60;
    let (mut all, mut fewest) = (0, u64::MAX);
    for round in 0..ROUNDS {
        let table = ScanTable::new(ROOM, Seeds(round, !round));
        let victim = stranger(u64::MAX);
        let full = u64::from(ROOM) * 4;
        for packet in 0..full {
            ask(&table, moment(packet), stranger(packet));
        }
        ask(&table, moment(full), victim);
        let known = |now| table.show(moment(now), victim).is_some();
        let took = (1..full * 4).find(|packet| {
            ask(&table, moment(full + packet), stranger(full + packet));
            !known(full + packet)
        });
        let took = took.expect("it is pushed out in the end");
        (all, fewest) = (all + took, fewest.min(took));
    }
    let average = all / ROUNDS;
    let room = u64::from(ROOM);
    assert!((room * 4 / 5..=room * 6 / 5).contains(&average), "{average} on average, for a table of {room}");
    assert!(fewest > room / 8, "{fewest} at best, for a table of {room}");
}
