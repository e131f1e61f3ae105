//! Another program that takes away what is ours again and again while scanners come: it is back, with each block's own end, and never so
//! often that two programs load rulesets in turn.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::daemon::Daemon;
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::patience::{is_slow, limit, wait_until};
use crate::lab::strain::{Over, forge, forged};
use crate::lab::wire::{Answer, Service};

const BACK: &str = "our table: it is back, and so are the blocks";

/// While scanners and clients come, this is done to our table, and nftrap makes it good.
fn is_made_good_under_load(tamper: &str) {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    let daemon = Daemon::start(&lab.server, "");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    let (left, then) = (daemon.time_left("10.1.0.2"), Instant::now());
    let over = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let scanners = scope.spawn(|| press(&lab, &service, &over));
        let over = Over(&over);
        lab.server.nft_load(tamper);
        daemon.wait_for_line(BACK);
        drop(over);
        scanners.join().expect("the scanners")
    });
    let (now, expected) = (daemon.time_left("10.1.0.2"), left.saturating_sub(then.elapsed()));
    assert!(now.abs_diff(expected) < limit(Duration::from_secs(3)), "{left:?}, then {now:?} in place of {expected:?}");
    wait_until("who scanned last is blocked", || {
        forge(&lab, sent);
        daemon.blocks(&forged(sent).to_string())
    });
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);
    assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
}

/// A scanner and a client by turns, until it is over: how many.
fn press(lab: &Lab, service: &Service, over: &AtomicBool) -> u32 {
    let sent = AtomicU32::new(0);
    while !over.load(Ordering::Relaxed) {
        forge(lab, sent.fetch_add(1, Ordering::Relaxed));
        assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
        assert_eq!(service.clients(), [routed(3)]);
    }
    sent.into_inner()
}

#[test]
fn a_flushed_ruleset_is_made_good_under_load() {
    is_made_good_under_load("flush ruleset");
}

#[test]
fn a_deleted_table_is_made_good_under_load() {
    is_made_good_under_load("delete table inet nftrap");
}

#[test]
fn a_deleted_base_chain_is_made_good_under_load() {
    is_made_good_under_load("flush chain inet nftrap input; delete chain inet nftrap input");
}

#[test]
fn a_deleted_chain_that_others_lead_to_is_made_good_under_load() {
    is_made_good_under_load(
        "flush chain inet nftrap early; flush chain inet nftrap openers; delete chain inet nftrap openers",
    );
}

#[test]
fn a_deleted_set_of_ports_is_made_good_under_load() {
    is_made_good_under_load(
        "flush chain inet nftrap own_port; flush chain inet nftrap protected; delete set inet nftrap tcp_triggers",
    );
}

#[test]
fn who_deletes_our_table_as_often_as_he_can_is_met_ever_more_seldom_and_not_named_each_time() {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    let daemon = Daemon::start(&lab.server, "");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    let over = AtomicBool::new(false);
    // It is not there most of the time, and often in the middle of being put back.
    let delete = || lab.server.feed(Command::new("nft").args(["delete", "table", "inet", "nftrap"]), "").0;
    let met = thread::scope(|scope| {
        let scanners = scope.spawn(|| press(&lab, &service, &over));
        let over = Over(&over);
        let met = (0..if is_slow() { 100 } else { 400 }).filter(|_| delete()).count();
        drop(over);
        scanners.join().expect("the scanners");
        met
    });
    assert!((2..=16).contains(&met), "it was there {met} times");
    assert!(daemon.lines_with(BACK) <= met, "{}", daemon.log());
    assert!(daemon.lines_with("it cannot be put back") <= 2 + daemon.lines_with(BACK), "{}", daemon.log());
    wait_until("it is back, when nobody deletes it", || daemon.has_table() && daemon.blocks("10.1.0.2"));
}
