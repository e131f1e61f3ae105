//! What the operator wants, done to the model.

use ipnet::IpNet;

use super::super::keys::Change;
use super::tally::Tally;
use super::{Dialog, Errand, Model, Pane, Table};
use crate::time::Moment;

impl Model {
    /// Does what the operator wants, as far as it concerns the screen; what is left is to be asked of the daemon.
    pub(in super::super) fn apply(&mut self, now: Moment, change: Change) -> Option<Errand> {
        match change {
            Change::Focus(table) => self.focus = table,
            Change::NextTable => self.focus = self.focus.next(),
            Change::Move(step) => {
                if let Dialog::Evidence { scroll, .. } = &mut self.dialog {
                    *scroll = u16::try_from(step.from(usize::from(*scroll))).unwrap_or(u16::MAX);
                } else {
                    let keys = self.focus.keys(&self.rows());
                    self.pane_mut().move_by(step, &keys);
                }
            }
            Change::Sort => {
                let pane = self.pane_mut();
                pane.sort = pane.sort.next();
            }
            Change::Pause => self.frozen = if self.is_paused() { None } else { Some(self.tally.rows()) },
            Change::Reset => {
                (self.tally, self.frozen, self.missed, self.since) = (Tally::default(), None, 0, now);
            }
            Change::Help => self.dialog = Dialog::Help,
            Change::Close => self.dialog = Dialog::None,
            Change::Show => return self.show(now),
            Change::AskUnblock => match self.whom() {
                Some(who) => self.dialog = Dialog::Unblock(who),
                None => self.say(now, "choose a source or a block to unblock"),
            },
            Change::Unblock => {
                if let Dialog::Unblock(who) = std::mem::replace(&mut self.dialog, Dialog::None) {
                    return Some(Errand::Unblock(who));
                }
            }
        }
        None
    }

    fn show(&mut self, now: Moment) -> Option<Errand> {
        let Some(who) = self.whom() else {
            self.say(now, "choose a source or a block to see what is known of it");
            return None;
        };
        self.dialog = Dialog::Evidence { who, answer: None, scroll: 0 };
        Some(Errand::Show(who.addr()))
    }

    /// Whom the chosen row is about.
    fn whom(&self) -> Option<IpNet> {
        let rows = self.rows();
        let at = self.pane(self.focus).place(&self.focus.keys(&rows));
        match self.focus {
            Table::Sources => rows.sources.get(at).map(|row| row.source.into()),
            Table::Ports => None,
            Table::Blocks => rows.blocks.get(at).map(|row| row.who),
        }
    }

    const fn pane_mut(&mut self) -> &mut Pane {
        let [sources, ports, blocks] = &mut self.panes;
        match self.focus {
            Table::Sources => sources,
            Table::Ports => ports,
            Table::Blocks => blocks,
        }
    }
}
