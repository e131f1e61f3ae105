//! How often our table is put back: at once, and ever more seldom for somebody who takes it away again and again. Two tools that both insist
//! would else load rulesets in turn for ever, and each load costs the packets that wait.

use std::time::Duration;

use crate::time::Moment;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What keeps us from putting it back may pass by itself; each try costs as much as a success.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(8);
/// Who takes it away again within this time does so again and again; `nft -f` run twice by hand does not.
const CALM: Duration = Duration::from_secs(120);
/// From this pause on it is a fight, and no coincidence.
const WORTH_SAYING: Duration = Duration::from_secs(8);

/// When the table may be put back.
pub(super) struct Pace {
    restored: Option<Moment>,
    pause: Duration,
    /// When it could not be put back, and how long to wait then; nothing, when it could.
    failed: Option<(Moment, Duration)>,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { restored: None, pause: FIRST_PAUSE, failed: None }
    }

    pub(super) fn allows(&self, now: Moment) -> bool {
        let restored = self.restored.map(|restored| (restored, self.pause));
        self.failed.or(restored).is_none_or(|(last, pause)| now.since(last) >= pause)
    }

    /// Counts that it could not be put back: somebody may have taken it away meanwhile.
    pub(super) fn failed(&mut self, now: Moment) {
        let pause = self.failed.map_or(FIRST_RETRY, |(_, pause)| pause.saturating_mul(2).min(LONGEST_RETRY));
        self.failed = Some((now, pause));
    }

    /// Counts that it was put back; says so once, when it has become a fight.
    pub(super) fn restored(&mut self, now: Moment) -> Option<Duration> {
        let again = self.restored.is_some_and(|last| now.since(last) < CALM);
        (self.restored, self.failed) = (Some(now), None);
        let before = self.pause;
        self.pause = if again { before.saturating_mul(2).min(LONGEST_PAUSE) } else { FIRST_PAUSE };
        (before < WORTH_SAYING && self.pause >= WORTH_SAYING).then_some(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::ZERO.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn one_flush_is_made_good_at_once_and_so_is_another_later() {
        let mut pace = Pace::new();
        for time in [0, 300, 600] {
            assert!(pace.allows(at(time)));
            assert_eq!(pace.restored(at(time)), None);
        }
    }

    #[test]
    fn a_fight_is_fought_once_a_minute_and_said_once() {
        let (mut pace, mut restored, mut said) = (Pace::new(), 0, 0);
        for time in (0..3600).map(at) {
            if pace.allows(time) {
                restored += 1;
                said += usize::from(pace.restored(time).is_some());
            }
        }
        assert!((60..=67).contains(&restored), "{restored}");
        assert_eq!(said, 1);
    }

    #[test]
    fn what_fails_is_tried_ever_more_seldom_but_never_as_seldom_as_in_a_fight() {
        let (mut pace, mut tries) = (Pace::new(), Vec::new());
        for time in (0..60).map(at) {
            if pace.allows(time) {
                tries.push(time.since_start().as_secs());
                pace.failed(time);
            }
        }
        assert_eq!(tries, [0, 1, 2, 4, 8, 16, 24, 32, 40, 48, 56]);
        assert_eq!(pace.restored(at(60)), None);
        assert!(!pace.allows(at(60)) && pace.allows(at(61)), "it is made good at once again");
    }

    #[test]
    fn after_some_calm_it_is_put_back_at_once_again() {
        let mut pace = Pace::new();
        for time in (0..600).map(at).collect::<Vec<_>>() {
            if pace.allows(time) {
                pace.restored(time);
            }
        }
        assert!(pace.allows(at(900)));
        pace.restored(at(900));
        assert!(pace.allows(at(901)));
    }
}
