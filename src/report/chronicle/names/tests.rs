//! Questions and answers, and what is shown of them.

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
    for (answer, name) in [(Answer::Name("a.example".into()), Some("a.example".to_owned())), (Answer::Nameless, None)] {
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
