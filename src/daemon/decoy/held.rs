//! What is held for a while: the oldest goes first, when its time is over or another needs its room. Each is held as long as any other.

use std::collections::VecDeque;

use crate::time::Moment;

pub(super) struct Held<T> {
    kept: VecDeque<(Moment, T)>,
    max: usize,
}

impl<T> Held<T> {
    /// Room for `max`, and for one at least.
    pub(super) fn new(max: usize) -> Self {
        Self { kept: VecDeque::new(), max: max.max(1) }
    }

    pub(super) fn keep(&mut self, until: Moment, what: T) {
        if self.kept.len() >= self.max {
            self.let_oldest_go();
        }
        self.kept.push_back((until, what));
    }

    /// Drops those whose time is over.
    pub(super) fn let_go(&mut self, now: Moment) {
        while self.kept.front().is_some_and(|(until, _)| *until <= now) {
            self.kept.pop_front();
        }
    }

    /// Says whether there was one.
    pub(super) fn let_oldest_go(&mut self) -> bool {
        self.kept.pop_front().is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;

    fn at(second: u64) -> Moment {
        Moment::from_start(Duration::from_secs(second))
    }

    #[test]
    fn the_oldest_makes_room() {
        let (mut held, what) = (Held::new(3), Rc::new(()));
        let first = Rc::new(());
        held.keep(at(10), Rc::clone(&first));
        for second in 11..20 {
            held.keep(at(second), Rc::clone(&what));
        }
        assert_eq!((Rc::strong_count(&first), Rc::strong_count(&what)), (1, 4));
    }

    #[test]
    fn each_goes_when_its_time_is_over() {
        let (mut held, what) = (Held::new(9), Rc::new(()));
        for second in [10, 20] {
            held.keep(at(second), Rc::clone(&what));
        }
        held.let_go(at(9));
        assert_eq!(Rc::strong_count(&what), 3);
        held.let_go(at(10));
        assert_eq!(Rc::strong_count(&what), 2);
        assert!(held.let_oldest_go() && !held.let_oldest_go());
    }
}
