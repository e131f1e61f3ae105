//! The project's own captures (tests/captures, with a README): real scans and what honest hosts do, each replayed and compared
//! line by line with what it must come to.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a capture that cannot be read fails")]
#![expect(clippy::disallowed_methods, reason = "captures are files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nftrap::config::Config;
use nftrap::detect::prefixes::Prefixes;
use nftrap::replay::tally::Offender;
use nftrap::replay::{Outcome, excerpt, replay};

/// Behind the lab's gateway.
const PROTECTED: [&str; 2] = ["203.0.113.0/24", "2001:db8:5::/64"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

fn config() -> Config {
    let mut config = Config::default();
    config.detect.max_sources = 1024; // quicker to set up, for each of so many files
    config
}

fn outcome_of(path: &Path) -> Outcome {
    let outcome = replay(&[path.to_owned()], &config(), &protected(), &mut |_| ());
    assert_eq!(outcome.faults, [], "{}", path.display());
    outcome
}

fn protected() -> Prefixes {
    Prefixes::new(&PROTECTED.map(|prefix| prefix.parse().unwrap()))
}

/// As the table has it.
fn line(offender: &Offender) -> String {
    let (probe, place) = (&offender.probe, &offender.probe.contact);
    format!("{} {} {} {}/{}", offender.source, probe.kind, offender.probes, place.port, place.protocol)
}

fn lines(outcome: &Outcome) -> Vec<String> {
    outcome.tally.offenders().iter().map(line).collect()
}

/// By file, the offenders in their order.
fn expected() -> BTreeMap<String, Vec<String>> {
    let table = fs::read_to_string(folder().join("expected")).unwrap();
    let mut expected: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in table.lines() {
        let (file, offender) = row.split_once(' ').unwrap_or_else(|| panic!("`{row}` has one word"));
        let offenders = expected.entry(file.to_owned()).or_default();
        if offender != "-" {
            offenders.push(offender.to_owned());
        }
    }
    expected
}

fn captures() -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let captures = entries.filter(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    captures.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

#[test]
fn every_capture_comes_to_what_the_table_says() {
    let (captures, expected) = (captures(), expected());
    assert!(captures.len() > 50, "only {} captures were found", captures.len());
    let found: BTreeMap<_, _> = captures.iter().map(|(name, path)| (name.clone(), lines(&outcome_of(path)))).collect();
    let all = found.keys().chain(expected.keys());
    let wrong: Vec<_> = all.filter(|name| found.get(*name) != expected.get(*name)).collect();
    let tell = |name: &&String| format!("{name}: {:?}, and not {:?}", found.get(*name), expected.get(*name));
    assert!(wrong.is_empty(), "\n{}", wrong.iter().map(tell).collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_scan_is_found_but_those_that_learn_nothing_and_no_honest_host_is() {
    const FOR_NOTHING: [&str; 3] = ["scan-badsum", "scan-served", "scan-horizontal-served"];
    let expected = expected();
    let scans = expected.iter().filter(|(name, _)| name.starts_with("scan-"));
    let missed = scans.filter(|(_, offenders)| offenders.is_empty()).map(|(name, _)| name.as_str());
    let wrong: Vec<_> = missed.filter(|name| !FOR_NOTHING.contains(name)).collect();
    assert_eq!(wrong, Vec::<&str>::new(), "not found");
    let honest = expected.iter().filter(|(name, _)| name.starts_with("honest-"));
    let wrong: Vec<_> = honest.filter(|(_, offenders)| !offenders.is_empty()).collect();
    assert!(wrong.is_empty(), "falsely found: {wrong:?}");
}

#[test]
fn what_is_written_of_each_capture_comes_to_the_same() {
    let excerpt = Path::new(env!("CARGO_TARGET_TMPDIR")).join("captures-excerpt.pcap");
    for (name, path) in captures() {
        let whole = outcome_of(&path);
        let mut bytes = Vec::new();
        let packets = excerpt::write(&[path], &config(), &whole, &mut bytes, &mut |_| ()).unwrap();
        fs::write(&excerpt, &bytes).unwrap();
        let alone = outcome_of(&excerpt);
        assert_eq!(lines(&alone), lines(&whole), "{name}");
        assert_eq!(alone.read.packets, packets, "{name}");
        assert!(packets <= whole.read.packets, "{name}");
        let probes: u64 = whole.tally.offenders().iter().map(|offender| offender.total).sum();
        assert_eq!(alone.tally.suspicious(), probes, "{name}");
    }
}

#[test]
fn each_capture_is_small_and_has_packets_in_it() {
    for (name, path) in captures() {
        let length = fs::metadata(&path).unwrap().len();
        assert!(length <= 20 * 1024, "{name} has {length} octets");
        assert!(outcome_of(&path).read.packets > 1, "{name}");
    }
}
