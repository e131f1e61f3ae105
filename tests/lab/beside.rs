//! Other firewall tools, on a host of the lab. `scripts/setup test` unpacks them and installs none, since an installed one
//! starts by itself. Each host has them laid over this machine's files in a mount namespace: what they write ends with it.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use rustix::process::{Pid, Signal, kill_process};

use super::daemon::Daemon;
use super::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use super::netns::Namespace;
use super::patience::wait_until;
use super::wire::{Answer, Service};

/// A mount namespace in which a host has them all.
pub(crate) struct Tools<'lab> {
    host: &'lab Namespace,
    mounts: File,
}

impl<'lab> Tools<'lab> {
    pub(crate) fn on(host: &'lab Namespace) -> Self {
        let tree = tree();
        assert!(tree.join("packages").exists(), "{} is missing: run scripts/setup test", tree.display());
        let lay_over = || {
            unshare(CloneFlags::CLONE_NEWNS).expect("make a mount namespace");
            let output = Command::new("sh").args(["-ec", LAY_OVER, "sh"]).arg(&tree).output().expect("start sh");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "could not lay the tools over this machine's files: {said}");
            File::open("/proc/thread-self/ns/mnt").expect("hold the mount namespace")
        };
        Self { host, mounts: host.run(lay_over) }
    }

    /// Runs a shell's commands, and returns what they say; panics when one fails.
    pub(crate) fn run(&self, commands: &str) -> String {
        let (done, said) = self.host.feed(&mut self.shell(commands), "");
        assert!(done, "one of these failed:\n{commands}\n{said}");
        said
    }

    /// Whether a shell's commands succeed.
    pub(crate) fn succeeds(&self, commands: &str) -> bool {
        self.host.feed(&mut self.shell(commands), "").0
    }

    /// Starts a program that stays.
    pub(crate) fn start(&self, command: &str) -> Background {
        let mut shell = self.shell(&format!("exec {command}"));
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Background(self.host.run(|| shell.spawn()).expect("start a program"))
    }

    fn shell(&self, commands: &str) -> Command {
        let mut shell = Command::new("nsenter");
        shell.arg(format!("--mount=/proc/{}/fd/{}", process::id(), self.mounts.as_raw_fd()));
        shell.args(["sh", "-ec", commands]);
        shell
    }
}

/// What TCP wrappers say to a client of `sshd` by the two files of their own in `folder`.
pub(crate) fn tcp_wrappers(folder: &Path, client: IpAddr) -> String {
    let tree = tree();
    let program = tree.join("usr/sbin/tcpdmatch");
    assert!(program.exists(), "{} is missing: run scripts/setup test", program.display());
    let libraries = std::fs::read_dir(tree.join("usr/lib")).expect("its libraries").flatten();
    let libraries: Vec<_> = libraries.map(|folder| folder.path().display().to_string()).collect();
    let mut command = Command::new(program);
    command.args(["-d", "sshd", &client.to_string()]).current_dir(folder).env("LD_LIBRARY_PATH", libraries.join(":"));
    let said = command.output().expect("start tcpdmatch").stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    let access = said.lines().find_map(|line| line.strip_prefix("access:"));
    access.unwrap_or_else(|| panic!("tcpdmatch said nothing of {client}: {said}")).trim().to_owned()
}

/// Where `scripts/setup` unpacks them.
fn tree() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache");
    cache.unwrap_or_else(home).join("nftrap/beside")
}

/// `/lib` is a link to `/usr/lib`. Sockets and logs that their daemons make go to a `/run` of their own.
const LAY_OVER: &str = "\
mount --make-rprivate /
mount -t tmpfs layer /mnt
for part in etc usr var; do
    mkdir -p /mnt/$part/upper /mnt/$part/work
    mount -t overlay -o lowerdir=$1/$part:/$part,upperdir=/mnt/$part/upper,workdir=/mnt/$part/work overlay /$part
done
mount -t tmpfs run /run
";

/// A running program; killed when dropped.
pub(crate) struct Background(Child);

impl Background {
    /// Ends it as a service manager does.
    pub(crate) fn stop(&mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("ask it to stop");
        wait_until("it stops", || self.0.try_wait().expect("ask how it is").is_some());
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What is not ours in a ruleset, with handles: a rule that was removed and set again has another one. What nft remarks on
/// xt targets depends on who has any.
pub(crate) fn theirs(host: &Namespace) -> String {
    let (_, listing) = host.nft(&["-s", "-a", "list", "ruleset"]);
    let mut ours = false;
    let foreign = listing.lines().filter(|line| {
        ours |= line.starts_with("table inet nftrap ");
        let foreign = !ours && !line.starts_with("# Warning") && !line.starts_with("libxtables: ");
        ours &= *line != "}";
        foreign
    });
    foreign.collect::<Vec<_>>().join("\n")
}

/// A server with somebody else's firewall, which lets clients come to port 22 and to none besides; 8080 is served, too.
pub(crate) struct Guarded {
    pub(crate) lab: Lab,
    _services: [Service; 2],
}

/// What somebody else's firewall does at the moment.
#[derive(Clone, Copy)]
pub(crate) enum Firewall {
    /// It answers like this.
    Up(Answer),
    /// Nothing.
    Down,
}

impl Guarded {
    pub(crate) fn new() -> Option<Self> {
        let lab = Lab::on_one_link()?;
        let services = [22, 8080].map(|port| lab.server.serve(format!("[::]:{port}").parse().expect("an address")));
        Some(Self { lab, _services: services })
    }

    /// Both do their work: a new scanner is shut out at its first probe, and a client meets what the firewall says.
    pub(crate) fn both_work(&self, daemon: &Daemon<'_>, scanner: u8, firewall: Firewall) {
        let (scanner, client) = (routed(scanner), routed(scanner + 100));
        self.meets(scanner, server(22), Answer::Open);
        self.lab.probe(scanner, SERVER, 111);
        daemon.wait_for_line(&format!("blocked source={scanner} port=111 protocol=tcp kind=syn hits=1"));
        self.meets(scanner, server(22), Answer::Silence);

        // Nobody serves 8081: we look at the packet and let it go on, to them.
        let (served, unserved) = match firewall {
            Firewall::Up(answer) => (answer, answer),
            Firewall::Down => (Answer::Open, Answer::Refused),
        };
        self.meets(client, server(22), Answer::Open);
        self.meets(client, server(8080), served);
        self.meets(client, server(8081), unserved);
    }

    /// An ICMP error may come while the socket is still busy with its first SYN: then it takes the second to notice.
    fn meets(&self, client: IpAddr, to: SocketAddr, answer: Answer) {
        let attacker = &self.lab.attacker;
        let met =
            if answer == Answer::Silence { attacker.knock_briefly(client, to) } else { attacker.knock(client, to) };
        assert_eq!(met, answer, "{client} at {to}");
    }

    /// The same by IPv6, once: the attacker's second network is shut out then.
    pub(crate) fn both_work_by_ipv6(&self, daemon: &Daemon<'_>, refusal: Answer) {
        let (scanner, client) = (routed6(2, 2), routed6(1, 2));
        let at = |port| SocketAddr::new(SERVER6, port);
        self.lab.probe(scanner, SERVER6, 111);
        daemon.wait_for_line("blocked source=fd00:2::");
        self.meets(scanner, at(22), Answer::Silence);
        self.meets(client, at(22), Answer::Open);
        self.meets(client, at(8080), refusal);
    }

    /// Our start, end, restart and removal change nothing of theirs.
    pub(crate) fn our_life_changes_nothing_of(&self, tables: &[&str]) {
        let host = &self.lab.server;
        let before = theirs(host);
        for table in tables {
            assert!(before.contains(&format!("table {table} {{")), "no {table} in\n{before}");
        }
        let mut daemon = Daemon::start(host, "");
        assert_eq!(theirs(host), before, "after our start");
        self.lab.probe(routed(2), SERVER, 111);
        daemon.wait_for_line("blocked source=10.1.0.2 ");
        daemon.end(Signal::TERM);
        assert_eq!(theirs(host), before, "after our end");

        let mut daemon = Daemon::start(host, "on_exit = \"remove\"\n");
        assert!(daemon.blocks("10.1.0.2"), "after our restart");
        assert_eq!(theirs(host), before, "after our restart");
        daemon.end(Signal::TERM);
        assert!(!daemon.has_table());
        assert_eq!(theirs(host), before, "after our removal");
    }
}
