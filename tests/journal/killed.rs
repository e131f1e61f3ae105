//! Killed at any moment, a daemon loses nothing that it reported as stored. The child is this test again, told so by a variable.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::process::{Command, Stdio};

use nftrap::event::What;
use nftrap::journal::keeper::{Keeper, Stored};
use nftrap::journal::{Filter, Reader};

use super::*;

const TOLD: &str = "NFTRAP_TEST_JOURNAL";
const ROUNDS: u32 = 20;
/// More than one round ever stores.
const PER_ROUND: u32 = 1_000_000;

#[test]
fn killed_at_any_moment_it_loses_nothing_that_it_reported_as_stored() {
    if let Ok(told) = std::env::var(TOLD) {
        let (round, file) = told.split_once(' ').unwrap();
        return write_until_killed(Path::new(file), round.parse().unwrap());
    }
    let folder = Folder::new();
    let mut reported = HashSet::new();
    for round in 0..ROUNDS {
        let moment = 1 + RandomState::new().hash_one(round) % 40;
        let told = reported.len();
        reported.extend(numbers_until_killed(&folder.file(), round, usize::try_from(moment).unwrap()));
        assert!(reported.len() > told, "round {round} stored nothing");
        let found = stored(&folder.file());
        assert_eq!(reported.difference(&found).count(), 0, "round {round}: reported, and not there");
    }
    // The next daemon finds a file that is whole, and all of these blocks.
    let standing = open(&folder.file()).standing(now(), usize::MAX).unwrap();
    assert!(standing.sources.len() >= reported.len());
}

/// Starts a writer, kills it after it has reported so many events, and returns all that it reported.
fn numbers_until_killed(file: &Path, round: u32, moment: usize) -> Vec<u32> {
    let this = "killed::killed_at_any_moment_it_loses_nothing_that_it_reported_as_stored";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env(TOLD, format!("{round} {}", file.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut numbers = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("stored ")?.parse().ok());
    let mut reported: Vec<u32> = numbers.by_ref().take(moment).collect();
    child.kill().unwrap();
    reported.extend(numbers);
    child.wait().unwrap();
    reported
}

fn write_until_killed(file: &Path, round: u32) {
    let keeper = Keeper::start(settings(file), home(), Ok(open(file)), now).unwrap();
    let orders = keeper.orders();
    let mut out = std::io::stdout();
    for number in (round * PER_ROUND..).step_by(3) {
        // Others come along, as in a daemon's day.
        orders.store(blocked(number + 1));
        orders.store(blocked(number + 2));
        assert_eq!(orders.store_and_tell(blocked(number)).recv(), Ok(Stored::Durably));
        writeln!(out, "stored {number}").unwrap();
    }
}

fn stored(file: &Path) -> HashSet<u32> {
    let mut found = HashSet::new();
    let reader = Reader::open(file).unwrap();
    reader
        .history(&Filter::default(), |event| {
            if let What::Blocked(offence) = event.what {
                assert!(found.insert(offence.repeat), "twice");
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    found
}
