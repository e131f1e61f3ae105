//! The one thread that tells: takes facts from the workers, logs them, and hands them on. Slow by right: workers never wait for it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use log::{Level, log, warn};

use super::Then;
use super::audience::Audience;
use super::wide::Copies;
use crate::detect::probe::Probe;
use crate::detect::source::Source;
use crate::detect::{Offence, Sighting};
use crate::event::{self, Event, Seen, Wall, Watched, WatchedName, What};
use crate::kernel::clock::Clock;
use crate::report::chronicle::{self, Fate, Logged};
use crate::report::fact::{Fact, Happened};

/// How long a fact waits at most. The writer looks by itself: to be woken would cost the worker that has a fact a system call.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Offences logged in one second; a flood of forged sources is no reason to fill a disk. What is left out is counted.
const LINES_PER_SECOND: u32 = 50;
const LOOKS_PER_SECOND: u32 = 20;

pub(super) struct Writer {
    facts: Receiver<Fact>,
    /// Who wants to know when all is told that was sent before.
    asked: Receiver<Sender<()>>,
    clock: Clock,
    audience: Arc<Audience>,
    /// Who looks at all sources together.
    copies: Copies,
    lines: u32,
    left_out: u64,
}

impl Writer {
    pub(super) fn new(
        facts: Receiver<Fact>,
        asked: Receiver<Sender<()>>,
        clock: Clock,
        audience: Arc<Audience>,
        copies: Copies,
    ) -> Self {
        Self { facts, asked, clock, audience, copies, lines: 0, left_out: 0 }
    }

    /// Tells facts until nobody can send any more and all are told.
    #[expect(clippy::disallowed_methods, reason = "see `LOOK_EVERY`")]
    pub(super) fn run(mut self) {
        for look in 0_u32.. {
            if look.is_multiple_of(LOOKS_PER_SECOND) {
                self.start_second();
            }
            let asked = self.asked.try_recv().ok();
            if self.write_all() == Then::Stop {
                return self.start_second();
            }
            if let Some(asked) = asked {
                // Who asked may have lost patience.
                let (Ok(()) | Err(_)) = asked.try_send(());
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Tells what was sent so far.
    fn write_all(&mut self) -> Then {
        loop {
            match self.facts.try_recv() {
                Ok(fact) => self.write(&fact),
                Err(TryRecvError::Empty) => return Then::GoOn,
                Err(TryRecvError::Disconnected) => return Then::Stop,
            }
        }
    }

    fn start_second(&mut self) {
        if self.left_out > 0 {
            warn!(left_out = self.left_out; "too many blocks to log each");
        }
        (self.lines, self.left_out) = (0, 0);
    }

    fn write(&mut self, fact: &Fact) {
        self.copies.tell(fact);
        let at = self.clock.wall_at(fact.at);
        match &fact.what {
            Happened::Watched(sighting) => self.watched(at, sighting),
            Happened::Blocked(offence) => {
                let told = self.offence(at, offence);
                let logged = self.line("blocked", &told);
                self.chronicle(at, offence, Fate::Blocked(told.until.since(at)), logged);
                self.audience.tell_event(Event { at, what: What::Blocked(told) });
            }
            Happened::WouldBlock(offence) => {
                let told = self.offence(at, offence);
                let logged = self.line("would block", &told);
                self.chronicle(at, offence, Fate::LetGo, logged);
                self.audience.tell_event(Event { at, what: What::WouldBlock(told) });
            }
            Happened::NotBlocked(offence, error) => {
                let source = offence.source;
                let logged = self.has_room();
                if logged == Logged::Yes {
                    log::error!(source:%, error:%; "not blocked");
                }
                self.chronicle(at, offence, Fate::NotBlocked, logged);
                self.audience.tell_event(Event { at, what: What::NotBlocked { source, reason: error.to_string() } });
            }
        }
    }

    /// The same for those who know `PortSentry`'s words.
    fn chronicle(&self, at: Wall, offence: &Offence, fate: Fate, logged: Logged) {
        let Offence { source, probe, .. } = offence;
        let (source, sender, asked) = (*source, probe.source, probe.into());
        self.audience.chronicle.tell(chronicle::Offence { at, source, sender, asked, fate, logged });
    }

    fn watched(&self, at: Wall, sighting: &Sighting) {
        let Sighting { source, probe } = sighting;
        self.note(at, *source, probe);
        self.audience.tell_watched(&Watched { at, event: WatchedName::Watched, source: *source, probe: probe.into() });
    }

    fn note(&self, at: Wall, source: Source, probe: &Probe) {
        self.audience.evidence.note(source, Seen { at, probe: probe.into() });
    }

    /// The offence as people are told it, with what came before it.
    fn offence(&self, at: Wall, offence: &Offence) -> event::Offence {
        let Offence { source, probe, hits, repeat, until } = offence;
        self.note(at, *source, probe);
        event::Offence {
            source: *source,
            probe: probe.into(),
            hits: *hits,
            until: self.clock.wall_at(*until),
            repeat: u32::from(*repeat),
            evidence: self.audience.evidence.of(*source),
        }
    }

    /// Whether one more offence may be logged in this second; if not, it is counted.
    fn has_room(&mut self) -> Logged {
        if self.lines < LINES_PER_SECOND {
            self.lines = self.lines.saturating_add(1);
            return Logged::Yes;
        }
        self.left_out = self.left_out.saturating_add(1);
        Logged::No
    }

    /// Logs it, if there is room, unless the chronicle does.
    fn line(&mut self, what: &str, offence: &event::Offence) -> Logged {
        let logged = self.has_room();
        if logged == Logged::Yes && !self.audience.chronicle.has_the_log() {
            let event::Offence { source, probe, hits, until, repeat, .. } = offence;
            log!(
                Level::Info,
                source:%, port = probe.port, protocol:% = probe.protocol, kind:% = probe.kind, hits,
                destination:% = probe.destination, until:%, repeat;
                "{what}"
            );
        }
        logged
    }
}
