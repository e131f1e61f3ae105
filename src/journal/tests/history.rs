//! What is stored can be found, counted, and is forgotten in its time.

use std::ops::ControlFlow;

use super::*;
use crate::event::{Distributed, Wall};

#[test]
fn every_event_is_told_once_in_either_order_however_many_have_the_same_time() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let many: Vec<_> = (0..3000).map(|i| blocked(i / 1000, "192.0.2.1", 600, u32::try_from(i).unwrap())).collect();
    journal.append(&many).unwrap();
    let reader = folder.reader();
    assert_eq!(all(&reader), many);
    let mut newest_first = told(&reader, &Filter::default());
    newest_first.reverse();
    assert_eq!(newest_first, many);
    let ten = told(&reader, &Filter { limit: Some(10), ..Filter::default() });
    assert_eq!(ten, many.iter().rev().take(10).cloned().collect::<Vec<_>>());
    let mut seen = 0;
    reader
        .history(&Filter::default(), |_| {
            seen += 1;
            if seen == 300 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, 300);
}

#[test]
fn a_shared_scan_is_found_by_each_source_that_it_names() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let among = ["192.0.2.1", "2001:db8:a::/64"].map(|text| text.parse().unwrap()).to_vec();
    let (destination, first, last) = ([203, 0, 113, 2].into(), at(1), at(2));
    let scan = Distributed { destination, sources: 20, places: 30, first, last, among };
    let scan = Event { at: at(3), what: What::Distributed(scan) };
    journal.append(&[blocked(1, "192.0.2.1", 600, 1), scan, blocked(5, "203.0.113.2", 600, 1)]).unwrap();
    let reader = folder.reader();
    let about = |text: &str| {
        let filter = Filter { source: Some(text.parse().unwrap()), ..Filter::default() };
        told(&reader, &filter).iter().map(|event| event.at.since(at(0)).as_secs()).collect::<Vec<_>>()
    };
    assert_eq!(about("192.0.2.1/32"), [3, 1]);
    assert_eq!(about("2001:db8:a::7/128"), [3]);
    assert_eq!(about("192.0.2.2/32"), [0; 0]);
    assert_eq!(about("203.0.113.2/32"), [5], "it scans nobody");
}

#[test]
fn events_are_found_by_time_kind_and_source() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let events = [
        blocked(1, "192.0.2.1", 600, 1),
        blocked(2, "192.0.2.2", 600, 1),
        blocked(3, "2001:db8:a::/64", 600, 1),
        operator_blocked(4, "192.0.2.0/24", None),
        unblocked(5, "192.0.2.1/32"),
        Event { at: at(6), what: What::Stopped },
    ];
    journal.append(&events).unwrap();
    let reader = folder.reader();
    let seconds = |filter: Filter| -> Vec<u64> {
        let filter = Filter { sequence: Sequence::OldestFirst, ..filter };
        told(&reader, &filter).iter().map(|event| event.at.since(at(0)).as_secs()).collect()
    };
    let about = |text: &str| seconds(Filter { source: Some(text.parse().unwrap()), ..Filter::default() });
    assert_eq!(about("192.0.2.1/32"), [1, 4, 5]);
    assert_eq!(about("192.0.2.0/30"), [1, 2, 4, 5]);
    assert_eq!(about("192.0.3.0/24"), Vec::<u64>::new());
    assert_eq!(about("2001:db8:a::7/128"), [3]);
    assert_eq!(about("2001:db8::/32"), [3]);
    assert_eq!(about("0.0.0.0/0"), [1, 2, 4, 5]);
    assert_eq!(seconds(Filter { since: Some(at(2)), until: Some(at(5)), ..Filter::default() }), [2, 3, 4]);
    let kinds = vec!["unblocked".into(), "stopped".into()];
    assert_eq!(seconds(Filter { kinds, ..Filter::default() }), [5, 6]);
}

#[test]
fn a_row_that_cannot_be_read_is_counted_and_the_others_are_told() {
    let folder = Folder::new();
    let mut journal = folder.open();
    journal.append(&[blocked(1, "192.0.2.1", 600, 1), blocked(2, "192.0.2.2", 600, 1)]).unwrap();
    journal.database.execute("UPDATE events SET detail = '{' WHERE id = 1", []).unwrap();
    let told = folder.reader().history(&Filter::default(), |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(told, Told { events: 1, unreadable: 1 });
}

#[test]
fn blocks_are_counted_by_port_source_network_and_time() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let mut other_port = blocked(30, "198.51.100.7", 600, 1);
    if let What::Blocked(offence) = &mut other_port.what {
        offence.probe.port = 23;
    }
    let events = [
        blocked(0, "192.0.2.1", 600, 1),
        blocked(10, "192.0.2.1", 600, 2),
        blocked(20, "192.0.2.2", 600, 1),
        other_port,
        blocked(39, "2001:db8:a:1::/64", 600, 1),
        unblocked(39, "192.0.2.1/32"),
    ];
    journal.append(&events).unwrap();
    let reader = folder.reader();
    let top = |by| -> Vec<(String, u64, u64)> {
        let found = reader.top((at(0), at(40)), by, 10).unwrap();
        found.into_iter().map(|top| (top.what, top.blocks, top.sources)).collect()
    };
    let row = |what: &str, blocks, sources| (what.to_owned(), blocks, sources);
    assert_eq!(top(By::Port), [row("111/tcp", 4, 3), row("23/tcp", 1, 1)]);
    assert_eq!(
        top(By::Source),
        [row("192.0.2.1", 2, 1), row("2001:db8:a:1::/64", 1, 1), row("198.51.100.7", 1, 1), row("192.0.2.2", 1, 1)]
    );
    assert_eq!(
        top(By::Network),
        [row("192.0.2.0/24", 3, 2), row("2001:db8:a::/48", 1, 1), row("198.51.100.0/24", 1, 1)]
    );
    assert_eq!(reader.top((at(0), at(40)), By::Source, 1).unwrap()[0].last, at(10));
    assert_eq!(reader.per_slot((at(0), at(40)), 4).unwrap(), [1, 1, 1, 2]);
    assert_eq!(reader.per_slot((at(0), at(0)), 4).unwrap(), [0, 0, 0, 0]);
}

#[test]
fn counts_need_the_index_alone() {
    let folder = Folder::new();
    let journal = folder.open();
    for columns in ["port, protocol", "source, prefix"] {
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT {columns}, count(*) FROM events
             WHERE kind IN ('blocked', 'would_block') AND at >= 1 AND at < 2 GROUP BY {columns}"
        );
        let plan: String = journal.database.query_row(&sql, [], |row| row.get(3)).unwrap();
        assert!(plan.contains("USING COVERING INDEX events_kind"), "{plan}");
    }
}

fn tidy(journal: &mut Journal, now: Wall) -> u64 {
    let steps = std::iter::repeat_with(|| journal.tidy(now).unwrap());
    let mut more = true;
    steps.take_while(|tidied| std::mem::replace(&mut more, tidied.more)).map(|tidied| tidied.deleted).sum()
}

#[test]
fn what_is_old_goes_unless_it_stands() {
    let folder = Folder::new();
    let mut journal = folder.open();
    let day = 86_400;
    let events = [
        operator_blocked(0, "192.0.2.0/24", None),
        operator_blocked(1, "198.51.100.0/24", None),
        unblocked(2, "198.51.100.0/24"),
        blocked(3, "203.0.113.1", 600, 1),
        blocked(4, "203.0.113.2", 200 * day, 1),
        blocked(99 * day, "203.0.113.3", 600, 1),
    ];
    journal.append(&events).unwrap();
    let now = at(100 * day);
    let before = journal.standing(now, ALL).unwrap();
    assert_eq!(tidy(&mut journal, now), 2);
    let left = all(&folder.reader());
    // The word that lifted a block stays as long as an older block stands: it costs a row.
    assert_eq!(left, [events[0].clone(), events[2].clone(), events[4].clone(), events[5].clone()]);
    assert_eq!(journal.standing(now, ALL).unwrap(), before);
    assert_eq!((before.prefixes.len(), before.sources.len()), (1, 1));
}

#[test]
fn a_file_that_is_too_large_loses_its_oldest_events_and_gives_space_back() {
    let folder = Folder::new();
    let max_bytes = 1024 * 1024;
    let settings = Settings { max_bytes, ..folder.settings() };
    let (mut journal, _) = Journal::open(settings.clone(), home("boot/1"), at(0)).unwrap();
    journal.append(&[operator_blocked(0, "192.0.2.0/24", None)]).unwrap();
    let many: Vec<_> = (1..12_000).map(|i| blocked(i, "203.0.113.1", 1, 1)).collect();
    journal.append(&many).unwrap();
    assert!(fs::metadata(&settings.file).unwrap().len() > 2 * max_bytes);
    let now = at(13_000);
    assert!(tidy(&mut journal, now) > 4000);
    journal.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    assert!(fs::metadata(&settings.file).unwrap().len() <= max_bytes);
    let left = all(&folder.reader());
    assert_eq!(left[0], operator_blocked(0, "192.0.2.0/24", None));
    assert_eq!(left.last(), many.last());
    assert_eq!(left[1..], many[many.len() - (left.len() - 1)..]);
}
