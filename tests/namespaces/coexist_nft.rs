//! Beside an administrator who writes nftables rules: loaded again and again, saved, watched.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::lab::beside::{Firewall, Guarded, Tools, theirs};
use crate::lab::daemon::Daemon;
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

/// An `/etc/nftables.conf` as Debian proposes it: with default drop, and ssh let in.
const CONF: &str = "\
flush ruleset
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state established,related accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        tcp dport 22 accept
    }
    chain forward { type filter hook forward priority filter; policy drop; }
    chain output { type filter hook output priority filter; policy accept; }
}
";

#[test]
fn an_administrators_rules_that_flush_everything_may_be_loaded_again_and_again() {
    let Some(host) = Guarded::new() else { return };
    let server = &host.lab.server;
    server.nft_load(CONF);
    host.our_life_changes_nothing_of(&["inet filter"]);
    let daemon = Daemon::start(server, "");
    host.both_work(&daemon, 3, Firewall::Up(Answer::Silence));
    let (left, then) = (daemon.time_left("10.1.0.3"), Instant::now());

    // As soon as it is back, and then without waiting for it.
    for _ in 0..3 {
        server.nft_load(CONF);
        wait_until("table and block are back", || daemon.has_table() && daemon.blocks("10.1.0.3"));
    }
    for _ in 0..10 {
        server.nft_load(CONF);
        sleep(Duration::from_millis(300));
    }
    let theirs_alone = theirs(server);
    wait_until("table and block are back", || daemon.has_table() && daemon.blocks("10.1.0.3"));
    // It is there before packets are queued again, for a moment.
    wait_until("a scan ends at its first probe", || {
        host.lab.probe(routed(4), SERVER, 111);
        daemon.blocks("10.1.0.4")
    });
    host.both_work(&daemon, 5, Firewall::Up(Answer::Silence));
    let (now, expected) = (daemon.time_left("10.1.0.3"), left.saturating_sub(then.elapsed()));
    let off = now.abs_diff(expected);
    assert!(off < Duration::from_secs(3), "{left:?}, then {now:?} in place of {expected:?}");
    assert_eq!(theirs(server), theirs_alone);
}

#[test]
fn a_listing_of_the_whole_ruleset_may_be_loaded_over_us() {
    let Some(host) = Guarded::new() else { return };
    let server = &host.lab.server;
    server.nft_load(CONF);
    let daemon = Daemon::start(server, "");
    host.both_work(&daemon, 3, Firewall::Up(Answer::Silence));
    let (_, saved) = server.nft(&["list", "ruleset"]);
    for (scanner, text) in [(4, saved.clone()), (5, format!("flush ruleset\n{saved}"))] {
        // Where the kernel lacks nft_queue, nft cannot load a rule that queues: then nothing changes.
        let (done, said) = server.feed(Command::new("nft").args(["-f", "-"]), &text);
        assert_eq!(done, server.has_nft_queue(), "{said}");
        assert!(daemon.blocks("10.1.0.3"));
        host.both_work(&daemon, scanner, Firewall::Up(Answer::Silence));
    }
}

#[test]
fn a_listing_from_while_we_were_stopped_does_not_disarm_us() {
    let Some(host) = Guarded::new() else { return };
    let server = &host.lab.server;
    server.nft_load(CONF);
    Daemon::start(server, "").end(Signal::TERM);
    let (_, saved) = server.nft(&["list", "ruleset"]);
    assert!(saved.contains("table inet nftrap"), "{saved}");

    let daemon = Daemon::start(server, "");
    host.both_work(&daemon, 3, Firewall::Up(Answer::Silence));
    server.nft_load(&format!("flush ruleset\n{saved}"));
    wait_until("a block that the listing does not have is back", || daemon.blocks("10.1.0.3"));
    wait_until("a scan ends at its first probe", || {
        host.lab.probe(routed(4), SERVER, 111);
        daemon.blocks("10.1.0.4")
    });
    host.both_work(&daemon, 5, Firewall::Up(Answer::Silence));
}

#[test]
fn who_watches_the_ruleset_sees_our_blocks_and_our_going() {
    let Some(lab) = Lab::on_one_link() else { return };
    let tools = Tools::on(&lab.server);
    // A slow machine's nft loses events when a whole ruleset is loaded: it is to watch from then on.
    let mut daemon = Daemon::start(&lab.server, "on_exit = \"remove\"\n");
    let _monitor = tools.start("nft monitor >/run/monitor");
    let saw = |text: &str| tools.run("cat /run/monitor").contains(text);
    wait_until("the monitor listens", || {
        lab.server.nft_load("add table inet theirs");
        lab.server.nft_load("delete table inet theirs");
        saw("theirs")
    });
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    daemon.end(Signal::TERM);
    wait_until("it has seen us go", || saw("delete table inet nftrap"));
    assert!(saw("add element inet nftrap block4 { 10.1.0.2 "));
}
