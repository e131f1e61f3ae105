//! What the kernel says of tables, sets and our own requests.
//!
//! Input: two octets of choices, then octets as they are received.

use std::time::Duration;

use nftrap::detect::prefixes::Prefixes;
use nftrap::detect::source::{Source, Surroundings};
use nftrap::kernel::block_set::{SETS, set_of};
use nftrap::kernel::fuzzing::{additions, elements, ends, report, tables};

use super::feed::Feed;

/// A message of one element cannot be shorter.
const LEAST_ELEMENT: usize = 24;

pub(super) fn target(input: &[u8]) {
    let mut feed = Feed(input);
    let (set, ipv6_prefix) = (feed.one_of(SETS), feed.octet());
    let octets = feed.rest();
    let found = elements(octets, set, ipv6_prefix);
    assert!(found.len() * LEAST_ELEMENT <= octets.len());
    for element in found {
        assert_ne!(element.left, Some(Duration::ZERO), "what has run out is no element");
    }
    assert!(tables(octets).len() * LEAST_ELEMENT <= octets.len());
    assert!(ends(octets).len() * 16 <= octets.len());
    let reported = report(octets);
    assert!(reported.is_none() || octets.len() >= 20);
    reads_what_it_writes(octets, ipv6_prefix);
}

/// A listing has the same keys as what was put into the set.
fn reads_what_it_writes(octets: &[u8], ipv6_prefix: u8) {
    let around = Surroundings { ipv6_prefix, on_link: Vec::new(), exempt: Prefixes::default() };
    let mut feed = Feed(octets);
    let mut blocks = Vec::new();
    while !feed.is_over() && blocks.len() < 1100 {
        blocks.push((Source::of(feed.address(), &around), feed.span()));
    }
    for set in SETS {
        let of_set: Vec<_> = blocks.iter().filter(|(source, _)| set_of(source) == set).copied().collect();
        let said = additions("nftrap", set, &of_set);
        let read: Vec<_> = elements(&said, set, ipv6_prefix).into_iter().map(|element| element.source).collect();
        assert_eq!(read, of_set.iter().map(|(source, _)| *source).collect::<Vec<_>>());
    }
}
