//! The daemon with the rights that its systemd unit gives it: an ordinary user's, and `CAP_NET_ADMIN`.

use rustix::process::Signal;

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

/// What it traps at 1 it lets go at 111, on to who comes after it.
const SECOND: &str =
    "table = \"second\"\non_exit = \"remove\"\n[trigger]\ntcp = [1]\n[queue]\nfirst = 3200\ncount = 1\n";

#[test]
fn net_admin_alone_is_enough_to_block_a_scan() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let mut daemon = Daemon::launch_unprivileged(&lab.server, "");
    daemon.wait_for_line("ready");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);
    assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);

    // The table that somebody flushes is put back with the same rights.
    lab.server.nft_load("flush ruleset");
    daemon.wait_for_line("somebody removed our table: it is back");
    assert!(daemon.blocks("10.1.0.2"));
    assert!(daemon.end(Signal::TERM).0.success());
}

#[test]
fn a_queue_that_is_taken_is_called_so_even_by_whom_may_not_see_who_has_it() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _holder = Daemon::start(&lab.server, ONE_QUEUE);
    let mut daemon = Daemon::launch_unprivileged(&lab.server, "table = \"second\"\n[queue]\ncount = 1\n");
    daemon.wait_for_line("queue 3100 is in use by another program");
    assert!(!daemon.wait_for_end().0.success());
}

#[test]
fn who_may_not_see_whether_others_queue_leaves_the_base_chains() {
    let Some(lab) = Lab::on_one_link() else { return };
    let other = Daemon::start(&lab.server, ONE_QUEUE);
    let mut daemon = Daemon::launch_unprivileged(&lab.server, SECOND);
    daemon.wait_for_line("ready");
    // A packet waits for somebody else's verdict; with any base chain of the namespace it would be dropped.
    other.freeze();
    lab.probe(routed(2), SERVER, 111);
    wait_until("the packet waits", || lab.server.queue_counts().0 == 1);
    assert!(daemon.end(Signal::TERM).0.success());
    assert_eq!(lab.server.queue_counts().0, 1);
    other.signal(Signal::CONT);
    other.wait_for_line("blocked source=10.1.0.2 ");
}
