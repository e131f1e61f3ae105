//! A queue read in batches and one read packet by packet: whatever comes, they decide alike, and each packet gets its own verdict.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::process::Signal;

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed6};
use crate::lab::packet::{FIN, PSH, SYN, URG, tcp, udp};
use crate::lab::patience::wait_until;

const READERS: [&str; 2] = ["plain", "batch"];
/// Counts what gets past nftrap, by source and port.
const LEDGER: &str = "\
table inet ledger {
  set passed4 { type ipv4_addr . inet_service; flags dynamic; size 65535; }
  set passed6 { type ipv6_addr . inet_service; flags dynamic; size 65535; }
  chain input {
    type filter hook input priority 10; policy accept;
    meta l4proto { tcp, udp } update @passed4 { ip saddr . th dport counter }
    meta l4proto { tcp, udp } update @passed6 { ip6 saddr . th dport counter }
  }
}
";
/// Counts those whose source is blocked when their verdict comes, and all.
const LATER_THAN_THE_QUEUE: &str = "\
table inet nftrap {
  chain later {
    type filter hook input priority 10; policy accept;
    ip saddr @block4 counter
    tcp dport 8081 counter
  }
}
";
/// Packets that are sent before it is seen whether they have arrived: a link holds no more.
const HANDFUL: usize = 200;

#[test]
fn both_readers_let_the_same_packets_pass_and_block_the_same_sources() {
    let mut outcomes = Vec::new();
    for reader in READERS {
        let Some(lab) = Lab::on_one_link() else { return };
        lab.server.nft_load(LEDGER);
        let mut daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}reader = \"{reader}\"\n{WATCH_AT_ONCE}"));
        let packets = mixture();
        queue_up(&lab, &daemon, &packets);
        daemon.signal(Signal::CONT);
        wait_until("all are judged", || lab.server.queue_counts().0 == 0);
        daemon.end(Signal::TERM);
        let counters = daemon.wait_for_line("counters packets=");
        let judged =
            ["packets", "accepted", "dropped", "watched", "unreadable", "lost"].map(|of| number(&counters, of));
        assert_eq!(judged[0], count(&packets), "{counters}");
        assert!(judged[1] > 300 && judged[2] > 300, "there is something of each: {counters}");
        assert_eq!(judged[4..], [0, 0], "{counters}");
        let passed = passed(&lab);
        assert_eq!(passed.values().sum::<u64>(), judged[1], "what is accepted arrives");
        outcomes.push((judged, passed, blocked(&lab)));
    }
    assert!(outcomes[0].2.len() > 100, "{:?}", outcomes[0].2);
    assert_eq!(outcomes[0], outcomes[1]);
}

#[test]
fn each_packet_of_a_batch_gets_its_own_verdict() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}{WATCH_AT_ONCE}"));
    // Offenders and others by turns: one by one, by twos, by runs of all lengths.
    let is_offenders = |n: u32| match n / 400 {
        0 => n.is_multiple_of(2),
        1 => (n / 2).is_multiple_of(2),
        2 => n.is_power_of_two() || n.is_multiple_of(7),
        _ => (n / 70).is_multiple_of(2),
    };
    let datagram = |n: u32, port| udp((forged(n), 40_000), (SERVER, port), &n.to_be_bytes());
    let to_trigger = (0..2000).filter(|n| is_offenders(*n)).map(|n| datagram(n, 161));
    let packets: Vec<_> = to_trigger.chain((0..2000).map(|n| datagram(n, 5353))).collect();
    queue_up(&lab, &daemon, &packets);

    // Nobody served the port when they came; whoever does now gets those that are let go.
    let service = lab.server.udp(SocketAddr::new(SERVER, 5353));
    set_socket_recv_buffer_size_force(&service, 8 << 20).expect("room for all of them");
    service.set_nonblocking(true).expect("a socket that does not wait");
    daemon.signal(Signal::CONT);
    wait_until("all are judged", || lab.server.queue_counts().0 == 0);
    let mut heard = [0; 4];
    let mut next = || match service.recv(&mut heard) {
        Ok(4) => Some(u32::from_be_bytes(heard)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        other => panic!("not what was sent: {other:?}"),
    };
    let arrived: Vec<u32> = std::iter::from_fn(&mut next).collect();
    let expected: Vec<_> = (0..2000).filter(|n| !is_offenders(*n)).collect();
    let wrong = arrived.iter().zip(&expected).find(|(arrived, expected)| arrived != expected);
    assert!(arrived == expected, "{} of {} arrived, the first out of place {wrong:?}", arrived.len(), expected.len());
}

#[test]
fn who_is_let_go_does_not_wait_for_the_block_of_one_read_with_him() {
    for reader in READERS {
        let Some(lab) = Lab::on_one_link() else { return };
        let config = format!("{ONE_QUEUE}reader = \"{reader}\"\n{WATCH_AT_ONCE}");
        let daemon = Daemon::start(&lab.server, &config);
        // The first packet of each source is let go, the second is what it is blocked for: while the first goes on, it is not yet.
        lab.server.nft_load(LATER_THAN_THE_QUEUE);
        let pair = |n: u32| [8081, 111].map(|port| tcp((forged(n), 40_000), (SERVER, port), SYN));
        queue_up(&lab, &daemon, &(0..200).flat_map(pair).collect::<Vec<_>>());
        daemon.signal(Signal::CONT);
        wait_until("all are judged", || lab.server.queue_counts().0 == 0);
        assert_eq!(blocked(&lab).len(), 200, "{reader}");
        let (done, seen) = lab.server.nft(&["list", "chain", "inet", "nftrap", "later"]);
        assert!(
            done && seen.contains("@block4 counter packets 0 ") && seen.contains("8081 counter packets 200 "),
            "{seen}"
        );
    }
}

#[test]
fn a_full_queue_judges_what_it_holds_and_the_rest_goes_as_the_operator_says() {
    for (reader, queue_full, unjudged) in
        [("plain", "open", 50), ("batch", "open", 50), ("plain", "closed", 0), ("batch", "closed", 0)]
    {
        let Some(lab) = Lab::on_one_link() else { return };
        lab.server.nft_load(LEDGER);
        let config = format!("{ONE_QUEUE}reader = \"{reader}\"\nlength = 200\n[fail]\nqueue_full = \"{queue_full}\"\n");
        let mut daemon = Daemon::start(&lab.server, &config);
        let probe = |n: u32| tcp((forged(n), 40_000), (SERVER, 111), SYN);
        queue_up(&lab, &daemon, &(0..200).map(probe).collect::<Vec<_>>());
        (200..250).for_each(|n| send(&lab, &probe(n)));
        if unjudged > 0 {
            wait_until("the rest passes", || passed(&lab).values().sum::<u64>() == unjudged);
        }
        daemon.signal(Signal::CONT);
        wait_until("all are judged", || lab.server.queue_counts().0 == 0);
        daemon.end(Signal::TERM);
        let counters = daemon.wait_for_line("counters packets=");
        assert_eq!(["packets", "dropped"].map(|of| number(&counters, of)), [200, 200], "{reader}, {queue_full}");
        assert_eq!(passed(&lab).values().sum::<u64>(), unjudged, "{reader}, {queue_full}");
        assert_eq!(blocked(&lab).len(), 200, "{reader}, {queue_full}");
    }
}

#[test]
fn sigterm_leaves_no_packet_without_its_verdict() {
    for reader in READERS {
        let Some(lab) = Lab::on_one_link() else { return };
        lab.server.nft_load(LEDGER);
        let mut daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}reader = \"{reader}\"\n"));
        let packets: Vec<_> = (0..1000).map(|n| tcp((forged(n), 40_000), (SERVER, 8081), SYN)).collect();
        queue_up(&lab, &daemon, &packets);
        daemon.signal(Signal::TERM);
        daemon.signal(Signal::CONT);
        let (status, _) = daemon.wait_for_end();
        assert!(status.success(), "{reader}: it ended with {status}");
        // The kernel drops what still waits when a queue is closed.
        assert_eq!(passed(&lab).values().sum::<u64>(), 1000, "{reader}");
    }
}

#[test]
fn a_flush_by_somebody_else_is_counted_and_what_follows_is_judged() {
    for reader in READERS {
        let Some(lab) = Lab::on_one_link() else { return };
        lab.server.nft_load(LEDGER);
        let mut daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}reader = \"{reader}\"\n"));
        let syn = |n: u32| tcp((forged(n), 40_000), (SERVER, 8081), SYN);
        queue_up(&lab, &daemon, &(0..500).map(syn).collect::<Vec<_>>());
        // The kernel drops what waits in all queues when any base chain goes.
        let come_and_go =
            "table inet other { chain c { type filter hook input priority 5; }; }; delete table inet other";
        lab.server.nft_load(come_and_go);
        queue_up(&lab, &daemon, &(500..600).map(syn).collect::<Vec<_>>());
        daemon.signal(Signal::CONT);
        wait_until("the rest is judged", || lab.server.queue_counts().0 == 0);
        daemon.end(Signal::TERM);
        let counters = daemon.wait_for_line("counters packets=");
        assert_eq!(["packets", "accepted"].map(|of| number(&counters, of)), [600, 600], "{reader}: {counters}");
        assert!(number(&counters, "lost") > 0, "{reader}: {counters}");
        let passed = passed(&lab);
        assert_eq!(passed.len(), 100, "{reader}: those that were not flushed");
        assert!(passed.contains_key("10.64.1.244 . 8081") && !passed.contains_key("10.64.1.243 . 8081"), "{passed:?}");
    }
}

/// Unserved ports count from the start, also on a machine that was started just now.
const WATCH_AT_ONCE: &str = "[unserved]\nafter_boot = \"1s\"\n";

/// Of each kind something, by turns: probes of triggers, and what their sources send behind them; one unserved port, or four; flags
/// that no honest stack sends; UDP; IPv6; packets that are repeated.
fn mixture() -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for n in 0..120 {
        let from = |kind: u32| (forged(1000 * kind + n), 40_000);
        packets.push(tcp(from(1), (SERVER, 111), SYN));
        packets.push(tcp(from(2), (SERVER, 8081), SYN));
        packets.push(tcp(from(1), (SERVER, 8082), SYN));
        packets.extend((8083..8087).map(|port| tcp(from(3), (SERVER, port), SYN)));
        packets.push(udp(from(4), (SERVER, 5353), b"?"));
        if n % 3 == 0 {
            packets.push(udp(from(5), (SERVER, 161), b"public"));
            packets.push(tcp(from(2), (SERVER, 8081), SYN));
        }
        if n % 5 == 0 {
            packets.push(tcp(from(6), (SERVER, 111), FIN | PSH | URG));
            packets.push(tcp(from(7), (SERVER, 8081), FIN));
            packets.push(tcp(from(7), (SERVER, 8081), SYN | FIN));
        }
    }
    for (host, port) in (2..9).flat_map(|host| [(host, 8081), (host, 8080 + host)]) {
        packets.push(tcp((routed6(1, host), 40_000), (SERVER6, port), SYN));
        packets.push(tcp((routed6(2, host), 40_000), (SERVER6, 111), SYN));
    }
    packets
}

/// Has all these packets wait in the queue of a daemon that stands still, behind those that do already.
fn queue_up(lab: &Lab, daemon: &Daemon<'_>, packets: &[Vec<u8>]) {
    daemon.freeze();
    let mut waiting = lab.server.queue_counts().0;
    for handful in packets.chunks(HANDFUL) {
        for packet in handful {
            send(lab, packet);
        }
        waiting += count(handful);
        wait_until("they wait in the queue", || lab.server.queue_counts().0 == waiting);
    }
}

fn send(lab: &Lab, packet: &[u8]) {
    while lab.wire.try_send(packet).is_err() {
        std::thread::yield_now();
    }
}

fn forged(n: u32) -> IpAddr {
    Ipv4Addr::from(0x0a40_0000 + n).into()
}

fn count<T>(of: &[T]) -> u64 {
    u64::try_from(of.len()).expect("not so many")
}

/// A counter in a line of the log.
fn number(line: &str, name: &str) -> u64 {
    let value = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no number of {name} in: {line}"))
}

/// How many packets got past nftrap, by source and port.
fn passed(lab: &Lab) -> BTreeMap<String, u64> {
    let one = |element: &str| {
        let (key, counter) = element.split_once(" counter packets ").expect("a counter");
        (key.to_owned(), counter.split(' ').next().expect("a number").parse().expect("a number"))
    };
    ["passed4", "passed6"].iter().flat_map(|set| elements(lab, "ledger", set)).map(|element| one(&element)).collect()
}

/// Who is in the kernel's sets.
fn blocked(lab: &Lab) -> Vec<String> {
    let sets = ["block4", "block6", "block6net"];
    let elements = sets.iter().flat_map(|set| elements(lab, "nftrap", set));
    let mut keys: Vec<_> = elements.filter_map(|element| element.split(' ').next().map(str::to_owned)).collect();
    keys.sort_unstable();
    keys
}

fn elements(lab: &Lab, table: &str, set: &str) -> Vec<String> {
    let (done, listed) = lab.server.nft(&["list", "set", "inet", table, set]);
    assert!(done, "{listed}");
    let within = listed.split_once("elements = {").map_or("", |(_, rest)| rest.split('}').next().unwrap_or_default());
    within
        .split(',')
        .map(|element| element.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|e| !e.is_empty())
        .collect()
}
