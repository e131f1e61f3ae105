//! One source's part: its steps, and what is to be ended. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::deny::Line;
use super::super::facts::Facts;
use super::super::invocation::Kind;
use super::super::ledger::Row;
use super::Task;
use crate::event::Wall;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Command(Kind, Arc<Facts>),
    /// Its lines are to be written.
    Write,
}

/// A line of its, and where that is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) line: Line,
    pub(super) wanted: bool,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Absent,
    /// We wrote it.
    Ours,
    /// Somebody else did: it stays.
    Theirs,
    /// An earlier daemon of ours wrote it, or was about to.
    Unsure,
}

#[derive(Debug)]
pub(super) struct Case {
    /// Of the block that began last.
    facts: Arc<Facts>,
    /// Its end, or when it was; never without.
    pub(super) ends: Option<Wall>,
    pub(super) stands: bool,
    /// When all steps are done `unblock` will have to be run one day.
    pub(super) owed: bool,
    /// The ledger has it that something is owed.
    pub(super) saved: bool,
    pub(super) steps: VecDeque<Step>,
    pub(super) busy: Option<Kind>,
    pub(super) lines: Vec<Kept>,
}

impl Case {
    pub(super) fn new(facts: Arc<Facts>) -> Self {
        let (steps, lines) = (VecDeque::new(), Vec::new());
        Self { facts, ends: None, stands: false, owed: false, saved: false, steps, busy: None, lines }
    }

    /// What an earlier daemon left.
    pub(super) fn of(row: Row, ends: Option<Wall>) -> Self {
        let kept = |line| Kept { line, wanted: true, state: State::Unsure };
        let lines = row.lines.into_iter().map(kept).collect();
        Self { ends, stands: true, owed: row.owed, saved: true, lines, ..Self::new(Arc::new(row.facts)) }
    }

    /// Whether the line is wanted already.
    pub(super) fn wants(&self, line: &Line) -> bool {
        self.lines.iter().any(|kept| kept.wanted && kept.line == *line)
    }

    /// From now on it is; how many lines there are more.
    pub(super) fn want(&mut self, line: Line) -> usize {
        self.steps.push_back(Step::Write);
        if let Some(kept) = self.lines.iter_mut().find(|kept| kept.line == line) {
            kept.wanted = true;
            return 0;
        }
        self.lines.push(Kept { line, wanted: true, state: State::Absent });
        1
    }

    /// From now on `unblock` is owed, for `block` is to be run.
    pub(super) fn owe(&mut self, facts: &Arc<Facts>, block: bool) {
        (self.owed, self.saved, self.facts) = (true, false, Arc::clone(facts));
        self.steps.extend(block.then(|| Step::Command(Kind::Block, Arc::clone(facts))));
    }

    /// The later of its end and another.
    pub(super) fn later(&self, ends: Option<Wall>) -> Option<Wall> {
        if self.stands { ends.zip(self.ends).map(|(one, other)| one.max(other)) } else { ends }
    }

    /// Plans what the end of its block asks for. A `block` that did not begin is not begun any more.
    pub(super) fn end(&mut self, now: Wall) {
        (self.ends, self.stands) = (Some(now), false);
        if self.owed {
            self.owed = false;
            let block = self.steps.iter().rposition(|step| matches!(step, Step::Command(Kind::Block, _)));
            match block {
                Some(at) => drop(self.steps.remove(at)),
                None => self.steps.push_back(Step::Command(Kind::Unblock, Arc::clone(&self.facts))),
            }
        }
        for kept in &mut self.lines {
            kept.wanted = false;
        }
    }

    /// Begins the next step, if that is a command and may be begun.
    pub(super) fn begin(&mut self) -> Option<Task> {
        let Some(Step::Command(kind, facts)) = self.steps.front() else { return None };
        if self.busy.is_some() || (*kind == Kind::Block && !self.saved) {
            return None;
        }
        let task = Task { kind: *kind, facts: Arc::clone(facts) };
        self.steps.pop_front();
        self.busy = Some(task.kind);
        Some(task)
    }

    /// Whether the file may have its lines now: `run` may have to come first.
    pub(super) fn may_write(&self) -> bool {
        let waits = self.steps.contains(&Step::Write);
        !waits || (self.busy.is_none() && self.steps.front() == Some(&Step::Write))
    }

    /// Whether `unblock` is being run, or waits.
    pub(super) fn owes_an_end(&self) -> bool {
        let unblock = |step: &Step| matches!(step, Step::Command(Kind::Unblock, _));
        self.busy == Some(Kind::Unblock) || self.steps.iter().any(unblock)
    }

    /// Gives up what has not begun, but for what ends something.
    pub(super) fn give_up(&mut self) -> usize {
        let before = self.steps.len();
        if self.steps.iter().any(|step| matches!(step, Step::Command(Kind::Block, _))) {
            self.owed = false;
        }
        self.steps.retain(|step| matches!(step, Step::Command(Kind::Unblock, _)));
        before.saturating_sub(self.steps.len())
    }

    /// Whether nothing is left to be done, now or one day.
    pub(super) fn is_over(&self) -> bool {
        self.steps.is_empty() && self.busy.is_none() && !self.owed && self.lines.is_empty()
    }

    /// What the next daemon has to know.
    pub(super) fn row(&self, on_the_wall: impl Fn(Wall) -> Wall) -> Option<Row> {
        let ours = |kept: &&Kept| matches!(kept.state, State::Ours | State::Unsure);
        let lines: Vec<_> = self.lines.iter().filter(ours).map(|kept| kept.line.clone()).collect();
        let owed = self.owed || self.owes_an_end();
        (owed || !lines.is_empty()).then(|| Row {
            facts: Facts::clone(&self.facts),
            until: self.ends.map(on_the_wall),
            owed,
            lines,
        })
    }
}
