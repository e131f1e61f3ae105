//! A capture file, read to its end and replayed.
//!
//! Input: the file.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use nftrap::config::Config;
use nftrap::detect::prefixes::Prefixes;
use nftrap::replay::capture::{Capture, Fault};
use nftrap::replay::{Outcome, excerpt, replay};
use rustix::fs::{MemfdFlags, memfd_create};

/// A packet takes its own octets in a file, and 16 of a header; packed, a thousandth of that.
const OCTETS_PER_PACKET: u64 = 16;
const PACKED: u64 = 1032;
const GZIP: [u8; 2] = [0x1f, 0x8b];

pub(super) fn target(input: &[u8]) {
    let file = in_memory(input);
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let (packets, fault) = count(&path);
    let room = if input.starts_with(&GZIP) { PACKED } else { 1 };
    assert!(packets * OCTETS_PER_PACKET <= u64::try_from(input.len()).unwrap() * room, "{packets} packets");
    let mut config = Config::default();
    config.detect.max_sources = 1024;
    let outcome = replay(std::slice::from_ref(&path), &config, &Prefixes::default(), &mut |_| ());
    adds_up(&outcome, packets, fault.as_ref());
    can_be_written(&path, &config, &outcome);
    spares_who_is_to_be_spared(&path, config, &outcome);
}

fn in_memory(input: &[u8]) -> File {
    let mut file = File::from(memfd_create("capture", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(input).unwrap();
    file
}

fn count(path: &Path) -> (u64, Option<Fault>) {
    let mut packets = 0;
    let read = Capture::open(path).and_then(|capture| capture.read(&mut |_frame| packets += 1));
    (packets, read.err())
}

fn adds_up(outcome: &Outcome, packets: u64, fault: Option<&Fault>) {
    let read = outcome.read;
    assert_eq!(read.packets, packets);
    assert!(read.not_ip + read.unknown_link + read.malformed <= packets);
    assert_eq!(read.unknown_link > 0, read.link.is_some());
    assert_eq!(outcome.faults.first().map(|(_, fault)| fault.to_string()), fault.map(ToString::to_string));
    assert!(outcome.tally.suspicious() <= packets);
    for offender in outcome.tally.offenders() {
        assert!(offender.first <= offender.decided && offender.probes <= offender.total);
    }
}

/// Its excerpt is a whole capture, of some of its packets.
fn can_be_written(path: &Path, config: &Config, outcome: &Outcome) {
    let mut file = Vec::new();
    let packets = excerpt::write(&[path.to_owned()], config, outcome, &mut file, &mut |_| ()).unwrap();
    let file = in_memory(&file);
    let (read, fault) = count(&PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())));
    assert!((read, fault) == (packets, None) && packets <= outcome.read.packets, "{packets} written, {read} read");
}

/// With every other offender on the allow list none of these is one, and nobody is for what somebody unprotected was asked.
fn spares_who_is_to_be_spared(path: &Path, config: Config, before: &Outcome) {
    let offenders = before.tally.offenders().iter().step_by(2);
    let offenders: Vec<IpNet> = offenders.map(|offender| offender.source.into()).collect();
    if offenders.is_empty() {
        return;
    }
    let config = Config { allow: Prefixes::new(&offenders), ..config };
    let outcome = replay(&[path.to_owned()], &config, &before.sides.protected, &mut |_| ());
    for offender in outcome.tally.offenders() {
        assert!(!config.allow.contains(offender.probe.source), "{offender:?}");
        assert!(before.sides.protected.contains(offender.probe.contact.destination), "{offender:?}");
    }
}
