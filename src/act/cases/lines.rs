//! The lines of all cases: what is to be changed in which file, and what came of it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::Cases;
use super::case::{Case, Kept, State, Step};

/// One change of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::act) struct Change {
    prefix: IpNet,
    pub(in crate::act) text: String,
    pub(in crate::act) wish: Wish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::act) enum Wish {
    /// It is to be there; if it is already, it is somebody else's.
    Add,
    /// It is to be there, and it is ours.
    Keep,
    /// It is ours, and is to be there no more.
    Remove,
}

impl Cases {
    /// What is to be changed, by file; `file` is the one that the config names.
    pub(in crate::act) fn changes(&mut self, file: &Path) -> BTreeMap<PathBuf, Vec<Change>> {
        let mut changes = BTreeMap::<PathBuf, Vec<Change>>::new();
        for prefix in std::mem::take(&mut self.touched) {
            let Some(case) = self.all.get_mut(&prefix) else { continue };
            let before = case.lines.len();
            case.lines.retain(|kept| kept.wanted || matches!(kept.state, State::Ours | State::Unsure));
            self.lines = self.lines.saturating_add(case.lines.len()).saturating_sub(before);
            for (place, change) in due(prefix, case, file) {
                changes.entry(place).or_default().push(change);
            }
            pass_by(case, &mut self.steps);
            self.go_on(prefix);
        }
        changes
    }

    /// Notes what is about to be written as ours, but for what is there already: if we are killed now, the next daemon knows.
    pub(in crate::act) fn intend(&mut self, changes: &[Change], there: &BTreeSet<String>) {
        for Change { prefix, text, .. } in changes.iter().filter(|change| change.wish == Wish::Add) {
            self.note(*prefix, text, if there.contains(text) { State::Theirs } else { State::Ours });
        }
    }

    /// The file is as it should be.
    pub(in crate::act) fn wrote(&mut self, changes: &[Change]) {
        for Change { prefix, text, wish } in changes {
            match wish {
                Wish::Keep => self.note(*prefix, text, State::Ours),
                // As it was intended; unless its end came meanwhile, there is nothing more to do.
                Wish::Add => {}
                Wish::Remove => self.forget(*prefix, text),
            }
        }
    }

    /// The file could not be written: all is to be tried again later.
    pub(in crate::act) fn not_written(&mut self, changes: &[Change]) {
        for Change { prefix, text, wish } in changes {
            if *wish == Wish::Add {
                self.note(*prefix, text, State::Absent);
            }
            self.put_off.insert(*prefix);
        }
    }

    /// From now on no line is wanted.
    pub(in crate::act) fn take_lines_out(&mut self) {
        for (prefix, case) in &mut self.all {
            for kept in &mut case.lines {
                kept.wanted = false;
                self.touched.insert(*prefix);
            }
        }
    }

    /// It is time for what was put off; whether anything was.
    pub(in crate::act) fn try_again(&mut self) -> bool {
        let any = !self.put_off.is_empty();
        self.touched.append(&mut self.put_off);
        any
    }

    /// Whether there may be something to be changed.
    pub(in crate::act) fn has_changes(&self) -> bool {
        !self.touched.is_empty()
    }

    fn note(&mut self, prefix: IpNet, text: &str, state: State) {
        let kept = self.all.get_mut(&prefix).and_then(|case| case.lines.iter_mut().find(|kept| kept.line.text == text));
        if let Some(kept) = kept.filter(|kept| kept.state != state) {
            kept.state = state;
            self.unsaved = true;
        }
    }

    fn forget(&mut self, prefix: IpNet, text: &str) {
        let Some(case) = self.all.get_mut(&prefix) else { return };
        let before = case.lines.len();
        case.lines.retain(|kept| kept.wanted || kept.line.text != text);
        self.lines = self.lines.saturating_add(case.lines.len()).saturating_sub(before);
        self.unsaved = true;
        self.go_on(prefix);
    }
}

/// What is to be changed for one, now.
fn due(prefix: IpNet, case: &Case, file: &Path) -> Vec<(PathBuf, Change)> {
    if !case.may_write() {
        return Vec::new();
    }
    let change = |kept: &Kept| {
        let (place, text) = (kept.line.file.clone(), kept.line.text.clone());
        wish(kept, file).map(|wish| (place, Change { prefix, text, wish }))
    };
    case.lines.iter().filter_map(change).collect()
}

fn wish(kept: &Kept, file: &Path) -> Option<Wish> {
    match (kept.wanted, kept.state) {
        (true, State::Absent) => Some(Wish::Add),
        // Where the config does not send us any more, nothing is written for what a ledger says.
        (true, State::Unsure) => (kept.line.file == file).then_some(Wish::Keep),
        (false, State::Ours | State::Unsure) => Some(Wish::Remove),
        (true, State::Ours | State::Theirs) | (false, State::Absent | State::Theirs) => None,
    }
}

/// What follows a line does not wait for it for long: it may be that the file cannot be written today.
fn pass_by(case: &mut Case, steps: &mut usize) {
    while case.busy.is_none() && case.steps.front() == Some(&Step::Write) {
        case.steps.pop_front();
        *steps = steps.saturating_sub(1);
    }
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;

    pub(crate) fn change(text: &str, wish: Wish) -> Change {
        Change { prefix: "192.0.2.1/32".parse().unwrap(), text: text.to_owned(), wish }
    }
}
