//! Neighbours as nft, systemd and the kernel show them.

use super::*;
use crate::doctor::State;
use crate::doctor::facts::{Listener, Units};
use crate::doctor::ruleset::tests::{IPTABLES, LISTED};

fn chain(family: &str, hook: &str, priority: i32, policy: &str, rules: &[&str]) -> Ruleset {
    let mut objects = vec![
        format!(r#"{{"table": {{"family": "{family}", "name": "t"}}}}"#),
        format!(
            r#"{{"chain": {{"family": "{family}", "table": "t", "name": "c", "type": "filter", "hook": "{hook}", "prio": {priority}, "policy": "{policy}"}}}}"#
        ),
    ];
    objects.extend(
        rules.iter().map(|expr| {
            format!(r#"{{"rule": {{"family": "{family}", "table": "t", "chain": "c", "expr": [{expr}]}}}}"#)
        }),
    );
    Ruleset::parse(format!(r#"{{"nftables": [{}]}}"#, objects.join(",")).as_bytes()).unwrap()
}

const DROP: &str = r#"{"counter": {"packets": 0, "bytes": 0}}, {"drop": null}"#;
const SOME: &str = r#"{"match": {"op": "==", "left": {"meta": {"key": "iif"}}, "right": "lo"}}, {"drop": null}"#;
const ACCEPT: &str = r#"{"accept": null}"#;

fn judge(ruleset: &Ruleset) -> Check {
    before_us(&Config::default(), Ok(ruleset))
}

#[test]
fn who_drops_everything_before_us_hides_scans() {
    for ruleset in [
        chain("inet", "input", -100, "drop", &[ACCEPT]),
        chain("inet", "input", -10, "accept", &[ACCEPT, DROP]),
        chain("netdev", "ingress", 0, "accept", &[DROP]),
        chain("ip", "prerouting", 0, "drop", &[]),
    ] {
        let check = judge(&ruleset);
        assert_eq!(check.state, State::Warning, "{ruleset:?}");
        assert!(check.finding.contains(" t c "), "{check:?}");
    }
}

#[test]
fn an_ordinary_firewall_after_us_and_an_accept_before_us_are_no_matter() {
    for ruleset in [
        chain("inet", "input", 0, "drop", &[ACCEPT, DROP]),
        chain("inet", "input", -100, "accept", &[ACCEPT]),
        chain("inet", "output", -300, "drop", &[]),
        chain("inet", "forward", -100, "drop", &[]),
        chain("bridge", "input", -200, "drop", &[]),
        chain("ip", "prerouting", -300, "accept", &[SOME]),
        Ruleset::default(),
    ] {
        assert_eq!(judge(&ruleset).state, State::Ok, "{ruleset:?}");
    }
    assert!(judge(&chain("ip", "prerouting", -300, "accept", &[SOME])).finding.contains("ip t c"));
}

#[test]
fn on_a_gateway_who_drops_before_us_in_forward_counts_too() {
    let network = "192.0.2.0/24".parse().unwrap();
    let config = Config { protect: crate::detect::prefixes::Prefixes::new(&[network]), ..Config::default() };
    let check = before_us(&config, Ok(&chain("inet", "forward", -100, "drop", &[])));
    assert_eq!(check.state, State::Warning);
}

#[test]
fn a_notrack_rule_for_everything_is_a_problem_and_one_for_some_is_a_warning() {
    let some = SOME.replace("drop", "notrack");
    for (rules, state) in [
        (r#"{"counter": null}, {"notrack": null}"#, State::Problem),
        (some.as_str(), State::Warning),
        (ACCEPT, State::Ok),
    ] {
        let ruleset = chain("inet", "prerouting", -300, "accept", &[rules]);
        assert_eq!(untracked(&Config::default(), Ok(&ruleset)).state, state, "{rules}");
    }
    for (listing, state) in [(LISTED, State::Problem), (IPTABLES, State::Warning)] {
        let listed = Ruleset::parse(listing.as_bytes()).unwrap();
        assert_eq!(untracked(&Config::default(), Ok(&listed)).state, state);
    }
}

#[test]
fn what_cannot_be_seen_is_unknown() {
    let unseen = Unseen { reason: String::from("no right"), remedy: BE_ROOT };
    assert_eq!(before_us(&Config::default(), Err(&unseen)).state, State::Unknown);
    assert_eq!(untracked(&Config::default(), Err(&unseen)).state, State::Unknown);
    assert_eq!(other_queues(&Facts::default(), &Config::default()).state, State::Unknown);
}

#[test]
fn only_an_enabled_service_with_a_flush_in_its_config_takes_our_table_away() {
    // Debian's own file.
    const DEBIAN: &str = "#!/usr/sbin/nft -f\n\nflush ruleset\n\ntable inet filter {\n}\n";
    for (nftables, text, state) in [
        (Unit::Enabled, DEBIAN, State::Warning),
        (Unit::Installed, DEBIAN, State::Ok),
        (Unit::Enabled, "# flush ruleset\ntable inet filter { }\n", State::Ok),
        (Unit::Enabled, "", State::Ok),
    ] {
        let units = Units { nftables, ..Units::default() };
        let facts = Facts { units, nftables_conf: text.to_owned(), ..Facts::default() };
        assert_eq!(flush(&facts).state, state, "{text}");
    }
}

#[test]
fn other_queues_are_listed_and_ours_are_not() {
    let listener = |number| {
        let owner = String::from("process 9 (Suricata-Main)");
        Listener { number, owner, process: Some(9), waiting: 0, lost: 0 }
    };
    let facts = Facts { queues: Some(vec![listener(0), listener(3101)]), ..Facts::default() };
    let check = other_queues(&facts, &Config::default());
    assert!(check.finding.starts_with("0 by process 9 (Suricata-Main): "), "{check:?}");
}

#[test]
fn firewall_managers_are_known_by_program_table_or_chain() {
    let names = r#"{"nftables": [{"table": {"family": "inet", "name": "firewalld"}}, {"table": {"family": "ip", "name": "nat"}},
        {"chain": {"family": "ip", "table": "nat", "name": "DOCKER"}},
        {"chain": {"family": "ip", "table": "filter", "name": "ufw-before-input"}}]}"#;
    let ruleset = Ruleset::parse(names.as_bytes()).unwrap();
    let facts = Facts {
        programs: vec![String::from("fail2ban-server")],
        legacy: Some(vec![String::from("filter")]),
        ..Facts::default()
    };
    let check = firewalls(&facts, Ok(&ruleset));
    for name in ["firewalld", "Docker", "ufw", "fail2ban", "iptables-legacy (filter"] {
        assert!(check.finding.contains(name), "{name}: {check:?}");
    }
    assert!(!check.finding.contains("CrowdSec"), "{check:?}");
    let listed = Ruleset::parse(LISTED.as_bytes()).unwrap();
    assert!(firewalls(&Facts::default(), Ok(&listed)).finding.contains("flowtable ft"));
}

#[test]
fn a_unit_whose_reload_flushes_is_found_whatever_its_config_says() {
    // Of Red Hat's and of Debian's.
    const FLUSHING: &str = "ExecReload=/sbin/nft 'flush ruleset; include \"/etc/sysconfig/nftables.conf\";'\n";
    const LOADING: &str = "ExecReload=/usr/sbin/nft -f /etc/nftables.conf\nExecStop=/usr/sbin/nft flush ruleset\n";
    for (unit, state) in [(FLUSHING, State::Warning), (LOADING, State::Ok)] {
        let units = Units { nftables: Unit::Enabled, ..Units::default() };
        let facts = Facts { units, nftables_unit: unit.to_owned(), ..Facts::default() };
        assert_eq!(flush(&facts).state, state, "{unit}");
    }
}
