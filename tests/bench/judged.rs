//! A fixed sequence of packets, read and judged once, for `scripts/bench instructions` to count what that takes.

use std::hint::black_box;
use std::time::Duration;

use nftrap::config::Config;
use nftrap::detect::Rules;
use nftrap::detect::prefixes::Prefixes;
use nftrap::detect::source::Surroundings;
use nftrap::detect::table::{ScanTable, Seeds};
use nftrap::packet;
use nftrap::time::Moment;

use super::{scatter, syn};

const PACKETS: u32 = 200_000;

/// What a worker has.
struct Judge {
    rules: Rules,
    table: ScanTable,
    surroundings: Surroundings,
}

pub(super) fn packets() {
    let config = Config::default();
    let judge = Judge {
        rules: Rules::of(&config, Moment::ZERO, Duration::from_secs(1)),
        table: ScanTable::new(16_384, Seeds(1, 2)),
        surroundings: Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::default() },
    };
    println!("judged={}", judged_packets(&judge, PACKETS));
}

/// Half from a thousand sources that come back, to trigger ports and others, half forged. Alone in its function, and not inlined:
/// valgrind counts what is done in here.
#[inline(never)]
fn judged_packets(judge: &Judge, packets: u32) -> u32 {
    for n in 0..packets {
        let from = if n % 2 == 0 { scatter(n) % 1000 } else { 1000 + n };
        let bytes = syn(from, if n % 16 == 0 { 111 } else { 5000 + u16::try_from(n / 4 % 8).expect("below 8") });
        let packet = packet::parse(black_box(&bytes)).expect("a packet");
        let now = Moment::from_start(Duration::from_millis(u64::from(n)));
        black_box(judge.rules.judge(&judge.table, now, &packet, &judge.surroundings));
    }
    packets
}
