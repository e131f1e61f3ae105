//! Whom an operator allows is never blocked, from then on, whatever it did and whatever waits.

use std::fs;
use std::thread;

use rustix::process::Signal;

use crate::lab::daemon::ONE_QUEUE;
use crate::lab::desk::{Desk, text};
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

#[test]
fn who_is_allowed_is_free_at_once_and_not_looked_at_any_more() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let desk = Desk::at(&lab, ONE_QUEUE);
    let daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    lab.probe(routed6(1, 2), SERVER6, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    daemon.wait_for_line("blocked source=fd00:1::");
    desk.done("block 10.1.0.0/30 --for forever");

    let said = desk.done("allow add 10.1.0.2 fd00:1::/64 --reason ours");
    assert!(said.contains("not blocked any more: 10.1.0.2"), "{said}");
    assert!(!daemon.blocks("10.1.0.2") && !daemon.blocks("fd00:1::"));
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open, "also from a network that is blocked");
    assert_eq!(lab.attacker.knock_briefly(routed(3), server(22)), Answer::Silence);
    let why = desk.done("why 10.1.0.2");
    assert!(why.contains("never blocked") && why.contains("ours"), "{why}");
    let queued = lab.server.queue_counts().1;
    lab.probe(routed(2), SERVER, 79);
    lab.probe(routed6(1, 2), SERVER6, 79);
    lab.settle(&daemon, SERVER);
    assert!(!daemon.blocks("10.1.0.2") && !daemon.blocks("fd00:1::"));
    let (queued, probes_of_the_sentinel) = (lab.server.queue_counts().1 - queued, 1..=3);
    assert!(probes_of_the_sentinel.contains(&queued), "{queued} were looked at");

    desk.done("unblock 10.1.0.0/30");
    desk.done("allow remove 10.1.0.2 fd00:1::/64");
    lab.probe(routed(2), SERVER, 1);
    wait_until("it can be blocked again", || daemon.blocks("10.1.0.2"));
    let said = desk.refused("allow remove 10.1.0.2");
    assert!(said.contains("no operator allowed 10.1.0.2") && said.contains("nftrap allow list"), "{said}");
}

#[test]
fn who_is_allowed_while_its_probes_wait_is_not_blocked_by_them() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, ONE_QUEUE);
    let daemon = desk.start();
    for _ in 0..3 {
        daemon.freeze();
        for host in 2..100 {
            lab.probe(routed(host), SERVER, 111);
        }
        wait_until("they wait", || lab.server.queue_counts().0 == 98);
        thread::scope(|scope| {
            let allowed = scope.spawn(|| desk.done("allow add 10.1.0.0/25"));
            daemon.signal(Signal::CONT);
            allowed.join().expect("it is allowed");
        });
        wait_until("none waits", || lab.server.queue_counts().0 == 0);
        assert_eq!(desk.listed(), [""; 0]);
        desk.done("allow remove 10.1.0.0/25");
    }
}

#[test]
fn what_is_saved_outlives_the_daemon_and_the_rest_does_not() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let mut daemon = desk.start();
    desk.done("allow add 10.1.0.2 fd00:1::/64 --save --reason ours");
    let said = desk.done("allow add 10.1.0.3");
    assert!(said.contains("--save"), "{said}");
    for signal in [Signal::TERM, Signal::KILL] {
        daemon.end(signal);
        daemon = desk.start();
        lab.probe(routed(2), SERVER, 111);
        lab.probe(routed6(1, 2), SERVER6, 111);
        lab.probe(routed(3), SERVER, 111);
        wait_until("who was not saved is blocked", || daemon.blocks("10.1.0.3"));
        assert!(!daemon.blocks("10.1.0.2") && !daemon.blocks("fd00:1::"));
    }
    desk.done("allow remove 10.1.0.2");
    daemon.end(Signal::TERM);
    let daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    wait_until("what was taken back stays so", || daemon.blocks("10.1.0.2"));
}

#[test]
fn the_list_says_who_is_allowed_by_whom_and_why() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "[allow]\nsources = [\"10.1.0.0/30\"]\n");
    let _daemon = desk.start();
    desk.done("allow add 10.1.0.9 --reason ours");
    desk.done("allow add fd00:2::/64 --save");
    let list = desk.json("allow list");
    let entry = |prefix: &str| list.iter().find(|entry| entry["prefix"] == prefix);
    for (prefix, why, lasting) in [
        ("10.1.0.0/30", "config", true),
        ("10.1.0.9", "operator", false),
        ("fd00:2::/64", "operator", true),
        ("10.2.0.1", "an address of this host", false),
        ("10.2.0.254", "the default gateway", false),
    ] {
        let found = entry(prefix).unwrap_or_else(|| panic!("{prefix} is not in {list:?}"));
        assert!(text(found, "why").contains(why) && found["lasting"] == lasting, "{found}");
    }
    assert_eq!(entry("10.1.0.9").map(|found| text(found, "reason")), Some("ours"));
    let said = desk.refused("block 10.1.0.9");
    assert!(said.contains("10.1.0.9 is on the allow list"), "{said}");
    let page = desk.done("allow list");
    assert!(page.contains("10.1.0.9") && page.contains("until nftrap ends") && page.contains("for good"), "{page}");
}

#[test]
fn lines_that_are_written_by_hand_into_the_file_take_effect_with_a_reload() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let mut daemon = desk.start();
    let file = desk.file.journal().with_extension("allow");
    desk.done("allow add 10.1.0.2 --save --reason ours");
    daemon.wait_for_line("operator allowed prefix=10.1.0.2 saved=true by=root");
    let kept = fs::read_to_string(&file).expect("it is there");
    assert!(kept.ends_with("\n10.1.0.2  # ours\n"), "{kept}");

    let by_hand = "# mine\n10.1.0.3 # a friend\n";
    fs::write(&file, by_hand).expect("write it");
    let said = desk.done("reload");
    assert!(said.contains("1 are new and 1 are gone"), "{said}");
    lab.probe(routed(2), SERVER, 111);
    lab.probe(routed(3), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    lab.settle(&daemon, SERVER);
    assert!(!daemon.blocks("10.1.0.3"));

    let broken = format!("{by_hand}nonsense\n");
    fs::write(&file, &broken).expect("write it");
    let line = format!("{}:3: this is neither an address nor a prefix", file.display());
    for command in ["reload", "allow add 10.1.0.4 --save", "allow remove 10.1.0.3"] {
        let said = desk.refused(command);
        assert!(said.contains(&line), "{command}: {said}");
    }
    assert_eq!(fs::read_to_string(&file).expect("it is there"), broken);
    assert!(desk.done("allow list").contains("10.1.0.3"), "the old list stays");
    daemon.end(Signal::TERM);
    let daemon = desk.start();
    assert!(daemon.wait_for_line("nobody is allowed by this line").contains("line=3"));
    assert!(desk.done("allow list").contains("10.1.0.3"), "the rest is taken");
}
