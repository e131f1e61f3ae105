//! Who is no scanner.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::packet::{ACK, FIN, RST, SYN, tcp, udp};
use crate::lab::wire::{Answer, ask, talk};

/// Around the ports of traceroute, and where our own clients are.
const WIDE_TRAPS: &str = "[trigger]\ntcp = [1, 11, 15, 111, \"32768-34000\"]\nudp = [161, \"32768-34000\"]\n";

#[test]
fn strays_block_nobody() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}{WIDE_TRAPS}"));
    stray(&lab);
    assert_that_nobody_is_blocked(&lab, &daemon);
}

#[test]
fn strays_through_a_gateway_block_nobody() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    let config = "[protect]\ndestinations = [\"10.2.0.0/24\", \"fd00:f::/64\"]\n";
    let daemon = Daemon::start(gateway, &format!("{ONE_QUEUE}{WIDE_TRAPS}{config}"));
    stray(&lab);
    assert_that_nobody_is_blocked(&lab, &daemon);
}

fn stray(lab: &Lab) {
    // An answer to somebody who used our address, the end of a flow that we forgot, a late segment of it.
    for (host, flags) in (10..).zip([SYN | ACK, RST, RST | ACK, ACK, FIN | ACK]) {
        lab.wire.send(&tcp((routed(host), 443), (SERVER, 111), flags));
    }
    // Late segments to ports that our own clients are given.
    for port in [32_771, 32_772, 32_773] {
        lab.wire.send(&tcp((routed(20), 443), (SERVER, port), ACK));
    }
    // Late answers of a resolver, a time server and QUIC; a traceroute.
    for (host, port) in (30..).zip([53, 123, 443]) {
        lab.wire.send(&udp((routed(host), port), (SERVER, 32_771), b"a late answer"));
        lab.wire.send(&udp((routed6(1, 2), port), (SERVER6, 32_771), b"a late answer"));
    }
    for port in 33_434..33_534 {
        lab.wire.send(&udp((routed(40), 40_000), (SERVER, port), b"how far is it?"));
    }
}

fn assert_that_nobody_is_blocked(lab: &Lab, daemon: &Daemon<'_>) {
    lab.settle(daemon, SERVER);
    assert_eq!(daemon.lines_with("blocked source="), 1, "only the sentinel in:\n{}", daemon.log());
}

#[test]
fn a_service_next_to_a_trigger_port_is_undisturbed() {
    let Some(lab) = Lab::on_one_link() else { return };
    let pop3 = lab.server.serve(server(110));
    let daemon = Daemon::start(&lab.server, ONE_QUEUE);
    let client = lab.attacker.connect(routed(2), server(110));
    talk(&client, &pop3.accept());
    drop(client);
    assert_eq!(lab.attacker.knock(routed(2), server(112)), Answer::Refused, "nobody's port, but no trigger either");
    assert_that_nobody_is_blocked(&lab, &daemon);
}

#[test]
fn a_service_on_a_trigger_port_is_served_and_its_restart_blocks_nobody() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, ONE_QUEUE);
    let imap = lab.server.serve(server(143));
    let client = lab.attacker.connect(routed(2), server(143));
    talk(&client, &imap.accept());
    drop((client, imap));

    // It restarts; meanwhile its clients come back, and new ones come.
    assert_eq!(lab.attacker.knock(routed(2), server(143)), Answer::Refused);
    assert_eq!(lab.attacker.knock(routed(3), server(143)), Answer::Refused);
    assert_that_nobody_is_blocked(&lab, &daemon);

    let _imap = lab.server.serve(server(143));
    assert_eq!(lab.attacker.knock(routed(2), server(143)), Answer::Open);
}

#[test]
fn a_udp_service_on_a_trigger_port_is_served() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, ONE_QUEUE);
    let snmp = lab.server.udp(server(161));
    let client = lab.attacker.udp((routed(2), 4000).into());
    assert_eq!(ask(&client, &snmp, b"how are you?"), (b"how are you?".to_vec(), routed(2)));
    assert_that_nobody_is_blocked(&lab, &daemon);
}

#[test]
fn one_socket_for_both_families_serves_both() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, ONE_QUEUE);
    let service = lab.server.serve((Ipv6Addr::UNSPECIFIED, 143).into());
    assert_eq!(lab.attacker.knock(routed(2), server(143)), Answer::Open);
    assert_eq!(lab.attacker.knock(routed6(1, 2), (SERVER6, 143).into()), Answer::Open);
    assert_eq!(service.clients(), [routed(2), routed6(1, 2)]);
    assert_that_nobody_is_blocked(&lab, &daemon);
}

#[test]
fn a_service_on_the_loopback_address_alone_does_not_disarm_the_trap() {
    let Some(lab) = Lab::on_one_link() else { return };
    let rpcbind = (Ipv4Addr::LOCALHOST, 111).into();
    let service = lab.server.serve(rpcbind);
    let daemon = Daemon::start(&lab.server, "");
    assert_eq!(lab.server.knock(IpAddr::from(Ipv4Addr::LOCALHOST), rpcbind), Answer::Open);
    assert_eq!(service.clients(), [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
}
