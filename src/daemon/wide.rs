//! The thread that looks at what many sources do together: it is handed what the writer tells, and judges those who share a scan, and IPv6
//! networks in which many are blocked. No packet waits for it, and it may block. **Bounded:** what it is not quick enough to take is dropped, and counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use log::info;

use super::Then;
use super::audience::Audience;
use super::judge::Judge;
use crate::config::Distributed;
use crate::detect::distributed::{Crowds, Scan};
use crate::detect::table::Seeds;
use crate::detect::widen::Widener;
use crate::detect::{Offence, Sighting};
use crate::event::{self, What};
use crate::kernel::dump;
use crate::kernel::queue::Verdict;
use crate::report::counters::{Counters, count};
use crate::report::fact::{Fact, Happened};

/// Facts that wait; in a flood, which needs no more than some hundreds to be known for one, the others are not worth a processor.
const PENDING: usize = 1024;
/// How long it waits before it looks what is due.
const WAIT: Duration = Duration::from_millis(200);
/// Sources that are named of one scan: as many as a line is read with. Who is blocked has an event of its own.
const NAMED: usize = 16;

/// Where the writer puts copies of facts.
pub(super) struct Copies {
    facts: Sender<Fact>,
    counters: Arc<Counters>,
}

pub(super) struct Wide {
    judge: Judge,
    audience: Arc<Audience>,
    facts: Receiver<Fact>,
    crowds: Crowds,
    widener: Widener,
    /// Our nftables table.
    table: String,
}

impl Copies {
    /// Does not wait.
    pub(super) fn tell(&self, fact: &Fact) {
        if self.facts.try_send(*fact).is_err() {
            count(&self.counters.facts_lost);
        }
    }
}

impl Wide {
    /// With the other end of its channel.
    pub(super) fn new(judge: Judge, audience: Arc<Audience>, table: &str, seeds: Seeds) -> (Self, Copies) {
        let (sender, facts) = bounded(PENDING);
        let copies = Copies { facts: sender, counters: Arc::clone(&judge.counters) };
        let crowds = Crowds::new(judge.shared.clock.now(), seeds);
        let (widener, table) = (Widener::new(seeds), table.to_owned());
        (Self { judge, audience, facts, crowds, widener, table }, copies)
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.judge.counters)
    }

    /// Looks until the daemon ends. The writer waits for us then, and cannot be waited for.
    pub(super) fn run(mut self) {
        while !self.judge.shared.stop.load(Ordering::Acquire) {
            count(&self.judge.counters.turns);
            let fact = self.facts.recv_timeout(WAIT);
            self.judge.follow_policy();
            // As in a worker, a panic leaves all of it usable.
            let looked = catch_unwind(AssertUnwindSafe(|| self.look(fact)));
            match looked {
                Ok(Then::GoOn) => {}
                Ok(Then::Stop) => return,
                Err(_) => count(&self.judge.counters.panics),
            }
        }
    }

    fn look(&mut self, fact: Result<Fact, RecvTimeoutError>) -> Then {
        match fact {
            Ok(fact) => {
                self.note(&fact);
                self.widen(&fact);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Then::Stop,
        }
        let now = self.judge.shared.clock.now();
        while let Some(scan) = self.crowds.due(now) {
            self.tell(&scan);
            if self.judge.policy.rules.distributed == Distributed::Block {
                scan.to_block().iter().for_each(|member| self.convict(*member));
            }
        }
        Then::GoOn
    }

    fn note(&mut self, Fact { at, what }: &Fact) {
        if self.judge.policy.rules.distributed == Distributed::Off {
            return;
        }
        match what {
            Happened::Watched(sighting) => self.crowds.note(*at, *sighting),
            Happened::Blocked(offence) | Happened::WouldBlock(offence) => self.crowds.note_offence(*at, offence),
            Happened::NotBlocked(..) => {}
        }
    }

    /// Blocks the network around a source that is blocked now, if it is one of many there. That in turn is one blocked in a wider network.
    fn widen(&mut self, fact: &Fact) {
        let Judge { policy, shared, .. } = &self.judge;
        let Happened::Blocked(Offence { source, probe, .. }) = fact.what else { return };
        if !policy.rules.widen6 {
            return;
        }
        let now = shared.clock.now();
        // Whom an operator let go, the table has forgotten.
        let known = |source| shared.table.show(now, source).is_some_and(|known| known.repeats > 0);
        let memory = policy.rules.threshold.block.memory;
        let Some((network, blocks)) = self.widener.note(now, source, memory, known) else { return };
        if policy.protect.meets(network.into()) {
            return;
        }
        let why = (network, blocks, probe);
        let decision = policy.rules.judge_network(&shared.table, now, why, &policy.surroundings);
        let (Verdict::Accept | Verdict::Drop) = self.judge.carry_out(now, decision);
    }

    fn tell(&self, scan: &Scan) {
        let clock = self.judge.shared.clock;
        let told = event::Distributed {
            destination: scan.destination,
            sources: u32::try_from(scan.members.len()).unwrap_or(u32::MAX),
            places: scan.places,
            first: clock.wall_at(scan.first),
            last: clock.wall_at(scan.last),
            among: scan.members.iter().map(|member| member.source).take(NAMED).collect(),
        };
        let event::Distributed { destination, sources, places, first, last, among } = &told;
        let among = among.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        info!(destination:%, sources, places, first:%, last:%, among = among.as_str(); "distributed");
        count(&self.judge.shared.distributed);
        self.audience.tell(What::Distributed(told));
    }

    /// Whoever was let go meanwhile is spared, and so is a guest: a crowd may be forged to cut off a client at work.
    fn convict(&mut self, member: Sighting) {
        if dump::is_guest(&self.table, &member.source).unwrap_or(false) {
            return;
        }
        let Judge { policy, shared, .. } = &self.judge;
        let now = shared.clock.now();
        let decision = policy.rules.judge_member(&shared.table, now, member, &policy.surroundings);
        // No packet waits for the verdict.
        let (Verdict::Accept | Verdict::Drop) = self.judge.carry_out(now, decision);
    }
}
