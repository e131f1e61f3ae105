//! Says what is well with this host and what is not: judges facts, and looks at nothing itself. Pure: who looks is `kernel/facts.rs`.
//!
//! Each check is one thing, its state, what was found, and what to do where it is not well. What could not be seen is said to
//! be unknown, and never guessed.

use std::cmp::Reverse;

use serde::Serialize;

use crate::config::Config;

pub mod facts;
mod guard;
mod neighbours;
mod ruleset;
mod system;
mod traffic;
mod upkeep;

use facts::{Facts, Listing, Unseen};
use ruleset::Ruleset;

/// How well one thing is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Well, or merely good to know.
    Ok,
    /// It cannot be seen from here.
    Unknown,
    /// It works, and something is lost or may be.
    Warning,
    /// nftrap does not work, or not as it should.
    Problem,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The thing.
    pub name: &'static str,
    /// How well it is.
    pub state: State,
    /// What was found, and what it means.
    pub finding: String,
    /// What to do, where something is to be done.
    pub remedy: Option<String>,
}

/// All checks, the worst first; of equal ones, what matters most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
    /// How many are problems.
    pub problems: usize,
    /// How many are warnings.
    pub warnings: usize,
    /// How many could not be made.
    pub unknown: usize,
}

impl Check {
    fn ok(name: &'static str, finding: impl Into<String>) -> Self {
        Self { name, state: State::Ok, finding: finding.into(), remedy: None }
    }

    fn unknown(name: &'static str, finding: impl Into<String>, remedy: &str) -> Self {
        Self { name, state: State::Unknown, finding: finding.into(), remedy: Some(remedy.to_owned()) }
    }

    fn warning(name: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Warning, finding: finding.into(), remedy: Some(remedy.into()) }
    }

    fn problem(name: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Problem, finding: finding.into(), remedy: Some(remedy.into()) }
    }
}

/// A check that needs the ruleset, where there is none to be seen.
fn without_ruleset(name: &'static str, unseen: &Unseen) -> Check {
    Check::unknown(name, format!("the ruleset cannot be seen: {}", unseen.reason), unseen.remedy)
}

/// What to do where we lack the right to look.
pub const BE_ROOT: &str = "ask again as root, or through sudo";

/// Judges what was seen, for who runs nftrap with `config`.
#[must_use]
pub fn examine(facts: &Facts, config: &Config) -> Report {
    let ruleset = match &facts.ruleset {
        Listing::Json(json) => Ruleset::parse(json).ok_or_else(|| Unseen {
            reason: String::from("nft's listing is not as expected"),
            remedy: "see `nft -j list ruleset`: is nft much newer than nftrap?",
        }),
        Listing::NotSeen(unseen) => Err(unseen.clone()),
    };
    let running = guard::in_force(facts, config);
    let mut checks = vec![
        guard::daemon(facts, config),
        guard::table(facts, &running, ruleset.as_ref()),
        guard::waiting(guard::queues(facts, &running), config, &running),
        system::right(facts),
        system::kernel(facts),
        system::nft(facts),
        system::rehearsal(facts),
        neighbours::before_us(config, ruleset.as_ref()),
        neighbours::untracked(config, ruleset.as_ref()),
        neighbours::flush(facts),
        neighbours::other_queues(facts, &running),
        neighbours::firewalls(facts, ruleset.as_ref()),
        system::conntrack(facts),
        system::late_flows(facts),
        traffic::administrator(facts, config),
        traffic::ip_vs(facts, config),
        traffic::served_triggers(facts, config),
        traffic::forwarding(facts, config),
        upkeep::unit(facts),
        upkeep::folder(facts, config),
        upkeep::journal(facts, config),
        upkeep::untold(facts),
        upkeep::group(facts, config),
        upkeep::clock(facts),
    ];
    checks.sort_by_key(|check| Reverse(check.state));
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    Report { problems: count(State::Problem), warnings: count(State::Warning), unknown: count(State::Unknown), checks }
}

/// A list that stays readable however long it is.
fn few(items: impl IntoIterator<Item = String>) -> String {
    const ENOUGH: usize = 8;
    let mut items: Vec<_> = items.into_iter().collect();
    let more = items.len().saturating_sub(ENOUGH);
    items.truncate(ENOUGH);
    if more > 0 {
        items.push(format!("{more} more"));
    }
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_is_counted() {
        let report = examine(&Facts::default(), &Config::default());
        let states: Vec<_> = report.checks.iter().map(|check| check.state).collect();
        assert!(states.is_sorted_by_key(|state| Reverse(*state)), "{states:?}");
        assert_eq!(report.checks.first().map(|check| check.name), Some("daemon"));
        let all = report.problems + report.warnings + report.unknown;
        assert_eq!(all, states.iter().filter(|state| **state != State::Ok).count());
    }

    #[test]
    fn whatever_is_not_well_has_a_remedy() {
        for check in examine(&Facts::default(), &Config::default()).checks {
            assert_eq!(check.remedy.is_some(), check.state != State::Ok, "{check:?}");
        }
    }

    #[test]
    fn a_long_list_is_cut_short() {
        assert_eq!(few(["a", "b"].map(String::from)), "a, b");
        assert!(few((1..100).map(|i| i.to_string())).ends_with("8, 91 more"));
    }

    #[test]
    fn as_json_each_check_is_an_object() {
        let report = Report { checks: vec![Check::ok("clock", "kept")], problems: 0, warnings: 0, unknown: 0 };
        let json = r#"{"checks":[{"name":"clock","state":"ok","finding":"kept","remedy":null}],"problems":0,"warnings":0,"unknown":0}"#;
        assert_eq!(serde_json::to_string(&report).unwrap(), json);
    }
}
