//! Another daemon in the place of one that runs: a restart, a reload, a new version that is started as the old one ends. Who is blocked
//! meets a block at every moment of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::lab::daemon::Daemon;
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::packet::{SYN, tcp};
use crate::lab::strain::{ARRIVALS, Over, arrived};
use crate::lab::wire::Answer;

/// Sends what a blocked source would send, to ports that are served, trapped and neither, until it is over; says how much.
fn press_on(lab: &Lab, over: &AtomicBool) -> u64 {
    let mut sent = 0_u64;
    for port in [22, 111, 8081].into_iter().cycle() {
        if over.load(Ordering::Relaxed) {
            return sent;
        }
        sent += u64::from(lab.wire.try_send(&tcp((routed(2), 40_000), (SERVER, port), SYN)).is_ok());
        if sent.is_multiple_of(10) {
            thread::sleep(Duration::from_millis(1));
        }
    }
    sent
}

/// Nothing of a blocked source gets past while this is done to its daemon, and the next one guards as well.
fn leaves_no_gap(config: &str, replace: impl for<'lab> FnOnce(&Desk<'lab>, Daemon<'lab>)) {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let desk = Desk::at(&lab, config);
    let daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    lab.server.nft_load(ARRIVALS);
    let over = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let presser = scope.spawn(|| press_on(&lab, &over));
        let over = Over(&over);
        replace(&desk, daemon);
        assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
        drop(over);
        presser.join().expect("the blocked source")
    });
    assert!(sent > 100, "{sent} packets are no pressure");
    assert_eq!(arrived(&lab.server, "one"), 0, "of {sent} packets");
}

#[test]
fn a_restart_leaves_no_gap_for_who_is_blocked() {
    leaves_no_gap("", |desk, mut daemon| {
        for scanner in 4..7 {
            assert!(daemon.end(Signal::TERM).0.success());
            daemon = desk.start();
            desk.done(&format!("block 10.1.0.{scanner}"));
        }
    });
}

#[test]
fn a_kill_and_a_restart_leave_no_gap_for_who_is_blocked() {
    leaves_no_gap("[fail]\nno_daemon = \"drop\"\n", |desk, mut daemon| {
        for _ in 0..3 {
            daemon.end(Signal::KILL);
            daemon = desk.start();
        }
    });
}

#[test]
fn a_reload_leaves_no_gap_for_who_is_blocked() {
    leaves_no_gap("", |desk, daemon| {
        for port in 8000..8005 {
            desk.reload(&format!("[trigger]\ntcp = [111, {port}]\n"));
            daemon.signal(Signal::HUP);
        }
        desk.done("status");
    });
}

#[test]
fn a_new_version_that_is_started_as_the_old_one_ends_takes_over_without_a_gap() {
    leaves_no_gap("", |desk, mut daemon| {
        for _ in 0..3 {
            daemon.signal(Signal::TERM);
            let next = Daemon::launch_with(desk.host, &desk.file);
            assert!(daemon.wait_for_end().0.success());
            next.wait_for_line("ready mode=");
            daemon = next;
        }
        desk.done("status");
    });
}
