//! More forged sources than a disk should have to hold.

use std::net::Ipv4Addr;

use super::*;
use crate::journal::tests::operator_blocked;

const EVENTS: u32 = 300_000;
/// Events of one transaction.
const BATCH: u32 = 1024;
const MAX: u64 = 2 * 1024 * 1024;
/// What the file may have beyond it, with its log: the events of one transaction, and a log that is cut back at 4 MiB.
const BEYOND: u64 = 8 * 1024 * 1024;

fn forged(number: u32) -> Event {
    let seconds = u64::from(number / 25_000);
    blocked(seconds, &Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)).to_string(), 7200, 1)
}

fn size(folder: &Folder) -> u64 {
    ["", "-wal"]
        .map(|more| std::fs::metadata(beside(&folder.settings().file, more)).map_or(0, |found| found.len()))
        .iter()
        .sum()
}

#[test]
fn a_flood_of_forged_sources_makes_the_file_no_larger_than_it_may_be() {
    let folder = Folder::new();
    let settings = Settings { max_bytes: MAX, ..folder.settings() };
    let (mut journal, _) = Journal::open(settings.clone(), home("boot/1"), at(0)).unwrap();
    journal.append(&[operator_blocked(0, "198.51.100.0/24", None), blocked(0, "192.0.2.1", 86_400, 1)]).unwrap();
    let (sender, orders) = bounded(usize::try_from(BATCH).unwrap());
    let mut work = Work::new(orders, (settings, home("boot/1")), now, Arc::default());
    work.journal = Some(journal);
    for first in (0..EVENTS).step_by(usize::try_from(BATCH).unwrap()) {
        for number in first..first + BATCH {
            sender.send(Order::Store(forged(number))).unwrap();
        }
        let next = work.orders.recv().unwrap();
        work.take(next);
        assert!(size(&folder) <= MAX + BEYOND, "{} after {first}", size(&folder));
    }
    let journal = work.journal.unwrap();
    assert!(!journal.is_too_large().unwrap());
    let standing = journal.standing(now(), usize::MAX).unwrap();
    assert_eq!(standing.prefixes.len(), 1, "what an operator blocked stays");
    let has = |source: Source| standing.sources.iter().any(|block| block.source == source);
    assert!(has("192.0.2.1".parse().unwrap()), "and what ends later than the flood");
    let What::Blocked(last) = forged(EVENTS - 1).what else { panic!("it is a block") };
    assert!(has(last.source), "and the newest");
    assert!(standing.sources.len() > 1000, "{}", standing.sources.len());
}
