//! Network namespaces without a name: each goes when the last descriptor, thread and process in it goes, also
//! after a crash, so that there is nothing to clean up and tests cannot meet.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::panic::resume_unwind;
use std::process::{self, Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// One network stack of its own.
pub(crate) struct Namespace(File);

impl Namespace {
    pub(crate) fn new() -> Self {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("make a network namespace");
            File::open("/proc/thread-self/ns/net").expect("hold the network namespace")
        };
        let namespace = Self(thread::spawn(make).join().expect("a thread for the network namespace"));
        // A new namespace takes these over from the host, whose administrator may like other values.
        namespace.sysctl("ipv4/conf/all/rp_filter", "0");
        namespace.sysctl("ipv4/conf/default/rp_filter", "0");
        namespace.sysctl("ipv4/ip_forward", "0");
        namespace
    }

    /// Runs `work` in a thread inside this namespace; what it opens there stays there.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            setns(&self.0, CloneFlags::CLONE_NEWNET).expect("join the network namespace");
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join().unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// A path that other processes can name this namespace by while it exists.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        self.run(|| fs::write(format!("/proc/sys/net/{name}"), value)).expect("set a sysctl");
    }

    /// Carries out `ip` commands, one a line, with a single process.
    pub(crate) fn ip(&self, commands: &str) {
        let (done, output) = self.feed(Command::new("ip").args(["-batch", "-"]), commands);
        assert!(done, "ip refused one of these:\n{commands}\n{output}");
    }

    /// Whether nft liked it, and all that it said.
    pub(crate) fn nft(&self, arguments: &[&str]) -> (bool, String) {
        self.feed(Command::new("nft").args(arguments), "")
    }

    /// Loads a ruleset.
    pub(crate) fn nft_load(&self, ruleset: &str) {
        let (done, output) = self.feed(Command::new("nft").args(["-f", "-"]), ruleset);
        assert!(done, "nft refused this:\n{ruleset}\n{output}");
    }

    /// Whether the kernel has nftables' own queue statement.
    pub(crate) fn has_nft_queue(&self) -> bool {
        let try_it = "table inet nt { chain try { queue num 9; }; }; delete table inet nt\n";
        self.feed(Command::new("nft").args(["-f", "-"]), try_it).0
    }

    /// The whole ruleset, without what changes by itself.
    pub(crate) fn ruleset(&self) -> String {
        self.nft(&["-s", "list", "ruleset"]).1
    }

    /// Runs `command` inside to its end: whether it succeeded, and what it wrote.
    pub(crate) fn feed(&self, command: &mut Command, input: &str) -> (bool, String) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.run(|| command.spawn()).expect("start a command");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("feed the command");
        let output = child.wait_with_output().expect("the command's output");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Packets that wait in the namespace's queues, and packets that ever came to them.
    pub(crate) fn queue_counts(&self) -> (u64, u64) {
        const WAITING: usize = 2;
        const EVER: usize = 7;
        let table = self.run(|| fs::read_to_string("/proc/thread-self/net/netfilter/nfnetlink_queue"));
        let table = table.expect("read the queues' counters");
        let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        rows.fold((0, 0), |sum, row| (sum.0 + number(row[WAITING]), sum.1 + number(row[EVER])))
    }
}

fn number(digits: &str) -> u64 {
    digits.parse().expect("a number")
}
