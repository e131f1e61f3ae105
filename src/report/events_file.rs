//! A file that gets each event as one line, for other programs: behind a bounded channel and a thread of its own. **When that is full**, or
//! the disk is, events are dropped and counted, and nobody waits. The file may be renamed, removed or truncated at any time, as
//! logrotate does: what comes next goes to a new one. It is no journal: a power cut takes what the disk does not have yet.

use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use log::{info, warn};

mod appender;
#[cfg(test)]
mod tests;

use appender::{Appended, Appender};

/// Lines that wait for the disk; more than this and it is not keeping up.
const PENDING_LINES: usize = 4096;
/// At the end, a disk that has not taken all by then keeps nobody from stopping.
const PATIENCE: Duration = Duration::from_millis(750);
/// Who renames the file and makes a new one needs less, most often; and so many lines as come meanwhile find room.
const GRACE: Duration = Duration::from_millis(50);

/// The running thread, to be ended.
#[derive(Debug)]
pub struct EventsFile {
    events: Events,
    when_done: Receiver<()>,
}

/// The way into the file, for as many as want it.
#[derive(Debug, Clone)]
pub struct Events {
    lines: Sender<Order>,
    unwritten: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Order {
    Append(String),
    /// Write what was asked for before, and end: others may hold a way in for ever.
    Stop,
}

/// Why there is no file for events.
#[derive(Debug, thiserror::Error)]
pub enum EventsFileError {
    /// Something else is there.
    #[error(
        "cannot write events to {}: {what} is there; choose the path of a regular file with `events` in section [report]",
        .path.display()
    )]
    NotRegular {
        /// Where.
        path: PathBuf,
        /// What it is, in words.
        what: &'static str,
    },
    /// Its folder is not there.
    #[error("cannot write events to {}: its folder does not exist; create it, for the daemon's user to write to", .0.display())]
    NoFolder(PathBuf),
    /// Anything else.
    #[error(
        "cannot write events to {}: let the daemon's user write there, or choose another path with `events` in \
         section [report]", .path.display()
    )]
    Open {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// No thread.
    #[error("cannot write events: no thread for it")]
    Thread(#[source] io::Error),
}

/// Opens the file at `path`, or makes it, and starts the thread that appends to it.
pub fn start(path: &Path) -> Result<EventsFile, EventsFileError> {
    let appender = Appender::open(path)?;
    let (lines, orders) = bounded(PENDING_LINES);
    let (done, when_done) = bounded(1);
    let unwritten = Arc::new(AtomicU64::new(0));
    let writer = Writer { appender, path: path.to_owned(), unwritten: Arc::clone(&unwritten), state: State::Well };
    let started = thread::Builder::new().name("events".into()).spawn(move || {
        writer.run(&orders);
        let (Ok(()) | Err(_)) = done.send(());
    });
    started.map_err(EventsFileError::Thread)?;
    Ok(EventsFile { events: Events { lines, unwritten }, when_done })
}

impl EventsFile {
    /// A way in.
    #[must_use]
    pub fn events(&self) -> Events {
        self.events.clone()
    }

    /// Waits until what was told so far is written, if the disk takes it soon. What is told later is not written.
    pub fn finish(self) {
        let asked = self.events.lines.send_timeout(Order::Stop, PATIENCE).is_ok();
        let late = if asked && self.when_done.recv_timeout(PATIENCE).is_ok() { 0 } else { self.events.lines.len() };
        let unwritten = self.events.unwritten().saturating_add(u64::try_from(late).unwrap_or(u64::MAX));
        if unwritten > 0 {
            warn!(unwritten; "the events file misses some events");
        }
    }
}

impl Events {
    /// Appends `line`, an event as JSON without an end of line, if there is room. Does not wait.
    pub fn tell(&self, line: String) {
        if self.lines.try_send(Order::Append(line)).is_err() {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were not written so far.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        self.unwritten.load(Ordering::Relaxed)
    }
}

/// Lines wait in the channel meanwhile.
#[expect(clippy::disallowed_methods, reason = "another program is at work, and does not say when it is done")]
fn give_time() {
    thread::sleep(GRACE);
}

struct Writer {
    appender: Appender,
    path: PathBuf,
    unwritten: Arc<AtomicU64>,
    state: State,
}

/// How writing goes, as far as it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    InTrouble,
}

/// What there is to say.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    /// Trouble has begun.
    Trouble(String),
    /// It is over.
    WellAgain,
}

impl Writer {
    /// Appends until told to stop, or until nobody is left to tell anything.
    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(Order::Append(line)) = orders.recv() {
            let appended = self.appender.append(&line, give_time);
            self.account(appended);
        }
        let lost = self.appender.complete();
        self.unwritten.fetch_add(lost, Ordering::Relaxed);
    }

    fn account(&mut self, appended: Appended) {
        self.unwritten.fetch_add(appended.lost, Ordering::Relaxed);
        let path = self.path.display();
        match self.state.after(appended.problem) {
            Some(Word::Trouble(problem)) => {
                warn!(path:%, error = problem.as_str(); "cannot write events to their file: trying on, with each event");
            }
            Some(Word::WellAgain) => {
                let unwritten = self.unwritten.load(Ordering::Relaxed);
                info!(path:%, unwritten; "events are written to their file again");
            }
            None => {}
        }
    }
}

impl State {
    /// What is to be said after a line with that problem, or none: once when trouble begins, and once when it is over.
    fn after(&mut self, problem: Option<String>) -> Option<Word> {
        let before = mem::replace(self, if problem.is_some() { Self::InTrouble } else { Self::Well });
        match (before, problem) {
            (Self::Well, Some(problem)) => Some(Word::Trouble(problem)),
            (Self::InTrouble, None) => Some(Word::WellAgain),
            (Self::Well, None) | (Self::InTrouble, Some(_)) => None,
        }
    }
}
