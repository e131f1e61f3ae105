//! What is to be done about whom, in which order, and when it ends. Pure: `now` is given, and others carry it out.
//!
//! Each source's steps are done one after the other, as `PortSentry` orders them: `run` if it comes first, the line for TCP wrappers, `block`,
//! `run`; and `unblock` when the block ends. Sources do not wait for each other. **Bounded:** past its limits what is new is refused, and
//! what has begun is ended even so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

mod case;
mod lines;
#[cfg(test)]
mod tests;

use super::Policy;
use super::deny::Line;
use super::facts::Facts;
use super::invocation::Kind;
use super::ledger::Row;
use crate::config::{Act, Command};
use crate::detect::prefixes::Prefixes;
use crate::event::Wall;
use case::{Case, Step};
pub(super) use lines::{Change, Wish};

/// Sources with something to be ended one day. The ledger, which is written as a whole, has some MiB then.
const MAX_CASES: usize = 32_768;
/// Commands and lines that wait. Who is behind by so many does not catch up before these blocks end.
const MAX_STEPS: usize = 16_384;
/// Lines for TCP wrappers, which reads them all at each connection.
pub(super) const MAX_LINES: usize = 10_000;

/// A block that began.
#[derive(Debug)]
pub(super) struct News {
    pub(super) facts: Facts,
    /// How much longer it lasts; for ever without.
    pub(super) left: Option<Duration>,
    pub(super) by: By,
}

/// Whose block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Ours, of an offender, about which this is to be done.
    Us(Act),
    /// An operator's, whose last word it is how long it lasts.
    Operator,
}

/// Why nothing is done about somebody: there is too much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// A command to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) kind: Kind,
    pub(super) facts: Arc<Facts>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Cases {
    all: BTreeMap<IpNet, Case>,
    /// Those in force that end, by when.
    ends: BTreeSet<(Wall, IpNet)>,
    /// Who may have a command to be run.
    ready: VecDeque<IpNet>,
    /// Whose block the ledger has to have before it is done.
    fresh: Vec<IpNet>,
    /// Whose lines may have to be written or taken out.
    touched: BTreeSet<IpNet>,
    /// Whose lines could not be, and are tried again later.
    put_off: BTreeSet<IpNet>,
    /// Steps that wait, of all.
    steps: usize,
    /// Lines, of all.
    lines: usize,
    /// Lines for which there was no room.
    lines_refused: u64,
    /// Whether the ledger has something else.
    unsaved: bool,
}

impl Cases {
    /// What an earlier daemon left to be ended, on a clock that shows `now` where the wall's shows `wall`.
    pub(super) fn of(rows: Vec<Row>, now: Wall, wall: Wall) -> Self {
        let mut cases = Self::default();
        for row in rows.into_iter().take(MAX_CASES) {
            let (prefix, ends) = (row.facts.prefix, row.until.map(|until| now.plus(until.since(wall))));
            let case = Case::of(row, ends);
            cases.lines = cases.lines.saturating_add(case.lines.len());
            cases.all.insert(prefix, case);
            cases.touched.insert(prefix);
            cases.ends.extend(ends.map(|ends| (ends, prefix)));
        }
        cases
    }

    /// Plans what `policy` wants done about a block.
    pub(super) fn take(&mut self, now: Wall, news: News, policy: &Policy) -> Result<(), Full> {
        let News { facts, left, by } = news;
        let prefix = facts.prefix;
        if self.steps >= MAX_STEPS || (self.all.len() >= MAX_CASES && !self.all.contains_key(&prefix)) {
            return Err(Full);
        }
        let facts = Arc::new(facts);
        let command = &policy.command;
        let run = (!command.run.is_empty() && by != By::Operator).then(|| Step::Command(Kind::Run, Arc::clone(&facts)));
        let (first, last) = if command.first { (run, None) } else { (None, run) };
        let mut case = self.all.remove(&prefix).unwrap_or_else(|| Case::new(Arc::clone(&facts)));
        let before = case.steps.len();
        case.steps.extend(first);
        if matches!(by, By::Operator | By::Us(Act::Block)) {
            self.begin_block(&mut case, &facts, policy);
            let ends = left.map(|left| now.plus(left));
            let ends = if by == By::Operator { ends } else { case.later(ends) };
            self.stand(&mut case, prefix, ends);
        }
        case.steps.extend(last);
        self.steps = self.steps.saturating_add(case.steps.len()).saturating_sub(before);
        self.all.insert(prefix, case);
        self.go_on(prefix);
        Ok(())
    }

    /// Plans what is done once while a block is in force.
    fn begin_block(&mut self, case: &mut Case, facts: &Arc<Facts>, policy: &Policy) {
        let Command { block, unblock, .. } = &policy.command;
        let line = policy.deny.line.as_deref().map(|line| Line::of(&policy.deny.file, line, facts));
        match line.filter(|line| !case.wants(line)) {
            Some(line) if self.lines < MAX_LINES => self.lines = self.lines.saturating_add(case.want(line)),
            Some(_) => self.lines_refused = self.lines_refused.saturating_add(1),
            None => {}
        }
        let pair = !block.is_empty() || !unblock.is_empty();
        if pair && !case.owed {
            case.owe(facts, !block.is_empty());
            self.fresh.push(facts.prefix);
        }
    }

    /// Has it end then, if there is anything to be ended.
    fn stand(&mut self, case: &mut Case, prefix: IpNet, ends: Option<Wall>) {
        if !case.owed && case.lines.is_empty() {
            return;
        }
        if let Some(before) = case.ends {
            self.ends.remove(&(before, prefix));
        }
        self.ends.extend(ends.map(|ends| (ends, prefix)));
        (case.ends, case.stands) = (ends, true);
        self.unsaved = true;
    }

    /// Ends those whose time is over.
    pub(super) fn end_due(&mut self, now: Wall) {
        while self.ends.first().is_some_and(|(ends, _)| *ends <= now) {
            if let Some((_, prefix)) = self.ends.pop_first() {
                self.end(now, prefix);
            }
        }
    }

    /// Ends all that lie in `prefix`.
    pub(super) fn end_in(&mut self, now: Wall, prefix: IpNet) {
        self.end_each(now, |known| prefix.contains(known));
    }

    /// Ends all that `allow` covers.
    pub(super) fn spare(&mut self, now: Wall, allow: &Prefixes) {
        self.end_each(now, |known| allow.covers(*known));
    }

    /// Ends all.
    pub(super) fn end_all(&mut self, now: Wall) {
        self.end_each(now, |_| true);
    }

    fn end_each(&mut self, now: Wall, chosen: impl Fn(&IpNet) -> bool) {
        let chosen: Vec<_> = self.all.keys().filter(|known| chosen(known)).copied().collect();
        for prefix in chosen {
            self.end(now, prefix);
        }
    }

    fn end(&mut self, now: Wall, prefix: IpNet) {
        let Some(case) = self.all.get_mut(&prefix).filter(|case| case.stands) else { return };
        if let Some(ends) = case.ends {
            self.ends.remove(&(ends, prefix));
        }
        let before = case.steps.len();
        case.end(now);
        self.steps = self.steps.saturating_add(case.steps.len()).saturating_sub(before);
        self.touched.insert(prefix);
        self.unsaved = true;
        self.go_on(prefix);
    }

    /// The next command to be run, if there is one.
    pub(super) fn next(&mut self) -> Option<Task> {
        while let Some(prefix) = self.ready.pop_front() {
            if let Some(task) = self.all.get_mut(&prefix).and_then(Case::begin) {
                self.steps = self.steps.saturating_sub(1);
                return Some(task);
            }
        }
        None
    }

    /// A command about `prefix` has ended, however that was.
    pub(super) fn done(&mut self, prefix: IpNet) {
        if let Some(case) = self.all.get_mut(&prefix) {
            self.unsaved |= case.busy == Some(Kind::Unblock);
            case.busy = None;
        }
        self.go_on(prefix);
    }

    /// Sees to the next step, and forgets whom nothing is left to be done about.
    fn go_on(&mut self, prefix: IpNet) {
        let Some(case) = self.all.get_mut(&prefix) else { return };
        if case.is_over() {
            if let Some(ends) = case.ends {
                self.ends.remove(&(ends, prefix));
            }
            self.all.remove(&prefix);
            return;
        }
        if case.busy.is_none() {
            match case.steps.front() {
                Some(Step::Command(..)) => self.ready.push_back(prefix),
                Some(Step::Write) => _ = self.touched.insert(prefix),
                None => {}
            }
        }
    }

    /// What the ledger is to have, on the wall's clock; nothing, if it has that.
    pub(super) fn to_be_saved(&self, now: Wall, wall: Wall) -> Option<Vec<Row>> {
        let on_the_wall =
            |ends: Wall| if ends > now { wall.plus(ends.since(now)) } else { wall.minus(now.since(ends)) };
        self.unsaved.then(|| self.all.values().filter_map(|case| case.row(on_the_wall)).collect())
    }

    /// Whether the ledger has something else.
    pub(super) const fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// The ledger has what was to be saved, or cannot have it: what waited for that is done now.
    pub(super) fn saved(&mut self) {
        self.unsaved = false;
        for prefix in std::mem::take(&mut self.fresh) {
            if let Some(case) = self.all.get_mut(&prefix) {
                case.saved = true;
            }
            self.go_on(prefix);
        }
    }

    /// Gives up what has not begun, but for what ends something; how many steps that were.
    pub(super) fn give_up(&mut self) -> usize {
        let mut count = 0_usize;
        for case in self.all.values_mut() {
            count = count.saturating_add(case.give_up());
        }
        self.steps = self.steps.saturating_sub(count);
        self.unsaved = true;
        let known: Vec<_> = self.all.keys().copied().collect();
        for prefix in known {
            self.go_on(prefix);
        }
        count
    }

    /// How many commands wait that end something.
    pub(super) fn to_be_ended(&self) -> usize {
        self.all.values().filter(|case| case.owes_an_end()).count()
    }

    /// Lines that found no room since the last call.
    pub(super) fn lines_refused(&mut self) -> u64 {
        std::mem::take(&mut self.lines_refused)
    }
}

#[cfg(test)]
pub(super) mod samples {
    pub(crate) use super::lines::samples::change;
}
