//! The thread that judges who asked a decoy, as a worker judges packets. It has rights; the thread that talks with strangers has none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use log::trace;

use super::decoy::Contacted;
use super::judge::Judge;
use crate::report::counters::{Counters, count};

/// Contacts that wait to be judged; a judgement takes some microseconds.
const PENDING: usize = 1024;
/// How long it waits before it shows that it turns over.
const WAIT: Duration = Duration::from_millis(200);

pub(super) struct Proof {
    judge: Judge,
    contacts: Receiver<Contacted>,
}

impl Proof {
    /// With the other end of its channel.
    pub(super) fn new(judge: Judge) -> (Self, Sender<Contacted>) {
        let (sender, contacts) = bounded(PENDING);
        (Self { judge, contacts }, sender)
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.judge.counters)
    }

    /// Judges until the decoys are gone and nobody waits any more.
    pub(super) fn run(mut self) {
        loop {
            count(&self.judge.counters.turns);
            match self.contacts.recv_timeout(WAIT) {
                Ok(contacted) => {
                    self.judge.follow_policy();
                    self.serve(contacted);
                }
                Err(RecvTimeoutError::Timeout) => drop(self.judge.follow_policy()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// No packet waits for this: whatever comes of it, the decoy has answered.
    fn serve(&mut self, (came, probe): Contacted) {
        count(&self.judge.counters.packets);
        count(&self.judge.counters.accepted);
        // As in a worker, a panic leaves all of it usable.
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let Judge { policy, shared, .. } = &self.judge;
            let decision = policy.rules.judge_answered(&shared.table, came, probe, &policy.surroundings);
            trace!("{probe:?}: {decision:?}");
            self.judge.carry_out(came, decision)
        }));
        if judged.is_err() {
            count(&self.judge.counters.panics);
        }
    }
}
