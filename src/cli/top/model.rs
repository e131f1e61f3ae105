//! What the screen knows, and how that changes: by what the daemon tells, and by what the operator wants. Pure: time is an argument.

use std::net::IpAddr;

use ipnet::IpNet;

use self::minute::Minute;
use self::rows::{Cause, Rows, Sort, State};
use self::tally::Tally;
use super::keys::Mode;
use super::words;
use crate::control::wire::{Changed, Shown, Status};
use crate::event::{Event, Offence, Wall, Watched, What};
use crate::time::Moment;

mod wishes;

pub(super) mod minute;
pub(super) mod pane;
pub(super) mod rows;
pub(super) mod tally;
#[cfg(test)]
mod tests;

pub(super) use pane::{Pane, Table};

/// What the threads tell.
#[derive(Debug)]
pub(super) enum Told {
    /// How the daemon does.
    Status(Box<Status>),
    /// It does not answer, for this reason.
    NoStatus(String),
    /// A contact of a source that is not blocked yet.
    Contact(Watched),
    /// Something happened.
    Happened(Box<Event>),
    /// So many events were missed.
    Missed(u64),
    /// No events come, for this reason.
    NoEvents(String),
    /// What is known of a source that was asked for.
    Known(IpAddr, Result<Box<Shown>, String>),
    /// What came of a change.
    Changed(Result<Changed, String>),
}

/// What is to be asked of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errand {
    /// What it knows of a source.
    Show(IpAddr),
    /// To end the blocks of these addresses.
    Unblock(IpNet),
}

/// What stands in front of the tables.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Dialog {
    /// Nothing.
    None,
    /// The keys.
    Help,
    /// Whether somebody's blocks are to be ended.
    Unblock(IpNet),
    /// What is known of a source, once the answer is there.
    Evidence {
        /// Of whom.
        who: IpNet,
        /// The answer.
        answer: Option<Result<Box<Shown>, String>>,
        /// Lines scrolled past.
        scroll: u16,
    },
}

/// What the screen knows.
#[derive(Debug)]
pub(super) struct Model {
    /// Since when the tables count.
    pub(super) since: Moment,
    /// The last status, and when it came.
    pub(super) status: Option<(Moment, Box<Status>)>,
    /// Why there is none now.
    pub(super) away: Option<String>,
    /// Why no events come, and when that was found.
    pub(super) deaf: Option<(Moment, String)>,
    /// Events missed.
    pub(super) missed: u64,
    /// What to tell the operator, and since when.
    pub(super) notice: Option<(Moment, String)>,
    /// The last minute.
    pub(super) minute: Minute,
    /// What stands in front.
    pub(super) dialog: Dialog,
    /// The table that the keys move in.
    pub(super) focus: Table,
    panes: [Pane; 3],
    tally: Tally,
    frozen: Option<Rows>,
}

impl Model {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            since: now,
            status: None,
            away: None,
            deaf: None,
            missed: 0,
            notice: None,
            minute: Minute::default(),
            dialog: Dialog::None,
            focus: Table::Sources,
            panes: [Pane::new(Sort::Contacts), Pane::new(Sort::Contacts), Pane::new(Sort::LastSeen)],
            tally: Tally::default(),
            frozen: None,
        }
    }

    /// Takes in what the daemon tells.
    pub(super) fn take(&mut self, now: Moment, told: Told) {
        match told {
            Told::Status(status) => {
                self.minute.status(now, &status);
                self.status = Some((now, status));
                if self.away.take().is_some() {
                    // Why events stopped then, and what was said last, says nothing of now.
                    self.say(now, "nftrap answers again");
                    self.deaf = None;
                }
            }
            Told::NoStatus(reason) => {
                self.minute.silence(now);
                self.away = Some(words::printable(&reason));
            }
            Told::Contact(watched) => {
                self.minute.contact();
                self.tally.contact(now, watched.source, &watched.probe);
            }
            Told::Happened(event) => self.happened(now, &event),
            Told::Missed(more) => self.missed = self.missed.saturating_add(more),
            Told::NoEvents(reason) => self.deaf = Some((now, words::printable(&reason))),
            Told::Known(of, known) => {
                if let Dialog::Evidence { who, answer, .. } = &mut self.dialog
                    && who.addr() == of
                {
                    *answer = Some(known);
                }
            }
            Told::Changed(Ok(changed)) => {
                let stored = if changed.stored { "" } else { "; not in the journal" };
                let notes = changed.notes.iter().map(|note| format!("; {note}"));
                self.say(now, &format!("{}{}{stored}", changed.done, notes.collect::<String>()));
            }
            Told::Changed(Err(problem)) => self.say(now, &problem),
        }
    }

    fn happened(&mut self, now: Moment, Event { at, what }: &Event) {
        let end = |until: Wall| now.plus(until.since(*at));
        match what {
            What::Blocked(offence) => self.offence(now, *at, offence, State::Blocked(Some(end(offence.until)))),
            What::WouldBlock(offence) => self.offence(now, *at, offence, State::WouldBlock),
            What::NotBlocked { source, .. } => self.tally.stand(now, *source, State::NotBlocked),
            What::Unblocked { prefix, .. } | What::Allowed { prefix, .. } => {
                self.tally.change(Some(*prefix), State::LetGo, is_held);
            }
            What::UnblockedAll { .. } => self.tally.change(None, State::LetGo, is_held),
            What::OperatorBlocked { prefix, until, .. } => {
                let state = State::Blocked(until.map(end));
                self.tally.change(Some(*prefix), state, |_any| true);
                self.tally.block(*at, *prefix, Cause::Operator, state);
            }
            What::Distributed(_)
            | What::Disallowed { .. }
            | What::Reloaded { .. }
            | What::ReloadRefused { .. }
            | What::Started { .. }
            | What::Stopped
            | What::TableRestored { .. } => {}
        }
        if let Some(words) = words::notice(what) {
            self.say(now, &words);
        }
    }

    fn offence(&mut self, now: Moment, at: Wall, offence: &Offence, state: State) {
        self.minute.contact();
        self.tally.offence(now, at, offence, state);
    }

    fn say(&mut self, now: Moment, words: &str) {
        self.notice = Some((now, words::printable(words)));
    }

    /// What the tables show: of now, or of the moment when the screen was paused.
    pub(super) fn rows(&self) -> Rows {
        let mut rows = self.frozen.clone().unwrap_or_else(|| self.tally.rows());
        let [sources, ports, blocks] = &self.panes;
        rows.sort(sources.sort, ports.sort, blocks.sort);
        rows
    }

    /// Whether the tables stand still.
    pub(super) const fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    /// How a table is looked at.
    pub(super) const fn pane(&self, table: Table) -> &Pane {
        let [sources, ports, blocks] = &self.panes;
        match table {
            Table::Sources => sources,
            Table::Ports => ports,
            Table::Blocks => blocks,
        }
    }

    /// What keys mean now.
    pub(super) const fn mode(&self) -> Mode {
        match self.dialog {
            Dialog::None => Mode::Tables,
            Dialog::Help | Dialog::Evidence { .. } => Mode::Reading,
            Dialog::Unblock(_) => Mode::Question,
        }
    }
}

/// Whether a block is there to be ended.
const fn is_held(state: State) -> bool {
    match state {
        State::Blocked(_) | State::WouldBlock | State::NotBlocked => true,
        State::Watched | State::LetGo => false,
    }
}
