//! Who is told what happens: the journal, those who follow events, a file of events, who acts on it, and whoever asks why later. Each behind a bounded
//! channel of its own: nobody here is waited for, but the journal by operators who want to know that it has their change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use log::warn;
use serde::Serialize;

use crate::act::{self, Actor, Policy};
use crate::config::Config;
use crate::detect::prefixes::Prefixes;
use crate::event::{Event, Watched, What};
use crate::journal::keeper::{Health, Orders, Stored};
use crate::kernel::clock::{Clock, wall};
use crate::report::chronicle::Chronicle;
use crate::report::evidence::Evidence;
use crate::report::hub::{Hub, Wants};
use crate::report::line_file::Lines;

/// A disk that has not stored it by then is not going to soon, and the operator is told so.
const PATIENCE: Duration = Duration::from_secs(3);

/// Who is told.
pub(super) struct Audience {
    pub(super) evidence: Evidence,
    pub(super) hub: Hub,
    journal: Option<Desk>,
    /// The file of events; it may be had only later.
    pub(super) file: OnceLock<Lines>,
    pub(super) chronicle: Chronicle,
    /// Who acts on what happens; there may be one only later.
    actor: OnceLock<Actor>,
    /// Where that one keeps what is to be ended one day.
    ledger: Option<PathBuf>,
}

/// The way to the journal.
pub(super) struct Desk {
    pub(super) file: PathBuf,
    pub(super) orders: Orders,
    pub(super) health: Arc<Health>,
}

impl Audience {
    pub(super) fn new(journal: Option<Desk>, chronicle: Chronicle, ledger: Option<PathBuf>) -> Self {
        let (evidence, hub) = (Evidence::default(), Hub::default());
        Self { evidence, hub, journal, file: OnceLock::new(), chronicle, actor: OnceLock::new(), ledger }
    }

    /// The journal's file, and how it does.
    pub(super) fn journal(&self) -> Option<(&Path, &Health)> {
        self.journal.as_ref().map(|desk| (desk.file.as_path(), &*desk.health))
    }

    /// Has commands run and lines written as `config`, in which `allow` are all that are allowed, wants it. What it wants and cannot have
    /// is said; it does not keep us from blocking.
    pub(super) fn act_by(&self, config: &Config, allow: &Prefixes, clock: Clock) {
        let (policy, ledger) = (Policy::of(config), self.ledger.clone());
        if let Some(actor) = self.actor.get() {
            actor.adapt(policy, allow.clone());
        } else if policy.wants_anything() || ledger.as_deref().is_some_and(act::is_owed) {
            match Actor::start(policy, ledger, clock) {
                Ok(actor) => drop(self.actor.set(actor)),
                Err(error) => warn!(error:%; "no thread for commands and lines for TCP wrappers: there are none"),
            }
        }
    }

    /// What is to be done by config, and cannot be.
    pub(super) fn troubles(&self) -> Vec<String> {
        self.actor.get().map(Actor::troubles).unwrap_or_default()
    }

    /// Ends what acts, and what it is at.
    pub(super) fn stop_acting(&self) {
        if let Some(actor) = self.actor.get() {
            actor.finish();
        }
    }

    /// Tells all that `what` happened now.
    pub(super) fn tell(&self, what: What) {
        self.tell_event(Event { at: wall(), what });
    }

    /// Tells all of an event.
    pub(super) fn tell_event(&self, event: Event) {
        self.publish(&event);
        if let Some(desk) = &self.journal {
            desk.orders.store(event);
        }
    }

    /// Tells all that `what` happened now, and whether the journal has it for good.
    pub(super) fn tell_for_good(&self, what: What) -> bool {
        let event = Event { at: wall(), what };
        self.publish(&event);
        let stored = self.journal.as_ref().map(|desk| desk.orders.store_and_tell(event));
        stored.is_some_and(|stored| stored.recv_timeout(PATIENCE) == Ok(Stored::Durably))
    }

    /// Tells those who want to know it what a source did that is not blocked yet.
    pub(super) fn tell_watched(&self, watched: &Watched) {
        self.hub.tell(Wants::Watched, || json(watched));
    }

    fn publish(&self, event: &Event) {
        self.hub.tell(Wants::Events, || json(event));
        if let Some(file) = self.file.get() {
            file.tell(json(event));
        }
        if let Some(actor) = self.actor.get() {
            actor.tell_event(event);
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
