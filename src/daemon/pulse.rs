//! The daemon's pulse, in a thread of its own: rates for those who look, and the life sign that systemd's watchdog waits for, given only
//! while every worker turns over and the main thread does not stand still. That one may take its time: `nft` on a busy machine does.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;

use super::books::Books;
use super::reload::tell_systemd;
use super::start::Shared;
use crate::control::wire::Rates;
use crate::report::counters::{Counters, Totals};

/// Rates are of the last second.
const BEAT: Duration = Duration::from_secs(1);
/// Four runs of `nft`, each as long as it is given, and some.
const MAIN_THREAD_PATIENCE: u32 = 150;

/// What was seen at the last beat.
pub(super) struct Pulse {
    packets: u64,
    blocks: u64,
    turns: Vec<u64>,
    rounds: u64,
    /// Beats in a row without a round of the main thread.
    still: u32,
}

/// Whether all that should move does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Sure,
    Doubtful,
}

/// Beats until the daemon ends.
#[expect(clippy::disallowed_methods, reason = "see `BEAT`")]
pub(super) fn run(shared: &Shared, books: &Books, counters: &[Arc<Counters>]) {
    let (mut pulse, watched) = (Pulse::new(counters), sd_notify::watchdog_enabled().is_some());
    while !shared.stop.load(Ordering::Acquire) {
        thread::sleep(BEAT);
        let (rates, life) = pulse.beat(counters, shared.rounds.load(Ordering::Relaxed));
        books.health().rates = rates;
        if watched && life == Life::Sure {
            tell_systemd(&[NotifyState::Watchdog]);
        }
    }
}

impl Pulse {
    fn new(counters: &[Arc<Counters>]) -> Self {
        let (packets, blocks) = sums(counters);
        Self { packets, blocks, turns: turns(counters), rounds: 0, still: 0 }
    }

    /// One second later.
    fn beat(&mut self, counters: &[Arc<Counters>], rounds: u64) -> (Rates, Life) {
        let (packets, blocks) = sums(counters);
        let rates = Rates { packets: packets.wrapping_sub(self.packets), blocks: blocks.wrapping_sub(self.blocks) };
        let turns = turns(counters);
        self.still = if rounds == self.rounds { self.still.saturating_add(1) } else { 0 };
        let turn_over = turns.iter().zip(&self.turns).all(|(now, before)| now != before);
        let life = if turn_over && self.still < MAIN_THREAD_PATIENCE { Life::Sure } else { Life::Doubtful };
        (self.packets, self.blocks, self.turns, self.rounds) = (packets, blocks, turns, rounds);
        (rates, life)
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
    use crate::report::counters::count;

    fn turn(counters: &[Arc<Counters>]) {
        for counters in counters {
            count(&counters.turns);
        }
    }

    #[test]
    fn rates_are_what_came_since_the_last_beat() {
        let counters = [Arc::new(Counters::default()), Arc::default()];
        let mut pulse = Pulse::new(&counters);
        counters[0].packets.fetch_add(5, Ordering::Relaxed);
        counters[1].packets.fetch_add(2, Ordering::Relaxed);
        count(&counters[1].blocks);
        assert_eq!(pulse.beat(&counters, 1).0, Rates { packets: 7, blocks: 1 });
        assert_eq!(pulse.beat(&counters, 2).0, Rates::default());
    }

    #[test]
    fn a_worker_that_stands_still_is_no_life_and_a_slow_main_thread_is_for_a_while() {
        let counters = [Arc::new(Counters::default()), Arc::default()];
        let mut pulse = Pulse::new(&counters);
        turn(&counters);
        assert_eq!(pulse.beat(&counters, 1).1, Life::Sure);
        count(&counters[0].turns);
        assert_eq!(pulse.beat(&counters, 2).1, Life::Doubtful);
        for _ in 1..MAIN_THREAD_PATIENCE {
            turn(&counters);
            assert_eq!(pulse.beat(&counters, 2).1, Life::Sure);
        }
        turn(&counters);
        assert_eq!(pulse.beat(&counters, 2).1, Life::Doubtful);
    }
}
