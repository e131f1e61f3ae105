//! What is done about a source, in which order, and what ends it.

use std::path::Path;

use super::super::deny::edited;
use super::super::facts::samples::facts;
use super::*;
use crate::config::Config;

/// Where the config's lines go.
const FILE: &str = "/etc/hosts.deny";

/// A policy with these commands, and lines for TCP wrappers.
fn policy(run: &str, pair: &str, line: &str) -> Policy {
    let words = |text: &str| if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
    let mut config = Config::default();
    (config.command.run, config.command.block, config.command.unblock) = (words(run), words(pair), words(pair));
    config.hosts_deny.line = Some(line.to_owned()).filter(|line| !line.is_empty());
    Policy::of(&config)
}

fn first(mut policy: Policy) -> Policy {
    policy.command.first = true;
    policy
}

fn at(seconds: u64) -> Wall {
    Wall::default().plus(Duration::from_secs(seconds))
}

/// Cases with a file for TCP wrappers, and all that was done, in order.
#[derive(Default)]
struct Story {
    cases: Cases,
    file: Vec<u8>,
    done: Vec<String>,
}

impl Story {
    fn blocked(&mut self, now: u64, source: &str, seconds: u64, policy: &Policy) {
        let news = News { facts: facts(source), left: Some(Duration::from_secs(seconds)), by: By::Us(Act::Block) };
        self.cases.take(at(now), news, policy).unwrap();
    }

    fn by_operator(&mut self, now: u64, prefix: &str, seconds: Option<u64>, policy: &Policy) {
        let facts = Facts::operators(prefix.parse().unwrap(), None);
        let news = News { facts, left: seconds.map(Duration::from_secs), by: By::Operator };
        self.cases.take(at(now), news, policy).unwrap();
    }

    /// Does all that can be done at `now`, one after the other, and says what that was.
    fn play(&mut self, now: u64) -> Vec<String> {
        self.cases.end_due(at(now));
        loop {
            let before = self.done.len();
            if self.cases.to_be_saved(at(now), at(now)).is_some() {
                self.cases.saved();
            }
            self.write();
            while let Some(task) = self.cases.next() {
                self.done.push(format!("{} {}", task.kind.key(), task.facts.target().as_str()));
                self.cases.done(task.facts.prefix);
            }
            if before == self.done.len() {
                return std::mem::take(&mut self.done);
            }
        }
    }

    fn write(&mut self) {
        for (_, changes) in self.cases.changes(Path::new(FILE)) {
            let there = super::super::deny::there(&self.file, &changes);
            self.cases.intend(&changes, &there);
            if let Some(text) = edited(&self.file, &changes) {
                self.done.push(format!("wrote {} lines", String::from_utf8_lossy(&text).lines().count()));
                self.file = text;
            }
            self.cases.wrote(&changes);
        }
    }

    /// What the next daemon has of this one.
    fn killed(mut self, now: u64) -> Self {
        self.cases.unsaved = true;
        let rows = self.cases.to_be_saved(at(now), at(now)).unwrap();
        Self { cases: Cases::of(rows, at(0), at(now)), file: self.file, done: Vec::new() }
    }

    fn is_over(&self) -> bool {
        let Cases { all, ends, steps, lines, .. } = &self.cases;
        (all.len(), ends.len(), *steps, *lines) == (0, 0, 0, 0)
    }
}

#[test]
fn the_line_comes_before_block_and_run_after_both() {
    let mut story = Story::default();
    story.blocked(0, "192.0.2.1", 10, &policy("r", "b", "$TARGET$"));
    assert_eq!(story.play(0), ["wrote 1 lines", "block 192.0.2.1", "run 192.0.2.1"]);
    assert_eq!(story.play(9), Vec::<String>::new());
    let mut end = story.play(10);
    end.sort();
    assert_eq!(end, ["unblock 192.0.2.1", "wrote 0 lines"]);
    assert!(story.is_over(), "{:?}", story.cases);
}

#[test]
fn run_comes_before_both_where_the_config_says_so() {
    let mut story = Story::default();
    story.blocked(0, "192.0.2.1", 10, &first(policy("r", "b", "$TARGET$")));
    assert_eq!(story.play(0), ["run 192.0.2.1", "wrote 1 lines", "block 192.0.2.1"]);
}

#[test]
fn run_alone_is_all_that_is_done_where_nobody_is_to_be_blocked() {
    let mut story = Story::default();
    let policy = policy("r", "b", "$TARGET$");
    for (act, done) in [(Act::Command, vec!["run 192.0.2.1"]), (Act::Observe, vec![])] {
        let news = News { facts: facts("192.0.2.1"), left: None, by: By::Us(act) };
        if act == Act::Command {
            story.cases.take(at(0), news, &policy).unwrap();
        }
        assert_eq!(story.play(0), done);
        assert!(story.is_over(), "nothing is to be ended");
    }
}

#[test]
fn a_block_that_is_renewed_ends_later_and_is_not_begun_again() {
    let (mut story, policy) = (Story::default(), policy("r", "b", "$TARGET$"));
    story.blocked(0, "192.0.2.1", 10, &policy);
    story.play(0);
    story.blocked(5, "192.0.2.1", 20, &policy);
    assert_eq!(story.play(5), ["run 192.0.2.1"], "each offence is told");
    story.blocked(6, "192.0.2.1", 1, &policy);
    assert_eq!(story.play(10), ["run 192.0.2.1"]);
    assert!(story.play(25).contains(&"unblock 192.0.2.1".to_owned()));
    assert!(story.is_over());
}

#[test]
fn an_operators_last_word_on_a_block_is_how_long_it_lasts() {
    let (mut story, policy) = (Story::default(), policy("r", "b", "$TARGET$"));
    story.by_operator(0, "192.0.2.0/24", None, &policy);
    assert_eq!(story.play(0), ["wrote 1 lines", "block 192.0.2.0/24"], "and `run` is for offenders");
    assert_eq!(story.file, b"192.0.2.0/255.255.255.0\n");
    assert_eq!(story.play(1_000_000), Vec::<String>::new(), "for ever");
    story.by_operator(1_000_000, "192.0.2.0/24", Some(5), &policy);
    assert!(story.play(1_000_005).contains(&"unblock 192.0.2.0/24".to_owned()));
    assert!(story.is_over());
}

#[test]
fn who_is_unblocked_or_allowed_with_a_network_is_ended_and_nobody_beside() {
    let (mut story, policy) = (Story::default(), policy("", "b", ""));
    for source in ["192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::/64"] {
        story.blocked(0, source, 100, &policy);
    }
    story.play(0);
    story.cases.end_in(at(1), "192.0.2.0/24".parse().unwrap());
    assert_eq!(story.play(1), ["unblock 192.0.2.1", "unblock 192.0.2.2"]);
    story.cases.spare(at(2), &Prefixes::new(&["2001:db8::/32".parse().unwrap()]));
    assert_eq!(story.play(2), ["unblock 2001:db8::/64"]);
    story.cases.end_all(at(3));
    assert_eq!(story.play(3), ["unblock 198.51.100.1"]);
    assert!(story.is_over());
}

#[test]
fn who_is_let_go_and_blocked_again_at_once_is_blocked_at_the_end() {
    let (mut story, policy) = (Story::default(), policy("", "b", "$TARGET$"));
    story.blocked(0, "192.0.2.1", 100, &policy);
    story.play(0);
    story.cases.end_in(at(1), "192.0.2.1/32".parse().unwrap());
    story.blocked(1, "192.0.2.1", 100, &policy);
    assert_eq!(story.play(1), ["unblock 192.0.2.1", "block 192.0.2.1"]);
    assert_eq!(story.file, b"192.0.2.1\n");
}

#[test]
fn a_block_that_ends_before_it_was_begun_is_neither_begun_nor_ended() {
    let mut story = Story::default();
    story.blocked(0, "192.0.2.1", 10, &policy("", "b", ""));
    story.cases.end_all(at(1));
    assert_eq!(story.play(1), Vec::<String>::new());
    assert!(story.is_over());
}

#[test]
fn a_block_that_ends_while_it_is_begun_is_ended_after_that() {
    let mut story = Story::default();
    story.blocked(0, "192.0.2.1", 10, &policy("", "b", ""));
    story.cases.saved();
    let block = story.cases.next().unwrap();
    story.cases.end_all(at(1));
    assert_eq!(story.cases.next(), None, "not both at once");
    story.cases.done(block.facts.prefix);
    assert_eq!(story.play(1), ["unblock 192.0.2.1"]);
}

#[test]
fn nothing_is_begun_that_the_ledger_does_not_have() {
    let mut story = Story::default();
    story.blocked(0, "192.0.2.1", 10, &policy("r", "b", ""));
    assert_eq!(story.cases.next(), None);
    assert_eq!(story.cases.to_be_saved(at(0), at(0)).unwrap().len(), 1);
    story.cases.saved();
    assert_eq!(story.cases.next().unwrap().kind, Kind::Block);
    assert_eq!(story.cases.to_be_saved(at(0), at(0)), None, "nothing new");
}

#[test]
fn a_daemon_that_was_killed_leaves_what_is_to_be_ended_and_nothing_to_be_begun_twice() {
    let (mut story, policy) = (Story { file: b"theirs\n".to_vec(), ..Story::default() }, policy("r", "b", "$TARGET$"));
    story.blocked(0, "192.0.2.1", 10, &policy);
    story.blocked(0, "192.0.2.2", 100, &policy);
    story.by_operator(0, "10.0.0.0/8", None, &policy);
    story.play(0);
    let mut next = story.killed(50);
    let mut done = next.play(0);
    done.sort();
    assert_eq!(done, ["unblock 192.0.2.1", "wrote 3 lines"], "its time was over meanwhile");
    assert_eq!(next.file, b"theirs\n10.0.0.0/255.0.0.0\n192.0.2.2\n");
    next.blocked(10, "192.0.2.2", 100, &policy);
    assert_eq!(next.play(10), ["run 192.0.2.2"], "it is blocked as it was");
    next.cases.end_all(at(11));
    next.play(11);
    assert_eq!(next.file, b"theirs\n");
    assert!(next.is_over());
}

#[test]
fn a_line_that_the_ledger_has_is_not_written_into_a_file_that_the_config_does_not_name() {
    let (mut story, policy) = (Story::default(), policy("", "", "$TARGET$"));
    story.blocked(0, "192.0.2.1", 10, &policy);
    story.play(0);
    let mut next = story.killed(1);
    next.file.clear();
    assert!(next.cases.changes(Path::new("/etc/another")).is_empty());
    next.cases.end_all(at(1));
    let changes = next.cases.changes(Path::new("/etc/another"));
    let wishes: Vec<_> = changes.values().flatten().map(|change| change.wish).collect();
    assert_eq!(wishes, [Wish::Remove], "taken out it is, should it be there");
}

#[test]
fn our_lines_are_taken_out_and_theirs_stay_where_nobody_would_know_them_later() {
    let (mut story, policy) =
        (Story { file: b"theirs\n192.0.2.1\n".to_vec(), ..Story::default() }, policy("", "", "$TARGET$"));
    for source in ["192.0.2.1", "192.0.2.2"] {
        story.blocked(0, source, 10, &policy);
    }
    story.play(0);
    assert_eq!(story.file, b"theirs\n192.0.2.1\n192.0.2.2\n");
    story.cases.take_lines_out();
    story.write();
    assert_eq!(story.file, b"theirs\n192.0.2.1\n");
}

#[test]
fn a_line_that_somebody_else_wrote_stays() {
    let (mut story, policy) =
        (Story { file: b"ALL: 192.0.2.1\n".to_vec(), ..Story::default() }, policy("", "", "ALL: $TARGET$"));
    story.blocked(0, "192.0.2.1", 10, &policy);
    assert_eq!(story.play(0), Vec::<String>::new());
    assert_eq!(story.play(10), Vec::<String>::new());
    assert!(story.is_over());
    assert_eq!(story.file, b"ALL: 192.0.2.1\n");
}

#[test]
fn a_file_that_cannot_be_written_holds_up_nothing_and_is_tried_again() {
    let (mut story, policy) = (Story::default(), policy("", "b", "$TARGET$"));
    story.blocked(0, "192.0.2.1", 10, &policy);
    story.cases.saved();
    let changes = story.cases.changes(Path::new(FILE)).into_values().next().unwrap();
    story.cases.intend(&changes, &BTreeSet::new());
    story.cases.not_written(&changes);
    assert!(!story.cases.has_changes(), "not at once");
    assert_eq!(story.play(1), ["block 192.0.2.1"]);
    story.cases.try_again();
    assert_eq!(story.play(2), ["wrote 1 lines"]);
    story.play(10);
    assert!(story.is_over() && story.file.is_empty());
}

#[test]
fn a_reload_leaves_lines_as_they_were_written_until_their_block_ends() {
    let mut story = Story::default();
    story.blocked(0, "192.0.2.1", 10, &policy("", "", "old $TARGET$"));
    story.play(0);
    let new = policy("", "b", "new $TARGET$");
    story.blocked(1, "192.0.2.1", 10, &new);
    assert_eq!(story.play(1), ["wrote 2 lines", "block 192.0.2.1"], "what the config wants now");
    story.play(20);
    assert!(story.is_over() && story.file.is_empty());
}

#[test]
fn there_is_a_limit_to_what_waits_and_to_what_is_to_be_ended() {
    let (mut cases, policy) = (Cases::default(), policy("r", "b", "$TARGET$"));
    let source = |n: u32| format!("{}/32", std::net::Ipv4Addr::from_bits((10 << 24) + n));
    let news =
        |n: u32| News { facts: Facts::operators(source(n).parse().unwrap(), None), left: None, by: By::Operator };
    let mut n = 0;
    let mut taken = 0_usize;
    while taken < MAX_CASES {
        if cases.take(at(0), news(n), &policy) == Ok(()) {
            taken += 1;
        } else {
            assert!(cases.steps >= MAX_STEPS);
            cases.saved();
            drop(cases.changes(Path::new(FILE)));
            while let Some(task) = cases.next() {
                cases.done(task.facts.prefix);
            }
            assert_eq!(cases.steps, 0);
        }
        n += 1;
    }
    assert_eq!(cases.take(at(0), news(n), &policy), Err(Full));
    assert_eq!(cases.lines, MAX_LINES);
    assert!(cases.lines_refused() > 0);
    assert_eq!(cases.take(at(0), news(0), &policy), Ok(()), "one that is known has its place");
}

#[test]
fn at_the_end_what_did_not_begin_is_given_up_but_for_what_ends_something() {
    let (mut story, policy) = (Story::default(), policy("r", "b", ""));
    story.blocked(0, "192.0.2.1", 10, &policy);
    story.play(0);
    story.cases.end_all(at(1));
    story.blocked(1, "192.0.2.2", 10, &policy);
    assert_eq!(story.cases.give_up(), 2);
    assert_eq!(story.cases.to_be_ended(), 1);
    let rows = story.cases.to_be_saved(at(1), at(1)).unwrap();
    assert_eq!(rows.iter().map(|row| row.facts.target().as_str().to_owned()).collect::<Vec<_>>(), ["192.0.2.1"]);
    assert_eq!(story.play(1), ["unblock 192.0.2.1"]);
    assert!(story.is_over());
}
