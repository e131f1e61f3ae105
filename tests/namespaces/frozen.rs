//! A daemon that stands still, or does not read as fast as packets come: what it cannot judge goes as the operator says and is counted,
//! and it goes on when it can.

use std::collections::BTreeSet;
use std::fs;

use nftrap::kernel::dump;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open};

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::desk::{Desk, text};
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::patience::wait_until;
use crate::lab::strain::{ARRIVALS, arrived, forge};
use crate::lab::wire::Answer;

#[test]
fn who_stood_still_in_a_scan_goes_on_and_kernel_and_daemon_agree() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let desk = Desk::at(&lab, &format!("{ONE_QUEUE}length = 100\n"));
    let daemon = desk.start();
    lab.server.nft_load(ARRIVALS);
    for round in 0..3 {
        daemon.freeze();
        (0..150).for_each(|n| forge(&lab, round * 1000 + n));
        wait_until("what finds no room passes", || arrived(&lab.server, "trapped") == u64::from(round + 1) * 50);
        assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
        daemon.signal(Signal::CONT);
        wait_until("all that waited are judged", || lab.server.queue_counts().0 == 0);
    }
    lab.probe(routed(2), SERVER, 111);
    wait_until("a scanner is blocked as before", || daemon.blocks("10.1.0.2"));
    let listed: BTreeSet<_> = desk.json("list").iter().map(|block| text(block, "source").to_owned()).collect();
    let elements = lab.server.run(|| dump::dump("nftrap", 64)).expect("list the sets");
    assert_eq!(listed, elements.iter().map(|element| element.source.to_string()).collect());
    assert_eq!(listed.len(), 301);
}

#[test]
fn what_finds_no_room_in_the_socket_passes() {
    overflows("open");
}

#[test]
fn what_finds_no_room_in_the_socket_is_dropped_where_the_operator_says_so() {
    overflows("closed");
}

/// The kernel has room in the queue, and none in the socket that it is read from.
fn overflows(queue_full: &str) {
    const SENT: u32 = 200;
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, &format!("{ONE_QUEUE}[fail]\nqueue_full = \"{queue_full}\"\n"));
    let daemon = desk.start();
    lab.server.nft_load(ARRIVALS);
    daemon.freeze();
    narrow_socket(&lab, &daemon);
    (0..SENT).for_each(|n| forge(&lab, n));
    // The kernel counts what it drops, and not what it lets pass.
    let lost = || if queue_full == "open" { arrived(&lab.server, "trapped") } else { column(&lab, UNSENT) };
    wait_until("all have come", || lost() + lab.server.queue_counts().0 == u64::from(SENT));
    let lost = lost();
    assert!(lost > 100, "{lost} found no room");
    assert_eq!(arrived(&lab.server, "trapped") > 0, queue_full == "open");

    daemon.signal(Signal::CONT);
    wait_until("the others are judged", || lab.server.queue_counts().0 == 0);
    wait_until("a scanner is blocked as before", || {
        lab.probe(routed(2), SERVER, 111);
        daemon.blocks("10.1.0.2")
    });
    if queue_full == "closed" {
        daemon.wait_for_line(&format!(
            "a queue was full: packets were dropped (`length` in section [queue]) dropped={lost}"
        ));
        assert_eq!(desk.json("status")[0]["queues"][0]["unsent"], lost);
    }
    assert_eq!(u64::try_from(desk.json("list").len()).expect("few"), u64::from(SENT) - lost + 1);
}

/// The columns of the kernel's list of queues.
const LISTENER: usize = 1;
const UNSENT: usize = 6;

fn column(lab: &Lab, column: usize) -> u64 {
    let table = lab.server.run(|| fs::read_to_string("/proc/thread-self/net/netfilter/nfnetlink_queue"));
    let table = table.expect("read the queues' counters");
    let value = table.lines().next().and_then(|row| row.split_whitespace().nth(column));
    value.and_then(|value| value.parse().ok()).expect("a number")
}

/// Leaves room for hardly a packet in the socket that the daemon reads its queue from.
fn narrow_socket(lab: &Lab, daemon: &Daemon<'_>) {
    const PORT: usize = 2;
    const INODE: usize = 9;
    let listener = column(lab, LISTENER).to_string();
    let sockets = lab.server.run(|| fs::read_to_string("/proc/thread-self/net/netlink")).expect("list netlink sockets");
    let rows = sockets.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row[1] == "12" && row[PORT] == listener).expect("the queue's socket");
    let name = format!("socket:[{}]", row[INODE]);
    let mut files = fs::read_dir(format!("/proc/{}/fd", daemon.number()))
        .expect("its files")
        .map(|file| file.expect("a file").path());
    let file = files.find(|file| fs::read_link(file).is_ok_and(|to| to.to_str() == Some(&name))).expect("its socket");
    let number = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).expect("a number");
    let pid = i32::try_from(daemon.number()).ok().and_then(Pid::from_raw).expect("a process");
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("hold the process");
    let socket = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).expect("take its socket");
    set_socket_recv_buffer_size(&socket, 4096).expect("narrow it");
}
