//! The one thread that writes the journal, behind a bounded channel. **When that is full**, or the disk is, or the file cannot be written,
//! events are dropped and counted, and nobody waits; blocking goes on. It says so once, tries again by itself, and says once
//! that it works again.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use log::warn;

use super::{Home, Journal, JournalError, Opened, Settings};
use crate::event::{Event, Wall};

#[cfg(test)]
mod tests;
mod work;

use work::Work;

/// Events that wait; more than this and the disk is not keeping up.
const PENDING_ORDERS: usize = 8192;
/// At the end, a disk that has not written by then keeps nobody from stopping.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What the thread is asked to do.
#[derive(Debug)]
pub enum Order {
    /// Store it.
    Store(Event),
    /// Store it now, and say whether it is on the disk.
    StoreAndTell(Event, Sender<Stored>),
    /// Store what was asked for before, and end.
    Stop,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It is on the disk.
    Durably,
    /// It is nowhere, for that reason.
    Dropped(String),
}

/// How the journal does, for status and metrics.
#[derive(Debug, Default)]
pub struct Health {
    /// Events stored.
    pub stored: AtomicU64,
    /// Events dropped.
    pub dropped: AtomicU64,
    /// How long the oldest event of the last transaction had waited when it was stored, in milliseconds.
    pub lag_ms: AtomicU64,
    problem: Mutex<Option<String>>,
}

/// The way to the thread; never waits.
#[derive(Debug, Clone)]
pub struct Orders {
    orders: Sender<Order>,
    health: Arc<Health>,
}

/// The running thread.
#[derive(Debug)]
pub struct Keeper {
    orders: Orders,
    when_done: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Health {
    /// Why nothing can be stored at the moment.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_problem(&self, problem: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.problem.lock().unwrap_or_else(PoisonError::into_inner), problem)
    }

    fn drop_events(&self, count: usize) {
        self.dropped.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Orders {
    /// Has `event` stored soon.
    pub fn store(&self, event: Event) {
        if self.orders.try_send(Order::Store(event)).is_err() {
            self.health.drop_events(1);
        }
    }

    /// Has `event` stored now; the answer comes when it is on the disk, or will not be.
    #[must_use]
    pub fn store_and_tell(&self, event: Event) -> Receiver<Stored> {
        let (tell, told) = bounded(1);
        if let Err(error) = self.orders.try_send(Order::StoreAndTell(event, tell)) {
            self.health.drop_events(1);
            let reason = match error {
                TrySendError::Full(_) => "too many events wait for the journal",
                TrySendError::Disconnected(_) => "the journal is closed",
            };
            let (tell, told) = bounded(1);
            let (Ok(()) | Err(_)) = tell.send(Stored::Dropped(reason.to_owned()));
            return told;
        }
        told
    }
}

impl Keeper {
    /// Starts the thread, with the journal, or with what kept it from being opened: that is tried again. `now` reads the wall clock.
    pub fn start(
        settings: Settings,
        home: Home,
        journal: Result<Journal, JournalError>,
        now: fn() -> Wall,
    ) -> io::Result<Self> {
        let (sender, orders) = bounded(PENDING_ORDERS);
        let (done, when_done) = bounded(1);
        let health = Arc::new(Health::default());
        let work = Work::new(orders, (settings, home), now, Arc::clone(&health));
        let thread = thread::Builder::new().name("journal".into()).spawn(move || {
            work.run(journal);
            let (Ok(()) | Err(_)) = done.send(());
        })?;
        Ok(Self { orders: Orders { orders: sender, health }, when_done, thread })
    }

    /// The way to it.
    #[must_use]
    pub fn orders(&self) -> Orders {
        self.orders.clone()
    }

    /// How it does.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.orders.health)
    }

    /// Stores what was asked for before, and ends, if the disk lets it within a moment.
    pub fn stop(self) {
        if self.orders.orders.send_timeout(Order::Stop, PATIENCE).is_ok()
            && self.when_done.recv_timeout(PATIENCE).is_ok()
        {
            // It ended by itself: there is nothing to be told.
            let (Ok(()) | Err(_)) = self.thread.join();
        } else {
            warn!("the journal's disk does not answer: the last events may be missing");
        }
    }
}

/// Says where a damaged file is.
pub fn announce(opened: &Opened) {
    if let Some(path) = &opened.set_aside {
        let path = path.display();
        warn!(path:%; "the journal was damaged: it is set aside, and a new one is begun; `sqlite3 PATH .recover` saves what can be saved");
    }
}
