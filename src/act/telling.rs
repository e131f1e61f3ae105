//! What the log says of commands and lines: each thing that goes wrong, but no more than a reader bears; the rest is counted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::{info, warn};

use super::cases::MAX_LINES;
use super::deny_file::DenyError;
use super::run::{Ended, Outcome};
use crate::event::plain;

/// Lines of one second about commands that went wrong.
const LINES_PER_SECOND: u32 = 10;

/// What was done, and what was said of it.
#[derive(Debug, Default)]
pub(super) struct Telling {
    started: u64,
    failed: u64,
    too_slow: u64,
    dropped: u64,
    /// In this second.
    lines: u32,
    left_out: u64,
    dropped_now: u64,
    troubles: Troubles,
}

/// What is wrong with files, as it was said; whoever asks how we do may look.
#[derive(Debug, Default, Clone)]
pub(super) struct Troubles(Arc<Mutex<BTreeMap<PathBuf, String>>>);

impl Troubles {
    pub(super) fn all(&self) -> Vec<String> {
        self.locked().values().map(|problem| format!("no lines for TCP wrappers are written: {problem}")).collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<PathBuf, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Telling {
    pub(super) fn new(troubles: Troubles) -> Self {
        Self { troubles, ..Self::default() }
    }

    pub(super) const fn started(&mut self) {
        self.started = self.started.saturating_add(1);
    }

    /// So much was not done, for there was too much to do.
    pub(super) const fn dropped(&mut self, number: u64) {
        self.dropped_now = self.dropped_now.saturating_add(number);
    }

    /// A command has ended that may take so long.
    pub(super) fn ended(&mut self, ended: Ended, limit: Duration) {
        let Ended { task, outcome, said } = ended;
        let (count, problem) = match outcome {
            Outcome::Done => return,
            Outcome::TooSlow => {
                let limit = limit.as_secs();
                (&mut self.too_slow, format!("it took longer than {limit}s, and was ended: see `timeout` in [command]"))
            }
            Outcome::Failed(status) => (&mut self.failed, status.to_string()),
            Outcome::GivenUp => (&mut self.failed, "nftrap ends, and it did not in time".to_owned()),
            Outcome::NotStarted { program, reason } => (
                &mut self.failed,
                format!(
                    "cannot start {program}: {reason}; check that nftrap's user may run it (with systemd: ExecPaths)"
                ),
            ),
        };
        *count = count.saturating_add(1);
        if self.lines >= LINES_PER_SECOND {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.lines = self.lines.saturating_add(1);
        let (command, source) = (task.kind.key(), plain(&task.facts.prefix));
        warn!(command, source:%, problem:%, said:%; "a command failed");
    }

    /// A file was to be changed.
    pub(super) fn wrote(&self, file: PathBuf, changed: Result<(), DenyError>) {
        let known = self.troubles.locked().remove(&file);
        let Err(error) = changed else {
            if known.is_some() {
                info!("lines for TCP wrappers are written to {} again", file.display());
            }
            return;
        };
        let problem = error.to_string();
        if known.as_ref() != Some(&problem) {
            warn!("no lines for TCP wrappers are written, until it can be done: {problem}");
        }
        self.troubles.locked().insert(file, problem);
    }

    /// No file is waited for any more.
    pub(super) fn all_is_written(&self) {
        self.troubles.locked().clear();
    }

    /// A second is over, in which so many lines for TCP wrappers found no room.
    pub(super) fn second(&mut self, lines_refused: u64) {
        let (dropped, left_out) = (self.dropped_now, self.left_out);
        if dropped > 0 {
            warn!(dropped; "commands and lines do not keep up: beside the kernel's block, so much was not done");
        }
        if left_out > 0 {
            warn!(left_out; "too many commands failed to log each");
        }
        if lines_refused > 0 {
            warn!(lines_refused; "{MAX_LINES} lines for TCP wrappers are all that we write");
        }
        self.dropped = self.dropped.saturating_add(dropped);
        (self.dropped_now, self.left_out, self.lines) = (0, 0, 0);
    }

    /// So much had not begun when we were told to end.
    pub(super) fn gave_up(number: usize) {
        if number > 0 {
            warn!(number; "commands and lines that had not begun by the end are not done any more");
        }
    }

    /// All is over; so many commands that end a block were not run, and a ledger has them or not.
    pub(super) fn end(&self, unblock: usize, has_ledger: bool) {
        if unblock > 0 && has_ledger {
            warn!(unblock; "commands that end a block are left for the next start");
        } else if unblock > 0 {
            warn!(unblock; "commands that end a block were not run, and with nothing kept of them never will be");
        }
        let &Self { started, failed, too_slow, dropped, .. } = self;
        if started > 0 || dropped > 0 {
            info!(started, failed, too_slow, dropped; "commands");
        }
    }
}
