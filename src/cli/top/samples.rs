//! What a daemon might tell, for tests.

use std::time::Duration;

use super::model::{Model, Told};
use crate::control::wire::{JournalStatus, Quantiles, Queue, Rates, Shown, Status};
use crate::detect::probe::{Kind, Protocol};
use crate::event::{Asked, Event, Offence, Operator, Wall, Watched, WatchedName, What};
use crate::report::counters::Totals;
use crate::time::Moment;

pub(super) fn second(n: u64) -> Moment {
    Moment::from_start(Duration::from_secs(n))
}

pub(super) fn at() -> Wall {
    "2026-11-24T05:55:21.189Z".parse().unwrap()
}

pub(super) fn status(packets: u64, blocks: u64) -> Status {
    Status {
        version: "0.1.0".into(),
        process: 4711,
        since: at().to_string(),
        uptime: 3661,
        mode: "enforce".into(),
        table: "nftrap".into(),
        config: None,
        protection: "whole".into(),
        method: "nft".into(),
        counters: Totals::default(),
        rates: Rates { packets, blocks },
        verdict_us: Quantiles { p50: Some(12), p99: Some(85) },
        block_us: Quantiles { p50: None, p99: Some(12_345) },
        queue_numbers: (3100, 2),
        guests_apart: true,
        queues: vec![Queue { number: 3100, waiting: 2, overrun: 0, unsent: 0 }; 2],
        blocked: 3,
        banned: 1,
        sources: 65_536,
        max_sources: 131_072,
        memory_bytes: 0,
        journal: Some(JournalStatus { file: "journal.db".into(), stored: 77, dropped: 0, lag_ms: 0, problem: None }),
        untold: Vec::new(),
        rights: None,
    }
}

pub(super) fn asked(port: u16) -> Asked {
    Asked { port, protocol: Protocol::Tcp, kind: Kind::Syn, destination: [203, 0, 113, 2].into() }
}

pub(super) fn watched(source: &str, port: u16) -> Told {
    let (at, event, source) = (at(), WatchedName::Watched, source.parse().unwrap());
    Told::Contact(Watched { at, event, source, probe: asked(port) })
}

pub(super) fn happened(what: What) -> Told {
    Told::Happened(Box::new(Event { at: at(), what }))
}

pub(super) fn offence(source: &str, port: u16) -> Offence {
    let until = at().plus(Duration::from_secs(600));
    let source = source.parse().unwrap();
    Offence { source, probe: asked(port), hits: 4, until, repeat: 1, evidence: Vec::new() }
}

pub(super) fn operator() -> Operator {
    Operator { uid: 0, pid: 17, name: Some("root".into()) }
}

pub(super) fn shown() -> Shown {
    let seen = serde_json::json!({"at": at().to_string(), "port": 111, "protocol": "tcp", "kind": "syn", "destination": "203.0.113.2"});
    Shown {
        source: "198.51.100.2".into(),
        state: "blocked".into(),
        why: None,
        blocks: Vec::new(),
        last_seen: None,
        contacts: 4,
        enough: (1, 4),
        guest: false,
        window: 3600,
        repeats: 1,
        evidence: vec![seen],
    }
}

/// A minute after it opened: two were watched, one was blocked.
pub(super) fn busy() -> Model {
    let mut model = Model::new(second(0));
    for told in [
        watched("198.51.100.2", 22),
        watched("198.51.100.2", 23),
        happened(What::Blocked(offence("198.51.100.2", 23))),
        watched("2001:db8:a::/64", 3306),
    ] {
        model.take(second(58), told);
    }
    model.take(second(59), Told::Status(Box::new(status(10, 1))));
    model.take(second(60), Told::Status(Box::new(status(1234, 5))));
    model
}
