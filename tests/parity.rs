//! What `PortSentry` does, row by row, and the test here that shows nftrap doing it, or the words of the README that say why it does not:
//! see `tests/parity/portsentry.table`.

#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "it reads the tests' own files, and ends where it cannot go on"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const TABLE: &str = include_str!("parity/portsentry.table");
const README: &str = include_str!("../README.md");

/// `FEATURE | what becomes of it | test NAME...`, or `... | README some words of it`.
struct Row<'a> {
    feature: &'a str,
    becomes: &'a str,
    evidence: &'a str,
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    let lines = TABLE.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let parts: Vec<_> = line.split(" | ").map(str::trim).collect();
        let [feature, becomes, evidence] = parts[..] else { panic!("three parts are wanted in `{line}`") };
        Row { feature, becomes, evidence }
    })
}

/// Names of all functions that are tests, by the attribute above them.
fn tests_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let named = text.split("#[test]").skip(1);
            found.extend(named.filter_map(|rest| Some(rest.split_once("fn ")?.1.split_once('(')?.0.to_owned())));
        }
    }
}

#[test]
fn every_row_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    tests_in(&root.join("src"), &mut tests);
    tests_in(&root.join("tests"), &mut tests);
    let readme = README.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut features = BTreeSet::new();
    for Row { feature, becomes, evidence } in rows() {
        assert!(features.insert(feature), "{feature} stands twice");
        assert!(!becomes.is_empty(), "{feature}");
        match evidence.split_once(' ') {
            Some(("test", names)) => {
                for name in names.split_whitespace() {
                    assert!(tests.contains(name), "{feature}: there is no test {name}");
                }
            }
            Some(("README", words)) => assert!(readme.contains(words), "{feature}: the README does not say `{words}`"),
            _ => panic!("{feature}: `{evidence}` is neither a test nor words of the README"),
        }
    }
    assert!(features.len() > 60, "the inventory has more rows than {}", features.len());
}
