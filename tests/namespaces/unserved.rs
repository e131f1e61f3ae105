//! Ports that nobody serves, places where nobody lives, and whom we depend on.

use std::fs;
use std::net::IpAddr;

use rustix::process::Signal;

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::desk::Desk;
use crate::lab::hosts::{GATEWAY, Lab, SERVER, routed, server};
use crate::lab::packet::{SYN, other, tcp, udp};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

/// A guest has just been started when a test begins.
pub(crate) const AT_ONCE: &str = "[unserved]\nafter_boot = \"1s\"\n";

#[test]
fn the_fourth_port_that_nobody_serves_is_not_answered_and_shuts_its_source_out() {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    let daemon = Daemon::start(&lab.server, AT_ONCE);
    for _ in 0..5 {
        assert_eq!(lab.attacker.knock(routed(2), server(8081)), Answer::Refused, "the same place counts once");
    }
    for port in [8082, 8083] {
        assert_eq!(lab.attacker.knock(routed(2), server(port)), Answer::Refused);
    }
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(8084)), Answer::Silence);
    daemon.wait_for_line("blocked source=10.1.0.2 port=8084 protocol=tcp kind=syn hits=4");
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);
    assert_eq!(service.clients(), [routed(2)]);
}

#[test]
fn excepted_ports_and_a_machine_that_has_just_started_count_nothing() {
    let Some(lab) = Lab::on_one_link() else { return };
    let excepted = format!("{ONE_QUEUE}{AT_ONCE}except_tcp = [\"7000-7010\"]\n");
    let just_started = format!("{ONE_QUEUE}[unserved]\nafter_boot = \"1day\"\n");
    for (host, config) in [(2, excepted), (3, just_started)] {
        let daemon = Daemon::start(&lab.server, &config);
        for port in 7000..7010 {
            lab.probe(routed(host), SERVER, port);
        }
        lab.settle(&daemon, SERVER);
        assert_eq!(daemon.lines_with(&format!("source=10.1.0.{host} ")), 0, "{config}");
    }
}

#[test]
fn clients_of_many_services_that_stop_are_no_scanners() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &[ONE_QUEUE, AT_ONCE].concat());
    let ports = 8081..8090;
    let services: Vec<_> = ports.clone().map(|port| lab.server.serve(server(port))).collect();
    for port in ports.clone() {
        assert_eq!(lab.attacker.knock(routed(2), server(port)), Answer::Open);
    }
    drop(services);
    // A health check goes on to ask for all of them.
    for port in ports {
        assert_eq!(lab.attacker.knock(routed(2), server(port)), Answer::Refused);
    }
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("source=10.1.0.2 "), 0);
}

#[test]
fn after_a_reboot_clients_may_come_before_their_service() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, &format!("{ONE_QUEUE}[trigger]\ntcp = [\"1-1023\"]\n"));
    let service = lab.server.serve(server(80));
    let served = desk.file.journal().with_extension("served");
    let mut daemon = desk.start();
    wait_until("it is noted", || fs::read_to_string(&served).is_ok_and(|text| text.contains("\ntcp 80 ")));
    daemon.end(Signal::TERM);
    drop(service);
    // The kernel forgets all, and so it would with a reboot; what names this boot is not there after one either.
    lab.server.nft_load("delete table inet nftrap");
    let text = fs::read_to_string(&served).unwrap();
    fs::write(&served, text.lines().filter(|line| !line.starts_with("home ")).collect::<Vec<_>>().join("\n")).unwrap();
    let daemon = desk.start();
    assert_eq!(lab.attacker.knock(routed(2), server(80)), Answer::Refused);
    assert_eq!(lab.attacker.knock_briefly(routed(3), server(81)), Answer::Silence);
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("blocked source=10.1.0.2 "), 0, "in:\n{}", daemon.log());
    assert_eq!(daemon.lines_with("blocked source=10.1.0.3 "), 1, "in:\n{}", daemon.log());
}

#[test]
fn services_come_and_go_while_scans_run_and_none_of_their_packets_is_queued() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon =
        Daemon::start(&lab.server, &format!("{ONE_QUEUE}[trigger]\ntcp = [\"1-112\", \"114-138\", \"140-1023\"]\n"));
    for round in 0..5 {
        let (scanner, service) = (routed(50 + round), lab.server.serve(server(80)));
        lab.probe(scanner, SERVER, 600 + u16::from(round));
        daemon.wait_for_line(&format!("blocked source={scanner} port={} ", 600 + u16::from(round)));
        let (_, queued) = lab.server.queue_counts();
        for _ in 0..10 {
            assert_eq!(lab.attacker.knock(routed(2), server(80)), Answer::Open);
        }
        drop(service);
        assert_eq!(lab.attacker.knock(routed(2), server(80)), Answer::Refused);
        assert_eq!(lab.server.queue_counts().1, queued, "round {round}");
    }
    for port in [113, 139] {
        assert_eq!(lab.attacker.knock(routed(3), server(port)), Answer::Refused);
    }
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("blocked source=10.1.0.2 ") + daemon.lines_with("blocked source=10.1.0.3 "), 0);
    // A service that is gone for good is a trap again, as soon as somebody says so.
    lab.server.nft_load("flush set inet nftrap served");
    lab.probe(routed(2), SERVER, 80);
    daemon.wait_for_line("blocked source=10.1.0.2 port=80 ");
}

#[test]
fn sctp_and_protocol_scans_are_found_and_what_routers_speak_is_not() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &[ONE_QUEUE, AT_ONCE].concat());
    for protocol in [2, 47, 50, 51, 89, 103, 112] {
        lab.wire.send(&other(routed(2), SERVER, protocol, &[0; 20]));
    }
    for protocol in [3, 9, 77, 250] {
        lab.wire.send(&other(routed(3), SERVER, protocol, &[0; 20]));
    }
    daemon.wait_for_line("blocked source=10.1.0.3 port=0 protocol=250 kind=protocol hits=4");
    for port in [0_u8, 1, 2, 3] {
        let init =
            [0x9c, 0x40, 11, port, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 4, 0, 0, 1, 0, 1, 0, 0, 0, 1];
        lab.wire.send(&other(routed(4), SERVER, 132, &init));
    }
    let sctp_is_spoken = lab.server.run(|| std::path::Path::new("/proc/thread-self/net/sctp").exists());
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("source=10.1.0.4 port=2819 protocol=sctp kind=init") == 0, sctp_is_spoken);
    assert_eq!(daemon.lines_with("source=10.1.0.2 "), 0);
}

#[test]
fn whom_we_depend_on_is_spared_unless_the_operator_says_otherwise() {
    let Some(lab) = Lab::on_one_link() else { return };
    let router: IpAddr = "10.2.0.254".parse().unwrap();
    let mut daemon = Daemon::start(&lab.server, ONE_QUEUE);
    lab.probe(router, SERVER, 111);
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("source=10.2.0.254 "), 0);
    daemon.end(Signal::TERM);

    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}[allow]\nautomatic = false\n"));
    lab.probe(router, SERVER, 111);
    daemon.wait_for_line("blocked source=10.2.0.254 ");
}

#[test]
fn what_a_host_behind_a_gateway_refuses_counts_there() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    let protect = "[protect]\ndestinations = [\"10.2.0.0/24\", \"fd00:f::/64\"]\n";
    let daemon = Daemon::start(gateway, &[ONE_QUEUE, AT_ONCE, protect].concat());
    let _service = lab.server.serve(server(8080));
    for _ in 0..5 {
        assert_eq!(lab.attacker.knock(routed(2), server(8080)), Answer::Open);
    }
    for port in [8081, 8082, 8083] {
        assert_eq!(lab.attacker.knock(routed(2), server(port)), Answer::Refused);
    }
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(8084)), Answer::Silence, "the refusal is kept back");
    daemon.wait_for_line("blocked source=10.1.0.2 port=8084 protocol=tcp kind=syn hits=4");
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(8080)), Answer::Silence);

    // Refusals by ICMP: a host sends few of them at once.
    for port in [8081, 8082, 8083, 8084] {
        lab.wire.send(&udp((routed(3), 40_000), (SERVER, port), b"anybody there?"));
    }
    daemon.wait_for_line("blocked source=10.1.0.3 port=8084 protocol=udp kind=udp hits=4");

    // What the protected host itself asks for, and is refused, is its own affair.
    for port in 9000..9006 {
        let elsewhere = std::net::SocketAddr::new(routed(4), port);
        assert_eq!(lab.server.knock(SERVER, elsewhere), Answer::Refused);
    }
    lab.settle(&daemon, GATEWAY);
    assert_eq!(daemon.lines_with("source=10.2.0.1 ") + daemon.lines_with("source=10.1.0.4 "), 0);
}

#[test]
fn any_packet_to_a_dark_network_counts() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    let config = format!("{ONE_QUEUE}{AT_ONCE}[protect]\ndark = [\"10.2.0.32/27\"]\n");
    let daemon = Daemon::start(gateway, &config);
    for host in 33..37 {
        lab.wire.send(&tcp((routed(2), 40_000), (IpAddr::from([10, 2, 0, host]), 443), SYN));
    }
    daemon.wait_for_line("blocked source=10.1.0.2 port=443 protocol=tcp kind=syn hits=4");
    for host in 33..37 {
        lab.wire.send(&other(routed(3), IpAddr::from([10, 2, 0, host]), 1, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0]));
    }
    daemon.wait_for_line("blocked source=10.1.0.3 port=0 protocol=icmp kind=echo hits=4");
}
