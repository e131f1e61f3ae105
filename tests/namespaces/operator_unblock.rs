//! What an operator unblocks is a stranger again, whoever had blocked it.

use rustix::process::Signal;

use crate::lab::daemon::ONE_QUEUE;
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

#[test]
fn who_is_unblocked_needs_all_its_evidence_anew() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let desk = Desk::at(&lab, &format!("{ONE_QUEUE}[detect]\nthreshold = 3\n"));
    let daemon = desk.start();
    for port in [1, 11, 15] {
        lab.probe(routed(2), SERVER, port);
    }
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    wait_until("its evidence is known", || desk.done("why 10.1.0.2").contains("tcp 15"));

    assert!(desk.done("unblock 10.1.0.2").contains("10.1.0.2 is not blocked any more"));
    assert!(!daemon.blocks("10.1.0.2") && desk.listed().is_empty());
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
    for port in [79, 111] {
        lab.probe(routed(2), SERVER, port);
    }
    lab.settle(&daemon, SERVER);
    assert!(!daemon.blocks("10.1.0.2"), "two places are not enough");
    lab.probe(routed(2), SERVER, 119);
    wait_until("the third place is", || daemon.blocks("10.1.0.2"));
    wait_until("it is told", || daemon.lines_with("blocked source=10.1.0.2 ") == 2);
    assert_eq!(daemon.lines_with("blocked source=10.1.0.2 port=119 protocol=tcp kind=syn hits=3 "), 1);
    assert_eq!(daemon.lines_with("repeat=2"), 0, "nobody remembers the first block against it");
}

#[test]
fn an_unblock_right_after_a_block_outlives_a_kill() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let mut daemon = desk.start();
    let hosts = 2..14;
    for host in hosts.clone() {
        let source = routed(host).to_string();
        lab.probe(routed(host), SERVER, 111);
        while !daemon.blocks(&source) {}
        desk.done(if host % 2 == 0 { "unblock --all" } else { "unblock 10.1.0.0/24" });
    }
    wait_until("the journal has all", || desk.history("blocked").len() == hosts.len());
    daemon.end(Signal::KILL);
    lab.server.nft_load("delete table inet nftrap");
    let _daemon = desk.start();
    assert_eq!(desk.listed(), [""; 0]);
}

#[test]
fn unblock_all_frees_everybody_and_forgets_what_anybody_did() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve("[::]:22".parse().expect("an address"));
    let desk = Desk::at(&lab, &format!("{ONE_QUEUE}[detect]\nthreshold = 2\n"));
    let mut daemon = desk.start();
    for port in [1, 11] {
        lab.probe(routed(2), SERVER, port);
        lab.probe(routed6(1, 2), SERVER6, port);
    }
    lab.probe(routed(5), SERVER, 1);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    daemon.wait_for_line("blocked source=fd00:1::");
    desk.done("block 10.1.0.3 fd00:2::2 --for forever");
    assert!(lab.server.nft(&["add", "element", "inet", "nftrap", "block4", "{ 10.1.0.4 }"]).0);
    assert_eq!(
        desk.listed(),
        ["10.1.0.2 nftrap", "10.1.0.3 operator", "10.1.0.4 nft", "fd00:1::/64 nftrap", "fd00:2::2 operator"]
    );

    let said = desk.done("unblock --all");
    assert!(said.contains("5 blocks are ended"), "{said}");
    let free = |when: &str| {
        assert!(desk.done("list").contains("nobody is blocked"), "{when}");
        for host in 2..5 {
            assert_eq!(lab.attacker.knock(routed(host), server(22)), Answer::Open, "10.1.0.{host} {when}");
        }
    };
    free("at once");
    lab.probe(routed(5), SERVER, 15);
    lab.settle(&daemon, SERVER);
    assert!(!daemon.blocks("10.1.0.5"), "its first place is forgotten");
    desk.done("unblock --all");
    lab.server.nft_load("flush ruleset");
    daemon.wait_for_line("it is back");
    free("after a flush");
    daemon.end(Signal::KILL);
    lab.server.nft_load("delete table inet nftrap");
    let _daemon = desk.start();
    free("after a restart");
}

#[test]
fn unblock_finds_whatever_holds_or_lies_in_what_is_named() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = desk.start();
    let block = || {
        lab.probe(routed(2), SERVER, 111);
        lab.probe(routed(3), SERVER, 111);
        lab.probe(routed6(1, 2), SERVER6, 111);
        for key in ["10.1.0.2", "10.1.0.3", "fd00:1::"] {
            wait_until("it is blocked", || daemon.blocks(key));
        }
    };
    block();
    desk.done("block 10.1.0.64/26 10.2.9.9 --for forever");
    let said = desk.done("unblock fd00:1::5");
    assert!(said.contains("fd00:1::/64 is not blocked any more") && !daemon.blocks("fd00:1::"), "{said}");
    let said = desk.done("unblock 10.1.0.0/24");
    assert!(said.contains("3 blocks in 10.1.0.0/24 are ended"), "{said}");
    assert_eq!(desk.listed(), ["10.2.9.9 operator"]);

    let said = desk.refused("unblock 10.1.0.2");
    assert!(said.contains("10.1.0.2 is not blocked") && said.contains("nftrap list"), "{said}");
    desk.done("block 10.1.0.0/24 --for forever");
    let said = desk.refused("unblock 10.1.0.7");
    assert!(said.contains("10.1.0.7 is blocked with 10.1.0.0/24, by an operator"), "{said}");
    assert!(said.contains("unblock 10.1.0.0/24, or allow 10.1.0.7"), "{said}");
    assert_eq!(desk.listed(), ["10.1.0.0/24 operator", "10.2.9.9 operator"]);
    desk.done("unblock 10.0.0.0/8");
    assert_eq!(desk.listed(), [""; 0]);
}

#[test]
fn what_an_administrator_blocked_with_nft_is_listed_and_unblocked() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let desk = Desk::at(&lab, "");
    let _daemon = desk.start();
    assert!(lab.server.nft(&["add", "element", "inet", "nftrap", "block4", "{ 10.1.0.2 }"]).0);
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);
    assert_eq!(desk.listed(), ["10.1.0.2 nft"]);
    assert!(desk.done("list").contains("for ever"));
    desk.done("unblock 10.1.0.2");
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
    assert_eq!(desk.listed(), [""; 0]);
}
