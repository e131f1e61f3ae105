//! Processor time for each packet that is queued: nftrap with either reader, loops that only receive and answer by either, and as the
//! limit the least that a program can do: 64 packets by one system call, one verdict for all of them by another.
//!
//! All packets wait in the queue before the first is read, as in a flood; and each way has its turn in each round.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nftrap::config::{Config, QueueFull, Reader};
use nftrap::kernel::nft;
use nftrap::kernel::queue::{Queue, Received, Verdict};
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, bind, send, socket_with};
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};

use super::lab::daemon::Daemon;
use super::lab::hosts::{Lab, SERVER, routed};
use super::lab::packet::{SYN, tcp};
use super::median;

const ROUNDS: usize = 5;
/// Fewer than a queue holds, and read before nftrap would block their source once more.
const PACKETS: u32 = 50_000;
const LENGTH: u32 = 65_536;
const BATCH: usize = 64;
/// What is let go ends here, so that no answer to it is counted.
const SINK: &str = "table inet sink { chain i { type filter hook input priority 0; tcp dport 111 drop; }; }";
/// One place is never enough for the first threshold, and for the second at once; what comes behind is judged by what is remembered.
const LETTING_GO: &str = "[detect]\nthreshold = 7\n";
const DROPPING: &str = "[detect]\nthreshold = 1\n";

enum Way {
    Nftrap(Reader),
    Loop(Reader),
    Limit,
}

const WAYS: [(&str, Way); 5] = [
    ("nftrap, batch", Way::Nftrap(Reader::Batch)),
    ("nftrap, plain", Way::Nftrap(Reader::Plain)),
    ("loop, batch", Way::Loop(Reader::Batch)),
    ("loop, plain", Way::Loop(Reader::Plain)),
    ("recvmmsg(64) and one verdict for all", Way::Limit),
];

pub(crate) fn queued_packets(lab: &Lab) {
    lab.server.nft_load(SINK);
    for (verdict, name) in [(Verdict::Accept, "let go"), (Verdict::Drop, "dropped")] {
        let mut times: [Vec<f64>; WAYS.len()] = Default::default();
        for _ in 0..ROUNDS {
            for (times, (_, way)) in times.iter_mut().zip(&WAYS) {
                times.push(way.time(lab, verdict));
            }
        }
        let medians = times.map(median);
        println!("cpu per queued packet    {name}, medians of {ROUNDS}, beside the least that a program can do");
        for ((name, _), time) in WAYS.iter().zip(medians) {
            println!("                         {name:<37} {time:6.0} ns   ratio {:.2}", time / medians[WAYS.len() - 1]);
        }
    }
}

impl Way {
    /// Nanoseconds for each packet.
    fn time(&self, lab: &Lab, verdict: Verdict) -> f64 {
        match self {
            Self::Nftrap(reader) => by_nftrap(lab, *reader, verdict),
            Self::Loop(reader) => by_loop(lab, *reader, verdict),
            Self::Limit => at_the_limit(lab, verdict),
        }
    }
}

fn by_nftrap(lab: &Lab, reader: Reader, verdict: Verdict) -> f64 {
    let reader = match reader {
        Reader::Batch => "batch",
        Reader::Plain => "plain",
    };
    let detect = match verdict {
        Verdict::Accept => LETTING_GO,
        Verdict::Drop => DROPPING,
    };
    let queue = format!("[queue]\ncount = 1\nlength = {LENGTH}\nreader = \"{reader}\"\n");
    let mut daemon = Daemon::start(&lab.server, &format!("on_exit = \"remove\"\n{detect}{queue}"));
    daemon.freeze();
    let waiting = flood(lab);
    let before = daemon.cpu_ns();
    daemon.signal(Signal::CONT);
    while lab.server.queue_counts().0 > 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let spent = daemon.cpu_ns() - before;
    daemon.end(Signal::TERM);
    let counters = daemon.wait_for_line("counters");
    let (kind, other) = match verdict {
        Verdict::Accept => (format!("accepted={waiting} "), "dropped=0 "),
        Verdict::Drop => (format!("dropped={waiting} "), "accepted=0 "),
    };
    assert!(counters.contains(&kind) && counters.contains(other), "{waiting} packets were to be alike: {counters}");
    spent as f64 / waiting as f64
}

/// The same queue settings, the same rule, and nothing but a receive and a verdict.
fn by_loop(lab: &Lab, reader: Reader, verdict: Verdict) -> f64 {
    let mut queue = queued(lab, |number| Queue::open(number, LENGTH, QueueFull::Open, reader).expect("open the queue"));
    let waiting = flood(lab);
    let start = thread_ns();
    for _ in 0..waiting {
        let Received::Packet(message) = queue.receive() else { panic!("a packet of those that wait") };
        queue.verdict(message, verdict).expect("a verdict");
    }
    (thread_ns() - start) / waiting as f64
}

fn at_the_limit(lab: &Lab, verdict: Verdict) -> f64 {
    let verdict: u32 = match verdict {
        Verdict::Drop => 0,
        Verdict::Accept => 1,
    };
    let (socket, number) = queued(lab, |number| (listener(number), number));
    let mut buffers = vec![[0_u8; 1024]; BATCH];
    let waiting = flood(lab);
    let (mut judged, start) = (0, thread_ns());
    while judged < waiting {
        let count = read_many(&socket, &mut buffers);
        // Its number comes first in what the kernel says of a packet.
        let last = [&verdict.to_be_bytes(), &buffers[count - 1][24..28]].concat();
        say(&socket, number, VERDICT_BATCH, &[(2, &last)]);
        judged += count as u64;
    }
    (thread_ns() - start) / waiting as f64
}

#[expect(unsafe_code, reason = "the C library's call")]
fn read_many(socket: &OwnedFd, buffers: &mut [[u8; 1024]]) -> usize {
    let part = |buffer: &mut [u8; 1024]| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut parts: Vec<_> = buffers.iter_mut().map(part).collect();
    // SAFETY: numbers and pointers, for which zero is a value.
    let mut heads: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    for (head, part) in heads.iter_mut().zip(&mut parts) {
        (head.msg_hdr.msg_iov, head.msg_hdr.msg_iovlen) = (part, 1);
    }
    let (head, flags, no_limit) = (heads.as_mut_ptr(), libc::MSG_WAITFORONE, std::ptr::null_mut());
    // SAFETY: as many heads as is said, each with one part, each part a buffer with its length; all live until it returns.
    let count = unsafe { libc::recvmmsg(socket.as_raw_fd(), head, BATCH as u32, flags, no_limit) };
    usize::try_from(count).expect("packets that wait")
}

/// Packets are sent to queue number 3100, which somebody has by then.
fn queued<T: Send>(lab: &Lab, open: impl FnOnce(u16) -> T + Send) -> T {
    let mut config = Config::default();
    (config.queue.count, config.queue.length) = (1, LENGTH);
    lab.server.run(|| {
        nft::load(&config, &nft::host(&[]), &[]).expect("load the ruleset");
        let opened = open(config.queue.first);
        nft::arm(&config).expect("arm the ruleset");
        opened
    })
}

const CONFIG: u16 = 0x0302;
const VERDICT_BATCH: u16 = 0x0303;

/// A socket that listens to a queue: bound, 512 octets copied of each packet, packets whole, and open when full.
fn listener(number: u16) -> OwnedFd {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(NETFILTER));
    let socket = socket.expect("a netlink socket");
    bind(&socket, &SocketAddrNetlink::new(0, 0)).expect("bind it");
    set_socket_recv_buffer_size_force(&socket, LENGTH as usize * 2048).expect("room for packets");
    let flags = 5_u32.to_be_bytes();
    let length = LENGTH.to_be_bytes();
    say(&socket, number, CONFIG, &[(1, &[1, 0, 0, 0]), (2, &[0, 0, 2, 0, 2]), (3, &length), (5, &flags), (4, &flags)]);
    socket
}

fn say(socket: &OwnedFd, number: u16, kind: u16, attributes: &[(u16, &[u8])]) {
    let mut message = vec![0; 4];
    message.extend([&kind.to_ne_bytes()[..], &[1, 0], &[0; 10], &number.to_be_bytes()].concat());
    for (kind, value) in attributes {
        message.extend([&(value.len() as u16 + 4).to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat());
        message.resize(message.len().next_multiple_of(4), 0);
    }
    let length = (message.len() as u32).to_ne_bytes();
    message[..4].copy_from_slice(&length);
    send(socket, &message, SendFlags::empty()).expect("the kernel takes a message");
}

/// Fills the queue; says how many wait there.
fn flood(lab: &Lab) -> u64 {
    let packet = tcp((routed(9), 40_000), (SERVER, 111), SYN);
    for _ in 0..PACKETS {
        while lab.wire.try_send(&packet).is_err() {
            std::thread::yield_now();
        }
    }
    let mut waiting = 0;
    while waiting == 0 || lab.server.queue_counts().0 != waiting {
        waiting = lab.server.queue_counts().0;
        std::thread::sleep(Duration::from_millis(50));
    }
    waiting
}

fn thread_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
