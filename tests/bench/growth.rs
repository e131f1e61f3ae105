//! Time of one observation as the scan table grows: sources that are known, a mixture, and a flood of forged ones. The reference is a
//! map of as many records, without lock, bounds or rules.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use nftrap::config::Count;
use nftrap::detect::probe::{Contact, Protocol, Weight};
use nftrap::detect::source::Source;
use nftrap::detect::table::{BYTES_PER_SOURCE, Effect, ScanTable, Seeds, Terms, Threshold};
use nftrap::time::Moment;

use super::{scatter, thread_ns};

const ROUNDS: u32 = 100;
const TIMES: u32 = 20_000;
/// Room for 1,048,576 sources, of which a part is known.
const LARGE: u32 = 1 << 20;
/// No threshold is reached, or each contact is enough.
const WATCHED: u8 = 7;
const BLOCKED: u8 = 1;

pub(super) fn table() {
    println!(
        "one observation, ns     sources    known    ..in room for {LARGE}   half forged   forged   ..blocked   bare map"
    );
    for sources in [1_000_u32, 10_000, 100_000, 1_000_000] {
        let room = sources.next_power_of_two();
        println!(
            "{sources:31} {:8.0} {:27.0} {:13.0} {:8.0} {:11.0} {:10.0}",
            known(room, sources),
            known(LARGE, sources),
            mixed(room, sources),
            forged(room, WATCHED),
            forged(room, BLOCKED),
            bare_map(sources),
        );
    }
    println!("                        {BYTES_PER_SOURCE} bytes a source");
}

/// Sources that are known, in no order.
fn known(room: u32, sources: u32) -> f64 {
    let mut table = Clocked::filled(room, sources, WATCHED);
    typical(|n| table.see(scatter(n) % sources))
}

/// Every second one is new.
fn mixed(room: u32, sources: u32) -> f64 {
    let mut table = Clocked::filled(room, sources, WATCHED);
    typical(|n| table.see(if n % 2 == 0 { scatter(n) % sources } else { sources + n }))
}

/// Sources never seen before; for each one more somebody is forgotten.
fn forged(room: u32, contacts: u8) -> f64 {
    let mut table = Clocked::filled(room, room, contacts);
    typical(|n| table.see(room + n))
}

fn bare_map(sources: u32) -> f64 {
    let mut map: HashMap<Source, [u8; BYTES_PER_SOURCE], _> =
        HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4));
    map.extend((0..sources).map(|n| (source(n), [0; BYTES_PER_SOURCE])));
    typical(|n| {
        let record = map.get_mut(&source(scatter(n) % sources)).expect("it is known");
        record[0] = record[0].wrapping_add(1);
        black_box(&record);
    })
}

/// A table, and a clock that goes on by a microsecond with each packet.
struct Clocked {
    table: ScanTable,
    rule: Threshold,
    now: Moment,
}

impl Clocked {
    fn filled(room: u32, sources: u32, contacts: u8) -> Self {
        let rule = Threshold {
            count: Count::Places,
            effect: Effect::Blocked,
            contacts,
            unserved: 4,
            window: Duration::from_secs(600),
            block: Terms::constant(Duration::from_secs(600)),
            settle: Duration::from_secs(1),
        };
        let mut this = Self { table: ScanTable::new(room, Seeds(1, 2)), rule, now: Moment::ZERO };
        (0..sources).for_each(|n| this.see(n));
        this
    }

    fn see(&mut self, n: u32) {
        self.now = self.now.plus(Duration::from_micros(1));
        let contact = Contact { destination: [192, 0, 2, 1].into(), protocol: Protocol::Tcp, port: 111 };
        black_box(self.table.observe(self.now, source(n), (&contact, Weight::Full), &self.rule));
    }
}

fn source(n: u32) -> Source {
    Source::host(Ipv4Addr::from_bits(0x0a00_0000 + n).into())
}

/// Nanoseconds of processor time for each; of many rounds one among the quickest, for whatever disturbs only makes them slower.
fn typical(mut act: impl FnMut(u32)) -> f64 {
    let mut round = |round: u32| {
        let start = thread_ns();
        (round * TIMES..(round + 1) * TIMES).for_each(&mut act);
        (thread_ns() - start) / f64::from(TIMES)
    };
    let mut rounds: Vec<f64> = (0..ROUNDS).map(&mut round).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 20]
}
