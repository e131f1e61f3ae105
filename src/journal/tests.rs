//! The journal with real files: what it stores and forgets, and what it does when the file is not as it should be.

use std::fs;
use std::path::Path;
use std::sync::atomic::{self, AtomicU32};

use super::*;
use crate::detect::probe::{Kind, Protocol};
use crate::event::{Asked, Offence, Operator, What};

pub(super) mod files;
mod history;
mod standing;

/// More than there are in any test.
const ALL: usize = usize::MAX;

/// A folder of its own, gone when the test is over.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("nftrap-journal-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn settings(&self) -> Settings {
        let file = self.0.join("nftrap.db");
        Settings { file, keep: Duration::from_secs(90 * 86_400), max_bytes: 64 * 1024 * 1024 }
    }

    pub(super) fn open(&self) -> Journal {
        Journal::open(self.settings(), home("boot/1"), at(0)).unwrap().0
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.settings().file).unwrap()
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(super) fn home(name: &str) -> Home {
    Home(name.to_owned())
}

/// So many seconds after some day.
pub(super) fn at(seconds: u64) -> Wall {
    "2026-11-24T00:00:00Z".parse::<Wall>().unwrap().plus(Duration::from_secs(seconds))
}

pub(super) fn blocked(seconds: u64, source: &str, length: u64, repeat: u32) -> Event {
    let probe = Asked { port: 111, protocol: Protocol::Tcp, kind: Kind::Syn, destination: [203, 0, 113, 2].into() };
    let until = at(seconds).plus(Duration::from_secs(length));
    let offence = Offence { source: source.parse().unwrap(), probe, hits: 1, until, repeat, evidence: vec![] };
    Event { at: at(seconds), what: What::Blocked(offence) }
}

fn operator() -> Operator {
    Operator { uid: 0, pid: 1, name: Some("root".into()) }
}

pub(super) fn operator_blocked(seconds: u64, prefix: &str, until: Option<Wall>) -> Event {
    let what = What::OperatorBlocked { prefix: prefix.parse().unwrap(), until, reason: "noise".into(), by: operator() };
    Event { at: at(seconds), what }
}

fn unblocked(seconds: u64, prefix: &str) -> Event {
    Event { at: at(seconds), what: What::Unblocked { prefix: prefix.parse().unwrap(), by: operator() } }
}

fn all(reader: &Reader) -> Vec<Event> {
    told(reader, &Filter { sequence: Sequence::OldestFirst, ..Filter::default() })
}

fn told(reader: &Reader, filter: &Filter) -> Vec<Event> {
    let mut events = Vec::new();
    let told = reader
        .history(filter, |event| {
            events.push(event);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((told.events, told.unreadable), (u64::try_from(events.len()).unwrap(), 0));
    events
}
