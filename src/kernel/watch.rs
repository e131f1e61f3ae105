//! Looks whether our table is as we left it: other tools flush the whole ruleset, load one that was saved, or empty a chain. Cheap as long as
//! nobody changes anything: one question for the ruleset's generation. Who asks how often is the daemon's business.
//!
//! The kernel gives each table, set and rule a number of its own, and never the same twice. What of ours is missing was taken away, even if
//! something that looks the same is in its place; what was added does not concern us.

use std::io;

use super::message::{Message, Messages, long, name, word};
use super::netlink::{Answer, DUMP, Netfilter};

/// Blocks that are set meanwhile tear a list, mostly without harm.
const ATTEMPTS: u32 = 3;
/// Chains that hold a rule as long as packets are judged: what was settled without them was broken before.
const NEVER_EMPTY: [&str; 5] = ["early", "input", "spread", "strangers", "queue0"];

/// Looks after one table of family `inet`.
pub struct Watch {
    netfilter: Netfilter,
    table: String,
    /// What there was when it was settled.
    ours: Option<State>,
    /// The ruleset's generation when all of that was there last.
    whole_at: Option<u32>,
}

/// What became of our table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// All that was ours is there.
    Whole,
    /// Something of it is not: it was emptied, or loaded from a copy.
    Changed,
    /// There is no such table.
    Gone,
}

/// Numbers that the kernel gave to a table and what is in it.
#[derive(Debug, PartialEq, Eq)]
struct State {
    table: u64,
    /// Put to sleep, a table is as good as gone.
    flags: u32,
    /// Of sets and rules, sorted.
    handles: Vec<u64>,
    sound: bool,
}

impl Watch {
    /// Will look for `table`; says `Changed` or `Gone` until something is settled.
    pub fn open(table: &str) -> io::Result<Self> {
        Ok(Self { netfilter: Netfilter::open()?, table: table.to_owned(), ours: None, whole_at: None })
    }

    /// Takes what is there now for ours: call it after each load, reload or arming.
    pub fn settled(&mut self) -> io::Result<()> {
        (self.ours, self.whole_at) = (None, None);
        self.ours = self.state()?.filter(|state| state.sound);
        Ok(())
    }

    /// Whether it still is as it was settled. A kernel that does not answer is an error, and no reason to think anything.
    pub fn look(&mut self) -> io::Result<Found> {
        let generation = self.generation()?;
        if self.whole_at.is_some() && self.whole_at == generation {
            return Ok(Found::Whole);
        }
        let mut found = Found::Gone;
        for _ in 0..ATTEMPTS {
            found = match (self.state()?, &self.ours) {
                (None, _) => Found::Gone,
                (Some(now), Some(ours)) if now.has_all_of(ours) => {
                    self.whole_at = generation;
                    return Ok(Found::Whole);
                }
                (Some(_), _) => Found::Changed,
            };
        }
        Ok(found)
    }

    fn generation(&self) -> io::Result<Option<u32>> {
        let mut request = Messages::default();
        request.add(libc::NFT_MSG_GETGEN, libc::NLM_F_ACK, 1, |_| ());
        let mut generation = None;
        let take = |message: &Message<'_>| generation = value(message, NFTA_GEN_ID).and_then(word).or(generation);
        check(self.netfilter.ask(request.octets(), take)?)?;
        Ok(generation)
    }

    fn state(&self) -> io::Result<Option<State>> {
        let mut request = Messages::default();
        request.add(libc::NFT_MSG_GETTABLE, libc::NLM_F_ACK, 2, |body| body.name(NFTA_TABLE_NAME, &self.table));
        let mut found = None;
        let take = |message: &Message<'_>| found = read_table(message).or(found);
        match self.netfilter.ask(request.octets(), take)? {
            Answer::Error(libc::ENOENT) => return Ok(None),
            answer @ (Answer::Whole | Answer::Torn | Answer::Error(_)) => check(answer)?,
        }
        let Some((table, flags)) = found else { return Ok(None) };
        let mut handles = Vec::new();
        self.list(libc::NFT_MSG_GETSET, |set| handles.extend(value(set, NFTA_SET_HANDLE).and_then(long)))?;
        let mut never_empty = NEVER_EMPTY.to_vec();
        self.list(libc::NFT_MSG_GETRULE, |rule| {
            handles.extend(value(rule, NFTA_RULE_HANDLE).and_then(long));
            let chain = value(rule, NFTA_RULE_CHAIN).map(name).unwrap_or_default();
            never_empty.retain(|name| name.as_bytes() != chain);
        })?;
        handles.sort_unstable();
        Ok(Some(State { table, flags, handles, sound: never_empty.is_empty() }))
    }

    /// Lists all sets, or all rules, of the table.
    fn list(&self, kind: i32, mut each: impl FnMut(&Message<'_>)) -> io::Result<()> {
        let mut request = Messages::default();
        request.add(kind, DUMP, 3, |body| body.name(NFTA_TABLE, &self.table));
        let ours = |message: &Message<'_>| value(message, NFTA_TABLE).map(name) == Some(self.table.as_bytes());
        let answer = self.netfilter.ask(request.octets(), |message| {
            if ours(message) {
                each(message);
            }
        })?;
        check(answer)
    }
}

impl State {
    fn has_all_of(&self, ours: &Self) -> bool {
        let has = |handle: &u64| self.handles.binary_search(handle).is_ok();
        self.table == ours.table && self.flags == ours.flags && ours.handles.iter().all(has)
    }
}

pub(super) fn read_table(message: &Message<'_>) -> Option<(u64, u32)> {
    let flags = value(message, NFTA_TABLE_FLAGS).and_then(word).unwrap_or(0);
    Some((value(message, NFTA_TABLE_HANDLE).and_then(long)?, flags))
}

fn value<'a>(message: &Message<'a>, number: u16) -> Option<&'a [u8]> {
    message.attributes().find_map(|(found, value)| (found == number).then_some(value))
}

/// A table that goes while it is listed is missed at the next question.
fn check(answer: Answer) -> io::Result<()> {
    match answer {
        Answer::Whole | Answer::Torn | Answer::Error(libc::ENOENT) => Ok(()),
        Answer::Error(error) => Err(io::Error::from_raw_os_error(error)),
    }
}

/// `NFTA_SET_TABLE` and `NFTA_RULE_TABLE`.
const NFTA_TABLE: u16 = 1;
const NFTA_TABLE_NAME: u16 = 1;
const NFTA_TABLE_FLAGS: u16 = 2;
const NFTA_TABLE_HANDLE: u16 = 4;
const NFTA_SET_HANDLE: u16 = 16;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_HANDLE: u16 = 3;
const NFTA_GEN_ID: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn state(table: u64, handles: &[u64]) -> State {
        State { table, flags: 0, handles: handles.to_vec(), sound: true }
    }

    #[test]
    fn what_was_added_does_not_matter_and_what_is_missing_does() {
        let ours = state(1, &[2, 5, 9]);
        assert!(state(1, &[2, 5, 9]).has_all_of(&ours));
        assert!(state(1, &[1, 2, 5, 7, 9, 12]).has_all_of(&ours));
        assert!(!state(1, &[2, 9, 10]).has_all_of(&ours));
        assert!(!state(1, &[]).has_all_of(&ours));
    }

    #[test]
    fn another_table_with_the_same_numbers_is_not_ours_nor_is_one_put_to_sleep() {
        let ours = state(1, &[2, 5]);
        assert!(!state(3, &[2, 5]).has_all_of(&ours));
        assert!(!State { flags: 1, ..state(1, &[2, 5]) }.has_all_of(&ours));
    }
}
