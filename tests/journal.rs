//! The journal as others meet it: a daemon that is killed, a file of a million events, commands that read it.

#![expect(clippy::disallowed_methods, reason = "these tests start processes, kill them, and read what they left")]
#![expect(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test that cannot go on ends, and says why")]

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nftrap::detect::probe::{Kind, Protocol};
use nftrap::detect::source::Source;
use nftrap::event::{Asked, Event, Offence, Wall, What};
use nftrap::journal::{Home, Journal, Settings};

#[path = "journal/commands.rs"]
mod commands;
#[path = "journal/killed.rs"]
mod killed;
#[path = "journal/million.rs"]
mod million;

/// A folder of its own, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("nftrap-journals-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("nftrap.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn settings(file: &Path) -> Settings {
    Settings { file: file.to_owned(), keep: Duration::from_secs(90 * 86_400), max_bytes: 1 << 40 }
}

fn home() -> Home {
    Home("boot/1".to_owned())
}

fn open(file: &Path) -> Journal {
    let (journal, opened) = Journal::open(settings(file), home(), now()).unwrap();
    assert_eq!(opened.set_aside, None, "nothing is damaged");
    journal
}

/// Some day that has been, whatever this machine's clock says.
fn now() -> Wall {
    "2024-05-01T00:00:00Z".parse().unwrap()
}

/// A block that can be told from all others by its number.
fn blocked(number: u32) -> Event {
    let probe = Asked { port: 111, protocol: Protocol::Tcp, kind: Kind::Syn, destination: [203, 0, 113, 2].into() };
    let source = Source::host(Ipv4Addr::from_bits(number).into());
    let until = now().plus(Duration::from_secs(600));
    Event {
        at: now(),
        what: What::Blocked(Offence { source, probe, hits: 1, until, repeat: number, evidence: vec![] }),
    }
}
