//! What nftrap costs, each figure beside a reference taken in the same run. Numbers vary with the machine; ratios less.
//!
//! Needs root: packets go between two network namespaces of its own. `scripts/bench` runs it.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a benchmark reads the clock, prints, and ends when it cannot go on"
)]

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use nftrap::config::Config;
use nftrap::detect::prefixes::Prefixes;
use nftrap::detect::source::{Source, Surroundings};
use nftrap::kernel::block_set::BlockSet;
use nftrap::kernel::dump::{self, Element};
use nftrap::kernel::{nft, ruleset};

#[path = "../lab/lab.rs"]
mod lab;
#[path = "readers.rs"]
mod readers;

use lab::hosts::Lab;

const BLOCKS: u32 = 20_000;
const MANY: u32 = 100_000;
const NOT_COUNTING: &str = "table inet plain { set block4 { type ipv4_addr; flags timeout; size 196608; }; }";

fn main() {
    let Some(lab) = Lab::on_one_link() else { return };
    readers::queued_packets(&lab);
    if std::env::args().any(|word| word == "packets") {
        return;
    }
    block_additions(&lab);
    many_blocks(&lab);
}

/// From the decision to the moment the kernel has the block, in a set that holds many already; `nft` for comparison.
fn block_additions(lab: &Lab) {
    let config = Config::default();
    lab.server.run(|| {
        nft::load(&config, &nft::host(&[]), &[]).expect("load the ruleset");
        let (p50, p99) = additions(&config.table);
        println!("one block into the set   nftrap p50 {p50:.1} µs, p99 {p99:.1} µs, with up to {BLOCKS} blocks there");
    });
    lab.server.nft_load(NOT_COUNTING);
    let (p50, p99) = lab.server.run(|| additions("plain"));
    println!("                         p50 {p50:.1} µs, p99 {p99:.1} µs, were its packets not counted");
    let add = |n: u32| {
        let start = Instant::now();
        let element = format!("{{ 10.128.0.{} timeout 10m }}", n % 256);
        lab.server.nft(&["add", "element", "inet", "nftrap", "block4", &element]);
        start.elapsed().as_secs_f64() * 1e6
    };
    let nft = median((0..40).map(add).collect());
    println!("                         `nft add element` p50 {nft:.0} µs");
}

/// The median and the slowest but for one in a hundred.
fn additions(table: &str) -> (f64, f64) {
    let mut set = BlockSet::open(table).expect("open the sets");
    let mut times: Vec<f64> = (0..BLOCKS).map(|n| add_one(&mut set, source(n))).collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

/// After a flush of the ruleset, or at a start: the table and many blocks; what nft takes for the same as one text; to list them.
fn many_blocks(lab: &Lab) {
    let config = Config::default();
    let host = nft::host(&[]);
    let blocks: Vec<_> = (0..MANY).map(|n| (source(n), Duration::from_secs(600))).collect();
    let elements = blocks.iter().map(|(source, left)| Element { source: *source, left: Some(*left), packets: None });
    let text = [ruleset::table(&config, &host), ruleset::blocks(&config.table, &elements.collect::<Vec<_>>())].concat();
    let milliseconds = |work: &(dyn Fn() + Sync)| {
        let start = Instant::now();
        lab.server.run(work);
        start.elapsed().as_secs_f64() * 1e3
    };
    lab.server.nft_load("flush ruleset");
    let as_text = milliseconds(&|| lab.server.nft_load(&text));
    lab.server.nft_load("flush ruleset");
    let alone = milliseconds(&|| nft::load(&config, &host, &[]).expect("load the ruleset"));
    lab.server.nft_load("flush ruleset");
    let restored = milliseconds(&|| nft::load(&config, &host, &blocks).expect("load the ruleset"));
    let listed = milliseconds(&|| assert_eq!(dump::dump(&config.table, 64).expect("list").len(), blocks.len()));
    let one = milliseconds(&|| assert!(dump::one(&config.table, 64, &blocks[7].0).expect("ask").is_some()));
    println!(
        "{MANY} blocks            restored {restored:.0} ms, of which {alone:.0} the table; as text by nft {as_text:.0} ms"
    );
    println!("                         listed {listed:.0} ms; one of them {one:.2} ms");
}

fn add_one(set: &mut BlockSet, source: Source) -> f64 {
    let start = Instant::now();
    set.add(&source, Duration::from_secs(600)).expect("a block");
    start.elapsed().as_secs_f64() * 1e6
}

fn source(n: u32) -> Source {
    let surroundings = Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::default() };
    Source::of(Ipv4Addr::from_bits(0x0a40_0000 + n).into(), &surroundings)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
