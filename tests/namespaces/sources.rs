//! Who may probe: the allow list, and observe mode.

use rustix::process::Signal;

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::packet::{FIN, tcp, udp};
use crate::lab::wire::Answer;

#[test]
fn an_allowed_source_may_probe_and_is_not_even_queued() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = format!("{ONE_QUEUE}[allow]\nsources = [\"10.1.0.0/28\", \"fd00:1::/64\"]\n");
    let daemon = Daemon::start(&lab.server, &config);
    let before = lab.server.queue_counts();

    for (source, target) in [(routed(2), SERVER), (routed6(1, 2), SERVER6)] {
        lab.wire.send(&tcp((source, 40_000), (target, 8081), FIN));
        lab.wire.send(&udp((source, 40_000), (target, 161), b"public"));
        lab.probe(source, target, 111);
    }
    assert_eq!(lab.attacker.knock(routed(2), server(143)), Answer::Refused);
    assert_eq!(lab.server.queue_counts(), before, "packets that came to the queues");
    assert!(!daemon.blocks("10.1.0.2") && !daemon.blocks("fd00:1::"));

    lab.probe(routed(16), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.16 ");
}

#[test]
fn observe_mode_drops_nothing_and_says_once_what_it_would_have_done() {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    let daemon = Daemon::start(&lab.server, &format!("mode = \"observe\"\n{ONE_QUEUE}"));

    for port in [111, 143, 111, 119] {
        assert_eq!(lab.attacker.knock(routed(2), server(port)), Answer::Refused, "port {port}");
    }
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
    assert_eq!(service.clients(), [routed(2)]);

    daemon.wait_for_line("would block source=10.1.0.2 ");
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("source=10.1.0.2 "), 1, "in:\n{}", daemon.log());
    assert!(!daemon.blocks("10.1.0.2"));
    // A client whose first SYN is lost sends another, and sees nothing of it.
    daemon.signal(Signal::USR1);
    let counters = daemon.wait_for_line("counters ");
    assert!(counters.contains(" dropped=0 "), "{counters}");
}

#[test]
fn who_probes_by_udp_is_reported_where_the_operator_says_so_and_by_tcp_blocked() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = |act| format!("block.udp = \"{act}\"\ndetect = {{ count = \"packets\", threshold = 2 }}\n{ONE_QUEUE}");
    let desk = Desk::at(&lab, &config("observe"));
    let daemon = desk.start();
    let by_udp = |port| udp((routed(2), 4000), (SERVER, port), b"?");
    for _ in 0..3 {
        lab.wire.send(&by_udp(69));
    }
    daemon.wait_for_line("would block source=10.1.0.2 port=69 protocol=udp kind=udp hits=2 ");
    lab.settle(&daemon, SERVER);
    assert!(!daemon.blocks("10.1.0.2"));
    assert!(desk.done("why 10.1.0.2").starts_with("10.1.0.2 was reported, and is not blocked"));
    assert!(desk.done("status").starts_with("guarding"), "by TCP");
    assert!(desk.listed().iter().all(|line| !line.starts_with("10.1.0.2 ")));

    // By TCP it is blocked, for what it does by TCP: what may be forged does not count.
    lab.probe(routed(2), SERVER, 111);
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 port=111 ");
    assert!(daemon.blocks("10.1.0.2"));
    assert_eq!(daemon.lines_with("would block source=10.1.0.2 "), 1, "in:\n{}", daemon.log());

    desk.reload(&config("block"));
    for _ in 0..2 {
        lab.wire.send(&udp((routed(3), 4000), (SERVER, 69), b"?"));
    }
    daemon.wait_for_line("blocked source=10.1.0.3 port=69 protocol=udp ");
}

#[test]
fn who_has_both_protocols_reported_only_is_told_that_he_observes() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, &format!("block = {{ tcp = \"observe\", udp = \"command\" }}\n{ONE_QUEUE}"));
    let daemon = desk.start();
    daemon.wait_for_line("ready mode=observe ");
    assert!(desk.done("status").starts_with("observing"));
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("would block source=10.1.0.2 ");
    assert!(!daemon.blocks("10.1.0.2"));
}
