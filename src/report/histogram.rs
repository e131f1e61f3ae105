//! How long something took, counted by powers of two of a microsecond: enough to tell microseconds from milliseconds, cheap enough for
//! every packet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Up to 1 µs, 2, 4, ... about a second; the last one holds what took longer.
pub const BUCKETS: usize = 22;

/// Durations, counted.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    nanoseconds: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durations {
    /// So many took at most `upper_bound` of their place, and more than that of the place before.
    pub counts: [u64; BUCKETS],
    /// The sum of all.
    pub sum: Duration,
}

impl Histogram {
    /// Counts one.
    pub fn note(&self, took: Duration) {
        self.note_all(1, took);
    }

    /// Counts so many that took as long. Relaxed: no other memory hangs on it.
    pub fn note_all(&self, times: u32, took: Duration) {
        let (times, nanoseconds) = (u64::from(times), u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if let Some(count) = self.counts.get(place(nanoseconds)) {
            count.fetch_add(times, Ordering::Relaxed);
        }
        self.nanoseconds.fetch_add(nanoseconds.saturating_mul(times), Ordering::Relaxed);
    }

    /// What it shows.
    #[must_use]
    pub fn durations(&self) -> Durations {
        let mut shown = Durations::default();
        for (shown, count) in shown.counts.iter_mut().zip(&self.counts) {
            *shown = count.load(Ordering::Relaxed);
        }
        shown.sum = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed));
        shown
    }
}

/// The first place whose bound is not below.
fn place(nanoseconds: u64) -> usize {
    let microseconds = nanoseconds.div_ceil(1000).max(1);
    let power = u64::BITS.saturating_sub(microseconds.saturating_sub(1).leading_zeros());
    usize::try_from(power).unwrap_or(usize::MAX).min(BUCKETS.saturating_sub(1))
}

/// The longest that is counted at `place`; the last place has no bound.
#[must_use]
pub fn upper_bound(place: usize) -> Option<Duration> {
    let power = u32::try_from(place).ok().filter(|_| place.saturating_add(1) < BUCKETS)?;
    Some(Duration::from_micros(1_u64.checked_shl(power)?))
}

impl Durations {
    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// A bound that so many of a thousand do not pass: 500 for the median, 990 for all but one of a hundred.
    #[must_use]
    pub fn quantile(&self, thousandths: u64) -> Option<Duration> {
        let wanted = self.count().saturating_mul(thousandths).div_ceil(1000).max(1);
        let mut seen = 0_u64;
        let at = self.counts.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= wanted
        })?;
        upper_bound(at).or(Some(Duration::MAX))
    }

    /// Both together.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.wrapping_add(*more);
        }
        self.sum = self.sum.saturating_add(other.sum);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound_of(took: Duration) -> Option<Duration> {
        upper_bound(place(u64::try_from(took.as_nanos()).unwrap()))
    }

    #[test]
    fn each_is_counted_below_the_next_power_of_two() {
        let micros = Duration::from_micros;
        for (took, bound) in [(0, 1), (1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (1000, 1024), (1 << 20, 1 << 20)] {
            assert_eq!(bound_of(micros(took)), Some(micros(bound)), "{took}");
        }
        assert_eq!(bound_of(Duration::from_nanos(1001)), Some(micros(2)));
        assert_eq!(bound_of(Duration::from_secs(3600)), None);
    }

    #[test]
    fn quantiles_are_bounds_and_nothing_has_none() {
        let histogram = Histogram::default();
        assert_eq!(histogram.durations().quantile(500), None);
        for micros in [3, 3, 3, 100] {
            histogram.note(Duration::from_micros(micros));
        }
        let shown = histogram.durations();
        let at_once = Histogram::default();
        at_once.note_all(3, Duration::from_micros(3));
        at_once.note_all(1, Duration::from_micros(100));
        assert_eq!(at_once.durations(), shown);
        assert_eq!(shown.count(), 4);
        assert_eq!(shown.sum, Duration::from_micros(109));
        assert_eq!(shown.quantile(500), Some(Duration::from_micros(4)));
        assert_eq!(shown.quantile(990), Some(Duration::from_micros(128)));
        assert_eq!(shown.with(&shown).count(), 8);
    }
}
