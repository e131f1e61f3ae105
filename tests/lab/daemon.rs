//! The daemon under test: a process in a namespace, its log, and what it did to the kernel's sets.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, Signal, kill_process};

use super::netns::Namespace;
use super::patience::{patience, wait_until};

/// A configuration whose packets are judged in the order in which they came.
pub(crate) const ONE_QUEUE: &str = "[queue]\ncount = 1\n";

/// A running daemon; killed when dropped.
pub(crate) struct Daemon<'lab> {
    namespace: &'lab Namespace,
    child: Child,
    log: Arc<Log>,
    table: String,
    _config: Arc<ConfigFile>,
}

impl<'lab> Daemon<'lab> {
    /// Starts it with a configuration, and returns when it is ready.
    pub(crate) fn start(namespace: &'lab Namespace, config: &str) -> Self {
        let daemon = Self::launch(namespace, config);
        daemon.wait_for_line("ready");
        daemon
    }

    /// Starts it with a configuration, which may be a wrong one.
    pub(crate) fn launch(namespace: &'lab Namespace, config: &str) -> Self {
        Self::launch_by(nftrap(), namespace, &Arc::new(ConfigFile::new(config)))
    }

    /// Starts it with a configuration that others hold, too, and the journal that is beside it.
    pub(crate) fn launch_with(namespace: &'lab Namespace, config: &Arc<ConfigFile>) -> Self {
        Self::launch_by(nftrap(), namespace, config)
    }

    /// The same, on a host whose own list of names is this file.
    pub(crate) fn launch_naming(namespace: &'lab Namespace, config: &Arc<ConfigFile>, hosts: &Path) -> Self {
        Self::launch_by(nftrap_where(hosts, "/etc/hosts"), namespace, config)
    }

    /// The same, on a host whose users are those of this file.
    pub(crate) fn launch_among(namespace: &'lab Namespace, config: &Arc<ConfigFile>, users: &Path) -> Self {
        Self::launch_by(nftrap_where(users, "/etc/passwd"), namespace, config)
    }

    /// The same, with the rights that its systemd unit gives it: an ordinary user's and `CAP_NET_ADMIN`.
    pub(crate) fn launch_unprivileged(namespace: &'lab Namespace, config: &str) -> Self {
        const NET_ADMIN_ALONE: &str = "-all,+net_admin";
        let mut command = as_nobody();
        command.args(["--bounding-set", NET_ADMIN_ALONE, "--inh-caps", NET_ADMIN_ALONE]);
        command.args(["--ambient-caps", NET_ADMIN_ALONE]).arg(public_binary());
        Self::launch_by(command, namespace, &Arc::new(ConfigFile::new(config)))
    }

    /// The same, started where a process may open so many files.
    pub(crate) fn launch_with_files(namespace: &'lab Namespace, files: u32, config: &str) -> Self {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={files}:{files}")).arg(binary());
        Self::launch_by(command, namespace, &Arc::new(ConfigFile::new(config)))
    }

    /// The same, by a command that ends in running it.
    pub(crate) fn launch_by(mut command: Command, namespace: &'lab Namespace, file: &Arc<ConfigFile>) -> Self {
        let config = fs::read_to_string(&file.0).expect("read the configuration");
        command.args(["run", "--config"]).arg(&file.0).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = namespace.run(|| command.spawn()).expect("start nftrap");
        let stderr = child.stderr.take().expect("its log");
        fcntl_setpipe_size(&stderr, 4096).expect("a pipe that is soon full, when nobody reads");
        let log = Log::of(stderr);
        let table = config.lines().find_map(|line| line.strip_prefix("table = "));
        let table = table.map_or("nftrap", |name| name.trim_matches('"')).to_owned();
        Self { namespace, child, log, table, _config: Arc::clone(file) }
    }

    /// Returns the first line of the log that holds `text`, when there is one; panics when none comes.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        self.log.wait_for(text).unwrap_or_else(|| panic!("the log never said `{text}`"))
    }

    /// Leaves its log unread from now on.
    pub(crate) fn stop_reading(&self) {
        self.log.unread.store(true, Ordering::Relaxed);
    }

    /// How many lines of the log hold `text`.
    pub(crate) fn lines_with(&self, text: &str) -> usize {
        self.log.locked().all.iter().filter(|line| line.contains(text)).count()
    }

    /// Whether this key (an IPv4 address, or a masked IPv6 one) is in the kernel's set.
    pub(crate) fn blocks(&self, key: &str) -> bool {
        self.element(key).is_some()
    }

    /// How much longer this key stays in the kernel's set.
    pub(crate) fn time_left(&self, key: &str) -> Duration {
        let element = self.element(key).unwrap_or_else(|| panic!("{key} is not blocked"));
        let end = element.split("expires ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let end = end.unwrap_or_else(|| panic!("a block without an end: {element}"));
        humantime::parse_duration(end).unwrap_or_else(|_| panic!("nft's `{end}` is not a duration"))
    }

    fn element(&self, key: &str) -> Option<String> {
        let sets: &[&str] =
            if key.contains(':') { &["block6net", "block6", "block6net56", "block6net48"] } else { &["block4"] };
        let key = format!("{{ {key} }}");
        sets.iter().find_map(|set| {
            let look = || self.namespace.nft(&["get", "element", "inet", &self.table, set, &key]);
            // The kernel ends a look at a ruleset that changes meanwhile, and nft leaves the next one to us.
            let (mut found, mut said) = look();
            while said.contains("Interrupted system call") {
                (found, said) = look();
            }
            assert!(found || said.contains("No such file"), "nft could not look for {key} in {set}: {said}");
            found.then_some(said)
        })
    }

    /// Whether its table is in the kernel.
    pub(crate) fn has_table(&self) -> bool {
        self.namespace.nft(&["list", "table", "inet", &self.table]).0
    }

    /// Its process number.
    pub(crate) fn number(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged that holds `text`.
    pub(crate) fn all_lines_with(&self, text: &str) -> Vec<String> {
        self.log.locked().all.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("send nftrap a signal");
    }

    /// Stops it in the middle of what it does; it can be ended, or sent on with `Signal::CONT`.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        let threads = format!("/proc/{}/task", self.child.id());
        wait_until("each thread of nftrap stands still", || {
            let threads = fs::read_dir(&threads).expect("its threads");
            threads
                .map(|thread| thread.expect("a thread").path().join("status"))
                .all(|status| fs::read_to_string(status).is_ok_and(|status| status.contains("State:\tT")))
        });
    }

    /// Ends it with a signal: how it ended, and how long that took.
    pub(crate) fn end(&mut self, signal: Signal) -> (ExitStatus, Duration) {
        self.signal(signal);
        self.wait_for_end()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("ask how nftrap is")
    }

    /// Waits until it has ended by itself: how, and how long that took.
    pub(crate) fn wait_for_end(&mut self) -> (ExitStatus, Duration) {
        let mut status = None;
        let time = wait_until("nftrap ends", || {
            status = self.ended();
            status.is_some()
        });
        (status.expect("waited for"), time)
    }

    /// Memory in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its memory use");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    /// What the kernel says of the thread of that name.
    pub(crate) fn thread_status(&self, name: &str) -> String {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let status = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).expect("its status");
        let mut all = threads.map(|thread| status(thread.expect("a thread")));
        all.find(|status| status.starts_with(&format!("Name:\t{name}\n"))).expect("a thread of that name")
    }

    /// What the kernel says of each thread.
    pub(crate) fn thread_statuses(&self) -> Vec<String> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let status = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status"));
        // One that has just ended has none.
        threads.filter_map(|thread| status(thread.expect("a thread")).ok()).collect()
    }

    /// Processor time of all its threads, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let of = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("schedstat")).expect("its time");
        let first = |text: String| text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).expect("a number");
        threads.map(|thread| first(of(thread.expect("a thread")))).sum()
    }

    /// The end of what it has logged.
    pub(crate) fn log(&self) -> String {
        const ENOUGH: usize = 60; // a flood leaves a line for each forged source
        let lines = self.log.locked();
        lines.all[lines.all.len().saturating_sub(ENOUGH)..].join("\n")
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        self.log.unread.store(false, Ordering::Relaxed);
        // Both fail only for a process that is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("--- log of nftrap, table {}:\n{}\n---", self.table, self.log());
        }
    }
}

/// The rules that would be loaded by default.
pub(crate) fn rules(namespace: &Namespace, arguments: &[&str]) -> String {
    let (done, rules) = namespace.feed(nftrap().arg("rules").args(arguments), "");
    assert!(done, "`nftrap rules` failed: {rules}");
    rules
}

/// What `nftrap doctor` says with a configuration, and whether it finds no problem.
pub(crate) fn doctor(namespace: &Namespace, config: &str, arguments: &[&str]) -> (bool, String) {
    let file = ConfigFile::new(config);
    namespace.feed(nftrap().arg("doctor").args(arguments).arg("--config").arg(&file.0), "")
}

/// The same, run by `wrapper`, with the default configuration.
pub(crate) fn doctor_through(namespace: &Namespace, wrapper: &[&str]) -> (bool, String) {
    let nftrap = nftrap();
    namespace.feed(Command::new(wrapper[0]).args(&wrapper[1..]).arg(nftrap.get_program()).arg("doctor"), "")
}

/// nftrap, where `file` is in place of the system's own.
pub(crate) fn nftrap_where(file: &Path, own: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", "mount --bind \"$1\" \"$2\"; shift 2; exec \"$@\"", "sh"]);
    command.arg(file).arg(own).arg(binary());
    command
}

pub(crate) fn nftrap() -> Command {
    Command::new(binary())
}

/// Runs what follows as somebody who has no rights.
pub(crate) fn as_nobody() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"]);
    command
}

pub(crate) fn binary() -> PathBuf {
    std::env::var_os("NFTRAP_BIN").map_or_else(|| env!("CARGO_BIN_EXE_nftrap").into(), PathBuf::from)
}

/// A copy that any user may run: the folder that cargo builds in is often somebody's own.
pub(crate) fn public_binary() -> &'static PathBuf {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        let copy = std::env::temp_dir().join("nftrap-for-any-user");
        let own = copy.with_extension(std::process::id().to_string());
        fs::copy(binary(), &own).expect("copy nftrap");
        // Under its name it is complete, also for another run of these tests that starts it now.
        fs::rename(&own, &copy).expect("give the copy its name");
        copy
    })
}

/// A configuration file in a folder of its own, with the journal beside it; removed when dropped.
pub(crate) struct ConfigFile(PathBuf);

impl ConfigFile {
    pub(crate) fn new(config: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("nt{}-{count}", std::process::id()));
        fs::create_dir(&folder).expect("make a folder");
        let file = Self(folder.join("nftrap.toml"));
        file.write(config);
        file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The journal, unless the configuration names another one.
    pub(crate) fn journal(&self) -> PathBuf {
        self.0.with_extension("db")
    }

    pub(crate) fn write(&self, config: &str) {
        let journal = self.journal();
        let own = config.contains("[journal]");
        let journal = if own { String::new() } else { format!("\n[journal]\nfile = \"{}\"\n", journal.display()) };
        fs::write(&self.0, format!("{config}{journal}")).expect("write a configuration");
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(self.0.parent().expect("its folder")));
    }
}

/// Lines, collected by a thread while the daemon runs.
#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    more: Condvar,
    unread: AtomicBool,
}

#[derive(Default)]
struct Lines {
    all: Vec<String>,
    ended: bool,
}

impl Log {
    fn of(stderr: impl Read + Send + 'static) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let collector = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                collector.change(|lines| lines.all.push(line));
                collector.wait_while_unread();
            }
            collector.change(|lines| lines.ended = true);
        });
        log
    }

    fn wait_while_unread(&self) {
        while self.unread.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn change(&self, change: impl FnOnce(&mut Lines)) {
        change(&mut self.locked());
        self.more.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for(&self, text: &str) -> Option<String> {
        let deadline = Instant::now() + patience();
        let mut lines = self.locked();
        let mut read = 0;
        loop {
            if let Some(line) = lines.all[read..].iter().find(|line| line.contains(text)) {
                return Some(line.clone());
            }
            read = lines.all.len();
            let left = deadline.checked_duration_since(Instant::now())?;
            if lines.ended {
                return None;
            }
            lines = self.more.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
