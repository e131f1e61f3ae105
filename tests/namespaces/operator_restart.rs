//! What a daemon knows that follows another one: blocks, how often, why; many of them; and the table that `restore` loaded before.

use std::net::Ipv4Addr;
use std::time::Duration;

use nftrap::detect::probe::{Kind, Protocol};
use nftrap::detect::source::Source;
use nftrap::event::{Asked, Event, Offence, What};
use nftrap::journal::{Home, Journal, Settings};
use nftrap::kernel::clock::wall;
use nftrap::kernel::home;
use rustix::process::Signal;

use crate::lab::daemon::ONE_QUEUE;
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

#[test]
fn who_comes_back_is_blocked_for_longer_also_by_the_next_daemon() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "[block]\ntime = \"1s\"\nfactor = 3\nlongest = \"1h\"\n");
    let mut daemon = desk.start();
    for (repeat, seconds, signal) in
        [(1, 1, None), (2, 3, Some(Signal::KILL)), (3, 9, Some(Signal::TERM)), (4, 27, None)]
    {
        wait_until("it is blocked, for it may be", || {
            lab.probe(routed(2), SERVER, 111);
            daemon.blocks("10.1.0.2")
        });
        assert!(daemon.time_left("10.1.0.2") <= Duration::from_secs(seconds));
        wait_until("the journal has it", || desk.history("blocked").len() == repeat);
        let last = desk.history("blocked").pop().expect("it has");
        assert_eq!((&last["repeat"], last["source"].as_str()), (&repeat.into(), Some("10.1.0.2")));
        if let Some(signal) = signal {
            daemon.end(signal);
            daemon = desk.start();
            assert_eq!(desk.json("list")[0]["repeat"], repeat, "the next daemon knows");
        }
        if repeat < 3 {
            wait_until("the block ends", || !daemon.blocks("10.1.0.2"));
        } else {
            desk.done("unblock 10.1.0.2");
            lab.probe(routed(2), SERVER, 111);
            wait_until("a stranger's block is a first one", || desk.history("blocked").len() == 4);
            assert_eq!(desk.history("blocked")[3]["repeat"], 1);
            return;
        }
    }
}

#[test]
fn a_restart_and_a_kill_change_nothing_that_is_known() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, &format!("{ONE_QUEUE}[detect]\nthreshold = 2\n"));
    let mut daemon = desk.start();
    for port in [111, 79] {
        lab.probe(routed(2), SERVER, port);
        lab.probe(routed6(1, 2), SERVER6, port);
    }
    desk.done("block 10.1.0.3 --for forever --reason theirs");
    wait_until("the journal has all", || desk.history("blocked,operator_blocked").len() == 3);
    let known = || {
        desk.json("list")
            .iter()
            .map(|block| (block["source"].clone(), block["by"].clone(), block["repeat"].clone()))
            .collect::<Vec<_>>()
    };
    let before = known();
    assert_eq!(before.len(), 3, "{before:?}");
    for signal in [Signal::TERM, Signal::KILL, Signal::KILL] {
        daemon.end(signal);
        daemon = desk.start();
        assert_eq!(known(), before, "after {signal:?}");
        let why = desk.done(&format!("why 10.1.0.2 --config {}", desk.file.path().display()));
        assert!(
            why.contains("10.1.0.2 is blocked until ") && why.contains("tcp 111") && why.contains("tcp 79"),
            "{why}"
        );
        assert!(desk.done("why 10.1.0.3").contains("theirs"));
    }
}

/// So many blocks in the journal, as a daemon writes them.
fn fill_journal(desk: &Desk<'_>, count: u32) {
    let settings = Settings { file: desk.file.journal(), keep: Duration::from_secs(86_400), max_bytes: 1 << 30 };
    let (mut journal, _) = Journal::open(settings, Home(desk.host.run(home::read)), wall()).expect("open the journal");
    let base = u32::from(Ipv4Addr::new(10, 64, 0, 0));
    let event = |n: u32| {
        let source = Source::host(Ipv4Addr::from_bits(base + n).into());
        let probe = Asked { port: 111, protocol: Protocol::Tcp, kind: Kind::Syn, destination: SERVER };
        let until = wall().plus(Duration::from_secs(3600));
        Event {
            at: wall(),
            what: What::Blocked(Offence { source, probe, hits: 1, until, repeat: 1, evidence: Vec::new() }),
        }
    };
    let events: Vec<_> = (0..count).map(event).collect();
    events.chunks(10_000).for_each(|some| journal.append(some).expect("store"));
}

#[test]
fn a_hundred_thousand_blocks_are_there_at_the_start_after_a_flush_and_gone_when_all_are_unblocked() {
    const MANY: usize = 100_000;
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    // With less room some of so many would share a full bucket of the scan table, which then forgets one.
    let desk = Desk::at(&lab, "[detect]\nmax_sources = 1048576\n");
    fill_journal(&desk, MANY.try_into().expect("it fits"));
    let mut daemon = desk.start();
    assert!(daemon.wait_for_line("ready").contains("blocks=100000 "), "before it is ready");
    assert!(daemon.blocks("10.64.0.0") && daemon.blocks("10.65.134.159"));
    assert_eq!(desk.json("list").len(), MANY);
    assert_eq!(desk.done("list").lines().count(), MANY + 1, "with a heading");

    lab.server.nft_load("flush ruleset");
    daemon.wait_for_line("it is back, and so are the blocks");
    assert_eq!(desk.json("list").len(), MANY, "after a flush");
    daemon.end(Signal::KILL);
    daemon = desk.start();
    assert!(daemon.wait_for_line("ready").contains("blocks=100000 "), "from the kernel");

    let said = desk.done("unblock --all");
    assert!(said.contains("100000 blocks are ended"), "{said}");
    assert_eq!(desk.json("list").len(), 0);
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
    daemon.end(Signal::KILL);
    let daemon = desk.start();
    assert!(daemon.wait_for_line("ready").contains("blocks=0 "), "none comes back");
}

#[test]
fn restore_blocks_before_the_daemon_runs_and_leaves_a_running_one_alone() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let desk = Desk::at(&lab, "");
    let mut daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    desk.done("block 10.1.0.3 --for forever");
    wait_until("the journal has both", || desk.history("blocked,operator_blocked").len() == 2);
    let restore = format!("restore --config {}", desk.file.path().display());
    let before = lab.server.nft(&["-s", "-a", "list", "ruleset"]).1;
    let said = desk.refused(&restore);
    assert!(said.contains("nftrap guards table inet nftrap in this namespace already"), "{said}");
    assert_eq!(lab.server.nft(&["-s", "-a", "list", "ruleset"]).1, before);

    daemon.end(Signal::KILL);
    lab.server.nft_load("delete table inet nftrap");
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
    let said = desk.done(&restore);
    assert!(said.contains("table inet nftrap is loaded, with 1 block"), "{said}");
    for host in [2, 3] {
        assert_eq!(lab.attacker.knock_briefly(routed(host), server(22)), Answer::Silence, "without a daemon");
    }
    assert_eq!(lab.attacker.knock(routed(4), server(111)), Answer::Refused, "nobody judges");
    let daemon = desk.start();
    assert!(daemon.wait_for_line("ready").contains("blocks=1 "));
    assert_eq!(desk.listed(), ["10.1.0.2 nftrap", "10.1.0.3 operator"]);
    lab.probe(routed(4), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.4 ");
}
