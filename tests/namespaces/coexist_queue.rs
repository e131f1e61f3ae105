//! Beside another program that queues packets, on numbers of its own.

use std::io;
use std::net::SocketAddr;
use std::process::Command;

use nfq::{Message, Queue, Verdict};
use rustix::process::Signal;

use crate::lab::beside::theirs;
use crate::lab::daemon::Daemon;
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::netns::Namespace;
use crate::lab::packet::udp;
use crate::lab::patience::wait_until;

const NUMBER: u16 = 4000;

#[test]
fn what_waits_in_somebody_elses_queue_outlives_our_coming_and_going() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut consumer = Consumer::on(&lab.server);
    let service = lab.server.udp(SocketAddr::new(SERVER, 5353));
    let before = theirs(&lab.server);
    assert!(before.contains("table ip filter {"), "{before}");
    let ask = |question: &[u8]| lab.wire.send(&udp((routed(3), 40_000), (SERVER, 5353), question));

    ask(b"one");
    let first = consumer.next();
    for (scanner, on_exit) in [(4, "keep"), (5, "remove")] {
        let mut daemon = Daemon::start(&lab.server, &format!("on_exit = \"{on_exit}\"\n"));
        lab.probe(routed(scanner), SERVER, 111);
        daemon.wait_for_line("blocked source=");
        daemon.end(Signal::TERM);
        assert_eq!(theirs(&lab.server), before, "with {on_exit}");
    }
    consumer.accept(first);
    // The kernel goes on at the next place in a list that has grown by our chains: it asks them once more.
    service.set_nonblocking(true).expect("a socket that does not wait");
    let mut heard = [0; 64];
    wait_until("the service hears it", || {
        consumer.accept_all();
        service.recv_from(&mut heard).is_ok()
    });
    assert!(heard.starts_with(b"one"));
}

#[test]
fn a_packet_that_two_queues_want_is_judged_by_both() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut consumer = Consumer::on(&lab.server);
    let daemon = Daemon::start(&lab.server, "");
    // The first is no trigger, and comes to them when we have let it go; the second is none of theirs any more.
    lab.probe(routed(3), SERVER, 8081);
    let passed = consumer.next();
    assert_eq!(passed.get_payload()[22..24], 8081_u16.to_be_bytes());
    consumer.accept(passed);
    lab.probe(routed(3), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.3 port=111");

    lab.wire.send(&udp((routed(4), 40_000), (SERVER, 5353), b"hello"));
    let other = consumer.next();
    assert_eq!(&other.get_payload()[12..16], [10, 1, 0, 4], "what we dropped they did not see");
    consumer.accept(other);
}

/// A program that fails open, and the rules that lead to it.
struct Consumer(Queue);

impl Consumer {
    fn on(host: &Namespace) -> Self {
        let mut queue = host.run(Queue::open).expect("open a netlink socket");
        queue.bind(NUMBER).expect("bind a queue");
        queue.set_fail_open(NUMBER, true).expect("a queue that fails open");
        queue.set_nonblocking(true);
        let (done, said) = host.feed(&mut Command::new("iptables-nft-restore"), RULES);
        assert!(done, "{said}");
        Self(queue)
    }

    fn next(&mut self) -> Message {
        let mut next = None;
        wait_until("a packet comes to their queue", || {
            next = self.try_next();
            next.is_some()
        });
        next.expect("waited for")
    }

    fn try_next(&mut self) -> Option<Message> {
        match self.0.recv() {
            Ok(message) => Some(message),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("could not receive a packet: {error}"),
        }
    }

    fn accept_all(&mut self) {
        while let Some(message) = self.try_next() {
            self.accept(message);
        }
    }

    fn accept(&mut self, mut message: Message) {
        message.set_verdict(Verdict::Accept);
        self.0.verdict(message).expect("give a verdict");
    }
}

const RULES: &str = "\
*filter
:INPUT ACCEPT
-A INPUT -p udp --dport 5353 -j NFQUEUE --queue-num 4000 --queue-bypass
-A INPUT -p tcp -m multiport --dports 111,8081 -j NFQUEUE --queue-num 4000 --queue-bypass
COMMIT
";
