//! A daemon that only answers: for tests of `nftrap top`, and to look at it without scanning anybody.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nftrap::control::peer::Peer;
use nftrap::control::server::{Outgoing, Refusal, Stopped, serve};
use nftrap::control::wire::{Changed, Request};
use serde_json::{Value, json};

/// What it is asked, and tells.
pub(crate) type Events = dyn Fn(&mut Outgoing) -> Result<(), Stopped> + Send + Sync;

/// Serves in this process as the daemon of `table`; what follows events gets what `events` writes.
pub(crate) fn start(table: &str, events: Box<Events>) {
    let name = SocketAddr::from_abstract_name(format!("nftrap/{table}")).unwrap();
    let (asked, table) = (AtomicU64::new(0), table.to_owned());
    let unblocked = AtomicBool::new(false);
    let answer = move |request: Request, _peer: &Peer, out: &mut Outgoing| match request {
        Request::Status => out.part(&status(&table, asked.fetch_add(1, Ordering::Relaxed))),
        Request::Show { who } => out.part(&shown(&who.to_string(), unblocked.load(Ordering::Relaxed))),
        Request::Unblock { prefix } => {
            unblocked.store(true, Ordering::Relaxed);
            out.part(&Changed { done: format!("unblocked {}", prefix.addr()), stored: true, notes: Vec::new() })
        }
        Request::Events { .. } => events(out),
        Request::List
        | Request::Block { .. }
        | Request::UnblockAll
        | Request::Allow { .. }
        | Request::Disallow { .. }
        | Request::AllowList
        | Request::Reload => Err(Refusal::plain("the fake does not know how").into()),
    };
    serve(UnixListener::bind_addr(&name).unwrap(), Arc::new(|| None), Arc::new(answer)).unwrap();
}

/// The nth status: a scan that comes in waves.
fn status(table: &str, n: u64) -> Value {
    let wave = [0, 3, 40, 900, 12_400, 30_000, 8_000, 700, 60, 5];
    let packets = wave.iter().cycle().nth(usize::try_from(n).unwrap()).unwrap();
    json!({
        "version": "0.1.0", "process": 4711, "since": "2026-11-24T05:55:21.189Z", "uptime": 11_520 + n, "mode": "enforce",
        "table": table, "config": null, "protection": "whole", "method": "nft",
        "counters": {"packets": packets, "accepted": packets, "dropped": 0, "watched": 40, "unreadable": 0, "panics": 0, "blocks": 12,
                     "block_failures": 0, "lost": 0, "facts_lost": 0},
        "rates": {"packets": packets, "blocks": packets / 300},
        "verdict_us": {"p50": 12, "p99": 85}, "block_us": {"p50": 31, "p99": 240},
        "queue_numbers": [3100, 2],
        "queues": [{"number": 3100, "waiting": 3, "overrun": 0, "unsent": 0}, {"number": 3101, "waiting": 1, "overrun": 0, "unsent": 0}],
        "blocked": 12 + n, "banned": 2, "sources": 345 + n, "max_sources": 131_072, "memory_bytes": 31_457_280,
        "journal": {"file": "/var/lib/nftrap/journal.db", "stored": 1234 + n, "dropped": 0, "lag_ms": 3, "problem": null}
    })
}

fn shown(who: &str, unblocked: bool) -> Value {
    json!({
        "source": who, "state": if unblocked { "watched" } else { "blocked" },
        "blocks": if unblocked { json!([]) } else { json!([{"source": who, "by": "nftrap",
            "until": "2026-11-24T06:05:21.189Z", "left": 552, "repeat": 1, "packets": 17}]) },
        "last_seen": "2026-11-24T05:55:21.189Z", "contacts": 1, "enough": [1, 4], "window": 3600, "repeats": 1,
        "evidence": [{"at": "2026-11-24T05:55:21.189Z", "port": 111, "protocol": "tcp", "kind": "syn", "destination": "203.0.113.2"}]
    })
}
