//! Every input that the fuzzer has kept, once more, without the fuzzer: what it ever found stays mended.
//!
//! `tests/fuzz/corpus` has inputs that reach much of the code, `tests/fuzz/findings` those that once showed a mistake, by its name.
//! `scripts/fuzz` looks for more.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a target fails by a panic"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[path = "fuzz/targets.rs"]
mod targets;

/// What is kept is to be read by people, too, and fits into a few pages of the project.
const MOST_OCTETS: u64 = 4096;
const MOST_FILES: usize = 48;
const MOST_OCTETS_IN_ALL: u64 = 300 * 1024;

#[test]
fn no_input_that_was_kept_makes_a_target_fail() {
    let mut failed = Vec::new();
    // `scripts/fuzz --memcheck` has one target at a time done, in a slow machine of its own.
    let chosen = std::env::var_os("TARGET");
    for (name, target) in targets::ALL.iter().filter(|(name, _)| chosen.as_ref().is_none_or(|chosen| chosen == name)) {
        let kept = [inputs("corpus", name), inputs("findings", name)].concat();
        assert!(!kept.is_empty(), "there is nothing in tests/fuzz/corpus/{name}");
        for file in kept {
            let input = fs::read(&file).unwrap();
            if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
                failed.push(file);
            }
        }
    }
    assert!(failed.is_empty(), "these inputs make their target fail: {failed:#?}");
}

#[test]
fn every_kept_input_belongs_to_a_target_and_is_small() {
    let mut total = 0;
    for folder in ["corpus", "findings"] {
        let known = |path: &PathBuf| targets::ALL.iter().any(|(name, _)| path.ends_with(name));
        let strange: Vec<_> = entries(&root().join(folder)).into_iter().filter(|path| !known(path)).collect();
        assert_eq!(strange, Vec::<PathBuf>::new(), "no target reads these");
        for (name, _) in targets::ALL {
            let sizes: Vec<_> = inputs(folder, name).iter().map(|file| fs::metadata(file).unwrap().len()).collect();
            assert!(sizes.iter().all(|size| *size <= MOST_OCTETS), "{folder}/{name} has a file larger than 4 KiB");
            assert!(sizes.len() <= MOST_FILES, "{folder}/{name} has more than {MOST_FILES} files");
            total += sizes.iter().sum::<u64>();
        }
    }
    assert!(total <= MOST_OCTETS_IN_ALL, "{total} octets are kept");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    entries(&root().join(folder).join(target))
}

/// What is in a folder, by name; nothing where there is none.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}
