//! A file that gets each event as one line, for other programs: behind a bounded channel and a thread of its own. **When that is full**, or
//! the disk is, lines are dropped and counted, and nobody waits. The file may be renamed, removed or truncated at any time, as
//! logrotate does: what comes next goes to a new one. It is no journal: a power cut takes what the disk does not have yet.

use std::fmt;
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

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Each event as JSON.
    Events,
    /// Each block, for ever.
    History,
    /// Each block since the start: the file is begun anew.
    Blocked,
}

/// The running thread, to be ended.
#[derive(Debug)]
pub struct LineFile {
    lines: Lines,
    purpose: Purpose,
    when_done: Receiver<()>,
}

/// The way into the file, for as many as want it.
#[derive(Debug, Clone)]
pub struct Lines {
    lines: Sender<Order>,
    unwritten: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Order {
    Append(String),
    /// Write what was asked for before, and end: others may hold a way in for ever.
    Stop,
}

/// Why there is no such file.
#[derive(Debug, thiserror::Error)]
pub enum LineFileError {
    /// Something else is there.
    #[error(
        "cannot write {purpose} to {}: {what} is there; choose the path of a regular file with `{}` in section [report]",
        .path.display(), .purpose.key()
    )]
    NotRegular {
        /// Where.
        path: PathBuf,
        /// What for.
        purpose: Purpose,
        /// What it is, in words.
        what: &'static str,
    },
    /// Its folder is not there.
    #[error(
        "cannot write {purpose} to {}: its folder does not exist; create it, for the daemon's user to write to",
        .path.display()
    )]
    NoFolder {
        /// Where.
        path: PathBuf,
        /// What for.
        purpose: Purpose,
    },
    /// Anything else.
    #[error(
        "cannot write {purpose} to {}: let the daemon's user write there, or choose another path with `{}` in section \
         [report]", .path.display(), .purpose.key()
    )]
    Open {
        /// Where.
        path: PathBuf,
        /// What for.
        purpose: Purpose,
        /// The system's reason.
        source: io::Error,
    },
    /// No thread.
    #[error("cannot write {purpose}: no thread for it")]
    Thread {
        /// What for.
        purpose: Purpose,
        /// The system's reason.
        source: io::Error,
    },
}

/// Opens the file at `path`, or makes it, and starts the thread that appends to it.
pub fn start(path: &Path, purpose: Purpose) -> Result<LineFile, LineFileError> {
    let mut appender = Appender::open(path, purpose)?;
    if purpose == Purpose::Blocked {
        appender.begin_anew()?;
    }
    let (lines, orders) = bounded(PENDING_LINES);
    let (done, when_done) = bounded(1);
    let unwritten = Arc::new(AtomicU64::new(0));
    let state = State::Well;
    let writer = Writer { appender, path: path.to_owned(), purpose, unwritten: Arc::clone(&unwritten), state };
    let started = thread::Builder::new().name(purpose.key().into()).spawn(move || {
        writer.run(&orders);
        let (Ok(()) | Err(_)) = done.send(());
    });
    started.map_err(|source| LineFileError::Thread { purpose, source })?;
    Ok(LineFile { lines: Lines { lines, unwritten }, purpose, when_done })
}

impl Purpose {
    /// The key in section `[report]` that names the file.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::History => "history",
            Self::Blocked => "blocked",
        }
    }
}

/// What is written there.
impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "events",
            Self::History => "lines of the history",
            Self::Blocked => "lines of the blocked",
        })
    }
}

impl LineFile {
    /// A way in.
    #[must_use]
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// Waits until what was told so far is written, if the disk takes it soon. What is told later is not written.
    pub fn finish(self) {
        let asked = self.lines.lines.send_timeout(Order::Stop, PATIENCE).is_ok();
        let late = if asked && self.when_done.recv_timeout(PATIENCE).is_ok() { 0 } else { self.lines.lines.len() };
        let unwritten = self.lines.unwritten().saturating_add(u64::try_from(late).unwrap_or(u64::MAX));
        if unwritten > 0 {
            warn!(unwritten; "the file of {} misses some lines", self.purpose.key());
        }
    }
}

impl Lines {
    /// Appends `line`, which has no end of line, if there is room. Does not wait.
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
    purpose: Purpose,
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
        let (path, purpose) = (self.path.display(), self.purpose);
        match self.state.after(appended.problem) {
            Some(Word::Trouble(problem)) => {
                warn!(path:%, error = problem.as_str(); "cannot write {purpose} to the file: trying on, with each line");
            }
            Some(Word::WellAgain) => {
                let unwritten = self.unwritten.load(Ordering::Relaxed);
                info!(path:%, unwritten; "{purpose}: the file is written again");
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
