//! What a worker does for each packet allocates nothing: not for a watched source, nor for a blocked one, nor for a new offender.
//! The allocator counts what the thread does that asked for it: the test harness has a thread of its own.

#![expect(unsafe_code, reason = "an allocator is one")]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::bounded;
use nftrap::config::Config;
use nftrap::detect::prefixes::Prefixes;
use nftrap::detect::source::Surroundings;
use nftrap::detect::table::{ScanTable, Seeds};
use nftrap::detect::{Decision, Rules};
use nftrap::packet;
use nftrap::report::counters::{Counters, count};
use nftrap::report::fact::{Fact, Happened};
use nftrap::time::Moment;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether this thread's allocations are counted. Needs none itself.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: all that it is asked for it hands on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTED.get() {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A SYN from one of many sources to a port.
fn syn(source: u32, port: u16) -> [u8; 40] {
    let mut packet = [0; 40];
    packet[0] = 0x45;
    packet[3] = 40;
    packet[8] = 64;
    packet[9] = 6;
    packet[12..16].copy_from_slice(&(0x0a00_0000 + source).to_be_bytes());
    packet[16..20].copy_from_slice(&[192, 0, 2, 1]);
    packet[20..22].copy_from_slice(&40_000_u16.to_be_bytes());
    packet[22..24].copy_from_slice(&port.to_be_bytes());
    packet[32] = 0x50;
    packet[33] = 0x02;
    packet
}

#[test]
fn judging_a_packet_and_telling_of_it_allocates_nothing() {
    COUNTED.set(true);
    let rules = Rules::of(&Config::default(), Moment::ZERO, Duration::from_secs(1));
    let table = ScanTable::new(4096, Seeds(1, 2));
    let surroundings = Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::default() };
    let (counters, (facts, told)) = (Counters::default(), bounded(4096));
    let mut decided = [0_u32; 4];
    let mut judge = |n: u32, port: u16| {
        let now = Moment::from_start(Duration::from_millis(u64::from(n)));
        let packet = packet::parse(&syn(n / 2 % 9999, port)).unwrap();
        let decision = rules.judge(&table, now, &packet, &surroundings);
        let what = match decision {
            Decision::Innocent => None,
            Decision::Watch(sighting, _) => Some((0, Happened::Watched(sighting))),
            Decision::Block(offence) | Decision::Report(offence) => Some((1, Happened::Blocked(offence))),
            Decision::StillBlocked => {
                decided[2] += 1;
                None
            }
        };
        if let Some((which, what)) = what {
            decided[which] += 1;
            // When nobody takes them, too.
            let (Ok(()) | Err(_)) = facts.try_send(Fact { at: now, what });
        }
        count(&counters.packets);
        counters.verdict_time.note(Duration::from_micros(u64::from(n % 1000)));
    };
    judge(0, 111); // what is made once
    let seen = ALLOCATIONS.load(Ordering::Relaxed);
    assert_eq!(*std::hint::black_box(Box::new(7)), 7);
    assert!(ALLOCATIONS.load(Ordering::Relaxed) > seen, "the counter counts");
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for n in 0..100_000 {
        judge(n, if n / 2 % 3 == 0 { 111 } else { 5000 + u16::try_from(n % 7).unwrap() });
    }
    let after = ALLOCATIONS.load(Ordering::Relaxed);
    assert_eq!(after - before, 0, "allocations in 100,000 packets");
    assert!(decided[..3].iter().all(|count| *count > 1000), "each kind of decision was made: {decided:?}");
    assert_eq!(told.len(), 4096, "the channel was full");
}
