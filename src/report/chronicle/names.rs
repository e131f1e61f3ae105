//! Names of addresses, by reverse DNS. They are shown and never trusted: whoever has an address names it as they like. **Bounded:** so many
//! names for so long, one question at a time, and one answer is waited for so long.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select};
use dns_lookup::LookupErrorKind;
use log::warn;
use lru::LruCache;

use crate::time::Moment;

#[cfg(test)]
mod tests;

/// Who has more visitors than these at once has other worries than their names.
const KNOWN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
/// Addresses change hands, and names with them.
const KEPT: Duration = Duration::from_secs(3600);
/// A name that is not there by then is not worth the wait.
const LIMIT: Duration = Duration::from_secs(2);
/// DNS has no longer ones (RFC 1035).
const LONGEST: usize = 253;

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Somebody's words.
    Name(String),
    /// There is none.
    Nameless,
    /// Nobody answers.
    Trouble,
}

/// Whether an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// No: others wait.
    None,
    /// For `LIMIT`.
    Some,
}

/// The names that are known, and the way to more.
pub(super) struct Names {
    known: LruCache<IpAddr, (Option<String>, Moment)>,
    questions: Sender<IpAddr>,
    answers: Receiver<(IpAddr, Answer)>,
    /// Nothing ever comes from here; its end says that nobody waits any more.
    hurry: Receiver<()>,
    /// Whether an answer is due.
    asked: Asked,
    /// Whether it was said that nobody answers.
    trouble: Trouble,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Something,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Said,
}

impl Names {
    /// Starts the thread in which `lookup` is called: it may take its time. When the other end of `hurry` is gone, no answer is waited for.
    pub(super) fn start(lookup: impl Fn(IpAddr) -> Answer + Send + 'static, hurry: Receiver<()>) -> io::Result<Self> {
        let (questions, asked) = bounded::<IpAddr>(1);
        let (answer, answers) = bounded(1);
        thread::Builder::new().name("names".into()).spawn(move || {
            // Until nobody asks any more, or wants an answer.
            while asked.recv().is_ok_and(|address| answer.send((address, lookup(address))).is_ok()) {}
        })?;
        let known = LruCache::new(KNOWN);
        Ok(Self { known, questions, answers, hurry, asked: Asked::Nothing, trouble: Trouble::None })
    }

    /// The name of `address`, if there is one that can be shown, and can be had in time.
    pub(super) fn of(&mut self, now: Moment, address: IpAddr, patience: Patience) -> Option<String> {
        if let Ok((late, answer)) = self.answers.try_recv() {
            self.learn(now, late, answer);
        }
        match self.known.get(&address) {
            Some((name, since)) if now.since(*since) < KEPT => return name.clone(),
            Some(_) | None => {}
        }
        // One that does not answer must not cost every offence the time limit.
        if self.asked == Asked::Something || self.questions.try_send(address).is_err() {
            return None;
        }
        self.asked = Asked::Something;
        if patience == Patience::None {
            return None;
        }
        let answered = select! {
            recv(self.answers) -> answered => answered.ok(),
            recv(self.hurry) -> _ => None,
            default(LIMIT) => {
                self.say_trouble("no answer in time");
                None
            }
        };
        answered.and_then(|(address, answer)| self.learn(now, address, answer))
    }

    /// Keeps it for later; what can be shown of it.
    fn learn(&mut self, now: Moment, address: IpAddr, answer: Answer) -> Option<String> {
        self.asked = Asked::Nothing;
        let name = match answer {
            Answer::Name(name) => harmless(&name),
            Answer::Nameless => None,
            Answer::Trouble => {
                self.say_trouble("no name server answers us");
                return None;
            }
        };
        self.trouble = Trouble::None;
        self.known.put(address, (name.clone(), now));
        name
    }

    fn say_trouble(&mut self, problem: &str) {
        if self.trouble == Trouble::None {
            self.trouble = Trouble::Said;
            warn!(
                "cannot ask for the names of addresses ({problem}): addresses are shown instead; is the resolver up, and may we reach it?"
            );
        }
    }
}

/// A name that can stand in any line, field and filter, and reads as no address; nothing, if it is another one.
fn harmless(name: &str) -> Option<String> {
    let name = name.trim_end_matches('.');
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    // No domain ends in a number; an address does, and a filter that finds one here would take it for the scanner's.
    let ends_well = name.rsplit('.').next().is_some_and(|last| !last.chars().all(|c| c.is_ascii_digit()));
    let hexadecimal = name.rsplit('.').next().is_some_and(|last| last.starts_with("0x") || last.starts_with("0X"));
    (plain && starts_well && ends_well && !hexadecimal && name.len() <= LONGEST).then(|| name.to_owned())
}

/// Asks the host's resolver, as its `nsswitch.conf` says; this may take tens of seconds.
pub(super) fn lookup(address: IpAddr) -> Answer {
    // Without a name it is an error, and not the address in a name's place. There is no port to be named.
    let flags = libc::NI_NAMEREQD | libc::NI_NUMERICSERV;
    match dns_lookup::getnameinfo(&SocketAddr::new(address, 0), flags) {
        Ok((name, _)) => Answer::Name(name),
        Err(error) => match error.kind() {
            LookupErrorKind::NoName | LookupErrorKind::NoData => Answer::Nameless,
            LookupErrorKind::Again
            | LookupErrorKind::Badflags
            | LookupErrorKind::Fail
            | LookupErrorKind::Family
            | LookupErrorKind::Socktype
            | LookupErrorKind::Service
            | LookupErrorKind::Memory
            | LookupErrorKind::System
            | LookupErrorKind::Unknown
            | LookupErrorKind::IO => Answer::Trouble,
        },
    }
}
