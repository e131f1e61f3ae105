//! The page, as an operator sees it.

use super::*;
use crate::control::wire::Rates;

fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        process: 4321,
        since: "2026-11-24T05:55:21.189Z".into(),
        uptime: 11_530,
        mode: "enforce".into(),
        table: "nftrap".into(),
        config: Some("/etc/nftrap/nftrap.toml".into()),
        protection: WHOLE.into(),
        method: "nft_queue".into(),
        counters: Totals { packets: 12_345, accepted: 12_000, dropped: 345, ..Totals::default() },
        rates: Rates { packets: 12, blocks: 1 },
        verdict_us: Quantiles { p50: Some(4), p99: Some(16) },
        block_us: Quantiles { p50: Some(32), p99: Some(u64::MAX) },
        queue_numbers: (3100, 2),
        guests_apart: true,
        queues: vec![Queue { number: 3100, waiting: 0, overrun: 0, unsent: 0 }, queue_of(3101)],
        blocked: 17,
        banned: 2,
        sources: 123,
        max_sources: 131_072,
        memory_bytes: 14_890_000,
        journal: Some(JournalStatus {
            file: "/var/lib/nftrap/nftrap.db".into(),
            stored: 1234,
            dropped: 0,
            lag_ms: 3,
            problem: None,
        }),
        untold: Vec::new(),
        rights: Some("user nftrap; files held".into()),
    }
}

fn queue_of(number: u16) -> Queue {
    Queue { number, waiting: 7, overrun: 0, unsent: 0 }
}

#[test]
fn a_sound_daemon_is_one_page_and_its_first_word_says_so() {
    let expected = "\
guarding
since     2026-11-24T05:55:21Z (3h 12m), nftrap 0.1.0, process 4321
mode      enforce
config    /etc/nftrap/nftrap.toml
table     inet nftrap, queued by nft_queue
queues    3100: 0 waiting, 0 overrun, 0 unsent
          3101: 7 waiting, 0 overrun, 0 unsent
packets   12,345 judged: 12,000 accepted, 345 dropped, 0 unreadable, 0 lost
rates     12 packets a second, 1 block a second
verdict   half within 4 µs, 99 % within 16 µs
block     half within 32 µs, 99 % beyond 1 s
blocked   17 now, and 2 by operators
sources   123 of 131,072 remembered
rights    user nftrap; files held
memory    14.2 MiB
journal   /var/lib/nftrap/nftrap.db: 1,234 stored, 0 dropped
";
    assert_eq!(page(&status(), Output::Plain), expected);
}

#[test]
fn the_first_line_says_what_is_wrong_and_the_next_what_needs_a_look() {
    let mut sick = status();
    sick.protection = "table inet nftrap is gone\u{1b}".into();
    sick.counters = Totals { block_failures: 3, panics: 1, facts_lost: 1500, ..Totals::default() };
    sick.queues = vec![Queue { number: 3100, waiting: 8192, overrun: 40, unsent: 2 }];
    sick.sources = sick.max_sources;
    sick.journal.as_mut().unwrap().problem = Some("the disk is full\nfree some".into());
    sick.untold = vec!["no decoy answers: no right".into()];
    let expected = "\
NOT PROTECTING: table inet nftrap is gone\u{fffd}
! no decoy answers: no right
! journal: the disk is full\u{fffd}free some
! queue 3100 was full for 42 packets: raise `length` in [queue]
! 3: the kernel refused so many blocks; the log says why
! 1: so many packets could not be judged for a mistake in nftrap: report it with the log
! 1,500: so many events were told to nobody: they came faster than they can be written
! the scan table is full, and forgets who was silent longest: raise `max_sources` in [detect]
since ";
    let page = page(&sick, Output::Plain);
    assert!(page.starts_with(expected), "{page}");
}

#[test]
fn who_only_observes_is_not_told_that_he_is_guarded() {
    let observing = Status { mode: "observe".into(), config: None, journal: None, ..status() };
    let page = page(&observing, Output::Plain);
    assert!(page.starts_with("observing\nsince "), "{page}");
    assert!(page.contains("\nconfig    built-in defaults\n"), "{page}");
    assert!(page.ends_with("\njournal   none is kept\n"), "{page}");
}

#[test]
fn before_the_first_packet_there_are_no_times() {
    let fresh = Status { verdict_us: Quantiles::default(), ..status() };
    assert!(page(&fresh, Output::Plain).contains("\nverdict   none so far\n"));
}

#[test]
fn a_journal_that_lags_is_told_and_one_that_writes_soon_is_not() {
    let lagging = |lag_ms| {
        let mut status = status();
        status.journal.as_mut().unwrap().lag_ms = lag_ms;
        page(&status, Output::Plain)
    };
    assert!(lagging(62_500).ends_with(" 0 dropped, 1m 2s behind\n"));
    assert!(lagging(1000).ends_with(" 0 dropped\n"));
}

#[test]
fn only_a_terminal_gets_colours() {
    assert!(page(&status(), Output::Terminal).starts_with("\u{1b}[1;32mguarding\u{1b}[0m\n"));
    assert!(!page(&status(), Output::Plain).contains('\u{1b}'));
}
