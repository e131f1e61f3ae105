//! What the pure half of nftrap costs: the scan table as it grows, the replay of a capture, instructions per packet. Needs no root.
//!
//! `scripts/bench` runs it, with one of the words `table`, `replay` and `judged`.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and ends when it cannot go on"
)]

use rustix::time::{ClockId, clock_gettime};

#[path = "growth.rs"]
mod growth;
#[path = "judged.rs"]
mod judged;
#[path = "replayed.rs"]
mod replayed;

fn main() {
    let named = |word: &str| std::env::args().any(|argument| argument == word);
    if named("judged") {
        return judged::packets();
    }
    if named("table") {
        growth::table();
    }
    if named("replay") {
        replayed::flood();
    }
}

/// Processor time of this thread, in nanoseconds: what others do meanwhile is not in it, though they share its caches.
fn thread_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Far from its neighbours, so that the next source is not in the cache by accident.
fn scatter(n: u32) -> u32 {
    n.wrapping_mul(2_654_435_761)
}

/// A SYN from the `from`th address to `port` of 192.0.2.1; its checksum is left out.
fn syn(from: u32, port: u16) -> [u8; 40] {
    let mut packet = [0; 40];
    (packet[0], packet[3], packet[8], packet[9]) = (0x45, 40, 64, 6);
    packet[12..16].copy_from_slice(&(0x0a00_0000 + from).to_be_bytes());
    packet[16..20].copy_from_slice(&[192, 0, 2, 1]);
    packet[20..22].copy_from_slice(&40_000_u16.to_be_bytes());
    packet[22..24].copy_from_slice(&port.to_be_bytes());
    (packet[32], packet[33]) = (0x50, 0x02);
    packet
}
