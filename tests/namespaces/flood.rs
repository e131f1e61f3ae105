//! More than the daemon can hold: forged sources, full queues, a full set.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use rustix::process::Signal;

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::patience::{is_slow, wait_until};
use crate::lab::strain::{self, Over};
use crate::lab::wire::{Answer, Service};

/// What the daemon may use with the limits of this test, in KiB.
const CEILING: u64 = 64 * 1024;
/// By how much it may grow once its tables are full, in KiB: the allocator's own business.
const MARGIN: u64 = 4 * 1024;

#[test]
fn forged_sources_grow_nothing_past_its_limit_and_hide_nobody() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let wave: u32 = if is_slow() { 20_000 } else { 100_000 };
    let bound = wave / 4;
    let config = format!("[detect]\nmax_sources = {bound}\n[block]\nmax = {bound}\n");
    let daemon = Daemon::start(&lab.server, &config);
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);

    forge(&lab, 0..wave);
    let full = daemon.resident_kib();
    assert!(full < CEILING, "{full} KiB after one wave");
    forge(&lab, wave..2 * wave);
    let later = daemon.resident_kib();
    assert!(later < full + MARGIN, "{full} KiB after one wave, {later} KiB after two");

    lab.probe(routed(2), SERVER, 111);
    // The log has said enough for this second; the kernel knows.
    wait_until("the scanner is blocked", || daemon.blocks("10.1.0.2"));
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);
    assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
}

/// The log may have so many lines of blocks in a second, and one that says how many more there were.
const LINES_PER_SECOND: usize = 50;

#[test]
fn in_a_flood_a_scanner_is_found_a_client_is_served_and_the_log_says_little() {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    let (sources, packets) = if is_slow() { (5000, 10_000) } else { (100_000, 200_000) };
    let desk = Desk::at(&lab, "");
    let journal = desk.file.journal();
    let bounds = "[detect]\nmax_sources = 16384\n[block]\nmax = 16384\n[journal]\nmax_mib = 4\nfile = ";
    desk.file.write(&format!("{bounds}\"{}\"\n", journal.display()));
    let daemon = desk.start();
    let (begun, over) = (Instant::now(), AtomicBool::new(false));
    let clients = thread::scope(|scope| {
        let clients = scope.spawn(|| visit(&lab, &service, &over));
        let over = Over(&over);
        // Each source sends twice, and many more come between: a slow drip from each of very many.
        for n in 0..packets {
            strain::forge(&lab, n % sources);
            if n.is_multiple_of(packets / 10) {
                assert!(daemon.resident_kib() < CEILING, "{} KiB", daemon.resident_kib());
            }
        }
        wait_until("no forged packet waits", || lab.server.queue_counts().0 == 0);
        lab.probe(routed(4), SERVER, 111);
        wait_until("a scanner behind the flood is blocked", || daemon.blocks("10.1.0.4"));
        drop(over);
        clients.join().expect("the clients")
    });
    assert!(clients > 10, "{clients} clients were served");
    let seconds = usize::try_from(begun.elapsed().as_secs()).expect("not that long") + 2;
    let lines = daemon.lines_with("INFO  blocked source=");
    assert!(lines <= LINES_PER_SECOND * seconds, "{lines} lines in {seconds} s");
    wait_until("it is said how many were left out", || daemon.lines_with("too many blocks to log each left_out=") > 0);
    wait_until("the journal keeps its size", || fs::metadata(&journal).is_ok_and(|file| file.len() < 12 << 20));
}

/// Clients of a service, one after the other, each of which has to be served: how many.
fn visit(lab: &Lab, service: &Service, over: &AtomicBool) -> u32 {
    let mut served = 0;
    while !over.load(Ordering::Relaxed) {
        assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
        assert_eq!(service.clients(), [routed(3)]);
        served += 1;
    }
    served
}

#[test]
fn a_full_set_gives_up_its_oldest_block() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}[block]\nmax = 1024\n"));
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    // One of 16 blocks is for guests.
    forge(&lab, 0..959);
    assert!(daemon.blocks("10.1.0.2"), "960 blocks fit");
    forge(&lab, 959..960);
    wait_until("the oldest block makes room", || !daemon.blocks("10.1.0.2"));
    assert!(daemon.blocks("10.64.0.0") && daemon.blocks("10.64.3.191"));
}

#[test]
fn blocks_of_an_earlier_daemon_count_towards_the_maximum() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = format!("{ONE_QUEUE}[block]\nmax = 1024\n");
    let mut daemon = Daemon::start(&lab.server, &config);
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    daemon.end(Signal::KILL);

    let daemon = Daemon::start(&lab.server, &config);
    forge(&lab, 0..1024);
    wait_until("the earlier daemon's block makes room", || !daemon.blocks("10.1.0.2"));
}

#[test]
fn no_more_blocks_than_the_maximum_come_back_after_a_flush() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}[block]\nmax = 1024\n"));
    forge(&lab, 0..3000);
    lab.server.nft_load("flush ruleset");
    daemon.wait_for_line("somebody removed our table: it is back, and so are the blocks");
    let (_, set) = lab.server.nft(&["list", "set", "inet", "nftrap", "block4"]);
    let blocks = set.matches("expires").count();
    assert!((900..=1024).contains(&blocks), "{blocks} blocks");
    assert!(daemon.blocks("10.64.11.183"), "the last one is among them");
}

#[test]
fn thousands_of_packets_flushed_by_somebody_are_no_reason_to_end() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}length = 65536\n"));
    daemon.freeze();
    send(&lab, 0..12_000);
    wait_until("more packets wait than failures in a row would be borne", || lab.server.queue_counts().0 > 10_000);
    // The kernel drops what waits in all queues when any base chain goes.
    lab.server
        .nft_load("table inet other { chain base { type filter hook input priority 5; }; }; delete table inet other");
    daemon.signal(Signal::CONT);
    lab.probe(routed(2), SERVER, 111);
    wait_until("a scanner is blocked as before", || daemon.blocks("10.1.0.2"));
}

#[test]
fn what_does_not_fit_into_a_queue_passes() {
    fills_the_queue("open", Answer::Refused);
}

#[test]
fn what_does_not_fit_into_a_queue_is_dropped_where_the_operator_says_so() {
    fills_the_queue("closed", Answer::Silence);
}

fn fills_the_queue(queue_full: &str, answer: Answer) {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    let config = format!("{ONE_QUEUE}length = 16\n[fail]\nqueue_full = \"{queue_full}\"\n");
    let daemon = Daemon::start(&lab.server, &config);
    daemon.freeze();
    for host in 100..140 {
        lab.probe(routed(host), SERVER, 111);
    }
    wait_until("the queue is full", || lab.server.queue_counts().0 == 16);
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(111)), answer);
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
    assert_eq!(service.clients(), [routed(2)]);

    daemon.signal(Signal::CONT);
    daemon.wait_for_line("blocked source=10.1.0.115 ");
    assert_eq!(daemon.lines_with("blocked source="), 16, "those that waited, in:\n{}", daemon.log());
}

/// Sends a SYN from each of these addresses of 10.64.0.0/10, and waits until all are judged.
fn forge(lab: &Lab, sources: std::ops::Range<u32>) {
    send(lab, sources);
    wait_until("no forged packet waits", || lab.server.queue_counts().0 == 0);
}

fn send(lab: &Lab, sources: std::ops::Range<u32>) {
    sources.for_each(|source| strain::forge(lab, source));
}
