//! `nftrap history` and `nftrap stats`, as somebody calls them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};

use super::*;

pub(super) fn nftrap(command: &str, file: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nftrap")).arg(command).args(more).arg("--journal").arg(file).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

#[test]
fn history_is_a_table_or_lines_of_json_while_a_daemon_writes() {
    let folder = Folder::new();
    let mut journal = open(&folder.file());
    let events: Vec<_> = (1..=60).map(blocked).collect();
    journal.append(&events).unwrap();
    let table = nftrap("history", &folder.file(), &[]);
    assert!(table.status.success());
    let lines: Vec<_> = text(&table.stdout).lines().map(ToOwned::to_owned).collect();
    assert_eq!(lines.len(), 51, "a head and fifty rows");
    assert!(lines[1].starts_with("2024-05-01T00:00:00Z blocked          0.0.0.60 "), "{}", lines[1]);
    assert!(text(&table.stderr).contains("--limit"));
    let json = nftrap("history", &folder.file(), &["--json", "--oldest-first"]);
    let read: Vec<Event> = text(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, events);
    let one = nftrap("history", &folder.file(), &["--source", "0.0.0.7", "--kind", "blocked,unblocked", "--json"]);
    assert_eq!(text(&one.stdout).lines().count(), 1);
    let none = nftrap("history", &folder.file(), &["--since", "2024-05-02"]);
    assert!(none.status.success() && none.stdout.is_empty());
}

#[test]
fn who_has_seen_enough_of_it_closes_the_pipe_and_that_is_no_error() {
    let folder = Folder::new();
    open(&folder.file()).append(&(0..5000).map(blocked).collect::<Vec<_>>()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_nftrap"))
        .args(["history", "--json", "--journal"])
        .arg(folder.file())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(said, "");
}

#[test]
fn stats_count_by_port_source_and_network() {
    let folder = Folder::new();
    open(&folder.file()).append(&(1..=60).map(blocked).collect::<Vec<_>>()).unwrap();
    let all = nftrap("stats", &folder.file(), &["--since", "2024-04-30"]);
    let said = text(&all.stdout);
    assert!(said.starts_with("60 blocks from 2024-04-30T00:00:00Z to "), "{said}");
    assert!(said.contains("111/tcp                          60       60  2024-05-01T00:00:00Z"), "{said}");
    assert!(said.is_ascii(), "no terminal, no bars: {said}");
    let json = nftrap("stats", &folder.file(), &["--since", "2024-04-30", "--by", "network", "--json"]);
    let object: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(object["blocks"], 60);
    assert_eq!(object["network"][0]["what"], "0.0.0.0/24");
    assert!(object.get("port").is_none());
}

#[test]
fn a_journal_that_cannot_be_read_is_an_error_with_its_name() {
    let folder = Folder::new();
    for command in ["history", "stats"] {
        let refused = nftrap(command, &folder.file(), &[]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused.stderr).contains("nftrap.db"), "{}", text(&refused.stderr));
        fs::write(folder.0.join("text"), "no database\n".repeat(100)).unwrap();
        let refused = nftrap(command, &folder.0.join("text"), &[]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused.stderr).contains("cannot open the journal"), "{}", text(&refused.stderr));
    }
    assert_eq!(nftrap("history", &folder.file(), &["--kind", "eaten"]).status.code(), Some(2));
}
