//! Daemon, table and queues, each as it can be found.

use std::time::Duration;

use super::*;
use crate::doctor::State;
use crate::doctor::facts::Daemon;

fn running() -> Facts {
    let daemon = Daemon { process: 7, claim: Claim::Proven, started: Started::ByUnit };
    let queues = vec![listener(3100, Some(7)), listener(3101, None), listener(3102, Some(7))];
    Facts { daemon: Some(daemon), queues: Some(queues), ..stopped() }
}

fn stopped() -> Facts {
    Facts { queues: Some(Vec::new()), ..Facts::default() }
}

fn listener(number: u16, process: Option<i32>) -> Listener {
    Listener { number, owner: String::from("process 9 (suricata)"), process, waiting: 0, lost: 0 }
}

/// Our table with these rules in its chains, as nft lists it.
fn listed(chains: &[&str], queue_rule: &str) -> Ruleset {
    let set = |name| format!(r#"{{"set": {{"family": "inet", "table": "nftrap", "name": "{name}"}}}}"#);
    let rule = |chain: &str, expr: &str| {
        format!(r#"{{"rule": {{"family": "inet", "table": "nftrap", "chain": "{chain}", "expr": [{expr}]}}}}"#)
    };
    let mut objects = vec![String::from(r#"{"table": {"family": "inet", "name": "nftrap"}}"#)];
    objects.extend(["block4", "block6"].map(set));
    objects.extend(chains.iter().map(|chain| rule(chain, r#"{"accept": null}"#)));
    objects.extend(["queue0", "queue1", "queue2"].map(|chain| rule(chain, queue_rule)));
    Ruleset::parse(format!(r#"{{"nftables": [{}]}}"#, objects.join(",")).as_bytes()).unwrap()
}

const CHAINS: [&str; 6] = ["early", "blocked", "input", "forward", "spread", "strangers"];
const XT: &str = r#"{"counter": {"packets": 0, "bytes": 0}}, {"xt": {"type": "target", "name": "NFQUEUE"}}"#;
const NATIVE: &str = r#"{"queue": {"num": 3100, "flags": "bypass"}}"#;

fn table_state(facts: &Facts, ruleset: &Ruleset) -> (State, String) {
    let check = table(facts, &Config::default(), Ok(ruleset));
    (check.state, check.finding)
}

#[test]
fn a_whole_table_with_a_daemon_is_well_whichever_way_it_queues() {
    for queue in [XT, NATIVE] {
        assert_eq!(table_state(&running(), &listed(&CHAINS, queue)).0, State::Ok);
    }
}

#[test]
fn a_table_armed_without_a_listener_is_a_problem_that_says_what_becomes_of_probes() {
    let (state, finding) = table_state(&stopped(), &listed(&CHAINS, NATIVE));
    assert_eq!(state, State::Problem);
    assert!(finding.contains("probes pass unjudged"), "{finding}");
    let mut config = Config::default();
    config.fail.no_daemon = NoDaemon::Drop;
    let check = table(&stopped(), &config, Ok(&listed(&CHAINS, NATIVE)));
    assert!(check.finding.contains("is dropped"), "{check:?}");
}

#[test]
fn beside_a_running_daemon_a_table_that_is_gone_emptied_or_disarmed_is_a_problem() {
    for ruleset in [Ruleset::default(), listed(&CHAINS[1..], NATIVE), listed(&CHAINS, r#"{"drop": null}"#)] {
        assert_eq!(table_state(&running(), &ruleset).0, State::Problem);
        assert_eq!(table_state(&stopped(), &ruleset).0, State::Ok);
    }
}

#[test]
fn a_table_of_our_name_without_our_sets_is_somebody_elses() {
    let foreign = Ruleset::parse(br#"{"nftables": [{"table": {"family": "inet", "name": "nftrap"}}]}"#).unwrap();
    let (state, finding) = table_state(&stopped(), &foreign);
    assert_eq!(state, State::Problem);
    assert!(finding.contains("not nftrap's"), "{finding}");
    let of_ip = Ruleset::parse(br#"{"nftables": [{"table": {"family": "ip", "name": "nftrap"}}]}"#).unwrap();
    assert_eq!(table_state(&stopped(), &of_ip).0, State::Ok);
}

#[test]
fn a_ruleset_that_cannot_be_seen_is_unknown() {
    let unseen = Unseen { reason: String::from("no right"), remedy: BE_ROOT };
    let check = table(&running(), &Config::default(), Err(&unseen));
    assert_eq!(check.state, State::Unknown);
}

#[test]
fn a_daemon_that_does_not_run_is_a_problem() {
    assert_eq!(daemon(&stopped(), &Config::default()).state, State::Problem);
    let observing = Config { mode: Mode::Observe, ..Config::default() };
    let check = daemon(&running(), &observing);
    assert_eq!(check.state, State::Ok);
    assert!(check.finding.contains("nobody is blocked"), "{check:?}");
}

#[test]
fn a_claim_that_cannot_be_proven_is_not_taken_for_protection() {
    let daemon = Daemon { process: 7, claim: Claim::Unproven, started: Started::Otherwise };
    let facts = Facts { daemon: Some(daemon), queues: None, ..stopped() };
    assert_eq!(super::daemon(&facts, &Config::default()).state, State::Unknown);
}

#[test]
fn a_queue_number_that_another_program_has_is_a_problem_and_names_it() {
    for facts in [
        Facts { queues: Some(vec![listener(3101, None)]), ..stopped() },
        Facts { queues: Some(vec![listener(3100, Some(7)), listener(3101, Some(9))]), ..running() },
    ] {
        let check = queues(&facts, &Config::default());
        assert_eq!(check.state, State::Problem);
        assert!(check.finding.contains("queue 3101 by process 9 (suricata)"), "{check:?}");
    }
    let beside = Facts { queues: Some(vec![listener(0, None)]), ..stopped() };
    assert_eq!(queues(&beside, &Config::default()).state, State::Ok);
}

#[test]
fn each_of_our_queues_must_have_a_listener_while_the_daemon_runs() {
    assert_eq!(queues(&running(), &Config::default()).state, State::Ok);
    let facts = Facts { queues: Some(vec![listener(3100, Some(7))]), ..running() };
    let check = queues(&facts, &Config::default());
    assert_eq!(check.state, State::Problem);
    assert!(check.finding.contains("3101, 3102"), "and the guests': {check:?}");
    assert_eq!(queues(&Facts { queues: None, ..running() }, &Config::default()).state, State::Unknown);
}

#[test]
fn queues_that_fill_up_or_lost_packets_are_worth_a_warning() {
    for (waiting, lost) in [(5000, 0), (0, 1)] {
        let mut facts = running();
        for listener in facts.queues.iter_mut().flatten() {
            (listener.waiting, listener.lost) = (waiting, lost);
        }
        assert_eq!(queues(&facts, &Config::default()).state, State::Warning);
    }
}

#[test]
fn after_a_boot_it_says_when_unserved_ports_count() {
    let facts = |uptime| Facts { uptime: Duration::from_secs(uptime), ..running() };
    assert!(daemon(&facts(60), &Config::default()).finding.contains("count in 240 s"));
    assert!(!daemon(&facts(300), &Config::default()).finding.contains("count in"));
}

#[test]
fn queues_that_wait_for_a_restart_are_no_problem_and_are_said() {
    let mut config = Config::default();
    (config.queue.first, config.queue.count) = (3200, 4);
    let queues = Some(vec![listener(3100, Some(7)), listener(3101, Some(7))]);
    let facts = Facts { queues, queue_numbers: Some((3100, 1)), ..running() };
    let now = in_force(&facts, &config);
    let check = waiting(super::queues(&facts, &now), &config, &now);
    assert_eq!(check.state, State::Warning);
    assert!(
        check.finding.ends_with("the config's queue.first and queue.count wait for a restart"),
        "{}",
        check.finding
    );
    config.queue = now.queue;
    assert_eq!(waiting(super::queues(&facts, &now), &config, &now).state, State::Ok);
}
