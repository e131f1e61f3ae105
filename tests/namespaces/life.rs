//! The life of a block and of the daemon: ends on time, restarts, signals.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::lab::daemon::Daemon;
use crate::lab::hosts::{Lab, SERVER, SERVER6, link_local, routed, routed6, server};
use crate::lab::patience::{limit, wait_until};
use crate::lab::wire::Answer;

#[test]
fn a_block_ends_on_time_and_its_source_can_be_blocked_again() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let daemon = Daemon::start(&lab.server, "[block]\ntime = \"3s\"\n");
    let start = Instant::now();
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    let logged = Instant::now();

    // An attempt that began while the block held gets through with a retransmit once it has ended.
    wait_until("the block ends", || lab.attacker.knock(routed(2), server(22)) == Answer::Open);
    assert!(start.elapsed() >= Duration::from_secs(3), "it ended after {:?}", start.elapsed());
    assert!(logged.elapsed() < limit(Duration::from_secs(8)), "it lasted {:?}", logged.elapsed());

    lab.probe(routed(2), SERVER, 111);
    wait_until("the source is blocked again", || daemon.lines_with("blocked source=10.1.0.2 ") == 2);
    assert!(daemon.blocks("10.1.0.2"));
}

#[test]
fn a_block_taken_over_from_an_earlier_daemon_ends_on_time_too() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let config = "[block]\ntime = \"4s\"\n";
    let mut daemon = Daemon::start(&lab.server, config);
    let start = Instant::now();
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    daemon.end(Signal::KILL);

    let daemon = Daemon::start(&lab.server, config);
    wait_until("the block ends", || lab.attacker.knock(routed(2), server(22)) == Answer::Open);
    assert!(start.elapsed() >= Duration::from_secs(4), "it ended after {:?}", start.elapsed());
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    assert!(daemon.blocks("10.1.0.2"));
}

#[test]
fn an_administrator_lifts_a_block_with_nft_and_a_scan_that_goes_on_sets_it_again() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let daemon = Daemon::start(&lab.server, "");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");

    assert!(lab.server.nft(&["delete", "element", "inet", "nftrap", "block4", "{ 10.1.0.2 }"]).0);
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
    // For a second, probes may be older than the block.
    wait_until("the source is blocked again", || {
        lab.probe(routed(2), SERVER, 111);
        daemon.blocks("10.1.0.2")
    });
}

#[test]
fn a_restart_keeps_blocks_and_their_ends() {
    keeps_blocks_after(Signal::TERM);
}

#[test]
fn a_kill_keeps_blocks_and_their_ends() {
    keeps_blocks_after(Signal::KILL);
}

fn keeps_blocks_after(signal: Signal) {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let sources: [(IpAddr, IpAddr, &str); 3] = [
        (routed(2), SERVER, "10.1.0.2"),
        (routed6(1, 2), SERVER6, "fd00:1::"),
        (link_local(2).into(), link_local(1).into(), "fe80::2"),
    ];
    let mut daemon = Daemon::start(&lab.server, "");
    for (source, target, key) in sources {
        lab.probe(source, target, 111);
        daemon.wait_for_line(&format!("blocked source={key}"));
    }
    let first = Instant::now();
    let promised = sources.map(|(_, _, key)| daemon.time_left(key));

    daemon.end(signal);
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence, "with no daemon");
    let daemon = Daemon::start(&lab.server, "");
    let left = sources.map(|(_, _, key)| daemon.time_left(key));
    for (promised, left) in promised.into_iter().zip(left) {
        let expected = promised.saturating_sub(first.elapsed());
        assert!(left < promised && left + Duration::from_secs(2) > expected, "{promised:?}, then {left:?}");
    }
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence, "with the next daemon");
    assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
}

#[test]
fn sigterm_ends_it_soon_without_its_queue_rules_and_with_its_blocks() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut daemon = Daemon::start(&lab.server, "");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    assert!(lab.server.ruleset().contains("queue flags bypass to ") || lab.server.ruleset().contains("queue num"));

    let (status, time) = daemon.end(Signal::TERM);
    assert!(status.success(), "it ended with {status}");
    assert!(time < limit(Duration::from_secs(2)), "it took {time:?}");
    assert!(daemon.blocks("10.1.0.2"));
    let rules = lab.server.ruleset();
    assert!(!rules.contains("queue flags") && !rules.contains("queue num") && !rules.contains("queue to"), "{rules}");
    assert_eq!(lab.attacker.knock(routed(3), server(111)), Answer::Refused, "nobody watches any more");
}

#[test]
fn on_exit_remove_leaves_nothing_of_ours() {
    let Some(lab) = Lab::on_one_link() else { return };
    lab.server.nft_load("table inet theirs { set friends { type ipv4_addr; }; }\n");
    let before = lab.server.ruleset();
    let mut daemon = Daemon::start(&lab.server, "on_exit = \"remove\"\n");
    assert!(daemon.has_table());
    daemon.end(Signal::TERM);
    assert_eq!(lab.server.ruleset(), before);
}

#[test]
fn sigusr1_prints_counters() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    daemon.signal(Signal::USR1);
    let line = daemon.wait_for_line("counters ");
    assert!(line.contains("packets=1 accepted=0 dropped=1 blocks=1 watched=0 "), "{line}");
}
