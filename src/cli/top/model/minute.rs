//! The last minute, second by second.

use std::collections::VecDeque;

use crate::control::wire::Status;
use crate::time::Moment;

/// Seconds that are remembered.
pub(in super::super) const SECONDS: usize = 60;

/// Rates of the last minute; nothing for a second in which the daemon did not answer.
#[derive(Debug, Default)]
pub(in super::super) struct Minute {
    seconds: VecDeque<Option<Second>>,
    contacts: u64,
    last: Option<Moment>,
}

/// What happened in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) struct Second {
    pub(in super::super) packets: u64,
    pub(in super::super) blocks: u64,
    pub(in super::super) contacts: u64,
}

impl Minute {
    /// One contact more.
    pub(super) const fn contact(&mut self) {
        self.contacts = self.contacts.saturating_add(1);
    }

    /// The daemon has answered.
    pub(super) fn status(&mut self, now: Moment, status: &Status) {
        let millis = self.last.map_or(1000, |last| now.since(last).as_millis());
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let contacts = self.contacts.saturating_mul(1000).checked_div(millis).unwrap_or(self.contacts);
        let (packets, blocks) = (status.rates.packets, status.rates.blocks);
        self.push(now, Some(Second { packets, blocks, contacts }));
    }

    /// It has not.
    pub(super) fn silence(&mut self, now: Moment) {
        self.push(now, None);
    }

    /// The last second, if the daemon answered in it.
    pub(in super::super) fn latest(&self) -> Option<Second> {
        self.seconds.back().copied().flatten()
    }

    /// One number of each second, oldest first.
    pub(in super::super) fn map(&self, of: impl Fn(&Second) -> u64) -> Vec<Option<u64>> {
        self.seconds.iter().map(|second| second.as_ref().map(&of)).collect()
    }

    fn push(&mut self, now: Moment, second: Option<Second>) {
        if self.seconds.len() >= SECONDS {
            self.seconds.pop_front();
        }
        self.seconds.push_back(second);
        self.contacts = 0;
        self.last = Some(now);
    }
}
