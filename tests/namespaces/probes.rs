//! What is a probe, and what it leads to.

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::packet::{
    ACK, FIN, PSH, SYN, URG, syn_in_ipv4_fragments, syn_in_ipv6_fragments, syns_behind_extension_headers, tcp, udp,
};
use crate::lab::wire::{Answer, ask};

#[test]
fn the_first_probe_is_not_answered_and_shuts_its_source_out() {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    let daemon = Daemon::start(&lab.server, "");
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
    assert_eq!(service.clients(), [routed(2)]);

    assert_eq!(lab.attacker.knock_briefly(routed(2), server(111)), Answer::Silence);
    daemon.wait_for_line("blocked source=10.1.0.2 port=111 protocol=tcp kind=syn hits=1");
    assert!(daemon.blocks("10.1.0.2"));

    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);
    assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
    assert_eq!(service.clients(), [routed(3)], "only the other source came through");
}

#[test]
fn a_blocked_source_reaches_no_udp_service_either() {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.udp(server(5353));
    let daemon = Daemon::start(&lab.server, "");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");

    let scanner = lab.attacker.udp((routed(2), 4000).into());
    scanner.send_to(b"let me in", server(5353)).unwrap();
    let other = lab.attacker.udp((routed(3), 4000).into());
    assert_eq!(ask(&other, &service, b"and me?"), (b"and me?".to_vec(), routed(3)));
}

#[test]
fn every_kind_of_tcp_probe_blocks_its_source() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    // An ACK may be late, and one impossible packet a broken program's; two, to different ports, are not.
    let kinds: [(u8, &[u16]); 10] = [
        (SYN, &[111]),
        (SYN, &[32_771]),
        (SYN | FIN, &[8081, 8082]),
        (FIN, &[8081, 8082]),
        (FIN, &[111]),
        (0, &[8081, 8082]),
        (FIN | PSH | URG, &[8081, 8082]),
        (ACK, &[111, 143]),
        (FIN | ACK, &[111, 143]),
        (SYN | PSH | URG, &[111]),
    ];
    for (host, (flags, ports)) in (10..).zip(kinds) {
        for port in ports {
            lab.wire.send(&tcp((routed(host), 40_000), (SERVER, *port), flags));
        }
        daemon.wait_for_line(&format!("blocked source=10.1.0.{host} "));
        assert!(daemon.blocks(&format!("10.1.0.{host}")), "flags {flags:#04x}");
    }
}

#[test]
fn a_udp_probe_is_not_answered_and_blocks_its_source() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    let probes = [(routed(2), SERVER, "10.1.0.2"), (routed6(1, 2), SERVER6, "fd00:1::")];
    for (source, target, key) in probes {
        lab.wire.send(&udp((source, 40_000), (target, 161), b"public"));
        let line = daemon.wait_for_line(&format!("blocked source={key}"));
        assert!(line.contains("port=161 protocol=udp"), "{line}");
        assert!(daemon.blocks(key));
    }
}

#[test]
fn an_ipv4_probe_in_small_fragments_blocks_its_source() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    for fragment in syn_in_ipv4_fragments((routed(2), 40_000), (SERVER, 111)) {
        lab.wire.send(&fragment);
    }
    daemon.wait_for_line("blocked source=10.1.0.2 port=111");
    assert!(daemon.blocks("10.1.0.2"));
}

#[test]
fn an_ipv6_probe_in_fragments_blocks_its_source() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    for fragment in syn_in_ipv6_fragments((routed6(1, 2), 40_000), (SERVER6, 111)) {
        lab.wire.send(&fragment);
    }
    let line = daemon.wait_for_line("blocked source=fd00:1::");
    assert!(line.contains("port=111"), "{line}");
    assert!(daemon.blocks("fd00:1::"));
}

#[test]
fn an_ipv6_probe_behind_extension_headers_blocks_its_source() {
    for kind in 0..3 {
        let Some(lab) = Lab::on_one_link() else { return };
        let daemon = Daemon::start(&lab.server, "");
        let probes = syns_behind_extension_headers((routed6(1, 2), 40_000), (SERVER6, 111));
        lab.wire.send(&probes[kind]);
        let line = daemon.wait_for_line("blocked source=fd00:1::");
        assert!(line.contains("port=111"), "{line}");
        assert!(daemon.blocks("fd00:1::"));
    }
}

#[test]
fn retransmits_of_one_port_do_not_reach_a_threshold_of_three_but_three_ports_do() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}[detect]\nthreshold = 3\n"));
    for _ in 0..5 {
        lab.probe(routed(2), SERVER, 111);
    }
    lab.probe(routed(2), SERVER, 143);
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("source=10.1.0.2 "), 0, "two ports are not three");

    lab.probe(routed(2), SERVER, 119);
    daemon.wait_for_line("blocked source=10.1.0.2 port=119");
    assert!(daemon.blocks("10.1.0.2"));
}

#[test]
fn stealth_packets_count_at_trigger_ports_only_where_the_operator_says_so() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}[trigger]\nstealth = false\n"));
    for (port, flags) in (8081..).zip([FIN, 0, FIN | PSH | URG, SYN | FIN]) {
        lab.wire.send(&tcp((routed(2), 40_000), (SERVER, port), flags));
    }
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("source=10.1.0.2 "), 0);

    lab.wire.send(&tcp((routed(2), 40_000), (SERVER, 111), FIN));
    daemon.wait_for_line("blocked source=10.1.0.2 port=111");
}
