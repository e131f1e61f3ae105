//! Honest and hostile traffic, operators and followers, for a while: memory, files, threads and blocks stay within their bounds, and each
//! honest request is answered. `scripts/soak` does it for longer.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nftrap::kernel::dump;

use crate::lab::daemon::{Daemon, nftrap};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::packet::{FIN, PSH, SYN, URG, tcp, udp};
use crate::lab::strain::{Holdings, Over, forge, forged, number_from};
use crate::lab::wire::{ask, talk};

const MAX_BLOCKS: u32 = 2048;
/// What the kernel's sets hold beyond it.
const SPARE_BLOCKS: u32 = 65_536;
const CONFIG: &str = "\
[detect]
max_sources = 4096
[block]
time = \"5s\"
longest = \"20s\"
max = 2048
[unserved]
after_boot = \"1s\"
[journal]
file = \"JOURNAL\"
max_mib = 2
[report]
events = \"EVENTS\"
";
/// What the allocator, a command that is run, or a client that is answered may have at one moment and not at another.
const SPARE: Holdings = Holdings { resident_kib: 4096, files: 16, threads: 8 };
const SAMPLES: u32 = 24;
/// By then tables, caches and journal are as full as they get.
const WARM_AFTER: usize = 8;

/// What there is at one moment.
struct Sample {
    second: u64,
    holdings: Holdings,
    /// In the set that holds most; a list of all is torn while so many change.
    blocks: u32,
    journal_kib: u64,
    answered: u32,
    sent: u32,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { second, holdings: Holdings { resident_kib, files, threads }, blocks, journal_kib, answered, sent } =
            self;
        write!(
            f,
            "{second:>7} {resident_kib:>9} {files:>6} {threads:>8} {blocks:>7} {journal_kib:>12} {answered:>9} {sent:>9}"
        )
    }
}

const HEADING: &str = " second   RSS KiB  files  threads  blocks  journal KiB  answered   hostile";

/// Not by eprintln!, which libtest keeps to itself when a test passes.
fn say(line: &impl fmt::Display) {
    writeln!(io::stderr(), "{line}").expect("standard error");
}

#[test]
fn mixed_traffic_makes_nothing_grow_and_each_honest_request_is_answered() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let events = desk.file.path().with_file_name("events");
    let places = [("JOURNAL", desk.file.journal()), ("EVENTS", events)];
    let config = places
        .iter()
        .fold(CONFIG.to_owned(), |config, (name, path)| config.replace(name, path.to_str().expect("plain")));
    desk.file.write(&config);
    let daemon = desk.start();
    let (over, answered, sent) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let samples = thread::scope(|scope| {
        scope.spawn(|| attack(&lab, &over, &sent));
        scope.spawn(|| visit(&lab, &over, &answered));
        scope.spawn(|| operate(&desk, &over));
        let _over = Over(&over);
        observe(&desk, &daemon, &answered, &sent)
    });
    judge(&samples);
    assert!(daemon.lines_with("panicked") == 0 && daemon.lines_with("it is back") == 0, "{}", daemon.log());
}

/// Scanners by IPv4 and IPv6, by TCP and UDP, of traps, of unserved ports and with impossible flags; every now and then a flood.
fn attack(lab: &Lab, over: &AtomicBool, sent: &AtomicU32) {
    while !over.load(Ordering::Relaxed) {
        let n = sent.fetch_add(1, Ordering::Relaxed);
        let (from, port) = ((forged(n), 40_000), 8000 + u16::try_from(n % 64).expect("small"));
        let packet = match n % 7 {
            0 => tcp(from, (SERVER, 8081), FIN | PSH | URG),
            1 => udp(from, (SERVER, 161), b"public"),
            2 => tcp((routed(9), 40_000), (SERVER, port), SYN),
            3 => tcp((routed6(1, u16::try_from(2 + n % 8).expect("small")), 40_000), (SERVER6, port), SYN),
            _ => tcp(from, (SERVER, 111), SYN),
        };
        let (Ok(_) | Err(_)) = lab.wire.try_send(&packet); // a full link takes none
        if n.is_multiple_of(50) {
            thread::sleep(Duration::from_millis(20));
        }
        if n.is_multiple_of(20_000) {
            (0..5000).for_each(|more| forge(lab, n + more));
        }
    }
}

/// Clients of a TCP and of a UDP service, whose every request has to be answered.
fn visit(lab: &Lab, over: &AtomicBool, answered: &AtomicU32) {
    let service = lab.server.serve(server(22));
    let questions = lab.server.udp(SocketAddr::new(SERVER, 5353));
    while !over.load(Ordering::Relaxed) {
        let client = lab.attacker.connect(routed(3), server(22));
        talk(&client, &service.accept());
        let (heard, _) = ask(&lab.attacker.udp(SocketAddr::new(routed(3), 0)), &questions, b"hello");
        assert_eq!(heard, b"hello");
        answered.fetch_add(2, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(5));
    }
}

/// Operators who look, change something and reload; and one who follows events and goes.
fn operate(desk: &Desk<'_>, over: &AtomicBool) {
    for round in 0_u32.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let mut events = nftrap();
        let events = events.args(["events", "--watched"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut follower = desk.host.run(|| events.spawn()).expect("start nftrap events");
        for command in ["block 10.9.0.1", "status", "list", "why 10.1.0.9", "unblock 10.9.0.1"] {
            desk.done(command);
        }
        if round.is_multiple_of(8) {
            desk.done("reload");
        }
        thread::sleep(Duration::from_millis(500));
        follower.kill().and_then(|()| follower.wait()).expect("end nftrap events");
    }
}

fn observe(desk: &Desk<'_>, daemon: &Daemon<'_>, answered: &AtomicU32, sent: &AtomicU32) -> Vec<Sample> {
    let length = Duration::from_secs(number_from("NFTRAP_SOAK").unwrap_or(30));
    let begun = Instant::now();
    say(&HEADING);
    let sample = |_| {
        thread::sleep(length / SAMPLES);
        let (_, left) = desk.host.run(|| dump::fullest("nftrap")).expect("list the sets").expect("a size");
        let sample = Sample {
            second: begun.elapsed().as_secs(),
            holdings: Holdings::of(daemon),
            blocks: MAX_BLOCKS + SPARE_BLOCKS - left,
            journal_kib: fs::metadata(desk.file.journal()).map_or(0, |file| file.len() / 1024),
            answered: answered.load(Ordering::Relaxed),
            sent: sent.load(Ordering::Relaxed),
        };
        say(&sample);
        sample
    };
    (0..SAMPLES).map(sample).collect()
}

fn judge(samples: &[Sample]) {
    let (warming, later) = samples.split_at(WARM_AFTER);
    let most = |of: fn(&Sample) -> u64, samples: &[Sample]| samples.iter().map(of).max().expect("samples");
    let number = |number: usize| u64::try_from(number).expect("not so many");
    let grows = |what: &str, of: fn(&Sample) -> u64, spare: u64| {
        let (before, after) = (most(of, warming), most(of, later));
        assert!(after <= before + spare, "{what}: {before} at most when it was warm, then {after}");
    };
    grows("KiB of memory", |sample| sample.holdings.resident_kib, SPARE.resident_kib);
    grows("files", |sample| sample.holdings.files.try_into().expect("few"), number(SPARE.files));
    grows("threads", |sample| sample.holdings.threads.try_into().expect("few"), number(SPARE.threads));
    let blocks = samples.iter().map(|sample| sample.blocks).max().expect("samples");
    assert!(blocks > 100 && blocks <= MAX_BLOCKS, "{blocks} blocks");
    let journal = most(|sample| sample.journal_kib, samples);
    assert!(journal < 8 * 1024, "the journal has {journal} KiB, and may have 2 MiB and some more");
    assert!(samples.windows(2).all(|two| two[0].answered < two[1].answered), "requests are answered all the time");
}
