//! Replays capture files through the program as an operator does. The files are made here; where a folder of published captures
//! is at hand (`NFTRAP_CAPTURES`, else `../shared/captures`), its damaged files must not hurt either.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot run fails")]
#![expect(clippy::disallowed_methods, reason = "it writes files, runs the program and measures time")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nftrap::config::Config;
use nftrap::detect::prefixes::Prefixes;
use nftrap::replay::replay;
use serde_json::Value;

#[path = "replay/write.rs"]
mod write;

const SYN: u8 = 2;
const SYN_ACK: u8 = 0x12;
const RST_ACK: u8 = 0x14;
const SCANNER: &str = "198.51.100.7";
const HOST: &str = "192.0.2.1";

#[test]
fn a_scanner_is_named_with_the_probe_that_gave_it_away() {
    let mut capture = Pcap::default();
    for (second, port) in (100..).zip([21, 22, 23, 25, 80]) {
        capture.tcp(second, (SCANNER, 4000), (HOST, port), SYN);
        capture.tcp(second, (HOST, port), (SCANNER, 4000), if port == 80 { SYN_ACK } else { RST_ACK });
    }
    let found = json(&capture.replay("scan", &[]));
    let [offender, totals] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(offender["offender"], SCANNER);
    assert_eq!((&offender["destination"], &offender["port"]), (&HOST.into(), &25.into()));
    assert_eq!((&offender["first"], &offender["decided"]), (&0.0.into(), &3.0.into()));
    assert_eq!((&offender["hits"], &offender["probes"]), (&4.into(), &4.into()));
    assert_eq!((&totals["packets"], &totals["suspicious"]), (&10.into(), &4.into()));
}

#[test]
fn clients_of_services_are_not_named_however_early_they_come() {
    let mut capture = Pcap::default();
    for port in [25, 80, 143, 443, 993, 8080] {
        capture.tcp(100, (SCANNER, 4000), (HOST, port), SYN); // lost on its way: nobody answers
        capture.tcp(101, (SCANNER, 4000), (HOST, port), SYN);
        capture.tcp(101, (HOST, port), (SCANNER, 4000), SYN_ACK);
    }
    let found = json(&capture.replay("clients", &[]));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn only_what_is_sent_to_the_protected_counts() {
    let mut capture = Pcap::default();
    for port in [21, 22, 23, 25, 110] {
        capture.tcp(100, (SCANNER, 4000), (HOST, port), SYN);
    }
    let both = json(&capture.replay("protect", &["--protect", "203.0.113.0/24,192.0.2.1"]));
    assert_eq!((both.len(), &both[1]["guessed"]), (2, &false.into()));
    assert_eq!(json(&capture.replay("protect", &["--protect", "203.0.113.0/24"])).len(), 1);
}

#[test]
fn a_damaged_file_is_replayed_as_far_as_it_goes_and_named() {
    let mut capture = Pcap::default();
    for port in [111, 80] {
        capture.tcp(100, (SCANNER, 4000), (HOST, port), SYN);
    }
    capture.0.truncate(capture.0.len().wrapping_sub(1));
    let output = capture.replay("cut", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(parse(&output)[0]["port"], 111);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cut.pcap: after packet 1, at byte 80: the file ends within a record"), "{said}");
}

#[test]
fn a_missing_file_keeps_the_others_from_nothing() {
    let mut capture = Pcap::default();
    capture.tcp(100, (SCANNER, 4000), (HOST, 111), SYN);
    let output = capture.replay("with-missing", &["/nonexistent/file.pcap"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(parse(&output).len(), 2);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("/nonexistent/file.pcap: it cannot be opened: no such file"), "{said}");
}

#[test]
fn parts_of_a_capture_are_put_in_order() {
    let (mut early, mut late) = (Pcap::default(), Pcap::default());
    early.tcp(100, (SCANNER, 4000), (HOST, 21), SYN);
    early.tcp(101, (SCANNER, 4000), (HOST, 22), SYN);
    late.tcp(200, (SCANNER, 4000), (HOST, 23), SYN);
    late.tcp(201, (SCANNER, 4000), (HOST, 25), SYN);
    let early = early.write("part-early");
    let found = json(&late.replay("part-late", &[early.to_str().unwrap()]));
    assert_eq!((&found[0]["first"], &found[0]["decided"]), (&0.0.into(), &101.0.into()));
}

#[test]
fn damaged_files_from_all_over_the_world_neither_crash_nor_hang_it() {
    let folder = captures().join("malformed");
    let mut files = Vec::new();
    list(&folder, &mut files);
    if files.is_empty() {
        // Written past libtest's capture: a test that tests nothing says so.
        let notice = format!("NOT TESTED: there are no captures in {}; set NFTRAP_CAPTURES\n", folder.display());
        std::io::stderr().write_all(notice.as_bytes()).unwrap();
        return;
    }
    let mut config = Config::default();
    config.detect.max_sources = 1024; // quicker to set up, for each of so many files
    for file in files {
        let began = Instant::now();
        let outcome = replay(std::slice::from_ref(&file), &config, &Prefixes::default(), &mut |_| ());
        assert!(began.elapsed() < Duration::from_secs(10), "{} took too long", file.display());
        assert!(outcome.faults.len() <= 1);
    }
}

/// Capture files that others published, if they are here.
fn captures() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    std::env::var_os("NFTRAP_CAPTURES").map_or_else(default, PathBuf::from)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}

/// A capture file in the making: pcap, little-endian, raw IP.
struct Pcap(Vec<u8>);

impl Default for Pcap {
    fn default() -> Self {
        let fields: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101];
        Self(fields.map(u32::to_le_bytes).concat())
    }
}

impl Pcap {
    fn tcp(&mut self, second: u32, from: (&str, u16), to: (&str, u16), flags: u8) {
        let ports = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
        let tcp = [0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 4, 0, 0, 0, 0, 0];
        self.ip(second, (from.0, to.0), 6, &[&ports[..], &tcp].concat());
    }

    fn ip(&mut self, second: u32, (from, to): (&str, &str), protocol: u8, body: &[u8]) {
        let [source, destination] = [from, to].map(|ip| ip.parse::<std::net::Ipv4Addr>().unwrap().octets());
        let length = u32::try_from(body.len()).unwrap().wrapping_add(20);
        let [_, _, high, low] = length.to_be_bytes();
        self.0.extend([second, 0, length, length].map(u32::to_le_bytes).concat());
        let ip = [0x45, 0, high, low, 0, 0, 0, 0, 64, protocol, 0, 0];
        self.0.extend([&ip[..], &source, &destination, body].concat());
    }

    fn write(&self, name: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pcap"));
        fs::write(&path, &self.0).unwrap();
        path
    }

    fn replay(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nftrap"));
        command.args(["replay", "--json"]).arg(self.write(name)).args(arguments).output().unwrap()
    }
}

/// The lines of a replay without trouble.
fn json(output: &Output) -> Vec<Value> {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    parse(output)
}

fn parse(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
