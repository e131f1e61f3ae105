//! The thread that acts: plans what events ask for, keeps the ledger, and looks after what runs. It may wait for disks and processes; nobody
//! waits for it. What is a line of the log for each of very many is counted instead, once a second.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::cases::{By, Cases, News};
use super::facts::Facts;
use super::invocation::Invocation;
use super::ledger::Ledger;
use super::run::{Ended, Runner};
use super::telling::{Telling, Troubles};
use super::{Order, Policy, deny_file};
use crate::config::Mode;
use crate::kernel::clock::{Clock, wall};
use crate::time::Moment;

/// How late an end may be noticed while nothing else happens.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The same while something is to be done soon.
const BUSY: Duration = Duration::from_millis(20);
/// What comes within that time is one change of the file for TCP wrappers.
const BATCH: Duration = Duration::from_millis(200);
/// A file that cannot be written may be mended by then.
const RETRY: Duration = Duration::from_secs(30);
/// So many times as long as it took to write the ledger others may use the disk.
const REST: u32 = 4;
const SECOND: Duration = Duration::from_secs(1);
/// At the end what runs has so long, and so do commands that end something.
const LAST_MOMENTS: Duration = Duration::from_millis(750);

pub(super) struct Thread {
    orders: Receiver<Order>,
    policy: Arc<ArcSwap<Policy>>,
    /// By those who have something for us.
    dropped: Arc<AtomicU64>,
    clock: Clock,
    cases: Cases,
    runner: Runner,
    ledger: Option<Ledger>,
    /// Not before then.
    next_save: Moment,
    next_write: Moment,
    next_retry: Moment,
    next_second: Moment,
    telling: Telling,
}

/// Whether there is more to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Stop,
}

impl Thread {
    pub(super) fn new(
        orders: Receiver<Order>,
        policy: Arc<ArcSwap<Policy>>,
        dropped: Arc<AtomicU64>,
        clock: Clock,
        troubles: Troubles,
    ) -> Self {
        Self {
            orders,
            policy,
            dropped,
            clock,
            cases: Cases::default(),
            runner: Runner::default(),
            ledger: None,
            next_save: Moment::ZERO,
            next_write: Moment::ZERO,
            next_retry: Moment::ZERO,
            next_second: Moment::ZERO,
            telling: Telling::new(troubles),
        }
    }

    /// Acts until told to stop, or until nobody is left to tell anything.
    pub(super) fn run(mut self, ledger: Option<PathBuf>) {
        if let Some((ledger, rows)) = ledger.and_then(Ledger::open) {
            self.cases = Cases::of(rows, self.clock.steady(), wall());
            self.ledger = Some(ledger);
        }
        self.end_all_while_observing();
        while self.hear() == Then::GoOn {
            self.turn();
        }
        self.stop();
    }

    /// Waits for something to do, and plans what was told.
    fn hear(&mut self) -> Then {
        let soon = self.cases.has_changes() || self.cases.is_unsaved();
        let patience = if soon { BUSY } else { LOOK_EVERY };
        if self.runner.count() > 0 {
            self.runner.wait(self.clock.now(), patience);
            return self.plan_all();
        }
        match self.orders.recv_timeout(patience).map(|order| self.plan(order)) {
            Ok(Then::Stop) | Err(RecvTimeoutError::Disconnected) => Then::Stop,
            Ok(Then::GoOn) | Err(RecvTimeoutError::Timeout) => self.plan_all(),
        }
    }

    /// Plans what was told so far.
    fn plan_all(&mut self) -> Then {
        for _ in 0..self.orders.len() {
            let Ok(order) = self.orders.try_recv() else { break };
            if self.plan(order) == Then::Stop {
                return Then::Stop;
            }
        }
        Then::GoOn
    }

    fn plan(&mut self, order: Order) -> Then {
        let now = self.clock.steady();
        match order {
            Order::Offence(offence, act) => {
                let policy = self.policy.load();
                self.take(Facts::of(&offence, &policy.triggers), By::Us(act));
            }
            Order::Operator(facts) if self.policy.load().mode == Mode::Enforce => self.take(facts, By::Operator),
            Order::Operator(_) => {}
            Order::Ended(prefix) => self.cases.end_in(now, prefix),
            Order::EndedAll => self.cases.end_all(now),
            Order::Spared(allow) => {
                self.cases.spare(now, &allow);
                self.end_all_while_observing();
            }
            Order::Stop => return Then::Stop,
        }
        Then::GoOn
    }

    /// Who only observes keeps nobody out, elsewhere either.
    fn end_all_while_observing(&mut self) {
        if self.policy.load().mode == Mode::Observe {
            self.cases.end_all(self.clock.steady());
        }
    }

    fn take(&mut self, facts: Facts, by: By) {
        let policy = self.policy.load();
        let left = facts.until.map(|until| until.since(wall()));
        if self.cases.take(self.clock.steady(), News { facts, left, by }, &policy).is_err() {
            self.telling.dropped(1);
        }
    }

    /// Does what is to be done now.
    fn turn(&mut self) {
        let now = self.clock.now();
        for ended in self.runner.look(now) {
            self.account(ended);
        }
        self.cases.end_due(self.clock.steady());
        if now >= self.next_save {
            self.save();
        }
        if now >= self.next_retry {
            self.next_retry = now.plus(RETRY);
            self.try_again();
        }
        if now >= self.next_write && self.cases.has_changes() {
            self.next_write = now.plus(BATCH);
            self.write();
        }
        self.start();
        if now >= self.next_second {
            self.next_second = now.plus(SECOND);
            self.say_what_was_left_out();
        }
    }

    /// Has the ledger know what will have to be ended.
    fn save(&mut self) {
        let before = self.clock.now();
        let Some(rows) = self.cases.to_be_saved(self.clock.steady(), wall()) else { return };
        if let Some(ledger) = &mut self.ledger {
            ledger.save(&rows);
        }
        self.cases.saved();
        let after = self.clock.now();
        self.next_save = after.plus(after.since(before).saturating_mul(REST));
    }

    fn try_again(&mut self) {
        if !self.cases.try_again() {
            self.telling.all_is_written();
        }
    }

    /// Brings the files for TCP wrappers up to date.
    fn write(&mut self) {
        let policy = self.policy.load_full();
        for (file, changes) in self.cases.changes(&policy.deny.file) {
            let changed = deny_file::look(&file, &changes).and_then(|there| {
                self.cases.intend(&changes, &there);
                self.save();
                deny_file::change(&file, &changes)
            });
            match &changed {
                Ok(()) => self.cases.wrote(&changes),
                Err(_) => self.cases.not_written(&changes),
            }
            self.telling.wrote(file, changed);
        }
    }

    /// Starts what may run.
    fn start(&mut self) {
        let policy = self.policy.load_full();
        let command = &policy.command;
        let at_once = usize::try_from(command.at_once).unwrap_or(usize::MAX);
        while self.runner.count() < at_once {
            let Some(task) = self.cases.next() else { return };
            let Some(invocation) = Invocation::of(policy.words(task.kind), command.shell, task.kind, &task.facts)
            else {
                // The config was changed meanwhile.
                self.cases.done(task.facts.prefix);
                continue;
            };
            self.telling.started();
            let deadline = self.clock.now().plus(command.timeout);
            if let Err(ended) = self.runner.start(task, &invocation, deadline) {
                self.account(ended);
            }
        }
    }

    /// Goes on after a command.
    fn account(&mut self, ended: Ended) {
        self.cases.done(ended.task.facts.prefix);
        self.telling.ended(ended, self.policy.load().command.timeout);
    }

    fn say_what_was_left_out(&mut self) {
        self.telling.dropped(self.dropped.swap(0, Ordering::Relaxed));
        self.telling.second(self.cases.lines_refused());
    }

    /// Ends what runs. What could not be ended in time is in the ledger, for the next daemon; without one, our lines go with us.
    fn stop(&mut self) {
        Telling::gave_up(self.cases.give_up());
        self.turn();
        let end = self.clock.now().plus(LAST_MOMENTS);
        while (self.runner.count() > 0 || self.cases.to_be_ended() > 0) && self.clock.now() < end {
            self.runner.wait(self.clock.now(), BUSY);
            self.turn();
        }
        self.runner.end_all(self.clock.now());
        while self.runner.count() > 0 {
            self.runner.wait(self.clock.now(), BUSY);
            for ended in self.runner.look(self.clock.now()) {
                self.account(ended);
            }
        }
        if self.ledger.is_none() {
            // The next daemon would not know them, and they would stay for ever.
            self.cases.take_lines_out();
        }
        self.cases.try_again();
        self.write();
        self.save();
        self.say_what_was_left_out();
        self.telling.end(self.cases.to_be_ended(), self.ledger.is_some());
    }
}
