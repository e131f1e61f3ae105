//! How a table is looked at: its order, and the row that is chosen. A chosen row stays chosen wherever it moves, so that a key
//! pressed a moment later means the same source.

use std::net::IpAddr;

use super::rows::{Rows, Service, Sort};

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Table {
    Sources,
    Ports,
    Blocks,
}

/// What a row is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Key {
    Source(IpAddr, u8),
    Port(Service),
    Block(u64),
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Step {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
}

/// How a table is looked at.
#[derive(Debug)]
pub(in super::super) struct Pane {
    /// Its order.
    pub(in super::super) sort: Sort,
    /// The chosen row; without one, whatever stands at the top.
    chosen: Option<Key>,
    /// Where that was, for when it is gone.
    index: usize,
}

/// Rows of one page: fewer than the smallest screen shows would be slow, more would pass over some.
const PAGE: usize = 5;

impl Table {
    pub(in super::super) const fn next(self) -> Self {
        match self {
            Self::Sources => Self::Ports,
            Self::Ports => Self::Blocks,
            Self::Blocks => Self::Sources,
        }
    }

    /// What its rows are known by, in their order.
    pub(in super::super) fn keys(self, rows: &Rows) -> Vec<Key> {
        match self {
            Self::Sources => {
                let key = |row: &super::rows::SourceRow| Key::Source(row.source.address(), row.source.parts().1);
                rows.sources.iter().map(key).collect()
            }
            Self::Ports => rows.ports.iter().map(|row| Key::Port(row.service)).collect(),
            Self::Blocks => rows.blocks.iter().map(|row| Key::Block(row.number)).collect(),
        }
    }
}

impl Step {
    /// Where it leads from there; the end is the caller's to know.
    pub(in super::super) const fn from(self, at: usize) -> usize {
        match self {
            Self::Up => at.saturating_sub(1),
            Self::Down => at.saturating_add(1),
            Self::PageUp => at.saturating_sub(PAGE),
            Self::PageDown => at.saturating_add(PAGE),
            Self::Top => 0,
            Self::Bottom => usize::MAX,
        }
    }
}

impl Pane {
    pub(in super::super) const fn new(sort: Sort) -> Self {
        Self { sort, chosen: None, index: 0 }
    }

    /// Where the chosen row stands among `keys`.
    pub(in super::super) fn place(&self, keys: &[Key]) -> usize {
        let found = self.chosen.and_then(|chosen| keys.iter().position(|key| *key == chosen));
        found.unwrap_or(self.index).min(keys.len().saturating_sub(1))
    }

    pub(in super::super) fn move_by(&mut self, step: Step, keys: &[Key]) {
        self.index = step.from(self.place(keys)).min(keys.len().saturating_sub(1));
        self.chosen = if step == Step::Top { None } else { keys.get(self.index).copied() };
    }
}
