//! Killed at moments that nobody chose, while scanners, a flood and clients come: no block is lost, no packet is left waiting, and kernel,
//! daemon and journal agree. `scripts/crash` does the same many times; `NFTRAP_SEED` throws the same dice again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nftrap::kernel::dump;
use rustix::process::Signal;

use crate::lab::daemon::Daemon;
use crate::lab::desk::{Desk, text};
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::patience::{is_slow, limit, wait_until};
use crate::lab::strain::{ARRIVALS, Dice, Over, arrived, forge, number_from};
use crate::lab::wire::{Answer, Service};

/// What is promised of a restart; of most of them, where the machine has other things to do at times, and in proportion where a first start
/// alone takes long.
const READY_WITHIN: Duration = Duration::from_secs(2);
const TIMES_THE_FIRST: u32 = 6;
/// A start takes some tenths of a second: half of the moments lie in it, the other half behind it.
const LATEST_MS: u64 = 700;
const WHOLE_DAY: &str = "[block]\ntime = \"1day\"\nlongest = \"1day\"\n";

#[test]
fn killed_at_any_moment_where_an_absent_daemon_lets_pass() {
    killed_again_and_again("pass");
}

#[test]
fn killed_at_any_moment_where_an_absent_daemon_drops() {
    killed_again_and_again("drop");
}

fn times() -> u64 {
    number_from("NFTRAP_CRASHES").unwrap_or_else(|| if is_slow() { 3 } else { 6 })
}

fn killed_again_and_again(no_daemon: &str) {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    lab.server.nft_load(ARRIVALS);
    let desk = Desk::at(&lab, &format!("{WHOLE_DAY}[fail]\nno_daemon = \"{no_daemon}\"\n"));
    // What is not there yet keeps nobody out.
    let begun = Instant::now();
    drop(desk.start());
    let bound = limit(READY_WITHIN).max(begun.elapsed() * TIMES_THE_FIRST);
    let (over, sent, mut dice) = (AtomicBool::new(false), AtomicU32::new(0), Dice::new());
    let daemon = thread::scope(|scope| {
        scope.spawn(|| scan(&lab, &over, &sent));
        scope.spawn(|| visit(&lab, &service, &over));
        let _over = Over(&over);
        let (mut known, mut took) = (BTreeSet::new(), Vec::new());
        for round in 1..=times() {
            let mut daemon = Daemon::launch_with(&lab.server, &desk.file);
            thread::sleep(Duration::from_millis(dice.below(LATEST_MS)));
            daemon.end(Signal::KILL);
            wait_until("the kernel has dropped what waited for it", || lab.server.queue_counts().0 == 0);
            known.extend(in_kernel(&lab));
            known.extend(daemon.all_lines_with("INFO  blocked source=").iter().map(|line| source_of(line)));

            let launched = Instant::now();
            let mut next = Daemon::launch_with(&lab.server, &desk.file);
            next.wait_for_line("ready mode=");
            took.push(launched.elapsed());
            let lost: Vec<_> = known.difference(&in_kernel(&lab)).cloned().collect();
            assert!(lost.is_empty(), "round {round}: these were blocked, and are not any more: {lost:?}");
            next.end(Signal::KILL);
        }
        took.sort_unstable();
        assert!(took[took.len() / 2] < bound, "half were ready after {:?} and more: {took:?}", took[took.len() / 2]);
        desk.start()
    });
    agree(&lab, &desk, &daemon);
    let (slipped, sent) = (arrived(&lab.server, "trapped"), sent.load(Ordering::Relaxed));
    assert!(sent > 100, "{sent} probes are no scan");
    match no_daemon {
        "drop" => assert_eq!(slipped, 0, "of {sent} probes"),
        _ => assert!(slipped > 0, "that nobody was there is what is tried here"),
    }
}

/// One scanner after the other, and every now and then a flood; no two have one address.
fn scan(lab: &Lab, over: &AtomicBool, sent: &AtomicU32) {
    const FLOOD: u32 = 100;
    while !over.load(Ordering::Relaxed) {
        let n = sent.fetch_add(1, Ordering::Relaxed);
        forge(lab, n);
        if n % 1000 > FLOOD {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Clients of a service never meet a daemon, whether there is one or not.
fn visit(lab: &Lab, service: &Service, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
        assert_eq!(service.clients(), [routed(3)]);
        thread::sleep(Duration::from_millis(5));
    }
}

/// What was judged is in all three, and the next scanner is judged as ever.
fn agree(lab: &Lab, desk: &Desk<'_>, daemon: &Daemon<'_>) {
    wait_until("all are judged", || lab.server.queue_counts().0 == 0);
    let listed: BTreeSet<_> = desk.json("list").iter().map(|block| text(block, "source").to_owned()).collect();
    assert_eq!(listed, in_kernel(lab));
    // It has what was reported as stored; the kernel, also what was set just before a kill.
    wait_until("the journal knows nobody whom the kernel does not", || in_journal(desk).is_subset(&in_kernel(lab)));
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    wait_until("the journal has the last one", || in_journal(desk).contains("10.1.0.2"));
    assert!(in_journal(desk).len() > 1, "and others");
}

fn in_kernel(lab: &Lab) -> BTreeSet<String> {
    let elements = lab.server.run(|| dump::dump("nftrap", 64)).expect("list the sets");
    elements.into_iter().map(|element| element.source.to_string()).collect()
}

fn in_journal(desk: &Desk<'_>) -> BTreeSet<String> {
    desk.history("blocked").iter().map(|event| text(event, "source").to_owned()).collect()
}

fn source_of(line: &str) -> String {
    let rest = line.split("source=").nth(1).expect("a source");
    rest.split(' ').next().expect("an address").to_owned()
}
