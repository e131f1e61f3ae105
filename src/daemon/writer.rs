//! The one thread that tells: takes facts from the workers and logs them. Slow by right: workers never wait for it.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, TryRecvError};
use log::{Level, log, warn};

use crate::detect::Offence;
use crate::kernel::clock::Clock;
use crate::report::fact::{Fact, Happened};
use crate::report::logger;

/// How long a fact waits at most. The writer looks by itself: to be woken would cost the worker that has a fact a system call.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Lines of one second; a flood of forged sources is no reason to fill a disk. What is left out is counted.
const LINES_PER_SECOND: u32 = 50;
const LOOKS_PER_SECOND: u32 = 20;

pub(super) struct Writer {
    facts: Receiver<Fact>,
    clock: Clock,
    lines: u32,
    left_out: u64,
}

impl Writer {
    pub(super) fn new(facts: Receiver<Fact>, clock: Clock) -> Self {
        Self { facts, clock, lines: 0, left_out: 0 }
    }

    /// Logs facts until nobody can send any more and all are logged.
    #[expect(clippy::disallowed_methods, reason = "see `LOOK_EVERY`")]
    pub(super) fn run(mut self) {
        for look in 0_u32.. {
            if look.is_multiple_of(LOOKS_PER_SECOND) {
                self.start_second();
            }
            loop {
                match self.facts.try_recv() {
                    Ok(fact) => self.write(&fact),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return self.start_second(),
                }
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn start_second(&mut self) {
        if self.left_out > 0 {
            warn!(left_out = self.left_out; "too many blocks to log each");
        }
        (self.lines, self.left_out) = (0, 0);
    }

    fn write(&mut self, fact: &Fact) {
        if self.lines >= LINES_PER_SECOND {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.lines = self.lines.saturating_add(1);
        match &fact.what {
            Happened::Watched(_) => {}
            Happened::Blocked(offence) => self.line(Level::Info, "blocked", offence),
            Happened::WouldBlock(offence) => self.line(Level::Info, "would block", offence),
            Happened::NotBlocked(offence, error) => {
                let source = offence.source;
                log::error!(source:%, error:%; "not blocked");
            }
        }
    }

    fn line(&self, level: Level, what: &str, offence: &Offence) {
        let Offence { source, probe, hits, repeat, until } = offence;
        let until = logger::wall_clock_after(until.since(self.clock.now()));
        log!(
            level,
            source:%, port = probe.contact.port, protocol:% = probe.contact.protocol, kind:% = probe.kind, hits, repeat,
            destination:% = probe.contact.destination, until = until.as_str();
            "{what}"
        );
    }
}
