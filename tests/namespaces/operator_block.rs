//! What an operator blocks: it keeps out what is new, and nothing else, until it ends; no restart and no other tool ends it sooner.

use std::net::{IpAddr, SocketAddr};

use rustix::process::Signal;
use serde_json::Value;

use crate::lab::desk::{Desk, text};
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::packet::{SYN, other, tcp, udp};
use crate::lab::patience::wait_until;
use crate::lab::wire::{Answer, ask, talk};

/// Notes who comes as far as the server's own rules.
const ARRIVALS: &str = "\
table inet arrivals {
    set v4 { type ipv4_addr . inet_proto; flags dynamic; size 1024; }
    set v6 { type ipv6_addr . inet_proto; flags dynamic; size 1024; }
    chain input {
        type filter hook input priority 10; policy accept;
        add @v4 { ip saddr . meta l4proto }
        add @v6 { ip6 saddr . meta l4proto }
    }
}
";

/// Whether `who` has come by this protocol.
fn came(lab: &Lab, who: IpAddr, protocol: &str) -> bool {
    let set = if who.is_ipv4() { "v4" } else { "v6" };
    let element = format!("{{ {who} . {protocol} }}");
    lab.server.nft(&["get", "element", "inet", "arrivals", set, &element]).0
}

/// Tries the server's port 22 by TCP and UDP, and pings it.
fn try_all(lab: &Lab, from: IpAddr, to: IpAddr) {
    let (protocol, ping) = if to.is_ipv4() { (1, [8, 0, 0xf7, 0xff, 0, 0, 0, 0]) } else { (58, ping6(from, to)) };
    lab.wire.send(&tcp((from, 41_000), (to, 22), SYN));
    lab.wire.send(&udp((from, 41_000), (to, 22), b"?"));
    lab.wire.send(&other(from, to, protocol, &ping));
}

/// An echo request. Its checksum covers the addresses, which `udp` sums up as well.
fn ping6(from: IpAddr, to: IpAddr) -> [u8; 8] {
    let (IpAddr::V6(from), IpAddr::V6(to)) = (from, to) else { panic!("IPv6 only") };
    let words = from.segments().into_iter().chain(to.segments()).map(u32::from);
    let mut sum = words.sum::<u32>() + 8 + 58 + 0x8000;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    let [high, low] = (!u16::try_from(sum).expect("folded to 16 bits")).to_be_bytes();
    [128, 0, high, low, 0, 0, 0, 0]
}

#[test]
fn a_block_keeps_out_what_is_new_by_any_protocol() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _tcp = lab.server.serve("[::]:22".parse().expect("an address"));
    let _udp = lab.server.udp("[::]:22".parse().expect("an address"));
    lab.server.nft_load(ARRIVALS);
    let desk = Desk::at(&lab, "");
    let _daemon = desk.start();

    desk.done("block 10.1.0.2 10.1.0.64/26 fd00:1::2 --for 1h");
    desk.done("block fd00:2::/64 --for forever --reason theirs");
    let blocked = [routed(2), routed(66), routed6(1, 2), routed6(2, 3)];
    for (who, witness) in blocked.into_iter().zip([routed(3), routed(63), routed6(1, 3), routed6(1, 4)]) {
        let (to, ping) = if who.is_ipv4() { (SERVER, "icmp") } else { (SERVER6, "ipv6-icmp") };
        try_all(&lab, who, to);
        try_all(&lab, witness, to);
        for protocol in ["tcp", "udp", ping] {
            wait_until("who is not blocked comes", || came(&lab, witness, protocol));
            assert!(!came(&lab, who, protocol), "{who} came by {protocol}");
        }
    }
    let listed = desk.listed();
    assert_eq!(listed, ["10.1.0.2 operator", "10.1.0.64/26 operator", "fd00:1::2 operator", "fd00:2::/64 operator"]);
    let list = desk.json("list");
    let ban = list.iter().find(|block| block["source"] == "fd00:2::/64").expect("it is listed");
    assert_eq!((&ban["left"], text(ban, "reason")), (&Value::Null, "theirs"));
    assert!(desk.done("why fd00:2::9").contains("theirs"));
}

#[test]
fn a_block_lets_replies_and_flows_that_were_there_go_on() {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    let theirs = SocketAddr::new(routed(2), 80);
    let their_service = lab.attacker.serve(theirs);
    let their_udp = lab.attacker.udp(SocketAddr::new(routed(2), 5353));
    let desk = Desk::at(&lab, "");
    let _daemon = desk.start();
    let (there, here) = (lab.attacker.connect(routed(2), server(22)), service.accept());

    desk.done("block 10.1.0.0/24 --for forever");
    talk(&there, &here);
    let (ours, other_end) = (lab.server.connect(SERVER, theirs), their_service.accept());
    talk(&ours, &other_end);
    let our_udp = lab.server.udp(server(5000));
    ask(&our_udp, &their_udp, b"who are you?");
    assert_eq!(ask(&their_udp, &our_udp, b"me"), (b"me".to_vec(), routed(2)));
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_remedy_and_nothing_changes() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "[allow]\nsources = [\"10.1.0.9\", \"10.77.0.0/16\"]\n");
    let _daemon = desk.start();
    desk.done("block 10.9.0.0/16 --for forever");
    desk.done("block 10.8.1.1 --for 2h");
    let before = (desk.listed(), lab.server.ruleset());
    for (command, words) in [
        ("block 10.1.0.9", ["10.1.0.9 is on the allow list", "nftrap allow list"]),
        ("block 10.77.3.0/24", ["10.77.3.0/24 is on the allow list", "nftrap allow list"]),
        ("block 0.0.0.0/0", ["that is everybody", "smaller network"]),
        ("block 8.0.0.0/7", ["8.0.0.0/7 is more of the Internet", "at least /8"]),
        ("block 2000::/3", ["2000::/3 is more of the Internet", "at least /16"]),
        ("block 10.9.1.1", ["10.9.1.1 is blocked with 10.9.0.0/16 already", "unblock 10.9.0.0/16 first"]),
        ("block 10.8.0.0/16 --for 1h", ["10.8.1.1 is in 10.8.0.0/16", "block for longer"]),
        ("block 10.8.0.1/16", ["did you mean 10.8.0.0/16", "--help"]),
        ("block ::ffff:10.8.0.1", ["IPv4 written as IPv6", "10.8.0.1"]),
        ("block 127.0.0.1", ["127.0.0.1 is a loopback address", "comes in by a wire"]),
        ("block 224.0.0.1", ["224.0.0.1 is a multicast address", "comes in by a wire"]),
        ("block 10.7.0.1 --for 0s", ["10m, 2h or 7d", "forever"]),
    ] {
        let said = desk.refused(command);
        assert!(words.iter().all(|words| said.contains(words)), "`{command}`: {said}");
    }
    assert_eq!((desk.listed(), lab.server.ruleset()), before);
    let said = desk.done("block 10.76.0.0/15 --for 1h");
    assert!(said.contains("10.77.0.0/16 is on the allow list, and stays reachable"), "{said}");
}

#[test]
fn a_block_says_what_it_takes_the_place_of_and_whom_it_does_not_reach() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = desk.start();
    desk.done("block 10.8.1.1 --for forever --reason theirs");
    daemon.wait_for_line("operator blocked prefix=10.8.1.1 until=forever by=root");
    let said = desk.done("block 10.8.1.1 --for 1h");
    assert!(said.contains("before: for ever, by an operator: theirs"), "{said}");
    let said = desk.done("block 10.8.0.0/16 --for 2h");
    assert!(said.contains("in place of blocks of 10.8.1.1"), "{said}");
    let said = desk.done(&format!("block {SERVER}"));
    assert!(said.contains(&format!("{SERVER} stays reachable: an address of this host")), "{said}");
    desk.done("unblock 10.8.0.0/16");
    daemon.wait_for_line("operator unblocked prefix=10.8.0.0/16 by=root");
}

#[test]
fn one_refusal_among_several_keeps_no_other_from_being_done() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "[allow]\nsources = [\"10.1.0.9\"]\n");
    let _daemon = desk.start();
    let said = desk.refused("block 10.1.0.2 10.1.0.9 10.1.0.3");
    assert!(said.contains("10.1.0.9 is on the allow list"), "{said}");
    assert_eq!(desk.listed(), ["10.1.0.2 operator", "10.1.0.3 operator"]);
}

#[test]
fn a_block_ends_by_itself() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let desk = Desk::at(&lab, "");
    let mut daemon = desk.start();
    desk.done("block 10.1.0.2 --for 8s");
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);
    wait_until("the block ends", || lab.attacker.knock_briefly(routed(2), server(22)) == Answer::Open);
    wait_until("nobody is listed", || desk.listed().is_empty());
    daemon.end(Signal::TERM);
    let _daemon = desk.start();
    assert_eq!(desk.listed(), [""; 0]);
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
}

#[test]
fn blocks_outlive_a_flush_a_reload_a_restart_a_kill_and_the_loss_of_the_table() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve("[::]:22".parse().expect("an address"));
    let desk = Desk::at(&lab, "");
    let mut daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    desk.done("block 10.1.0.64/26 --for forever");
    desk.done("block fd00:1::2 --for 1h");
    wait_until("the journal has all", || desk.history("blocked,operator_blocked").len() == 3);
    let all = ["10.1.0.2 nftrap", "10.1.0.64/26 operator", "fd00:1::2 operator"];
    let server6 = SocketAddr::new(SERVER6, 22);
    let holds = |after: &str| {
        assert_eq!(desk.listed(), all, "after {after}");
        let left: Vec<_> = desk.json("list").iter().map(|block| block["left"].as_u64()).collect();
        assert!(left[0] <= Some(600) && left[1] <= Some(3600) && left[2].is_none(), "{left:?} after {after}");
        assert!(left[0] > Some(480) && left[1] > Some(3480), "{left:?} after {after}");
        for (who, at) in [(routed(2), server(22)), (routed(70), server(22)), (routed6(1, 2), server6)] {
            assert_eq!(lab.attacker.knock_briefly(who, at), Answer::Silence, "{who} after {after}");
        }
        assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open, "after {after}");
    };
    holds("the start");
    lab.server.nft_load("flush ruleset");
    daemon.wait_for_line("it is back");
    holds("a flush");
    desk.reload("[trigger]\ntcp = [5900]\n");
    holds("a reload");
    for (signal, loses_table) in [(Signal::TERM, false), (Signal::KILL, false), (Signal::KILL, true)] {
        daemon.end(signal);
        if loses_table {
            lab.server.nft_load("delete table inet nftrap");
        }
        daemon = desk.start();
        holds(&format!("{signal:?}, and the table gone: {loses_table}"));
    }
}
