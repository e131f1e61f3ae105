//! Daemons that are played: each answers for a table of its own, in the test's own process.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};

use nftrap::control::peer::Peer;
use nftrap::control::server::{Outgoing, Refusal, Stopped, serve};
use nftrap::control::wire::{Allowed, Block, Changed, Request, Shown};
use serde_json::{Value, json};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The name of a table that nobody else has.
pub(crate) fn fresh_table() -> String {
    format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A daemon of a table of its own, and what it was asked.
pub(crate) fn daemon() -> (String, Receiver<Request>) {
    let (asked, requests) = channel();
    let table = answering(move |request, out| {
        let (Ok(()) | Err(_)) = asked.send(request.clone());
        answer(&request, out)
    });
    (table, requests)
}

/// A table of its own, for which `answer` answers.
fn answering(answer: impl Fn(Request, &mut Outgoing) -> Result<(), Stopped> + Send + Sync + 'static) -> String {
    let table = fresh_table();
    let address = SocketAddr::from_abstract_name(format!("nftrap/{table}")).unwrap();
    let answer = move |request: Request, _: &Peer, out: &mut Outgoing| answer(request, out);
    serve(UnixListener::bind_addr(&address).unwrap(), Arc::new(|| None), Arc::new(answer)).unwrap();
    table
}

/// A daemon whose status has something else in it.
pub(crate) fn daemon_with(key: &'static str, value: &'static str) -> String {
    answering(move |request, out| {
        if request == Request::List {
            return out.part(&block(1));
        }
        let mut status = status();
        status.as_object_mut().unwrap().insert(key.into(), value.into());
        out.part(&status)
    })
}

/// A daemon that tells of one event, and goes on.
pub(crate) fn quiet_daemon() -> String {
    answering(|_, out| {
        out.part(&json!({"at": "2026-11-24T05:55:21.189Z", "event": "stopped"}))?;
        out.flush()?;
        loop {
            std::thread::park();
        }
    })
}

fn answer(request: &Request, out: &mut Outgoing) -> Result<(), Stopped> {
    let changed = |done: String, stored| Changed { done, stored, notes: vec!["and so\u{1b}".into()] };
    match request {
        Request::Status => out.part(&status()),
        Request::List => (0..100_000).try_for_each(|n| out.part(&block(n))),
        Request::Show { who } => out.part(&shown(&who.to_string())),
        Request::Block { prefix, .. } if prefix.to_string().starts_with("203.0.113.") => {
            Err(Refusal::new("it is a default gateway", "leave it alone").into())
        }
        Request::Block { prefix, .. } => out.part(&changed(format!("blocked {prefix}"), true)),
        Request::Unblock { prefix } => out.part(&changed(format!("unblocked {prefix}"), false)),
        Request::UnblockAll => out.part(&changed("unblocked all".into(), true)),
        Request::Allow { prefix, .. } => out.part(&changed(format!("allowed {prefix}"), true)),
        Request::Disallow { prefix } => out.part(&changed(format!("no longer allowed: {prefix}"), true)),
        Request::AllowList => out.part(&Allowed {
            prefix: "192.0.2.0/24".into(),
            why: "operator".into(),
            reason: Some("ours".into()),
            lasting: true,
        }),
        Request::Reload => Err(Refusal::plain("nftrap.toml:3:1: there is no key `foo`").into()),
        Request::Events { watched } => {
            out.part(&json!({"at": "2026-11-24T05:55:21.189Z", "event": "stopped", "watched": watched}))?;
            out.part(&json!({"missed": 7}))
        }
    }
}

fn status() -> Value {
    json!({"version": "0.1.0", "process": 1, "since": "2026-11-24T05:55:21.189Z", "uptime": 60, "mode": "enforce", "table": "t",
        "config": null, "protection": "whole", "method": "nft_queue", "rates": {"packets": 0, "blocks": 0},
        "counters": {"packets": 0, "accepted": 0, "dropped": 0, "watched": 0, "unreadable": 0, "panics": 0, "blocks": 0, "block_failures": 0,
            "lost": 0, "facts_lost": 0},
        "verdict_us": {"p50": null, "p99": null}, "block_us": {"p50": null, "p99": null}, "queue_numbers": [3100, 2], "queues": [], "blocked": 0, "banned": 0,
        "sources": 0, "max_sources": 1, "memory_bytes": 1, "journal": null})
}

fn block(n: u32) -> Block {
    Block {
        source: std::net::Ipv4Addr::from_bits(n).to_string(),
        by: if n == 99_999 { "operator" } else { "nftrap" }.into(),
        until: Some("2026-11-24T06:05:21Z".into()),
        left: Some(552),
        repeat: Some(1),
        packets: Some(n.into()),
        reason: None,
    }
}

fn shown(source: &str) -> Shown {
    Shown {
        source: source.into(),
        state: "unknown".into(),
        why: None,
        blocks: Vec::new(),
        last_seen: None,
        contacts: 0,
        enough: (1, 4),
        window: 3600,
        guest: false,
        repeats: 0,
        evidence: Vec::new(),
    }
}
