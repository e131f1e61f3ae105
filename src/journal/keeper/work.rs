//! What the journal's thread does: gathers events, stores them, and gets over what keeps it from that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, after, select, tick};
use log::{info, warn};

use super::{Health, Order, Stored, announce};
use crate::event::{Event, Wall};
use crate::journal::{Home, Journal, JournalError, Settings};

/// Events of one transaction, each of which waits for the disk.
const BATCH: usize = 1024;
/// How long the first event of a transaction waits for others.
const GATHER: Duration = Duration::from_millis(200);
/// What keeps us from writing is seldom gone sooner, and may be gone by then.
const RETRY: Duration = Duration::from_secs(30);
const TIDY: Duration = Duration::from_secs(3600);
/// A flood does not wait for the hour; one that makes the file too large waits for nothing.
const TIDY_AFTER: u64 = 20_000;

/// What the thread has.
pub(super) struct Work {
    pub(super) orders: Receiver<Order>,
    /// Gone while it cannot be written.
    pub(super) journal: Option<Journal>,
    settings: Settings,
    home: Home,
    now: fn() -> Wall,
    health: Arc<Health>,
    /// Events stored since the journal was tidy.
    untidied: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Stop,
}

impl Work {
    pub(super) fn new(
        orders: Receiver<Order>,
        (settings, home): (Settings, Home),
        now: fn() -> Wall,
        health: Arc<Health>,
    ) -> Self {
        Self { orders, journal: None, settings, home, now, health, untidied: 0 }
    }

    pub(super) fn run(mut self, journal: Result<Journal, JournalError>) {
        match journal {
            Ok(journal) => self.journal = Some(journal),
            Err(error) => {
                self.fail(&error);
            }
        }
        self.tidy();
        let (hourly, retries) = (tick(TIDY), tick(RETRY));
        let orders = self.orders.clone();
        loop {
            let then = select! {
                recv(orders) -> order => order.map_or(Then::Stop, |order| self.take(order)),
                recv(retries) -> _ => self.reopen(),
                recv(hourly) -> _ => self.tidy(),
            };
            if then == Then::Stop {
                return;
            }
        }
    }

    /// Stores `first` and what comes with it, in one transaction.
    pub(super) fn take(&mut self, first: Order) -> Then {
        let mut batch = Batch::default();
        let mut then = batch.add(first);
        let deadline = after(GATHER);
        while then == Then::GoOn && !batch.is_full() {
            let next = if batch.is_awaited() {
                // Somebody waits for it: what is there already goes along.
                self.orders.try_recv().ok()
            } else {
                select! {
                    recv(self.orders) -> order => order.ok(),
                    recv(deadline) -> _ => None,
                }
            };
            let Some(order) = next else { break };
            then = batch.add(order);
        }
        self.write(&batch);
        if then == Then::Stop {
            self.finish();
        } else if self.untidied >= TIDY_AFTER || self.is_too_large() {
            self.tidy();
        }
        then
    }

    /// What cannot be told now will be told by the next write.
    fn is_too_large(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.is_too_large().unwrap_or(false))
    }

    /// Stores what was sent while we were told to stop.
    fn finish(&mut self) {
        while !self.orders.is_empty() {
            let mut batch = Batch::default();
            for order in self.orders.try_iter().take(BATCH) {
                batch.add(order);
            }
            self.write(&batch);
        }
    }

    fn write(&mut self, batch: &Batch) {
        if batch.events.is_empty() {
            return;
        }
        let count = batch.events.len();
        if let Err(reason) = self.append(&batch.events) {
            self.health.drop_events(count);
            return batch.tell(&Stored::Dropped(reason));
        }
        let stored = u64::try_from(count).unwrap_or(u64::MAX);
        self.untidied = self.untidied.saturating_add(stored);
        self.health.stored.fetch_add(stored, Ordering::Relaxed);
        let oldest = batch.events.iter().map(|event| event.at).min().unwrap_or_default();
        let lag = u64::try_from((self.now)().since(oldest).as_millis()).unwrap_or(u64::MAX);
        self.health.lag_ms.store(lag, Ordering::Relaxed);
        if self.health.set_problem(None).is_some() {
            let dropped = self.health.dropped.load(Ordering::Relaxed);
            info!(dropped; "the journal can be written again");
        }
        batch.tell(&Stored::Durably);
    }

    /// Stores `events`, in a new file if the old one turns out to be damaged or gone.
    fn append(&mut self, events: &[Event]) -> Result<(), String> {
        let Some(journal) = self.journal.as_mut() else {
            return Err(self.health.problem().unwrap_or_else(|| String::from("the journal is closed")));
        };
        let Err(error) = journal.append(events) else { return Ok(()) };
        if error.is_loss() {
            warn!("{error}; another one is begun");
            self.journal = None;
            self.reopen();
        } else if !error.is_damage() || self.begin_anew() == Then::Stop {
            return Err(self.fail(&error));
        }
        let Some(journal) = self.journal.as_mut() else {
            return Err(self.health.problem().unwrap_or_else(|| error.to_string()));
        };
        let again = journal.append(events);
        again.map_err(|error| self.fail(&error))
    }

    /// Says `GoOn` if there is a journal again.
    fn begin_anew(&mut self) -> Then {
        let Some(journal) = self.journal.take() else { return Then::Stop };
        match journal.begin_anew((self.now)()) {
            Ok((journal, opened)) => {
                announce(&opened);
                self.journal = Some(journal);
                Then::GoOn
            }
            Err(error) => {
                self.fail(&error);
                Then::Stop
            }
        }
    }

    /// Closes the journal until the next try. Says why, unless that was said.
    fn fail(&mut self, error: &JournalError) -> String {
        self.journal = None;
        let problem = error.to_string();
        let said = self.health.set_problem(Some(problem.clone()));
        if said.as_ref() != Some(&problem) {
            warn!("{problem}; until then events are dropped and counted, and blocking goes on");
        }
        problem
    }

    pub(super) fn reopen(&mut self) -> Then {
        if self.journal.is_none() {
            match Journal::open(self.settings.clone(), self.home.clone(), (self.now)()) {
                Ok((journal, opened)) => {
                    announce(&opened);
                    self.journal = Some(journal);
                }
                Err(error) => {
                    self.fail(&error);
                }
            }
        }
        Then::GoOn
    }

    /// As far as nobody waits; what is left is for the next time. While the file is too large, all wait: it is not to fill the disk.
    fn tidy(&mut self) -> Then {
        while let Some(journal) = self.journal.as_mut() {
            match journal.tidy((self.now)()) {
                Ok(tidied) if tidied.too_large || (tidied.more && self.orders.is_empty()) => {}
                Ok(tidied) if tidied.more => break,
                Ok(_) => {
                    self.untidied = 0;
                    break;
                }
                Err(error) if error.is_damage() => {
                    self.begin_anew();
                    break;
                }
                Err(error) => {
                    self.fail(&error);
                }
            }
        }
        Then::GoOn
    }
}

/// Events of one transaction, and who waits for them.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    waiting: Vec<Sender<Stored>>,
}

impl Batch {
    fn add(&mut self, order: Order) -> Then {
        match order {
            Order::Store(event) => self.events.push(event),
            Order::StoreAndTell(event, tell) => {
                self.events.push(event);
                self.waiting.push(tell);
            }
            Order::Stop => return Then::Stop,
        }
        Then::GoOn
    }

    fn is_full(&self) -> bool {
        self.events.len() >= BATCH
    }

    fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn tell(&self, what: &Stored) {
        for waiting in &self.waiting {
            // Who asked may have gone.
            let (Ok(()) | Err(_)) = waiting.try_send(what.clone());
        }
    }
}
