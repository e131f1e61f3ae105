//! Links that are not there yet, go and come again; a host without IPv6, for a while.

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

/// A scanner is shut out at its first probe, once that arrives: a new link needs its time.
fn is_shut_out(lab: &Lab, daemon: &Daemon<'_>, scanner: u8) {
    wait_until("a probe arrives and its source is blocked", || {
        lab.probe(routed(scanner), SERVER, 111);
        daemon.blocks(&routed(scanner).to_string())
    });
}

#[test]
fn a_host_without_any_link_is_guarded_from_the_moment_it_has_one() {
    let Some(lab) = Lab::unlinked() else { return };
    let desk = Desk::at(&lab, ONE_QUEUE);
    let daemon = desk.start();
    desk.done("status");
    lab.link();
    let _service = lab.server.serve(server(22));
    is_shut_out(&lab, &daemon, 2);
    assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
}

#[test]
fn links_may_go_with_packets_that_wait_and_come_again() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, ONE_QUEUE);
    is_shut_out(&lab, &daemon, 2);
    for (scanner, others) in [(3, 100..140), (4, 150..190)] {
        daemon.freeze();
        for host in others {
            lab.probe(routed(host), SERVER, 111);
        }
        wait_until("they wait", || lab.server.queue_counts().0 > 0);
        lab.attacker.ip("link del lan\n");
        daemon.signal(rustix::process::Signal::CONT);
        wait_until("none waits", || lab.server.queue_counts().0 == 0);
        lab.link();
        assert!(daemon.blocks("10.1.0.2"));
        is_shut_out(&lab, &daemon, scanner);
    }
}

#[test]
fn a_host_that_switched_ipv6_off_is_guarded_and_by_ipv6_when_it_is_on_again() {
    const SWITCHES: [&str; 3] = ["all", "default", "lan"];
    let Some(lab) = Lab::on_one_link() else { return };
    let switch = |to: &str| SWITCHES.map(|of| lab.server.sysctl(&format!("ipv6/conf/{of}/disable_ipv6"), to));
    switch("1");
    let desk = Desk::at(&lab, ONE_QUEUE);
    let daemon = desk.start();
    is_shut_out(&lab, &daemon, 2);
    desk.done("status");
    desk.done("reload");
    switch("0");
    lab.server.ip("addr add fd00:f::1/64 dev lan nodad\nroute add default via fd00:f::fe\n");
    wait_until("an IPv6 probe blocks its network", || {
        lab.probe(routed6(1, 2), SERVER6, 111);
        daemon.blocks("fd00:1::")
    });
    assert!(daemon.blocks("10.1.0.2"));
}
