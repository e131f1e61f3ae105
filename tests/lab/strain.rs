//! What a daemon may have to bear: to start where something is wanting, to be killed when nobody chose the moment, to be looked at closely.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::Errno;

use super::daemon::{Daemon, nftrap};
use super::desk::Desk;
use super::hosts::{Lab, SERVER};
use super::netns::Namespace;
use super::packet::{SYN, tcp};

/// Counts what gets past nftrap: of one source, `10.1.0.2`, and of all that asks for the trap that the tests use.
pub(crate) const ARRIVALS: &str = "\
table inet arrivals {
    chain input {
        type filter hook input priority 10; policy accept;
        ip saddr 10.1.0.2 counter comment \"one\"
        ip saddr 10.64.0.0/10 tcp dport 111 counter comment \"trapped\"
    }
}
";

/// How many packets the rule of [`ARRIVALS`] with that comment has met.
pub(crate) fn arrived(host: &Namespace, comment: &str) -> u64 {
    let (done, listing) = host.nft(&["list", "table", "inet", "arrivals"]);
    assert!(done, "{listing}");
    let rule = listing.lines().find(|line| line.contains(&format!("comment \"{comment}\""))).expect("that rule");
    let count = rule.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no number of packets in {rule}"))
}

/// Numbers that nobody chose, and that come again when the same seed is given.
pub(crate) struct Dice(u64);

impl Dice {
    /// Thrown anew each time, unless `NFTRAP_SEED` says which; said, so that a failure can be had again.
    pub(crate) fn new() -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a time of day").as_micros();
        let seed = number_from("NFTRAP_SEED").unwrap_or_else(|| u64::try_from(now()).expect("not that late"));
        eprintln!("the dice are thrown by NFTRAP_SEED={seed}");
        Self(seed | 1)
    }

    /// A number below `bound`. (Marsaglia's xorshift: no secret hangs on it.)
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A number that the environment gives.
pub(crate) fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Starts nftrap at a desk by a shell's line, in which `"$@"` is its command line.
pub(crate) fn launch_by_shell<'lab>(desk: &Desk<'lab>, line: &str) -> Daemon<'lab> {
    let mut command = Command::new("sh");
    command.args(["-c", line, "sh"]).arg(nftrap().get_program());
    Daemon::launch_by(command, desk.host, &desk.file)
}

/// The `n`th of many addresses that are routed to the server and answer nothing.
pub(crate) fn forged(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 64, 0, 0)) + n % (1 << 22)).into()
}

/// Sends the trap a SYN; one that finds no room on its way there is none.
pub(crate) fn forge(lab: &Lab, n: u32) {
    match lab.wire.try_send(&tcp((forged(n), 40_000), (SERVER, 111), SYN)) {
        Ok(_) | Err(Errno::NOBUFS | Errno::AGAIN) => {}
        Err(error) => panic!("could not forge packet {n}: {error}"),
    }
}

/// Says that it is over, also where a test panics: others wait for that.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a process has of what could leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) resident_kib: u64,
    pub(crate) files: usize,
    pub(crate) threads: usize,
}

impl Holdings {
    pub(crate) fn of(daemon: &Daemon<'_>) -> Self {
        let entries = |of: &str| fs::read_dir(format!("/proc/{}/{of}", daemon.number())).expect("its process").count();
        Self { resident_kib: daemon.resident_kib(), files: entries("fd"), threads: entries("task") }
    }
}
