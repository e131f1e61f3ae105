//! What is done about an offender beside the kernel's block: the operator's commands, and lines for TCP wrappers. Behind a bounded channel
//! and a thread of its own, which nobody waits for: the kernel drops a source's packets before anything here begins.
//!
//! ```text
//! event ─► channel ─► Cases: what is to be done, in which order, until when ─► Runner: processes, so many at once, each with a limit
//!                        │  └─► Ledger: what has to be ended one day, on the disk before it is done
//!                        └─► lines, many at once ─► the file for TCP wrappers
//! ```

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, bounded};
use ipnet::IpNet;
use log::warn;

mod actor;
mod cases;
mod deny;
mod deny_file;
mod facts;
mod invocation;
mod ledger;
mod others;
mod run;
mod said;
mod telling;
#[cfg(test)]
mod tests;

use crate::config::{Act, Block, Command, Config, HostsDeny, Mode};
use crate::detect::Triggers;
use crate::detect::prefixes::Prefixes;
use crate::event::{Event, Offence, What};
use crate::kernel::clock::Clock;
use actor::Thread;
use facts::Facts;
use invocation::Kind;
use ledger::Row;
use telling::Troubles;

/// Offences that wait for the actor. More than this and commands do not keep up by far.
const PENDING_OFFENCES: usize = 4096;
/// More room, for what operators change alone: a flood is no reason to lose the end of a block.
const PENDING_CHANGES: usize = 1024;
/// Long enough for what is being run to end by itself or to be ended, and short enough for who stops us.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the config wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    command: Command,
    deny: HostsDeny,
    triggers: Triggers,
    mode: Mode,
    block: Block,
}

/// The running actor, for as many as have something for it.
#[derive(Debug)]
pub struct Actor {
    orders: Sender<Order>,
    /// Replaced when the config is: the next event is dealt with by it.
    policy: Arc<ArcSwap<Policy>>,
    dropped: Arc<AtomicU64>,
    troubles: Troubles,
    when_done: Receiver<()>,
}

/// What it is told.
#[derive(Debug)]
enum Order {
    /// Somebody is blocked, or would be: by a probe, or by an operator.
    Offence(Box<Offence>, Act),
    Operator(Facts),
    /// Blocks in there have ended.
    Ended(IpNet),
    EndedAll,
    /// Nobody of those is to be blocked any more.
    Spared(Box<Prefixes>),
    Stop,
}

impl Policy {
    /// Of a config.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let triggers = Triggers::of(config);
        let (command, deny) = (config.command.clone(), config.hosts_deny.clone());
        Self { command, deny, triggers, mode: config.mode, block: config.block }
    }

    /// Whether there is anything to do.
    #[must_use]
    pub const fn wants_anything(&self) -> bool {
        let Command { run, block, unblock, .. } = &self.command;
        !(run.is_empty() && block.is_empty() && unblock.is_empty()) || self.deny.line.is_some()
    }

    /// What is done about an offender that is not blocked.
    fn act_of_one_let_go(&self, offence: &Offence) -> Act {
        let act = self.block.act_on(offence.probe.protocol);
        if self.mode == Mode::Enforce && act == Act::Command { Act::Command } else { Act::Observe }
    }

    /// A command's words; none, if there is no such command.
    fn words(&self, kind: Kind) -> &[String] {
        match kind {
            Kind::Run => &self.command.run,
            Kind::Block => &self.command.block,
            Kind::Unblock => &self.command.unblock,
        }
    }
}

/// Whether an earlier daemon has left there what has to be ended.
#[must_use]
pub fn is_owed(ledger: &Path) -> bool {
    ledger.exists()
}

/// What an earlier daemon has left to be ended, as far as we may believe it.
#[derive(Debug, Clone, Default)]
pub struct Owed(Vec<Row>);

impl Owed {
    /// What `ledger` has.
    #[must_use]
    pub fn of(ledger: Option<&Path>) -> Self {
        Self(ledger.map(ledger::peek).unwrap_or_default())
    }

    /// The files out of which lines have to be taken.
    #[must_use]
    pub fn files(&self) -> BTreeSet<PathBuf> {
        self.0.iter().flat_map(|row| &row.lines).map(|line| line.file.clone()).collect()
    }

    /// Whether `unblock` has to be run.
    #[must_use]
    pub fn wants_command(&self) -> bool {
        self.0.iter().any(|row| row.owed)
    }

    /// Whether there is nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Has it in `ledger` again.
    pub fn keep(&self, ledger: &Path) -> io::Result<()> {
        ledger::write(ledger, &self.0)
    }
}

impl Actor {
    /// Starts the thread that acts; `ledger` is where it keeps what it will have to end.
    pub fn start(policy: Policy, ledger: Option<PathBuf>, clock: Clock) -> io::Result<Self> {
        let (sender, orders) = bounded(PENDING_OFFENCES.saturating_add(PENDING_CHANGES));
        let (done, when_done) = bounded(1);
        let (policy, dropped) = (Arc::new(ArcSwap::from_pointee(policy)), Arc::new(AtomicU64::new(0)));
        let troubles = Troubles::default();
        let thread = Thread::new(orders, Arc::clone(&policy), Arc::clone(&dropped), clock, troubles.clone());
        thread::Builder::new().name("actor".into()).spawn(move || {
            thread.run(ledger);
            let (Ok(()) | Err(_)) = done.send(());
        })?;
        Ok(Self { orders: sender, policy, dropped, troubles, when_done })
    }

    /// Has `act` done about an offence. Does not wait; where there is no room, nothing is done, and that is counted.
    pub fn offence(&self, offence: &Offence, act: Act) {
        if act == Act::Observe || !self.policy.load().wants_anything() {
            return;
        }
        // Only the writer comes here, so that nobody takes this room meanwhile.
        if self.orders.len() >= PENDING_OFFENCES {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let Offence { source, probe, hits, until, repeat, .. } = *offence;
        let alone = Offence { source, probe, hits, until, repeat, evidence: Vec::new() };
        self.tell(Order::Offence(Box::new(alone), act));
    }

    /// Does what an event asks for.
    pub fn tell_event(&self, event: &Event) {
        match &event.what {
            What::Blocked(offence) => self.offence(offence, Act::Block),
            What::OperatorBlocked { prefix, until, .. } => {
                self.tell(Order::Operator(Facts::operators(*prefix, *until)));
            }
            What::Unblocked { prefix, .. } | What::Allowed { prefix, .. } => self.tell(Order::Ended(*prefix)),
            What::UnblockedAll { .. } => self.tell(Order::EndedAll),
            What::WouldBlock(offence) => self.offence(offence, self.policy.load().act_of_one_let_go(offence)),
            What::NotBlocked { .. }
            | What::Distributed(_)
            | What::Disallowed { .. }
            | What::Reloaded { .. }
            | What::ReloadRefused { .. }
            | What::Started { .. }
            | What::Stopped
            | What::TableRestored { .. } => {}
        }
    }

    /// What the config wants done, and cannot be.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        self.troubles.all()
    }

    /// Another config is in force, and these sources are never blocked.
    pub fn adapt(&self, policy: Policy, allow: Prefixes) {
        self.policy.store(Arc::new(policy));
        self.tell(Order::Spared(Box::new(allow)));
    }

    /// Ends the thread, and what it is running: what is to be ended one day is in the ledger.
    pub fn finish(&self) {
        self.tell(Order::Stop);
        if self.when_done.recv_timeout(PATIENCE).is_err() {
            warn!("commands and lines for TCP wrappers do not come to an end: left as they are");
        }
    }

    fn tell(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
