//! A gateway guards what is behind it.

use std::net::SocketAddr;

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::hosts::{GATEWAY, Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::wire::Answer;

#[test]
fn a_probe_through_a_gateway_is_stopped_there() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    let service = lab.server.serve(server(22));
    let config = "[protect]\ndestinations = [\"10.2.0.0/24\", \"fd00:f::/64\"]\n";
    let daemon = Daemon::start(gateway, config);
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);

    assert_eq!(lab.attacker.knock_briefly(routed(2), server(111)), Answer::Silence);
    daemon.wait_for_line("blocked source=10.1.0.2 port=111");
    assert!(daemon.blocks("10.1.0.2"));
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);
    assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
    assert_eq!(service.clients(), [routed(2), routed(3)]);

    let service = SocketAddr::new(SERVER6, 22);
    let _service = lab.server.serve(service);
    assert_eq!(lab.attacker.knock(routed6(1, 2), service), Answer::Open);
    lab.probe(routed6(1, 2), SERVER6, 111);
    daemon.wait_for_line("blocked source=fd00:1::");
    assert!(daemon.blocks("fd00:1::"));
    assert_eq!(lab.attacker.knock_briefly(routed6(1, 3), service), Answer::Silence);
}

#[test]
fn a_gateway_leaves_what_it_does_not_protect_alone() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    let config = format!("{ONE_QUEUE}[protect]\ndestinations = [\"10.2.0.9\"]\n");
    let daemon = Daemon::start(gateway, &config);

    assert_eq!(lab.attacker.knock(routed(2), server(111)), Answer::Refused);
    lab.probe(routed6(1, 2), SERVER6, 111);
    lab.settle(&daemon, GATEWAY);
    assert_eq!(daemon.lines_with("source=10.1.0.2 "), 0);
    assert_eq!(daemon.lines_with("source=fd00:1::"), 0);

    lab.probe(routed(2), "10.2.0.9".parse().unwrap(), 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
}

#[test]
fn a_port_that_a_gateway_publishes_is_no_trap() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    gateway.nft_load(PUBLISHED);
    let service = lab.server.serve(server(143));
    let config = format!("{ONE_QUEUE}[protect]\ndestinations = [\"10.2.0.0/24\"]\n");
    let daemon = Daemon::start(gateway, &config);

    assert_eq!(lab.attacker.knock(routed(2), SocketAddr::new(GATEWAY, 8143)), Answer::Open);
    assert_eq!(service.clients(), [routed(2)]);
    lab.settle(&daemon, GATEWAY);
    assert_eq!(daemon.lines_with("source=10.1.0.2 "), 0);

    // By now the host was seen to answer there; what nobody answers is a trap as before.
    assert_eq!(lab.attacker.knock(routed(3), server(143)), Answer::Open);
    lab.probe(routed(3), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.3 port=111");
}

const PUBLISHED: &str = "\
table ip nat {
    chain publish { type nat hook prerouting priority dstnat; tcp dport 8143 dnat to 10.2.0.1:143; }
}
";

#[test]
fn clients_of_a_protected_host_whose_services_restart_are_no_scanners() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    let config = format!("{ONE_QUEUE}[unserved]\nafter_boot = \"1s\"\n[protect]\ndestinations = [\"10.2.0.0/24\"]\n");
    let daemon = Daemon::start(gateway, &config);
    let ports = [143, 8081, 8082, 8083, 8084, 8085];
    // The first question to a trigger port is a probe still: nobody has seen an answer.
    let services = ports[1..].iter().map(|port| lab.server.serve(server(*port))).collect::<Vec<_>>();
    for port in &ports[1..] {
        assert_eq!(lab.attacker.knock(routed(2), server(*port)), Answer::Open);
    }
    drop(services);
    for port in &ports[1..] {
        assert_eq!(lab.attacker.knock(routed(2), server(*port)), Answer::Refused);
    }
    lab.settle(&daemon, GATEWAY);
    assert_eq!(daemon.lines_with("source=10.1.0.2 "), 0);
    lab.probe(routed(2), SERVER, ports[0]);
    daemon.wait_for_line("blocked source=10.1.0.2 port=143");
}
