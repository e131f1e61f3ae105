//! What a daemon that starts is told.

use super::*;

fn sources(journal: &Journal, now: Wall) -> Vec<(String, Wall)> {
    let standing = journal.standing(now).unwrap();
    standing.sources.iter().map(|block| (block.source.to_string(), block.until)).collect()
}

fn prefixes(journal: &Journal, now: Wall) -> Vec<String> {
    let standing = journal.standing(now).unwrap();
    standing.prefixes.iter().map(|block| block.prefix.to_string()).collect()
}

#[test]
fn a_block_stands_until_its_end_and_the_last_of_a_source_counts() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let longer = blocked(100, "192.0.2.1", 3600, 2);
    journal.append(&[blocked(0, "192.0.2.1", 600, 1), blocked(0, "2001:db8::/64", 600, 1), longer]).unwrap();
    let standing = journal.standing(at(599)).unwrap().sources;
    assert_eq!(standing.len(), 2);
    assert_eq!((standing[0].until, standing[0].repeat, standing[0].at), (at(3700), 2, at(100)));
    assert_eq!(sources(&journal, at(600)), [("192.0.2.1".into(), at(3700))]);
    assert_eq!(sources(&journal, at(3700)), []);
}

#[test]
fn a_block_that_somebody_ended_stands_no_more_and_one_set_later_does() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let allowed =
        What::Allowed { prefix: "203.0.113.0/24".parse().unwrap(), reason: String::new(), saved: true, by: operator() };
    journal
        .append(&[
            blocked(0, "192.0.2.1", 600, 1),
            blocked(0, "192.0.2.2", 600, 1),
            blocked(0, "198.51.100.9", 600, 1),
            blocked(0, "203.0.113.5", 600, 1),
            blocked(0, "2001:db8:0:1::/64", 600, 1),
            unblocked(1, "192.0.2.2/32"),
            unblocked(1, "198.51.100.0/24"),
            unblocked(1, "2001:db8::/48"),
            Event { at: at(1), what: allowed },
        ])
        .unwrap();
    assert_eq!(sources(&journal, at(2)), [("192.0.2.1".into(), at(600))]);
    journal.append(&[blocked(3, "192.0.2.2", 600, 1)]).unwrap();
    assert_eq!(sources(&journal, at(4)).len(), 2);
    journal.append(&[Event { at: at(5), what: What::UnblockedAll { by: operator() } }]).unwrap();
    assert_eq!(sources(&journal, at(6)), []);
}

#[test]
fn an_operators_block_stands_until_its_end_or_for_good() {
    let folder = Folder::new();
    let mut journal = folder.open();
    journal
        .append(&[
            operator_blocked(0, "192.0.2.0/24", None),
            operator_blocked(0, "198.51.100.0/24", Some(at(600))),
            operator_blocked(0, "2001:db8::/32", None),
            operator_blocked(1, "2001:db8::/32", Some(at(10))),
        ])
        .unwrap();
    assert_eq!(prefixes(&journal, at(5)), ["192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"]);
    // The later word counts: this one was to end.
    assert_eq!(prefixes(&journal, at(10)), ["192.0.2.0/24", "198.51.100.0/24"]);
    assert_eq!(prefixes(&journal, at(600)), ["192.0.2.0/24"]);
    let standing = journal.standing(at(600)).unwrap().prefixes.remove(0);
    assert_eq!((standing.reason.as_str(), standing.by, standing.until), ("noise", operator(), None));
    // A word on one address does not end the block of its network, and one on everything does.
    journal.append(&[unblocked(700, "192.0.2.1/32")]).unwrap();
    assert_eq!(prefixes(&journal, at(701)).len(), 1);
    journal.append(&[unblocked(702, "0.0.0.0/0")]).unwrap();
    assert_eq!(prefixes(&journal, at(703)).len(), 0);
}

#[test]
fn a_clock_that_was_set_back_makes_no_block_longer() {
    let folder = Folder::new();
    let day = 86_400;
    let mut journal = folder.open();
    journal.append(&[blocked(10 * day, "192.0.2.1", 600, 1)]).unwrap();
    // Nine days back: what is left is counted from what the clock went forward.
    assert_eq!(sources(&journal, at(day)), [("192.0.2.1".into(), at(day + 600))]);
    journal.append(&[blocked(day, "192.0.2.2", 600, 1)]).unwrap();
    journal.append(&[blocked(day + 400, "192.0.2.3", 600, 1)]).unwrap();
    drop(journal);
    let journal = folder.open();
    assert_eq!(
        sources(&journal, at(day + 500)),
        [
            ("192.0.2.1".into(), at(day + 600)),
            ("192.0.2.2".into(), at(day + 600)),
            ("192.0.2.3".into(), at(day + 1000))
        ]
    );
    assert_eq!(sources(&journal, at(day + 600)).len(), 1);
}

#[test]
fn what_another_namespace_of_this_boot_did_is_no_business_of_ours() {
    let folder = Folder::new();
    folder.open().append(&[blocked(0, "192.0.2.1", 600, 1)]).unwrap();
    let open = |name: &str| Journal::open(folder.settings(), home(name), at(0)).unwrap().0;
    assert_eq!(sources(&open("boot/2"), at(1)), []);
    assert_eq!(open("boot/2").repeats(at(0)).unwrap(), []);
    assert_eq!(sources(&open("boot/1"), at(1)).len(), 1);
    assert_eq!(sources(&open("another boot/7"), at(1)).len(), 1, "after a reboot the file is what we have");
    // Nor does a word of another namespace end our blocks.
    open("boot/2").append(&[Event { at: at(2), what: What::UnblockedAll { by: operator() } }]).unwrap();
    assert_eq!(sources(&open("boot/1"), at(3)).len(), 1);
}

#[test]
fn repeats_are_counted_since_a_day_and_since_somebody_forgave() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let repeat = |seconds, source| blocked(seconds, source, 600, 1);
    journal
        .append(&[
            repeat(0, "192.0.2.1"),
            repeat(1000, "192.0.2.1"),
            repeat(2000, "192.0.2.1"),
            repeat(1000, "192.0.2.2"),
            unblocked(1500, "192.0.2.2/32"),
            repeat(2000, "192.0.2.2"),
            repeat(1000, "192.0.2.3"),
            unblocked(1500, "192.0.2.3/32"),
        ])
        .unwrap();
    let source = |text: &str| text.parse().unwrap();
    assert_eq!(
        journal.repeats(at(500)).unwrap(),
        [(source("192.0.2.1"), 2, at(2600)), (source("192.0.2.2"), 1, at(2600))]
    );
}
