//! What a daemon that starts is told.

use super::*;

fn sources(journal: &Journal, now: Wall) -> Vec<(String, Wall)> {
    let standing = journal.standing(now, ALL).unwrap();
    standing.sources.iter().map(|block| (block.source.to_string(), block.until)).collect()
}

fn prefixes(journal: &Journal, now: Wall) -> Vec<String> {
    let standing = journal.standing(now, ALL).unwrap();
    standing.prefixes.iter().map(|block| block.prefix.to_string()).collect()
}

#[test]
fn a_block_stands_until_its_end_and_the_last_of_a_source_counts() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let longer = blocked(100, "192.0.2.1", 3600, 2);
    journal.append(&[blocked(0, "192.0.2.1", 600, 1), blocked(0, "2001:db8::/64", 600, 1), longer]).unwrap();
    let standing = journal.standing(at(599), ALL).unwrap().sources;
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
    let standing = journal.standing(at(600), ALL).unwrap().prefixes.remove(0);
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
    assert_eq!(open("boot/2").repeats(at(0), ALL).unwrap(), []);
    assert_eq!(sources(&open("boot/1"), at(1)).len(), 1);
    assert_eq!(sources(&open("another boot/7"), at(1)).len(), 1, "after a reboot the file is what we have");
    // Nor does a word of another namespace end our blocks.
    open("boot/2").append(&[Event { at: at(2), what: What::UnblockedAll { by: operator() } }]).unwrap();
    assert_eq!(sources(&open("boot/1"), at(3)).len(), 1);
}

#[test]
fn repeats_are_what_the_last_block_says_since_a_day_and_since_somebody_forgave() {
    let folder = Folder::new();
    let mut journal = folder.open();
    journal
        .append(&[
            blocked(0, "192.0.2.1", 600, 1),
            blocked(1000, "192.0.2.1", 600, 2),
            // Renewed, which is no offence of its own.
            blocked(1001, "192.0.2.1", 600, 2),
            blocked(1002, "192.0.2.1", 600, 2),
            blocked(1000, "192.0.2.2", 600, 4),
            unblocked(1500, "192.0.2.2/32"),
            blocked(2000, "192.0.2.2", 600, 1),
            blocked(1000, "192.0.2.3", 600, 1),
            unblocked(1500, "192.0.2.3/32"),
            blocked(10, "192.0.2.4", 600, 3),
        ])
        .unwrap();
    let source = |text: &str| text.parse().unwrap();
    let (one, two) = ((source("192.0.2.1"), 2, at(1602)), (source("192.0.2.2"), 1, at(2600)));
    assert_eq!(journal.repeats(at(500), ALL).unwrap(), [one, two]);
    assert_eq!(journal.repeats(at(500), 1).unwrap(), [two], "it was blocked last");
}

#[test]
fn no_more_blocks_are_told_than_there_is_room_for_and_they_are_those_that_end_last() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let many = (0..100).map(|i: u64| blocked(i, &format!("192.0.2.{i}"), 600 + (i * 37) % 100, 1));
    journal.append(&many.collect::<Vec<_>>()).unwrap();
    let mut ends: Vec<_> = sources(&journal, at(100)).into_iter().map(|(_, until)| until).collect();
    ends.sort_unstable_by(|a, b| b.cmp(a));
    let mut told: Vec<_> = journal.standing(at(100), 10).unwrap().sources.iter().map(|block| block.until).collect();
    told.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(told, ends[..10]);
}

#[test]
fn of_a_million_rows_a_start_reads_by_index_what_it_wants_and_sorts_nothing() {
    let folder = Folder::new();
    let journal = folder.open();
    let blocks = "SELECT source FROM events INDEXED BY events_ends WHERE kind = 'blocked' AND ends > 5 AND home IN
                  (SELECT id FROM homes WHERE boot <> 'a' OR name = 'b') ORDER BY ends DESC, id DESC";
    let repeats = "SELECT id, source, prefix FROM events INDEXED BY events_kind WHERE kind = 'blocked' AND at >= 5
                   ORDER BY at DESC";
    for sql in [blocks, repeats] {
        let mut statement = journal.database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> = statement.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        assert!(plan.iter().all(|line| !line.contains("TEMP B-TREE")), "{plan:?}");
        assert!(plan.iter().any(|line| line.contains("INDEX events_")), "{plan:?}");
    }
}

#[test]
fn a_row_that_cannot_be_read_costs_no_other_and_is_counted() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let events = [
        blocked(0, "192.0.2.1", 600, 1),
        blocked(0, "192.0.2.2", 600, 3),
        operator_blocked(0, "198.51.100.0/24", None),
        operator_blocked(0, "203.0.113.0/24", None),
        unblocked(1, "192.0.2.7/32"),
    ];
    journal.append(&events).unwrap();
    let spoil = "UPDATE events SET source = x'07' WHERE id = 1; UPDATE events SET detail = '{' WHERE id = 3;
                 UPDATE events SET source = NULL WHERE id = 5";
    journal.database.execute_batch(spoil).unwrap();
    let standing = journal.standing(at(2), ALL).unwrap();
    assert_eq!(standing.unreadable, 3);
    assert_eq!(sources(&journal, at(2)), [("192.0.2.2".into(), at(600))]);
    assert_eq!(prefixes(&journal, at(2)), ["203.0.113.0/24"]);
    assert_eq!(journal.repeats(at(0), ALL).unwrap(), [("192.0.2.2".parse().unwrap(), 3, at(600))]);
    journal.tidy(at(2)).unwrap();
    journal.database.execute("UPDATE events SET repeat = 'often', until = 'late' WHERE id = 2", []).unwrap();
    assert_eq!(sources(&journal, at(2)), []);
    assert_eq!(journal.repeats(at(0), ALL).unwrap(), []);
}

#[test]
fn a_block_that_is_stored_after_the_word_that_ended_it_stands_no_more() {
    let day = 86_400;
    let word = |what| Event { at: at(10), what };
    let prefix = "192.0.2.1/32".parse().unwrap();
    let allowed = What::Allowed { prefix, reason: String::new(), saved: false, by: operator() };
    for end in [unblocked(10, "192.0.2.1/32"), word(What::UnblockedAll { by: operator() }), word(allowed)] {
        let folder = Folder::new();
        let mut journal = folder.open();
        let late = blocked(9, "192.0.2.1", 100 * day, 1);
        journal.append(&[blocked(8, "192.0.2.1", 600, 1), end.clone(), late]).unwrap();
        assert_eq!(sources(&journal, at(11)), [], "{end:?}");
        // Nor when the file is tidied: the word stays as long as that row.
        let now = at(99 * day);
        journal.append(&[blocked(99 * day, "192.0.2.9", 600, 1)]).unwrap();
        journal.tidy(now).unwrap();
        assert_eq!(sources(&journal, now), [("192.0.2.9".into(), at(99 * day + 600))], "{end:?}");
        journal.append(&[blocked(99 * day + 1, "192.0.2.1", 600, 1)]).unwrap();
        assert_eq!(sources(&journal, now).len(), 2, "a later one stands");
    }
}

#[test]
fn a_block_after_a_clock_was_set_back_is_none_that_was_ended_before() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let day = 86_400;
    journal.append(&[unblocked(10 * day, "192.0.2.1/32"), blocked(day, "192.0.2.1", 600, 2)]).unwrap();
    assert_eq!(sources(&journal, at(day + 1)).len(), 1);
    assert_eq!(journal.repeats(at(0), ALL).unwrap().len(), 1);
}
