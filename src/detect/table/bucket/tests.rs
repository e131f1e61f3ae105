//! What tags promise, one sentence a test.

use std::time::Duration;

use super::*;

fn at(micros: u64) -> Moment {
    Moment::from_start(Duration::from_micros(micros))
}

fn key(n: u8) -> Key {
    Key { source: Source::host([192, 0, 2, n].into()), mark: 9 }
}

#[test]
fn the_free_go_first_then_the_silent_then_the_blocked() {
    let tags = [
        Tag::zeroed(),
        Tag::new(false, 1, 255),
        Tag::new(false, 2, 0),
        Tag::new(true, 1, 255),
        Tag::new(true, u64::MAX, 7),
    ];
    assert!(tags.map(Tag::rank).is_sorted_by(|first, then| first < then));
}

#[test]
fn a_tag_keeps_its_time_and_the_end_of_time() {
    for time in [1, 2, 1 << 54, TIMES.saturating_sub(1), u64::MAX] {
        assert_eq!([true, false].map(|blocked| Tag::new(blocked, time, 255).time()), [time; 2]);
    }
}

#[test]
fn who_has_a_mark_of_zero_or_is_all_of_ipv6_is_found_like_any_other_and_not_where_nobody_is() {
    let everybody = Key { source: "::/0".parse().unwrap(), mark: 0 };
    let mut buckets = Buckets::new(1);
    let bucket = &mut buckets.all_mut()[0];
    assert!(bucket.find(everybody, |_| ()).is_none());
    assert!(bucket.find_or_make(everybody, Moment::ZERO, |record| record.last_seen = 5).is_some());
    assert_eq!(bucket.find(everybody, |record| record.last_seen), Some(5));
    bucket.forget(everybody);
    assert!(bucket.find(everybody, |_| ()).is_none());
}

#[test]
fn all_with_one_mark_are_told_apart() {
    let mut buckets = Buckets::new(1);
    let bucket = &mut buckets.all_mut()[0];
    for n in 1..=8 {
        assert!(bucket.find_or_make(key(n), Moment::ZERO, |record| record.last_seen = n.into()).is_some());
    }
    for n in 1..=8 {
        assert_eq!(bucket.find(key(n), |record| record.last_seen), Some(n.into()));
    }
    assert!(bucket.find(key(9), |_| ()).is_none());
    assert!(bucket.find_or_add(key(9), Moment::ZERO, |_| ()).is_none(), "nobody is forgotten for it");
}

#[test]
fn a_block_that_is_over_ranks_by_when_its_source_was_seen() {
    let mut buckets = Buckets::new(1);
    let bucket = &mut buckets.all_mut()[0];
    for n in 1..=8 {
        let seen = |record: &mut Record| {
            record.last_seen = 100_u64.saturating_sub(n.into());
            record.blocked_until = 200_u64.saturating_add(n.into());
        };
        assert!(bucket.find_or_make(key(n), Moment::ZERO, seen).is_some());
    }
    assert_eq!(bucket.victim(at(150)), 0, "all are blocked: whose block ends first");
    assert_eq!(bucket.victim(at(203)), 3, "four are not: who was silent longest");
    assert_eq!(bucket.find(key(1), |record| (record.last_seen, record.blocked_until)), Some((99, 201)));
}

#[test]
fn every_bucket_begins_where_a_cache_line_does_and_none_is_lost_for_it() {
    for many in [1, 2, 3, 1000] {
        assert_eq!(Buckets::new(many).all().len(), many);
    }
}
