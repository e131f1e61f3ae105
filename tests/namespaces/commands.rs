//! The operator's commands about a scanner that is there, with the daemon and without.

use std::sync::Arc;

use rustix::process::Signal;

use crate::lab::daemon::{ConfigFile, Daemon, nftrap};
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::netns::Namespace;
use crate::lab::patience::wait_until;

/// What a command says, and whether it went well.
fn says(namespace: &Namespace, arguments: &[&str]) -> (bool, String) {
    namespace.feed(nftrap().args(arguments), "")
}

#[test]
fn a_scanner_is_listed_explained_and_let_go() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    assert!(says(&lab.server, &["list"]).1.contains("nobody is blocked"));
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");

    let (done, page) = says(&lab.server, &["status"]);
    assert!(done && page.starts_with("guarding\n"), "{page}");
    let (_, list) = says(&lab.server, &["list", "--by", "nftrap"]);
    assert!(list.lines().nth(1).is_some_and(|row| row.starts_with("10.1.0.2  nftrap ")), "{list}");
    wait_until("its evidence is known", || says(&lab.server, &["why", "10.1.0.2"]).1.contains(" of 10.2.0.1, syn\n"));
    let (_, why) = says(&lab.server, &["why", "10.1.0.2"]);
    assert!(why.starts_with("10.1.0.2 is blocked until ") && why.contains(", by nftrap"), "{why}");
    assert!(why.contains("  tcp 111") && why.contains("nftrap unblock 10.1.0.2\n"), "{why}");

    let (done, said) = says(&lab.server, &["unblock", "10.1.0.2"]);
    assert!(done && !daemon.blocks("10.1.0.2"), "{said}");
    let (done, said) = says(&lab.server, &["unblock", "10.1.0.2"]);
    assert!(!done && said.contains("10.1.0.2 is not blocked"), "{said}");
}

#[test]
fn without_its_daemon_a_block_is_still_listed_and_explained() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut daemon = Daemon::start(&lab.server, "");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    daemon.end(Signal::KILL);

    assert!(says(&lab.server, &["status"]).1.starts_with("NOT PROTECTING: nftrap does not run"));
    for command in [&["list"][..], &["why", "10.1.0.2"]] {
        let (done, said) = says(&lab.server, command);
        assert!(done && said.contains("nftrap does not run") && said.contains("10.1.0.2"), "{said}");
    }
    assert!(says(&lab.server, &["why", "10.1.0.2"]).1.contains("10.1.0.2 is blocked until "));
    assert!(!says(&lab.server, &["unblock", "10.1.0.2"]).0);
    assert!(daemon.blocks("10.1.0.2"));
}

#[test]
fn without_its_daemon_operators_blocks_are_listed_and_end_as_it_is_advised() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = Arc::new(ConfigFile::new(""));
    let mut daemon = Daemon::launch_with(&lab.server, &config);
    daemon.wait_for_line("ready");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    assert!(says(&lab.server, &["block", "198.51.100.0/24", "2001:db8:7::/48", "--for", "forever"]).0);
    daemon.end(Signal::KILL);

    let (done, list) = says(&lab.server, &["list", "--by", "operator"]);
    assert!(done && list.contains("198.51.100.0/24") && list.contains("2001:db8:7::/48"), "{list}");
    assert!(!list.contains("10.1.0.2"), "{list}");
    for (who, element) in
        [("198.51.100.7", "banned4 '{ 198.51.100.0/24 }'"), ("2001:db8:7::1", "banned6 '{ 2001:db8:7::/48 }'")]
    {
        let (_, why) = says(&lab.server, &["why", who]);
        assert!(why.contains(" is blocked for ever, by an operator\n") && why.contains(element), "{why}");
    }
    for (who, set) in [("10.1.0.2", "block4"), ("198.51.100.7", "banned4"), ("2001:db8:7::1", "banned6")] {
        let (_, why) = says(&lab.server, &["why", who]);
        let command = why.lines().find_map(|line| line.strip_prefix("to end the block:  nft "));
        let advised: Vec<_> = command.unwrap_or_default().split(' ').filter(|word| !word.contains('\'')).collect();
        let key = advised.iter().skip_while(|word| **word != set).nth(1).unwrap_or(&"");
        let (done, told) = lab.server.nft(&["delete", "element", "inet", "nftrap", set, "{", key, "}"]);
        assert!(done, "{told}: {why}");
        assert!(says(&lab.server, &["why", who]).1.contains(" is not blocked\n"), "{who}");
    }
    let again = Daemon::launch_with(&lab.server, &config);
    again.wait_for_line("ready");
    assert!(again.blocks("10.1.0.2"), "the journal does not set it again, as `why` says");
}
