//! A table of flows that is full: the kernel itself drops what would begin one, probes as well, before we see them. Who is blocked stays
//! out, flows that are there go on, and probes are judged again when there is room.
//!
//! The kernel has one limit for the whole machine: tried where `NFTRAP_ALONE` says that nobody else is on it, as in a guest.

use std::fs;

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::packet::{SYN, tcp};
use crate::lab::patience::wait_until;
use crate::lab::strain::{forge, number_from};
use crate::lab::wire::{Answer, talk};

const LIMIT: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// The limit as it was, when dropped.
struct Limited(String);

impl Limited {
    fn to(flows: u32) -> Self {
        let before = fs::read_to_string(LIMIT).expect("read the limit");
        fs::write(LIMIT, flows.to_string()).expect("set the limit");
        Self(before)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        fs::write(LIMIT, &self.0).expect("set the limit as it was");
    }
}

#[test]
fn without_room_for_flows_nobody_is_judged_blocks_hold_and_flows_go_on() {
    if number_from("NFTRAP_ALONE").is_none() {
        return;
    }
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    let daemon = Daemon::start(&lab.server, ONE_QUEUE);
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    let client = lab.attacker.connect(routed(3), server(22));
    let served = service.accept();
    talk(&client, &served);

    // Flows that are begun and not answered may make room for others; those that we opened ourselves are established.
    let others: Vec<_> = (0..40).map(|_| (lab.attacker.connect(routed(3), server(22)), service.accept())).collect();
    let limited = Limited::to(20);
    let judged = lab.server.queue_counts().1;
    (0..50).for_each(|n| forge(&lab, n));
    lab.wire.send(&tcp((routed(4), 40_000), (SERVER, 111), SYN));
    assert_eq!(lab.attacker.knock_briefly(routed(5), server(22)), Answer::Silence, "the kernel lets nobody begin");
    assert_eq!(lab.server.queue_counts().1, judged, "no probe came to us");
    assert!(!daemon.blocks("10.1.0.4"));
    talk(&client, &served);
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);

    drop(limited);
    wait_until("a scanner is blocked", || {
        lab.probe(routed(4), SERVER, 111);
        daemon.blocks("10.1.0.4")
    });
    assert_eq!(lab.attacker.knock(routed(5), server(22)), Answer::Open);
    drop(others);
}
