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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn address(n: u8) -> IpAddr {
        [192, 0, 2, n].into()
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    /// Names by `lookup`, and what counts the questions; the sender is held so that there is no haste.
    fn names(lookup: impl Fn(IpAddr) -> Answer + Send + 'static) -> (Names, Arc<AtomicU32>, Sender<()>) {
        let (haste, hurry) = bounded(0);
        let count = Arc::new(AtomicU32::new(0));
        let questions = Arc::clone(&count);
        let counted = move |address| {
            questions.fetch_add(1, Ordering::SeqCst);
            lookup(address)
        };
        (Names::start(counted, hurry).unwrap(), count, haste)
    }

    #[test]
    fn an_address_is_asked_for_once_an_hour_whether_it_has_a_name_or_none() {
        for (answer, name) in
            [(Answer::Name("a.example".into()), Some("a.example".to_owned())), (Answer::Nameless, None)]
        {
            let (mut names, count, _haste) = names(move |_| answer.clone());
            for (seconds, questions) in [(0, 1), (1, 1), (3599, 1), (3600, 2), (3601, 2)] {
                assert_eq!(names.of(at(seconds), address(1), Patience::Some), name);
                assert_eq!(count.load(Ordering::SeqCst), questions, "after {seconds} s");
            }
        }
    }

    #[test]
    fn a_name_server_in_trouble_is_asked_again() {
        let (mut names, count, _haste) = names(|_| Answer::Trouble);
        for questions in 1..4 {
            assert_eq!(names.of(at(0), address(1), Patience::Some), None);
            assert_eq!(count.load(Ordering::SeqCst), questions);
        }
        assert_eq!(names.trouble, Trouble::Said);
    }

    #[test]
    fn names_are_bounded_and_those_not_asked_for_longest_go() {
        let (mut names, count, _haste) = names(|_| Answer::Nameless);
        let many = u32::try_from(KNOWN.get()).unwrap();
        for n in 0..=many {
            names.of(at(0), std::net::Ipv4Addr::from_bits(n).into(), Patience::Some);
        }
        assert_eq!(names.known.len(), KNOWN.get());
        names.of(at(0), std::net::Ipv4Addr::from_bits(many).into(), Patience::Some);
        assert_eq!(count.load(Ordering::SeqCst), many + 1, "the last is known");
        names.of(at(0), std::net::Ipv4Addr::from_bits(0).into(), Patience::Some);
        assert_eq!(count.load(Ordering::SeqCst), many + 2, "the first is forgotten");
    }

    #[test]
    fn while_an_answer_is_due_nothing_else_is_asked_and_nobody_waits() {
        let (go_on, held) = bounded::<()>(0);
        let (mut names, count, _haste) = names(move |_| {
            held.recv().unwrap();
            Answer::Name("late.example".into())
        });
        assert_eq!(names.of(at(0), address(1), Patience::None), None);
        for n in 2..100 {
            assert_eq!(names.of(at(0), address(n), Patience::Some), None);
        }
        go_on.send(()).unwrap();
        while names.answers.is_empty() {
            thread::yield_now();
        }
        assert_eq!(names.of(at(0), address(1), Patience::None).as_deref(), Some("late.example"));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn in_haste_no_answer_is_waited_for() {
        let (never, held) = bounded::<()>(0);
        let (mut names, _, haste) = names(move |_| {
            let (Ok(()) | Err(_)) = held.recv();
            Answer::Nameless
        });
        drop(haste);
        assert_eq!(names.of(at(0), address(1), Patience::Some), None);
        assert_eq!((names.asked, names.trouble), (Asked::Something, Trouble::None));
        drop(never);
    }

    #[test]
    fn a_forged_name_breaks_no_line_and_no_field_and_reads_as_no_address() {
        for good in ["scan.example", "a_b-c.1.example.", "localhost", "xn--mller-kva.example", "_dmarc.example"] {
            assert_eq!(harmless(good).as_deref(), Some(good.trim_end_matches('.')));
        }
        let (longest, longer) = (format!("{}.e", "a".repeat(251)), format!("{}.e", "a".repeat(252)));
        assert_eq!(harmless(&longest), Some(longest.clone()));
        for bad in [
            "",
            ".",
            "a b.example",
            "a/10.0.0.1",
            "a\nattackalert: TCP SYN/Normal scan from host",
            "a\u{1b}[31m.example",
            "m\u{fc}ller.example",
            "\"$(reboot)\".example",
            "-rf.example",
            "10.0.0.1",
            "10.0.0.1.",
            "3232235777",
            "a.example.77",
            "0x0a000001",
            "2001:db8::1",
            &longer,
        ] {
            assert_eq!(harmless(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn this_hosts_own_resolver_knows_this_host() {
        let Answer::Name(name) = lookup([127, 0, 0, 1].into()) else { panic!("127.0.0.1 has no name") };
        assert!(harmless(&name).is_some(), "{name}");
    }
}
