//! Ports that answer: what a client sees of them, who is blocked for it, and that nothing else changes.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};

use super::nmap::nmap;
use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::netns::Namespace;
use crate::lab::packet::tcp;
use crate::lab::patience::{silence, wait_until};
use crate::lab::wire::Answer;

pub(crate) const DECOYS: &str = "[decoy]\ntcp = [8888, \"9000-9010\"]\nudp = [7, 9999]\nbanner = \"220 welcome\"\n";

/// What comes over a connection until it is closed.
pub(crate) fn heard(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("read what the decoy says");
    text
}

/// What a datagram is answered with, and from where.
fn reply(client: &UdpSocket, to: SocketAddr, question: &[u8]) -> (Vec<u8>, SocketAddr) {
    client.send_to(question, to).expect("ask");
    let mut answer = [0; 2048];
    let (length, from) = client.recv_from(&mut answer).expect("an answer");
    (answer[..length].to_vec(), from)
}

/// Whether nothing at all comes back.
fn stays_silent(client: &UdpSocket, to: SocketAddr, question: &[u8]) -> bool {
    client.set_read_timeout(Some(silence())).expect("set a time limit");
    client.send_to(question, to).expect("ask");
    client.recv_from(&mut [0; 64]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// How many connections a host has at one of its ports.
fn connections(host: &Namespace, port: u16) -> usize {
    let table = host.run(|| std::fs::read_to_string("/proc/thread-self/net/tcp")).expect("the kernel's list");
    let established = |line: &&str| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next().is_some_and(|local| local.ends_with(&format!(":{port:04X}")));
        local && columns.nth(1) == Some("01")
    };
    table.lines().filter(established).count()
}

pub(crate) fn hands_over(host: &Namespace) -> bool {
    host.ruleset().contains("tproxy")
}

#[test]
fn who_connects_to_a_decoy_reads_its_banner_and_is_blocked_by_either_family() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let daemon = Daemon::start(&lab.server, DECOYS);
    assert_eq!(heard(lab.attacker.connect(routed(2), server(8888))), "220 welcome");
    daemon.wait_for_line("blocked source=10.1.0.2 port=8888 protocol=tcp kind=connect hits=1 destination=10.2.0.1 ");
    assert!(daemon.blocks("10.1.0.2"));
    for port in [22, 9000] {
        assert_eq!(lab.attacker.knock_briefly(routed(2), server(port)), Answer::Silence, "{port}");
    }
    let decoy = SocketAddr::new(SERVER6, 9010);
    assert_eq!(heard(lab.attacker.connect(routed6(1, 2), decoy)), "220 welcome");
    daemon
        .wait_for_line("blocked source=fd00:1::/64 port=9010 protocol=tcp kind=connect hits=1 destination=fd00:f::1 ");
    assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
}

#[test]
fn a_forged_syn_to_a_decoy_blocks_nobody_though_its_port_is_a_trigger() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = format!("{ONE_QUEUE}[trigger]\ntcp = [1, 11, 15, 8888]\n{DECOYS}");
    let daemon = Daemon::start(&lab.server, &config);
    for port in [8888, 9000, 9001, 9002, 9003] {
        lab.probe(routed(2), SERVER, port);
    }
    lab.settle(&daemon, SERVER);
    assert_eq!(lab.attacker.knock(routed(3), server(8888)), Answer::Open);
    daemon.wait_for_line("blocked source=10.1.0.3 port=8888 protocol=tcp kind=connect");
    assert_eq!(daemon.lines_with("source=10.1.0.2 "), 0);
}

#[test]
fn impossible_packets_to_a_decoy_are_judged_as_ever() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = format!("[trigger]\ntcp = [8888]\n{DECOYS}");
    let daemon = Daemon::start(&lab.server, &config);
    lab.wire.send(&tcp((routed(2), 40_000), (SERVER, 8888), 0));
    daemon.wait_for_line("blocked source=10.1.0.2 port=8888 protocol=tcp kind=null hits=1");
}

#[test]
fn nmap_finds_a_decoy_open_and_is_blocked() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, DECOYS);
    let said = nmap(&lab, &["-sT", "-p", "8888", "-S", "10.1.0.2", "10.2.0.1"]);
    assert!(said.contains("8888/tcp open"), "{said}");
    daemon.wait_for_line("blocked source=10.1.0.2 port=8888 protocol=tcp kind=connect");
}

#[test]
fn a_service_at_a_decoys_port_is_served_at_once_and_the_decoy_is_back_when_it_is_forgotten() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}{DECOYS}"));
    let service = lab.server.serve(server(8888));
    assert_eq!(lab.attacker.knock(routed(2), server(8888)), Answer::Open);
    assert_eq!(service.clients(), [routed(2)]);
    drop(service);
    assert_eq!(lab.attacker.knock(routed(2), server(8888)), Answer::Refused, "it was served within a day");
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("source=10.1.0.2 "), 0);

    lab.server.nft_load("flush set inet nftrap served");
    assert_eq!(heard(lab.attacker.connect(routed(2), server(8888))), "220 welcome");
    daemon.wait_for_line("blocked source=10.1.0.2 port=8888 protocol=tcp kind=connect");
}

#[test]
fn who_is_allowed_meets_a_closed_port() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = format!("{ONE_QUEUE}{DECOYS}[allow]\nsources = [\"10.1.0.2\", \"fd00:1::/64\"]\n");
    let daemon = Daemon::start(&lab.server, &config);
    assert_eq!(lab.attacker.knock(routed(2), server(8888)), Answer::Refused);
    assert_eq!(lab.attacker.knock(routed6(1, 2), SocketAddr::new(SERVER6, 8888)), Answer::Refused);
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("source=10.1.0.2 ") + daemon.lines_with("source=fd00:1:"), 0);
}

#[test]
fn who_has_proven_its_address_is_blocked_for_longer_than_who_may_be_forged() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("[block]\nproven_time = \"2days\"\n{DECOYS}"));
    assert_eq!(heard(lab.attacker.connect(routed(2), server(8888))), "220 welcome");
    daemon.wait_for_line("blocked source=10.1.0.2 port=8888 protocol=tcp kind=connect");
    lab.probe(routed(3), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.3 port=111");
    let hours = |source: &str| daemon.time_left(source).as_secs() / 3600;
    assert_eq!((hours("10.1.0.2"), hours("10.1.0.3")), (47, 0));
}

#[test]
fn while_observing_a_decoy_answers_and_nobody_is_blocked() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("mode = \"observe\"\n{DECOYS}"));
    for _ in 0..2 {
        assert_eq!(heard(lab.attacker.connect(routed(2), server(8888))), "220 welcome");
    }
    daemon.wait_for_line("would block source=10.1.0.2 port=8888 protocol=tcp kind=connect");
    assert!(!daemon.blocks("10.1.0.2"));
}

#[test]
fn a_decoy_of_udp_answers_from_its_port_with_no_more_than_it_was_asked() {
    let Some(lab) = Lab::on_one_link() else { return };
    // The server has a second address, and an answer from the first would be nobody's.
    lab.server.ip("addr add 10.2.0.9/24 dev lan\n");
    let daemon = Daemon::start(&lab.server, DECOYS);
    let second = IpAddr::from([10, 2, 0, 9]);
    let asked: [(IpAddr, SocketAddr, &[u8], &[u8]); 4] = [
        (routed(2), server(7), b"who", b"220"),
        (routed(3), SocketAddr::new(second, 9999), b"a question that is longer than its answer", b"220 welcome"),
        (routed6(1, 2), SocketAddr::new(SERVER6, 7), b"w", b"2"),
        (routed(4), server(7), &[b'x'; 1400], b"220 welcome"),
    ];
    for (source, decoy, question, answer) in asked {
        let client = lab.attacker.udp(SocketAddr::new(source, 0));
        assert_eq!(reply(&client, decoy, question), (answer.to_vec(), decoy), "{source}");
        let (port, destination) = (decoy.port(), decoy.ip());
        let source = if source.is_ipv6() { "fd00:1::/64".to_owned() } else { source.to_string() };
        daemon.wait_for_line(&format!(
            "blocked source={source} port={port} protocol=udp kind=udp hits=1 destination={destination} "
        ));
        assert!(stays_silent(&client, decoy, b"again"), "a block ends what was begun");
    }
}

#[test]
fn a_decoy_of_udp_says_nothing_to_an_empty_question_nor_to_where_servers_answer() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, DECOYS);
    let empty = lab.attacker.udp(SocketAddr::new(routed(2), 0));
    assert!(stays_silent(&empty, server(7), b""));
    let resolver = lab.attacker.udp(SocketAddr::new(routed(3), 53));
    assert!(stays_silent(&resolver, server(7), b"question"));
    for source in [routed(2), routed(3)] {
        daemon.wait_for_line(&format!("blocked source={source} port=7 protocol=udp kind=udp"));
    }
}

/// Where a listener waits, as the rules in force say: `rule` begins with what it takes.
fn listener(host: &Namespace, rule: &str) -> SocketAddr {
    let loaded = host.ruleset();
    let at = loaded.split(rule).nth(1).and_then(|rest| rest.split(' ').next()).and_then(|at| at.parse().ok());
    at.unwrap_or_else(|| panic!("no `{rule}` in\n{loaded}"))
}

#[test]
fn a_local_user_who_goes_to_a_listener_directly_is_not_answered_and_has_nobody_blocked() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}{DECOYS}[allow]\nautomatic = false\n"));
    let (tcp4, tcp6) = (listener(&lab.server, "tcp tproxy ip to "), listener(&lab.server, "tcp tproxy ip6 to "));
    for decoy in [tcp4, tcp6] {
        assert_eq!(heard(lab.server.connect(decoy.ip(), decoy)), "", "{decoy}");
    }
    let (udp4, udp6) =
        (listener(&lab.server, "udp dport 9999 tproxy ip to "), listener(&lab.server, "udp dport 9999 tproxy ip6 to "));
    for source in [IpAddr::from([127, 0, 0, 1]), SERVER] {
        let user = lab.server.udp(SocketAddr::new(source, 0));
        assert!(stays_silent(&user, udp4, b"question"), "{source}");
    }
    // By IPv6 any user may send in any name: with a socket option of their own, or as here.
    lab.server.sysctl("ipv6/ip_nonlocal_bind", "1");
    lab.server.udp(SocketAddr::new(routed6(1, 2), 0)).send_to(b"question", udp6).expect("ask");
    // Whoever comes after them is judged.
    for source in [routed(3), routed6(2, 2)] {
        let decoy = SocketAddr::new(if source.is_ipv4() { SERVER } else { SERVER6 }, 9999);
        reply(&lab.attacker.udp(SocketAddr::new(source, 0)), decoy, b"question");
    }
    daemon.wait_for_line("blocked source=10.1.0.3 port=9999 protocol=udp");
    daemon.wait_for_line("blocked source=fd00:2::/64 port=9999 protocol=udp");
    assert_eq!(daemon.lines_with("blocked source="), 2, "{}", daemon.log());
}

#[test]
fn decoys_of_udp_never_talk_with_each_other_for_long() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("mode = \"observe\"\n{DECOYS}"));
    let other = lab.attacker.udp(SocketAddr::new(routed(2), 9999));
    assert!(stays_silent(&other, server(7), b"welcome"), "another host's decoy, which has our config");
    let other = lab.attacker.udp(SocketAddr::new(routed(3), 9998));
    assert_eq!(reply(&other, server(7), b"who").0, b"220", "one which has not");
    assert!(stays_silent(&other, server(7), b"220"), "is answered once");
    assert!(stays_silent(&other, server(9999), b"220"), "by all of them");
    let neighbour = lab.attacker.udp(SocketAddr::new(routed(4), 9998));
    assert_eq!(reply(&neighbour, server(7), b"who").0, b"220", "and nobody else is kept waiting");
    for source in [routed(2), routed(3), routed(4)] {
        daemon.wait_for_line(&format!("would block source={source} port=7 protocol=udp"));
    }
}

#[test]
fn no_more_connections_are_held_than_may_be_and_the_oldest_makes_room() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("{DECOYS}hold = \"1h\"\nmax = 4\n"));
    let mut clients: Vec<_> = (10..19).map(|host| lab.attacker.connect(routed(host), server(8888))).collect();
    for host in 10..19 {
        daemon.wait_for_line(&format!("blocked source={} port=8888", routed(host)));
    }
    let held = clients.split_off(5);
    for client in clients {
        assert_eq!(heard(client), "220 welcome", "and then its end");
    }
    wait_until("four connections are left", || connections(&lab.server, 8888) == 4);
    for mut client in held {
        client.read_exact(&mut [0; 11]).expect("the banner");
        client.set_nonblocking(true).expect("a client that does not wait");
        assert_eq!(client.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    }
}

#[test]
fn fewer_connections_are_held_where_a_process_may_open_few_files() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::launch_with_files(&lab.server, 453, &format!("{DECOYS}hold = \"1h\"\n"));
    daemon.wait_for_line(
        "a process may open too few files here to hold `max` connections at decoys (LimitNOFILE) room=5",
    );
    daemon.wait_for_line("ready");
    let _clients: Vec<_> = (10..19).map(|host| lab.attacker.connect(routed(host), server(8888))).collect();
    daemon.wait_for_line("blocked source=10.1.0.18 port=8888");
    wait_until("five connections are left", || connections(&lab.server, 8888) == 5);
}

#[test]
fn a_handshake_of_which_only_a_cookie_is_left_is_proof_as_well() {
    let Some(lab) = Lab::on_one_link() else { return };
    lab.server.sysctl("ipv4/tcp_syncookies", "2");
    let daemon = Daemon::start(&lab.server, DECOYS);
    assert_eq!(heard(lab.attacker.connect(routed(2), server(8888))), "220 welcome");
    daemon.wait_for_line("blocked source=10.1.0.2 port=8888 protocol=tcp kind=connect");
    assert_eq!(heard(lab.attacker.connect(routed6(1, 2), SocketAddr::new(SERVER6, 9000))), "220 welcome");
    daemon.wait_for_line("blocked source=fd00:1::/64 port=9000 protocol=tcp kind=connect");
}

#[test]
fn the_listeners_own_port_looks_closed_and_counts_as_unserved() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("[unserved]\nafter_boot = \"1s\"\n{DECOYS}"));
    let loaded = lab.server.ruleset();
    let port = loaded.split("meta l4proto tcp tproxy ip to 127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next());
    let port: u16 = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no port in\n{loaded}"));
    assert_eq!(lab.attacker.knock(routed(3), server(port)), Answer::Refused);
    for port in [8081, 8082, 8083] {
        assert_eq!(lab.attacker.knock(routed(2), server(port)), Answer::Refused);
    }
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(port)), Answer::Silence);
    daemon.wait_for_line(&format!("blocked source=10.1.0.2 port={port} protocol=tcp kind=syn hits=4"));
}
