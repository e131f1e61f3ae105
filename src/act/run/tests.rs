//! Real processes: how they end, and what they may not have of ours.

use std::collections::BTreeSet;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use super::super::facts::samples::facts;
use super::super::invocation::Kind;
use super::*;
use crate::kernel::clock::Clock;

fn shell(script: &str) -> Invocation {
    let line = [script.to_owned()];
    Invocation::of(&line, true, Kind::Run, &facts("192.0.2.1")).unwrap()
}

fn task() -> Task {
    Task { kind: Kind::Run, facts: Arc::new(facts("192.0.2.1")) }
}

/// Runs these with a limit each, to their ends.
fn run(scripts: &[(&str, Duration)]) -> Vec<Ended> {
    let (clock, mut runner, mut ended) = (Clock::start(), Runner::default(), Vec::new());
    for (script, limit) in scripts {
        runner.start(task(), &shell(script), clock.now().plus(*limit)).unwrap();
    }
    while runner.count() > 0 {
        runner.wait(clock.now(), Duration::from_millis(50));
        ended.extend(runner.look(clock.now()));
    }
    ended
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

#[test]
fn a_command_that_fails_is_heard_however_much_it_says() {
    let ended = run(&[("echo no such host >&2; head -c 1048576 /dev/zero >&2; exit 3", LONG)]).remove(0);
    assert!(matches!(ended.outcome, Outcome::Failed(status) if status.code() == Some(3)), "{:?}", ended.outcome);
    assert!(ended.said.starts_with("no such host; ") && ended.said.len() < 8192, "{}", ended.said);
}

#[test]
fn what_it_writes_to_its_output_is_nobodys_and_it_reads_nothing() {
    let ended = run(&[("head -c 1048576 /dev/zero; read x && exit 1; exit 0", LONG)]).remove(0);
    assert!(matches!(ended.outcome, Outcome::Done), "{:?}: {}", ended.outcome, ended.said);
}

#[test]
fn one_that_does_not_end_is_ended_with_all_that_it_started_and_holds_up_no_other() {
    let group = "trap '' TERM; sleep 1000 & echo $$ >&2; wait; wait";
    let ended = run(&[(group, SHORT), ("exit 0", LONG)]);
    assert!(matches!(ended[0].outcome, Outcome::Done), "the other one first: {ended:?}");
    assert!(matches!(ended[1].outcome, Outcome::TooSlow), "{ended:?}");
    let group = Pid::from_raw(ended[1].said.trim().parse().unwrap()).unwrap();
    // Those whom it left are somebody else's to reap, soon.
    let gone = || rustix::process::test_kill_process_group(group).is_err();
    let clock = Clock::start();
    while !gone() && clock.now() < Moment::ZERO.plus(Duration::from_secs(10)) {
        std::thread::yield_now();
    }
    assert!(gone() || all_dead(group), "something of the group lives");
}

/// Whether nothing of a group is more than a number that nobody has taken back.
fn all_dead(group: Pid) -> bool {
    let stats = std::fs::read_dir("/proc").unwrap().flatten();
    stats.filter_map(|entry| std::fs::read(entry.path().join("stat")).ok()).all(|stat| {
        let stat = String::from_utf8_lossy(&stat).into_owned();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[2] != group.as_raw_nonzero().get().to_string() || fields[0] == "Z"
    })
}

#[test]
fn one_that_obeys_is_not_forced() {
    let polite = "trap 'echo bye >&2; exit 0' TERM; while :; do sleep 0.01; done";
    let ended = run(&[(polite, Duration::from_millis(300))]).remove(0);
    assert!(matches!(ended.outcome, Outcome::TooSlow), "{:?}", ended.outcome);
    assert!(ended.said.ends_with("bye"), "{}", ended.said);
}

#[test]
fn it_has_no_descriptor_and_no_variable_of_ours() {
    let (_pipe, writer) = io::pipe().unwrap();
    let ours = std::fs::read_link(format!("/proc/self/fd/{}", writer.as_raw_fd())).unwrap();
    let script = "readlink /proc/$$/fd/* >&2; env | cut -d= -f1 >&2; pwd >&2; exit 1";
    let said = run(&[(script, LONG)]).remove(0).said;
    let words: BTreeSet<_> = said.split("; ").collect();
    assert!(words.contains("/dev/null") && !words.contains(ours.to_str().unwrap()), "{said}");
    let names = |word: &&str| word.chars().all(|c| c.is_ascii_uppercase() || c == '_') && !word.starts_with("NFTRAP_");
    assert_eq!(words.iter().copied().filter(names).collect::<Vec<_>>(), ["LANG", "PATH", "PWD"], "{said}");
    assert!(words.contains("/"), "{said}");
}

#[test]
fn one_that_is_not_there_is_named() {
    let words = ["/does/not/exist".to_owned()];
    let invocation = Invocation::of(&words, false, Kind::Run, &facts("192.0.2.1")).unwrap();
    let ended = Runner::default().start(task(), &invocation, Moment::ZERO).unwrap_err();
    assert!(matches!(ended.outcome, Outcome::NotStarted { program, .. } if program == "/does/not/exist"));
}
