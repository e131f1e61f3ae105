//! A daemon in this process, asked by the screen's threads.

#![expect(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;

use super::super::samples::{offence, shown, status};
use super::*;
use crate::control::peer::Peer;
use crate::control::server::{Outgoing, Refusal, Stopped, serve};
use crate::event::{Event, Wall, What};

/// What the daemon of `table` says: an event, one that is not understood, that some were missed; then it has no more.
fn serving(table: &str) {
    let name = SocketAddr::from_abstract_name(format!("nftrap/{table}")).unwrap();
    let answer = |request: Request, _peer: &Peer, out: &mut Outgoing| match request {
        Request::Status => out.part(&status(7, 1)),
        Request::Show { .. } => out.part(&shown()),
        Request::Events { watched: true } => tell(out),
        Request::Unblock { .. } => Err(Refusal::new("you may ask, and change nothing", "ask as root").into()),
        other => Err(Refusal::plain(format!("nobody asks for {other:?}")).into()),
    };
    serve(UnixListener::bind_addr(&name).unwrap(), Arc::new(|| None), Arc::new(answer)).unwrap();
}

fn tell(out: &mut Outgoing) -> Result<(), Stopped> {
    out.part(&Event { at: Wall::default(), what: What::Blocked(offence("192.0.2.1", 111)) })?;
    out.part(&serde_json::json!({
        "at": "2026-11-24T05:55:21Z", "event": "watched", "source": "192.0.2.1", "port": 23, "protocol": "tcp",
        "kind": "syn", "destination": "203.0.113.2"
    }))?;
    out.part(&serde_json::json!({"event": "danced"}))?;
    out.part(&Missed { missed: 3 })
}

/// A table that nobody else has.
fn table(name: &str) -> String {
    format!("test-{name}-{}", std::process::id())
}

#[test]
fn status_and_events_come_and_errands_are_run() {
    let table = table("feed");
    serving(&table);
    let (feed, _into) = follow(&table).unwrap();
    feed.errands.send(Errand::Show("192.0.2.1".parse().unwrap())).unwrap();
    feed.errands.send(Errand::Unblock("192.0.2.1/32".parse().unwrap())).unwrap();
    let mut missing = vec!["status", "blocked", "watched", "strange", "missed", "the end", "known", "refused"];
    while !missing.is_empty() {
        let what = match feed.inputs.recv().unwrap() {
            Input::Told(Told::Status(told)) => {
                assert_eq!(*told, status(7, 1));
                "status"
            }
            Input::Told(Told::Happened(_)) => "blocked",
            Input::Told(Told::Contact(watched)) => {
                assert_eq!(watched.probe.port, 23);
                "watched"
            }
            Input::Told(Told::NoEvents(reason)) if reason == OTHER_VERSION => "strange",
            Input::Told(Told::NoEvents(reason)) => {
                assert_eq!(reason, "nftrap has no more events");
                "the end"
            }
            Input::Told(Told::Missed(3)) => "missed",
            Input::Told(Told::Known(_, known)) => {
                assert_eq!(*known.unwrap(), shown());
                "known"
            }
            Input::Told(Told::Changed(changed)) => {
                assert_eq!(changed.unwrap_err(), "you may ask, and change nothing: ask as root");
                "refused"
            }
            other => panic!("{other:?}"),
        };
        missing.retain(|one| *one != what);
    }
}

#[test]
fn a_daemon_that_comes_back_is_followed_again() {
    let table = table("back");
    let (feed, _into) = follow(&table).unwrap();
    let mut away = [false, false];
    while away != [true, true] {
        match feed.inputs.recv().unwrap() {
            Input::Told(Told::NoStatus(reason)) => {
                assert!(reason.contains("does not run") && reason.contains("start it with"), "{reason}");
                away[0] = true;
            }
            Input::Told(Told::NoEvents(_)) => away[1] = true,
            other => panic!("{other:?}"),
        }
    }
    serving(&table);
    let mut back = [false, false];
    while back != [true, true] {
        match feed.inputs.recv().unwrap() {
            Input::Told(Told::Status(_)) => back[0] = true,
            Input::Told(Told::Happened(_)) => back[1] = true,
            Input::Told(_) | Input::Key(_) | Input::Resized | Input::End(_) => {}
        }
    }
}

#[test]
fn a_thread_that_ends_ends_the_screen() {
    let (into, inputs) = bounded(PENDING);
    start("test", &into, || None).unwrap();
    assert!(matches!(inputs.recv(), Ok(Input::End(Some(_)))));
    start("test", &into, || panic!("as a fault of ours would")).unwrap();
    assert!(matches!(inputs.recv(), Ok(Input::End(Some(_)))));
}
