//! Offences in the words of `PortSentry`: as lines of the log, and in the files of history and of who is blocked, each with the name that
//! its source's address has, if names are asked for.
//!
//! To ask takes time that whoever tells us has not. So with names all goes through a bounded channel and a thread of its own, in the
//! order in which it is told. **When that is full**, offences are left out, counted and said; before it comes to that, addresses stand
//! in the place of names. Without names the lines are made at once.

use std::io;
use std::mem;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use jiff::tz::TimeZone;
use log::{Level, warn};

mod names;
mod outlets;
#[cfg(test)]
mod tests;

use self::names::{Names, Patience};
use self::outlets::Outlets;
use super::line_file::Lines;
use crate::config::{LogFormat, Report};
use crate::detect::source::Source;
use crate::event::{Asked, Wall, portsentry};
use crate::kernel::clock::Clock;

/// Offences that wait for their names; more than this, and there is a flood.
const PENDING: usize = 4096;
/// With more than this waiting, names are not waited for.
const CROWD: usize = 64;
/// At the end, what is not told by then is not going to be.
const PATIENCE: Duration = Duration::from_millis(750);
/// The target of log lines in these words: the log writes them as they are.
pub const TARGET: &str = "nftrap::portsentry";

/// An offence, to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offence {
    /// When.
    pub at: Wall,
    /// Who is to be blocked: the sender's address, or the network that it belongs to.
    pub source: Source,
    /// The address that sent the probe.
    pub sender: IpAddr,
    /// What it asked for.
    pub asked: Asked,
    /// What became of it.
    pub fate: Fate,
    /// Whether it has a place in the log, which is not to be flooded.
    pub logged: Logged,
}

/// What becomes of an offender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is blocked for so long.
    Blocked(Duration),
    /// It would be, but for the config.
    LetGo,
    /// It should be, and cannot.
    NotBlocked,
}

/// Whether an offence has a place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logged {
    /// It has.
    Yes,
    /// Too many were logged in this second: the files get it all the same.
    No,
}

/// Where offences are told.
#[derive(Debug)]
pub struct Chronicle {
    outlets: Arc<Outlets>,
    resolving: Option<Resolving>,
}

/// The way to the thread that asks for names.
#[derive(Debug)]
struct Resolving {
    orders: Sender<Order>,
    left_out: Arc<AtomicU64>,
}

/// The thread that asks for names, to be ended.
#[derive(Debug)]
pub struct Chronicler {
    orders: Sender<Order>,
    /// Nobody waits for a name any more when this is dropped.
    haste: Sender<()>,
    when_done: Receiver<()>,
}

#[derive(Debug)]
enum Order {
    Tell(Offence),
    Stop,
}

impl Chronicle {
    /// For what `report` asks for, with a log of this form and our table of this name. The files come later, when they are open. A thread,
    /// if names are asked for.
    pub fn start(report: &Report, log: LogFormat, table: &str) -> io::Result<(Self, Option<Chronicler>)> {
        let wanted = log == LogFormat::PortSentry || report.history.is_some() || report.blocked.is_some();
        let outlets = Arc::new(Outlets::new(log, table, TimeZone::system()));
        if !report.resolve || !wanted {
            return Ok((Self { outlets, resolving: None }, None));
        }
        let (haste, hurry) = bounded(0);
        Self::asking(outlets, Names::start(names::lookup, hurry)?, haste)
    }

    fn asking(outlets: Arc<Outlets>, names: Names, haste: Sender<()>) -> io::Result<(Self, Option<Chronicler>)> {
        let (orders, queue) = bounded(PENDING);
        let (done, when_done) = bounded(1);
        let left_out = Arc::new(AtomicU64::new(0));
        let teller =
            Teller { outlets: Arc::clone(&outlets), names, clock: Clock::start(), left_out: Arc::clone(&left_out) };
        thread::Builder::new().name("chronicle".into()).spawn(move || {
            teller.run(&queue);
            let (Ok(()) | Err(_)) = done.send(());
        })?;
        let chronicler = Chronicler { orders: orders.clone(), haste, when_done };
        Ok((Self { outlets, resolving: Some(Resolving { orders, left_out }) }, Some(chronicler)))
    }

    /// The file of history, once it is open.
    #[must_use]
    pub fn history(&self) -> &OnceLock<Lines> {
        &self.outlets.history
    }

    /// The file of who is blocked, once it is open.
    #[must_use]
    pub fn blocked(&self) -> &OnceLock<Lines> {
        &self.outlets.blocked
    }

    /// Whether offences are lines of the log here, and so need no others.
    #[must_use]
    pub fn has_the_log(&self) -> bool {
        self.outlets.log == LogFormat::PortSentry
    }

    /// Tells it, now or when its name is known. Does not wait.
    pub fn tell(&self, offence: Offence) {
        match &self.resolving {
            None => self.outlets.write(&offence, None),
            Some(Resolving { orders, left_out }) => {
                if orders.try_send(Order::Tell(offence)).is_err() {
                    left_out.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Logs that a probe sent now would be judged, where the log is in these words.
    pub fn active(&self) {
        self.outlets.log(Level::Info, portsentry::ACTIVE);
    }

    /// Logs the end, likewise.
    pub fn shutting_down(&self) {
        for line in portsentry::SHUTTING_DOWN {
            self.outlets.log(Level::Info, line);
        }
    }
}

impl Chronicler {
    /// Waits until what was told so far is written. Names are not waited for any more.
    pub fn finish(self) {
        let Self { orders, haste, when_done } = self;
        drop(haste);
        if orders.send_timeout(Order::Stop, PATIENCE).is_ok() {
            let (Ok(()) | Err(_)) = when_done.recv_timeout(PATIENCE);
        }
    }
}

/// What the thread that asks for names has.
struct Teller {
    outlets: Arc<Outlets>,
    names: Names,
    clock: Clock,
    left_out: Arc<AtomicU64>,
}

impl Teller {
    /// Tells until told to stop, or until nobody is left to tell anything.
    fn run(mut self, orders: &Receiver<Order>) {
        let mut said = 0;
        while let Ok(Order::Tell(offence)) = orders.recv() {
            let patience = if orders.len() > CROWD { Patience::None } else { Patience::Some };
            let name = self.names.of(self.clock.now(), offence.sender, patience);
            self.outlets.write(&offence, name.as_deref());
            if orders.is_empty() {
                self.say_what_was_left_out(&mut said);
            }
        }
        self.say_what_was_left_out(&mut said);
    }

    fn say_what_was_left_out(&self, said: &mut u64) {
        let all = self.left_out.load(Ordering::Relaxed);
        let more = all.saturating_sub(mem::replace(said, all));
        if more > 0 {
            warn!(left_out = more; "too many offences to tell each in PortSentry's words");
        }
    }
}
