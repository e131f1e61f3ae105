//! A million events: read one by one, in the memory that a thousand need.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use rusqlite::{Connection, params};

use super::*;

const EVENTS: usize = 1_000_000;

/// Adds events as the journal would, but for the time that it takes to make each.
fn fill(file: &Path) {
    open(file).append(&[blocked(1)]).unwrap();
    let sql = "
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO events (at, age, home, kind, source, prefix, port, protocol, repeat, until, ends, detail)
        SELECT at + i, age + i, home, kind, source, prefix, i % 60000, protocol, i, until, ends, detail
        FROM events, n WHERE id = 1";
    let database = Connection::open(file).unwrap();
    database.pragma_update(None, "synchronous", "OFF").unwrap();
    database.execute(sql, params![i64::try_from(EVENTS).unwrap() - 1]).unwrap();
}

#[test]
fn a_million_events_are_told_one_by_one_in_little_memory_and_counted() {
    let folder = Folder::new();
    fill(&folder.file());
    let mut child = Command::new(env!("CARGO_BIN_EXE_nftrap"))
        .args(["history", "--oldest-first", "--json", "--journal"])
        .arg(folder.file())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.by_ref().take(EVENTS - 5000).count(), EVENTS - 5000);
    // It waits for us now, with the rest.
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 64 * 1024, "{peak} kB");
    assert_eq!(lines.count(), 5000);
    assert!(child.wait().unwrap().success());
    let counts = commands::nftrap("stats", &folder.file(), &["--since", "2024-04-30", "--by", "port", "--json"]);
    let counts: serde_json::Value = serde_json::from_slice(&counts.stdout).unwrap();
    assert_eq!(counts["blocks"], EVENTS);
    assert_eq!(counts["port"][0]["what"], "111/tcp");
    assert_eq!(counts["port"][0]["blocks"], 18, "every 60,000th, and the first event");
}
