//! The worst that somebody can put into a capture costs no more than its size: twice as much of it takes about twice the
//! work. Work is counted, and not timed: what is allocated, how often and how much, for what is done per packet is bounded, and
//! whatever grew with all the packets before would show there.

#![expect(unsafe_code, reason = "an allocator is one")]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "it makes files, and a test that cannot go on fails"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use nftrap::config::Config;
use nftrap::detect::prefixes::Prefixes;
use nftrap::replay::replay;

struct Counting;

thread_local! {
    /// Allocations of this thread, and their octets. Needs none itself.
    static WORK: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

// SAFETY: all that it is asked for it hands on to the system's allocator. What grows in place is counted as if it were new.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (times, octets) = WORK.get();
        WORK.set((times + 1, octets + u64::try_from(layout.size()).unwrap_or(0)));
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

/// So much that tables which are made once do not weigh.
const MUCH: u32 = 40_000;

/// What it costs to replay `file`, of which `packets` can be read.
fn work(name: &str, file: &[u8], packets: u32) -> (u64, u64) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("linear-{name}"));
    fs::write(&path, file).unwrap();
    let mut config = Config::default();
    config.detect.max_sources = 1024;
    let before = WORK.get();
    let outcome = replay(&[path], &config, &Prefixes::default(), &mut |_| ());
    let after = WORK.get();
    assert_eq!((outcome.faults.len(), outcome.read.packets), (0, packets.into()), "{name}: {:?}", outcome.faults);
    (after.0 - before.0, after.1 - before.1)
}

fn is_linear(name: &str, worst: impl Fn(u32) -> (Vec<u8>, u32)) {
    let [once, twice] = [MUCH, 2 * MUCH].map(|much| {
        let (file, packets) = worst(much);
        work(name, &file, packets)
    });
    // Tables grow by doubling: where one boundary is passed, twice as much may take thrice the room.
    assert!(twice.0 <= 3 * once.0 && twice.1 <= 3 * once.1, "{name}: {once:?}, and for twice as much {twice:?}");
}

fn pcap(packets: impl Iterator<Item = (u32, Vec<u8>)>) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101_u32].map(u32::to_le_bytes).concat();
    for (second, bytes) in packets {
        let length = u32::try_from(bytes.len()).unwrap();
        file.extend([second, 0, length, length].map(u32::to_le_bytes).concat());
        file.extend(bytes);
    }
    file
}

/// An IPv4 packet of TCP, as far as `body` goes.
fn ip(from: u32, to: u32, fragment: (u32, u16), body: &[u8]) -> Vec<u8> {
    let [_, _, high, low] = (20 + u32::try_from(body.len()).unwrap()).to_be_bytes();
    let [_, _, id_high, id_low] = fragment.0.to_be_bytes();
    let [offset_high, offset_low] = fragment.1.to_be_bytes();
    let start = [0x45, 0, high, low, id_high, id_low, offset_high, offset_low, 64, 6, 0, 0];
    [&start[..], &from.to_be_bytes(), &to.to_be_bytes(), body].concat()
}

fn syn(number: u32) -> Vec<u8> {
    let [_, _, high, low] = number.to_be_bytes();
    ip(0x0a00_0000 + number, 0xc000_0201, (0, 0), &[9, 9, high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0])
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &length].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat())
}

#[test]
fn many_packets_from_as_many_sources_cost_what_they_are() {
    is_linear("sources", |much| (pcap((0..much).map(|number| (number, syn(number)))), much));
}

#[test]
fn packets_without_an_octet_cost_what_they_are() {
    is_linear("empty", |much| (pcap((0..much).map(|number| (number, Vec::new()))), much));
}

#[test]
fn time_that_runs_backwards_costs_what_it_is() {
    is_linear("backwards", |much| (pcap((0..much).map(|number| (much - number, syn(number)))), much));
    is_linear("restarts", |much| (pcap((0..much).map(|number| (number % 2 * 1_000_000, syn(number)))), much));
}

#[test]
fn fragments_that_are_never_complete_cost_what_they_are() {
    const MORE: u16 = 0x2000;
    let of_many = |number| ip(number / 0xffff, 0xc000_0201, (number, MORE), &[0; 8]);
    is_linear("fragments", |much| (pcap((0..much).map(|number| (100, of_many(number)))), much));
    let of_one = |number: u32| ip(7, 0xc000_0201, (7, MORE | u16::try_from(number % 8000).unwrap()), &[0; 8]);
    is_linear("pieces", |much| (pcap((0..much).map(|number| (100, of_one(number)))), much));
}

#[test]
fn sections_interfaces_and_options_cost_what_they_are() {
    let interface = || {
        let comment = [&[1, 0, 8, 0][..], b"eight of"].concat(); // opt_comment
        block(1, &[&[101, 0, 0, 0, 0, 0, 0, 0][..], &comment.repeat(20), &[0; 4]].concat())
    };
    let packet = || block(6, &[[0, 0, 0, 40, 40].map(u32::to_le_bytes).concat(), syn(1)].concat());
    is_linear("sections", |much| {
        let one = [section(), interface(), packet()].concat();
        (one.repeat(usize::try_from(much / 4).unwrap()), much / 4)
    });
    is_linear("interfaces", |much| {
        let interfaces = interface().repeat(usize::try_from(much / 4).unwrap());
        ([section(), interfaces, packet()].concat(), 1)
    });
}

#[test]
fn giant_blocks_cost_what_they_are() {
    let packet = || block(6, &[[0, 0, 0, 40, 40].map(u32::to_le_bytes).concat(), syn(1)].concat());
    let interface = || block(1, &[101, 0, 0, 0, 0, 0, 0, 0]);
    is_linear("giant", |much| {
        let giant = block(0x0bad, &vec![0; usize::try_from(much).unwrap() * 100]); // 4 and 8 MB
        ([section(), interface(), giant, packet()].concat(), 1)
    });
    is_linear("giant-packed", |much| {
        let giant = block(0x0bad, &vec![0; usize::try_from(much).unwrap() * 100]);
        (member(&[section(), interface(), giant, packet()].concat()), 1)
    });
}

/// One member of a gzip file.
fn member(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

#[test]
fn packed_members_without_an_octet_cost_what_they_are() {
    let first = member(&pcap(std::iter::once((100, syn(1)))));
    is_linear("members", |much| ([first.clone(), member(b"").repeat(usize::try_from(much / 4).unwrap())].concat(), 1));
}
