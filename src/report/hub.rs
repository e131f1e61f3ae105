//! Who follows events as they happen. **Bounded:** each has a channel of its own; who does not keep up misses some, and is told
//! how many.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// Events that wait for one follower; more than this and it does not keep up.
const PENDING: usize = 1024;

/// Who follows.
#[derive(Debug, Default)]
pub struct Hub(Mutex<Vec<Follower>>);

#[derive(Debug)]
struct Follower {
    lines: Sender<Line>,
    wants: Wants,
    missed: u64,
}

/// What a follower wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wants {
    /// What is told to everybody.
    Events,
    /// Also what sources did that are not blocked yet.
    Watched,
}

/// What a follower gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// An event, as JSON.
    Event(Arc<str>),
    /// So many were missed.
    Missed(u64),
}

impl Hub {
    /// One more follower, until it drops its end.
    pub fn follow(&self, wants: Wants) -> Receiver<Line> {
        let (lines, receiver) = bounded(PENDING);
        self.locked().push(Follower { lines, wants, missed: 0 });
        receiver
    }

    /// Tells all who want it what `line` says; it is made only if there is one.
    pub fn tell(&self, level: Wants, line: impl FnOnce() -> String) {
        let mut followers = self.locked();
        if followers.iter().all(|follower| follower.wants < level) {
            return;
        }
        let line: Arc<str> = line().into();
        followers.retain_mut(|follower| follower.wants < level || follower.take(&line));
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Follower>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// Whether it is still there.
    fn take(&mut self, line: &Arc<str>) -> bool {
        if self.missed > 0 && self.lines.try_send(Line::Missed(self.missed)).is_ok() {
            self.missed = 0;
        }
        match self.lines.try_send(Line::Event(Arc::clone(line))) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed = self.missed.saturating_add(1);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gets_what_it_wants() {
        let hub = Hub::default();
        let (all, some) = (hub.follow(Wants::Watched), hub.follow(Wants::Events));
        hub.tell(Wants::Watched, || "watched".into());
        hub.tell(Wants::Events, || "blocked".into());
        let line = |text: &str| Line::Event(text.into());
        assert_eq!(all.try_iter().collect::<Vec<_>>(), [line("watched"), line("blocked")]);
        assert_eq!(some.try_iter().collect::<Vec<_>>(), [line("blocked")]);
    }

    #[test]
    fn nothing_is_made_for_nobody() {
        let hub = Hub::default();
        hub.tell(Wants::Events, || panic!("made for nobody"));
        drop(hub.follow(Wants::Watched));
        hub.tell(Wants::Events, || "finds out that nobody is there".into());
        hub.tell(Wants::Events, || panic!("made for nobody"));
    }

    #[test]
    fn who_does_not_keep_up_is_told_what_it_missed() {
        let hub = Hub::default();
        let slow = hub.follow(Wants::Events);
        for n in 0..PENDING + 5 {
            hub.tell(Wants::Events, || n.to_string());
        }
        assert_eq!(slow.try_iter().count(), PENDING);
        hub.tell(Wants::Events, || "next".into());
        assert_eq!(slow.try_iter().collect::<Vec<_>>(), [Line::Missed(5), Line::Event("next".into())]);
    }
}
