//! What others do to our table: it is whole again, with its blocks and their ends, and nothing of anybody else's has changed.

use std::time::Duration;

use crate::lab::daemon::Daemon;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6};
use crate::lab::netns::Namespace;
use crate::lab::patience::wait_until;

const THEIRS: &str = "\
table inet theirs {
    set friends { type ipv4_addr; elements = { 192.0.2.1 } }
    chain input { type filter hook input priority filter; policy accept; ip saddr @friends counter accept; }
}
";

/// Whether the daemon notices what is done to its table, and makes it good.
fn is_made_good(tamper: impl FnOnce(&Namespace)) {
    let Some(lab) = Lab::on_one_link() else { return };
    lab.server.nft_load(THEIRS);
    let theirs = lab.server.nft(&["-s", "list", "table", "inet", "theirs"]).1;
    let daemon = Daemon::start(&lab.server, "");
    lab.probe(routed(2), SERVER, 111);
    lab.probe(routed6(1, 2), SERVER6, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    daemon.wait_for_line("blocked source=fd00:1::");

    tamper(&lab.server);
    daemon.wait_for_line("our table: it is back, and so are the blocks");
    for key in ["10.1.0.2", "fd00:1::"] {
        let left = daemon.time_left(key);
        assert!(left <= Duration::from_secs(600) && left > Duration::from_secs(300), "{key}: {left:?}");
    }
    lab.probe(routed(3), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.3 ");
    assert_eq!(lab.server.nft(&["-s", "list", "table", "inet", "theirs"]).1, theirs);

    // Nothing is done twice: what is whole stays as it is.
    let rules = || lab.server.nft(&["-s", "-t", "-a", "list", "table", "inet", "nftrap"]).1;
    let before = rules();
    lab.probe(routed(4), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.4 ");
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!((daemon.lines_with("it is back"), rules()), (1, before));
}

#[test]
fn a_saved_listing_that_is_loaded_over_our_table_is_noticed() {
    is_made_good(|server| {
        let saved = server.nft(&["list", "ruleset"]).1;
        // nft lists the older target as its own statement, which it cannot load where the kernel has no nft_queue.
        let queues = server.has_nft_queue();
        let loadable = |line: &&str| !line.starts_with("libxtables") && (queues || !line.contains("queue num"));
        let saved: Vec<_> = saved.lines().filter(loadable).collect();
        server.nft_load(&format!("flush ruleset\n{}\n", saved.join("\n")));
    });
}

#[test]
fn a_table_that_was_emptied_is_noticed() {
    is_made_good(|server| server.nft_load("flush table inet nftrap"));
}

#[test]
fn a_chain_to_a_queue_that_was_emptied_is_noticed() {
    is_made_good(|server| server.nft_load("flush chain inet nftrap queue0"));
}

#[test]
fn a_set_that_was_deleted_is_noticed() {
    is_made_good(|server| {
        server.nft_load(
            "flush chain inet nftrap openers; flush chain inet nftrap blocked; delete set inet nftrap block4",
        );
    });
}

#[test]
fn a_table_that_was_put_to_sleep_is_noticed() {
    is_made_good(|server| server.nft_load("table inet nftrap { flags dormant; }"));
}

#[test]
fn a_rule_that_an_administrator_adds_to_our_table_stays() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    lab.server.nft_load("insert rule inet nftrap input ip saddr 192.0.2.1 counter");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(daemon.lines_with("it is back"), 0);
    assert!(lab.server.ruleset().contains("192.0.2.1"));
}

#[test]
fn who_empties_our_table_again_and_again_is_met_ever_more_seldom() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    let table = || lab.server.nft(&["list", "table", "inet", "nftrap"]).1;
    wait_until("it is said that this is a fight", || {
        if table().contains("goto openers") {
            lab.server.nft_load("flush table inet nftrap");
        }
        daemon.lines_with("again and again") == 1
    });
    assert!(daemon.lines_with("it is back") <= 4, "{}", daemon.log());
}
