//! The daemon's pulse: rates for those who look, and the life sign that systemd's watchdog waits for, given only while every worker turns
//! over.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sd_notify::NotifyState;

use super::reload::tell_systemd;
use crate::control::wire::Rates;
use crate::report::counters::{Counters, Totals};

/// What was seen at the last beat.
pub(super) struct Pulse {
    packets: u64,
    blocks: u64,
    turns: Vec<u64>,
    watched: bool,
}

impl Pulse {
    pub(super) fn new(counters: &[Arc<Counters>]) -> Self {
        let (packets, blocks) = sums(counters);
        Self { packets, blocks, turns: turns(counters), watched: sd_notify::watchdog_enabled().is_some() }
    }

    /// One second later.
    pub(super) fn beat(&mut self, counters: &[Arc<Counters>]) -> Rates {
        let (packets, blocks) = sums(counters);
        let rates = Rates { packets: packets.wrapping_sub(self.packets), blocks: blocks.wrapping_sub(self.blocks) };
        let turns = turns(counters);
        if self.watched && turns.iter().zip(&self.turns).all(|(now, before)| now != before) {
            tell_systemd(&[NotifyState::Watchdog]);
        }
        (self.packets, self.blocks, self.turns) = (packets, blocks, turns);
        rates
    }
}

fn sums(counters: &[Arc<Counters>]) -> (u64, u64) {
    let totals = counters.iter().map(|counters| counters.totals());
    totals.fold((0, 0), |(packets, blocks), Totals { packets: more, blocks: new, .. }| {
        (packets.wrapping_add(more), blocks.wrapping_add(new))
    })
}

fn turns(counters: &[Arc<Counters>]) -> Vec<u64> {
    counters.iter().map(|counters| counters.turns.load(Ordering::Relaxed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_came_since_the_last_beat() {
        let counters = [Arc::new(Counters::default()), Arc::default()];
        let mut pulse = Pulse::new(&counters);
        counters[0].packets.fetch_add(5, Ordering::Relaxed);
        counters[1].packets.fetch_add(2, Ordering::Relaxed);
        counters[1].blocks.fetch_add(1, Ordering::Relaxed);
        assert_eq!(pulse.beat(&counters), Rates { packets: 7, blocks: 1 });
        assert_eq!(pulse.beat(&counters), Rates::default());
    }
}
