//! The thread's work, step by step, and the thread itself.

use rusqlite::Connection;

use super::work::Then;
use super::*;
use crate::detect::source::Source;
use crate::event::{Seen, What};
use crate::journal::place::beside;
use crate::journal::tests::files::damage_the_middle;
use crate::journal::tests::{Folder, at, blocked, home};
use crate::journal::{Filter, Reader};

mod flood;

fn now() -> Wall {
    at(100)
}

fn event(seconds: u64) -> Event {
    blocked(seconds, "192.0.2.1", 600, 1)
}

fn stored(folder: &Folder) -> u64 {
    let go_on = |_| std::ops::ControlFlow::Continue(());
    Reader::open(&folder.settings().file).unwrap().history(&Filter::default(), go_on).unwrap().events
}

/// A thread's work without its thread, and the way to it.
fn work(folder: &Folder, journal: Option<Journal>) -> (Work, Orders) {
    let (sender, orders) = bounded(16);
    let health = Arc::new(Health::default());
    let mut work = Work::new(orders, (folder.settings(), home("boot/1")), now, Arc::clone(&health));
    work.journal = journal;
    (work, Orders { orders: sender, health })
}

/// Has `work` store one event, and says what became of it.
fn store(work: &mut Work, orders: &Orders, event: Event) -> Stored {
    let told = orders.store_and_tell(event);
    let order = work.orders.recv().unwrap();
    assert_eq!(work.take(order), Then::GoOn);
    told.recv().unwrap()
}

#[test]
fn what_is_told_as_stored_is_there_to_be_read() {
    let folder = Folder::new();
    let keeper = Keeper::start(folder.settings(), home("boot/1"), Ok(folder.open()), now).unwrap();
    keeper.orders().store(event(1));
    assert_eq!(keeper.orders().store_and_tell(event(2)).recv(), Ok(Stored::Durably));
    assert_eq!(stored(&folder), 2);
    let health = keeper.health();
    assert_eq!((health.stored.load(Ordering::Relaxed), health.lag_ms.load(Ordering::Relaxed)), (2, 99_000));
    for i in 3..50 {
        keeper.orders().store(event(i));
    }
    keeper.stop();
    assert_eq!(stored(&folder), 49);
}

#[test]
fn nobody_waits_for_a_thread_that_does_not_keep_up() {
    let folder = Folder::new();
    let (work, orders) = work(&folder, None);
    for i in 0..20 {
        orders.store(event(i));
    }
    assert_eq!(orders.health.dropped.load(Ordering::Relaxed), 4);
    assert!(matches!(orders.store_and_tell(event(21)).recv(), Ok(Stored::Dropped(_))));
    drop(work);
    assert_eq!(orders.store_and_tell(event(22)).recv(), Ok(Stored::Dropped("the journal is closed".into())));
}

#[test]
fn what_cannot_be_stored_is_dropped_counted_and_explained_until_it_works_again() {
    let folder = Folder::new();
    let journal = folder.open();
    journal.database.query_row("PRAGMA max_page_count = 1", [], |_| Ok(())).unwrap();
    journal.database.execute_batch("CREATE TABLE rest (x); INSERT INTO rest VALUES (zeroblob(100))").unwrap_err();
    let (mut work, orders) = work(&folder, Some(journal));
    let mut many: Vec<_> = (0..10).map(event).collect();
    if let What::Blocked(offence) = &mut many[0].what {
        offence.evidence = vec![Seen { at: at(0), probe: offence.probe }; 200];
    }
    let Stored::Dropped(reason) = store(&mut work, &orders, many.remove(0)) else { panic!("it was stored") };
    assert!(reason.contains("full"), "{reason}");
    assert_eq!(orders.health.problem(), Some(reason.clone()));
    assert_eq!(store(&mut work, &orders, event(1)), Stored::Dropped(reason));
    assert_eq!(orders.health.dropped.load(Ordering::Relaxed), 2);
    work.reopen();
    assert_eq!(store(&mut work, &orders, event(2)), Stored::Durably);
    assert_eq!(orders.health.problem(), None);
    assert_eq!(stored(&folder), 1);
}

#[test]
fn a_journal_that_could_not_be_opened_is_tried_again() {
    let folder = Folder::new();
    let holder = folder.open();
    let (mut work, orders) = work(&folder, None);
    work.reopen();
    let Stored::Dropped(reason) = store(&mut work, &orders, event(1)) else { panic!("it was stored") };
    assert!(reason.contains("in use by another nftrap"), "{reason}");
    drop(holder);
    work.reopen();
    assert_eq!(store(&mut work, &orders, event(2)), Stored::Durably);
}

#[test]
fn damage_costs_no_event_that_comes_after_it() {
    let folder = Folder::new();
    let file = folder.settings().file;
    let mut journal = folder.open();
    journal.append(&(0..500).map(event).collect::<Vec<_>>()).unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute("DELETE FROM events WHERE id = 1", []).unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    damage_the_middle(&file);
    let (mut work, orders) = work(&folder, Some(journal));
    assert_eq!(store(&mut work, &orders, event(501)), Stored::Durably);
    assert_eq!(stored(&folder), 1);
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().any(|name| name.to_string_lossy().starts_with("nftrap.db.corrupt-")));
}
