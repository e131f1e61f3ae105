//! What honest hosts do every day, one kind a test, where every port that nobody serves counts. All of it beside each other: `noise`.

use std::net::SocketAddr;

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::packet::{ACK, RST, SYN, other, tcp, udp};
use crate::lab::wire::{Answer, talk};

use super::unserved::AT_ONCE;

/// A host that is guarded, and nobody but the sentinel that is blocked once `act` is over.
fn nobody_is_blocked_by(act: impl FnOnce(&Lab)) {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &[ONE_QUEUE, AT_ONCE].concat());
    // Else no port of the next packets would count, and the test could not fail.
    for port in 8081..8085 {
        lab.probe(routed(99), SERVER, port);
    }
    daemon.wait_for_line("blocked source=10.1.0.99 port=8084 ");
    act(&lab);
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("blocked source="), 2, "both sentinels alone, in:\n{}", daemon.log());
}

#[test]
fn refusals_of_what_this_host_asks_for_are_no_probes() {
    nobody_is_blocked_by(|lab| {
        for port in 9000..9010 {
            assert_eq!(lab.server.knock(SERVER, SocketAddr::new(routed(2), port)), Answer::Refused);
        }
        // Refusals by ICMP: a host sends few of them at once.
        for port in 9000..9004 {
            let client = lab.server.udp((SERVER, 0).into());
            client.connect((routed(3), port)).expect("name the other end");
            client.send(b"anybody there?").expect("send a datagram");
            let answer = client.recv(&mut [0; 64]);
            assert_eq!(answer.expect_err("nobody is").kind(), std::io::ErrorKind::ConnectionRefused);
        }
    });
}

#[test]
fn backscatter_of_an_attack_in_our_name_is_no_scan_however_many_ports_it_comes_to() {
    nobody_is_blocked_by(|lab| {
        for (victim, flags) in (2..).zip([SYN | ACK, RST, RST | ACK]) {
            for port in [1, 11, 111, 143, 1080, 2000, 8081, 8082, 8083, 8084, 31_337, 40_421] {
                lab.wire.send(&tcp((routed(victim), 80), (SERVER, port), flags));
            }
        }
        // A port unreachable of the victim's, about a datagram that we never sent.
        for port in [69, 161, 8081, 8082, 8083, 8084] {
            let cited = udp((SERVER, port), (routed(6), 53), b"?");
            let error = [&[3, 3, 0, 0, 0, 0, 0, 0], cited.as_slice()].concat();
            lab.wire.send(&other(routed(6), SERVER, 1, &with_checksum(error)));
        }
    });
}

fn with_checksum(mut icmp: Vec<u8>) -> Vec<u8> {
    let words = icmp.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let folded = !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("folded to 16 bits");
    icmp[2..4].copy_from_slice(&folded.to_be_bytes());
    icmp
}

#[test]
fn ftp_fetches_files_actively_and_passively() {
    nobody_is_blocked_by(|lab| {
        let ftp = lab.server.serve(server(21));
        let control = lab.attacker.connect(routed(2), server(21));
        talk(&control, &ftp.accept());
        for file in 0..6 {
            // Passively: at a port that is open for this file alone.
            let open = lab.server.serve(server(40_000 + file));
            let fetched = lab.attacker.connect(routed(2), server(40_000 + file));
            talk(&fetched, &open.accept());
            // Actively: the server comes, from port 20.
            let there = SocketAddr::new(routed(2), 50_000 + file);
            let open = lab.attacker.serve(there);
            let fetched = lab.server.connect(SocketAddr::new(SERVER, 20), there);
            talk(&fetched, &open.accept());
        }
    });
}

#[test]
fn peers_of_a_program_that_has_ended_are_no_scanners() {
    nobody_is_blocked_by(|lab| {
        for peer in 2..60 {
            for _ in 0..3 {
                lab.probe(routed(peer), SERVER, 6881);
                lab.wire.send(&udp((routed(peer), 6881), (SERVER, 6881), b"d1:ad2:id20:"));
            }
        }
    });
}

#[test]
fn health_checks_are_no_probes_though_they_hang_up_at_once_and_one_service_is_down() {
    nobody_is_blocked_by(|lab| {
        let _services = [80, 443, 8443, 5432].map(|port| lab.server.serve(server(port)));
        for _ in 0..10 {
            for port in [80, 443, 8443, 5432] {
                lab.probe(routed(2), SERVER, port); // its kernel ends it with a RST
                assert_eq!(lab.attacker.knock(routed(2), server(port)), Answer::Open);
            }
            assert_eq!(lab.attacker.knock(routed(2), server(8081)), Answer::Refused);
        }
    });
}

#[test]
fn many_clients_behind_one_address_are_no_scanner() {
    nobody_is_blocked_by(|lab| {
        let services = [22, 25, 80, 443, 993, 8443].map(|port| (port, lab.server.serve(server(port))));
        let mut sessions = Vec::new();
        for client in 0..20_usize {
            for (port, service) in &services {
                sessions.push((lab.attacker.connect(routed(2), server(*port)), service.accept()));
            }
            // Some of them look for what others have told them of, and is not there.
            assert_eq!(lab.attacker.knock(routed(2), server([8081, 8082][client % 2])), Answer::Refused);
        }
        for (client, service) in &sessions {
            talk(client, service);
        }
    });
}
