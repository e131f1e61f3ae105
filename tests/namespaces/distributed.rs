//! Scans that many sources share, each with too few contacts to be an offender.

use std::net::IpAddr;

use serde_json::Value;

use crate::lab::desk::{Desk, text};
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, server};
use crate::lab::packet::{SYN, tcp};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

/// Packets are judged in order, and also on a machine that has just started.
const ONE_QUEUE: &str = "unserved.after_boot = \"1s\"\n[queue]\ncount = 1\n";

/// No service of the lab listens there, and no trigger is among them.
const FIRST_PORT: u16 = 8200;

/// Source number `source` of a scan that twenty share.
fn sharer(source: u16) -> IpAddr {
    routed(u8::try_from(source).expect("a small number") + 10)
}

/// Thirty ports, one or two for each of twenty sources.
fn shared_scan(lab: &Lab) {
    (0..30).for_each(|n| lab.probe(sharer(n % 20), SERVER, FIRST_PORT + n));
}

/// Honest clients: each of twenty asks for what all ask for, and one for a port that was served once.
fn honest_clients(lab: &Lab) {
    (0..20).for_each(|n| lab.probe(routed(n + 100), SERVER, 8443));
    lab.probe(routed(121), SERVER, 9999);
}

fn sources(event: &Value) -> Vec<&str> {
    event["among"].as_array().expect("a list").iter().map(|source| source.as_str().expect("a source")).collect()
}

#[test]
fn a_scan_that_twenty_sources_share_is_told_once_and_none_of_them_is_blocked() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let desk = Desk::at(&lab, ONE_QUEUE);
    let daemon = desk.start();
    honest_clients(&lab);
    shared_scan(&lab);
    let line = daemon.wait_for_line("distributed destination=10.2.0.1 sources=");
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("distributed destination="), 1, "in:\n{}", daemon.log());

    wait_until("the journal has it", || !desk.history("distributed").is_empty());
    let [told] = &desk.history("distributed")[..] else { panic!("not one: {line}") };
    assert_eq!((text(told, "destination"), &told["places"]), ("10.2.0.1", &Value::from(31)), "{told}");
    // One client was wrong alone, while it went on.
    assert_eq!(told["sources"], Value::from(21), "{told}");
    assert_eq!(sources(told).len(), 16);
    assert!(!sources(told).contains(&"10.1.0.100"), "all its like ask for the same: {told}");
    assert!(text(told, "first") <= text(told, "last"));

    let config = desk.file.path().display().to_string();
    let why = desk.done(&format!("why 10.1.0.11 --config {config}"));
    assert!(why.contains("distributed destination=10.2.0.1 sources=21 places=31 "), "{why}");
    let why = desk.done(&format!("why 10.1.0.100 --config {config}"));
    assert!(!why.contains("distributed"), "{why}");
    assert!((0..20).all(|n| !daemon.blocks(&sharer(n).to_string())));
    assert_eq!(lab.attacker.knock(sharer(0), server(22)), Answer::Open);
}

#[test]
fn who_shares_a_scan_is_blocked_where_the_operator_says_so_but_not_who_is_allowed() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let config = format!("detect.distributed = \"block\"\nallow.sources = [\"10.1.0.12\"]\n{ONE_QUEUE}");
    let desk = Desk::at(&lab, &config);
    let daemon = desk.start();
    (0..20).for_each(|n| lab.probe(routed(n + 100), SERVER, 8443));
    shared_scan(&lab);
    for source in (0..20).filter(|n| *n != 2).map(sharer) {
        daemon.wait_for_line(&format!("blocked source={source} "));
        assert!(daemon.blocks(&source.to_string()), "{source}");
    }
    assert!(!daemon.blocks("10.1.0.12"), "it is allowed");
    assert_eq!(lab.attacker.knock(sharer(2), server(22)), Answer::Open);
    assert_eq!(lab.attacker.knock_briefly(sharer(3), server(22)), Answer::Silence);
    assert_eq!(lab.attacker.knock(routed(100), server(22)), Answer::Open, "it asked for what all ask for");

    let blocked = desk.history("blocked");
    let hits = |source: IpAddr| blocked.iter().find(|event| text(event, "source") == source.to_string());
    assert_eq!(hits(sharer(0)).map(|event| &event["hits"]), Some(&Value::from(2)));
    assert_eq!(hits(sharer(15)).map(|event| &event["hits"]), Some(&Value::from(1)));
    desk.done(&format!("unblock {}", sharer(3)));
    assert!(!daemon.blocks(&sharer(3).to_string()));
    lab.settle(&daemon, SERVER);
    assert!(!daemon.blocks(&sharer(3).to_string()), "it was let go for all that it did");
}

#[test]
fn nothing_is_said_of_shared_scans_where_the_operator_wants_none_and_a_reload_changes_it() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, &format!("detect.distributed = \"off\"\n{ONE_QUEUE}"));
    let daemon = desk.start();
    shared_scan(&lab);
    lab.settle(&daemon, SERVER);
    desk.reload(ONE_QUEUE);
    // By IPv6, each from a network of its own.
    for n in 0..20_u16 {
        let source = format!("fd00:a:{n:x}::1").parse().expect("an address");
        lab.wire.send(&tcp((source, 40_000), (SERVER6, FIRST_PORT + n), SYN));
    }
    daemon.wait_for_line("distributed destination=fd00:f::1 sources=20 places=20 ");
    assert_eq!(daemon.lines_with("distributed destination=10.2.0.1 "), 0, "in:\n{}", daemon.log());
}
