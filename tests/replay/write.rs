//! `nftrap replay --write`: the offenders' probes as a capture of their own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::{HOST, Pcap, RST_ACK, SCANNER, SYN, SYN_ACK, json, parse};

const CLIENT: &str = "198.51.100.99";
const UDP_SCANNER: &str = "198.51.100.8";
const SWEEPER: &str = "198.51.100.9";
const STEALTHY: &str = "198.51.100.10";
const FIN: u8 = 1;

/// Two parts of a capture in which clients are served and four kinds of scanners go by, one of them out of order.
fn parts() -> [Pcap; 2] {
    let (mut early, mut late) = (Pcap::default(), Pcap::default());
    for second in 100..104 {
        early.tcp(second, (CLIENT, 5000), (HOST, 80), SYN);
        early.tcp(second, (HOST, 80), (CLIENT, 5000), SYN_ACK);
        early.tcp(second, (SCANNER, 4000), (HOST, 80), SYN); // served: no probe
        early.tcp(second, (HOST, 80), (SCANNER, 4000), SYN_ACK);
    }
    for (second, port) in [(112, 23), (110, 21), (111, 22), (113, 25), (114, 26)] {
        early.tcp(second, (SCANNER, 4000), (HOST, port), SYN);
        early.tcp(second, (HOST, port), (SCANNER, 4000), RST_ACK);
    }
    late.ip(200, (SWEEPER, HOST), 1, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
    late.ip(200, (HOST, SWEEPER), 1, &[0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    for (second, last) in (201..).zip(30..36) {
        late.ip(second, (SWEEPER, &format!("192.0.2.{last}")), 1, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
    }
    for (second, port) in (300..).zip([161, 1900, 5060, 11211]) {
        late.ip(second, (UDP_SCANNER, HOST), 17, &udp(4000, port));
    }
    for (second, port) in (400..).zip([9, 9, 10]) {
        late.tcp(second, (STEALTHY, 4000), (HOST, port), FIN);
    }
    [early, late]
}

fn udp(from: u16, to: u16) -> Vec<u8> {
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &12_u16.to_be_bytes(), &[0; 2], b"ping"].concat()
}

fn target(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_file(&path)); // of an earlier run, if it is there
    path
}

fn run(files: &[&Path], more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nftrap"));
    command.args(["replay", "--json"]).args(files).args(more).output().unwrap()
}

/// What must be the same of an offender whichever file shows it: not when the file begins.
fn essence(lines: &[Value]) -> Vec<Value> {
    let offenders = lines.iter().filter(|line| line.get("offender").is_some()).cloned();
    offenders
        .map(|mut line| {
            let took = line["decided"].as_f64().unwrap() - line["first"].as_f64().unwrap();
            line["first"] = 0.into();
            line["decided"] = format!("{took:.3}").into();
            line
        })
        .collect()
}

#[test]
fn what_is_written_shows_the_same_offenders_by_the_same_probes() {
    let [early, late] = parts();
    let (early, late) = (early.write("excerpt-early"), late.write("excerpt-late"));
    let packed = target("excerpt-late.pcap.gz");
    let mut gz = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
    std::io::copy(&mut File::open(&late).unwrap(), &mut gz).unwrap();
    gz.finish().unwrap();

    for protect in [&[][..], &["--protect", "192.0.2.0/24"]] {
        let excerpt = target("excerpt.pcap");
        let write = [&["--write", excerpt.to_str().unwrap()], protect].concat();
        let whole = json(&run(&[&packed, &early], &write)); // the later part named first
        let again = json(&run(&[&excerpt], &["--protect", "192.0.2.0/24"]));
        assert_eq!(essence(&whole).len(), 4, "{whole:?}");
        assert_eq!(essence(&again), essence(&whole));
        let [all, kept] = [&whole, &again].map(|lines| lines.last().unwrap()["packets"].as_u64().unwrap());
        assert!(kept < all, "{kept} of {all}");
    }
}

#[test]
fn nobody_else_is_in_what_is_written() {
    let [early, _] = parts();
    let excerpt = target("excerpt-alone.pcap");
    json(&early.replay("excerpt-alone-from", &["--write", excerpt.to_str().unwrap()]));
    let bytes = fs::read(&excerpt).unwrap();
    let holds = |address: &str| {
        let octets = address.parse::<std::net::Ipv4Addr>().unwrap().octets();
        bytes.windows(4).any(|four| four == octets)
    };
    assert!(holds(SCANNER) && !holds(CLIENT));
}

#[test]
fn where_nobody_offended_a_file_without_packets_is_written() {
    let mut quiet = Pcap::default();
    quiet.tcp(100, (CLIENT, 5000), (HOST, 80), SYN);
    quiet.tcp(100, (HOST, 80), (CLIENT, 5000), SYN_ACK);
    let excerpt = target("excerpt-none.pcap");
    json(&quiet.replay("excerpt-none-from", &["--write", excerpt.to_str().unwrap()]));
    assert_eq!(json(&run(&[&excerpt], &[]))[0]["packets"], 0);
}

#[test]
fn a_file_that_is_there_is_never_written_over() {
    let [early, _] = parts();
    let there = target("excerpt-there.pcap");
    fs::write(&there, "somebody's").unwrap();
    let link = target("excerpt-link.pcap");
    std::os::unix::fs::symlink("/nonexistent/file.pcap", &link).unwrap();
    for path in [&there, &link] {
        let output = early.replay("excerpt-there-from", &["--write", path.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
        assert_eq!(said, format!("{}: it is there already; remove it, or name another file\n", path.display()));
    }
    assert_eq!(fs::read(&there).unwrap(), b"somebody's");
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("/nonexistent/file.pcap"));
}

#[test]
fn a_disk_that_is_full_leaves_no_half_file_under_the_name() {
    let mut scan = Pcap::default();
    for port in 1..200 {
        scan.tcp(100, (SCANNER, 4000), (HOST, port), SYN);
    }
    let folder = target("excerpt-full");
    fs::create_dir_all(&folder).unwrap();
    let excerpt = folder.join("probes.pcap");
    // Not a byte more than 1024 in any file, and an error instead of the signal.
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$0\" replay --json \"$1\" --write \"$2\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_nftrap")]).arg(scan.write("excerpt-full-from")).arg(&excerpt);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("probes.pcap: it cannot be written: File too large"), "{said}");
    assert_eq!(parse(&output)[0]["offender"], SCANNER, "the result is told all the same");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_file_in_a_folder_that_is_not_there_is_an_error_that_says_so() {
    let [early, _] = parts();
    let output = early.replay("excerpt-nowhere-from", &["--write", "/nonexistent/folder/probes.pcap"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("/nonexistent/folder/probes.pcap: it cannot be written: No such file"), "{said}");
}
