//! What is told of what happens: to who follows, to a file, to the journal, to Prometheus; all the same.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use crate::lab::daemon::{ONE_QUEUE, nftrap};
use crate::lab::desk::{Desk, text};
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::patience::wait_until;

/// `nftrap events`, and what it has said so far.
struct Follower {
    child: Child,
    told: Arc<Mutex<Vec<Value>>>,
}

impl Follower {
    fn of(desk: &Desk<'_>) -> Self {
        let mut command = nftrap();
        command.args(["events", "--watched", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = desk.host.run(|| command.spawn()).expect("start nftrap");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let told = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&told);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                all.lock().expect("what is told").push(serde_json::from_str(&line).expect("a line of JSON"));
            }
        });
        Self { child, told }
    }

    /// The first event of this name, when there is one.
    fn event(&self, name: &str) -> Value {
        let find = || self.told.lock().expect("what is told").iter().find(|event| event["event"] == name).cloned();
        wait_until(&format!("`{name}` is told"), || find().is_some());
        find().expect("waited for")
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The numbers at a metrics socket, each name's labels added up.
fn metrics(socket: &Path) -> BTreeMap<String, f64> {
    let mut stream = UnixStream::connect(socket).expect("connect to the metrics");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").expect("ask");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("read the metrics");
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    let mut sums = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("nftrap_")) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        let name = name.split('{').next().unwrap_or(name);
        *sums.entry(name.to_owned()).or_insert(0.0) += value.parse::<f64>().expect("a number");
    }
    sums
}

#[test]
fn all_that_happens_is_told_to_followers_file_journal_and_metrics_alike() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let (file, socket) = ["events", "metrics.sock"].map(|name| desk.file.path().with_file_name(name)).into();
    let report = format!("[report]\nevents = \"{}\"\nmetrics = \"unix:{}\"\n", file.display(), socket.display());
    let config = format!("{ONE_QUEUE}[detect]\nthreshold = 2\n{report}");
    desk.file.write(&config);
    let mut daemon = desk.start();
    let follower = Follower::of(&desk);
    wait_until("it follows", || {
        // Nothing is said to who comes later.
        desk.done("allow add 10.9.9.9");
        !follower.told.lock().expect("what is told").is_empty()
    });

    lab.probe(routed(2), SERVER, 79);
    let watched = follower.event("watched");
    assert_eq!((text(&watched, "source"), &watched["port"]), ("10.1.0.2", &79.into()));
    lab.probe(routed(2), SERVER, 111);
    let blocked = follower.event("blocked");
    let ports: Vec<_> = blocked["evidence"].as_array().expect("evidence").iter().map(|seen| &seen["port"]).collect();
    assert_eq!((text(&blocked, "source"), ports), ("10.1.0.2", vec![&79.into(), &111.into()]));
    let while_scanning = metrics(&socket);
    assert_eq!(while_scanning.get("nftrap_blocked_sources"), Some(&1.0), "{while_scanning:?}");

    desk.done("unblock 10.1.0.2");
    assert_eq!(text(&follower.event("unblocked"), "user"), "root");
    desk.reload(&format!("{config}[block]\nfactor = 3\n"));
    assert_eq!(text(&follower.event("reloaded"), "user"), "root");
    lab.server.nft_load("flush ruleset");
    follower.event("table_restored");
    lab.settle(&daemon, SERVER);

    let (status, numbers) = (desk.json("status").remove(0), metrics(&socket));
    for (metric, counter) in [("nftrap_packets_total", "packets"), ("nftrap_blocks_total", "blocks")] {
        assert_eq!(numbers.get(metric).copied(), status["counters"][counter].as_f64(), "{metric}: {numbers:?}");
    }
    daemon.end(Signal::TERM);
    follower.event("stopped");
    let lines = fs::read_to_string(&file).expect("read the events");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let names: Vec<_> = lines.iter().map(|line| text(line, "event")).filter(|name| *name != "allowed").collect();
    assert_eq!(names, ["started", "blocked", "unblocked", "reloaded", "table_restored", "blocked", "stopped"]);
    assert_eq!(desk.history(""), lines, "the journal has the same");
}
