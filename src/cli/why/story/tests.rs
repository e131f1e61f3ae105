//! Stories, as an operator reads them.

use super::*;
use crate::cli::samples::block;
use crate::event::What;

fn shown(state: &str) -> Shown {
    Shown {
        source: "198.51.100.2".into(),
        state: state.into(),
        why: None,
        blocks: Vec::new(),
        last_seen: Some("2026-11-24T05:55:21.189Z".into()),
        contacts: 0,
        enough: (1, 4),
        window: 3600,
        guest: false,
        repeats: 0,
        evidence: Vec::new(),
    }
}

fn evidence(port: u16) -> Value {
    serde_json::json!({"at": "2026-11-24T05:55:20.5Z", "port": port, "protocol": "tcp", "kind": "syn", "destination": "203.0.113.2"})
}

fn past() -> Vec<Event> {
    let blocked = serde_json::json!({"at": "2026-11-23T05:55:21Z", "event": "blocked", "source": "198.51.100.2", "port": 111,
        "protocol": "tcp", "kind": "syn", "destination": "203.0.113.2", "hits": 1, "until": "2026-11-23T06:05:21Z", "repeat": 2,
        "evidence": [evidence(111)]});
    vec![serde_json::from_value(blocked).unwrap()]
}

fn now() -> Wall {
    "2026-11-24T05:56:00Z".parse().unwrap()
}

fn told(who: &str, shown: &Shown, earlier: &[Event]) -> String {
    let services = Services::parse("sunrpc 111/tcp");
    Story {
        who: who.parse().unwrap(),
        shown,
        runs: true,
        earlier,
        table: "nftrap",
        option: String::new(),
        more: false,
        now: now(),
    }
    .told(&services)
}

#[test]
fn of_a_guest_it_says_why_more_is_needed() {
    let watched = Shown { contacts: 1, enough: (4, 4), guest: true, ..shown("watched") };
    let text = told("198.51.100.2", &watched, &[]);
    assert!(
        text.contains("; it talks with a service here: within 1h enough are 4 with trigger ports, or 4 "),
        "{text}"
    );
}

#[test]
fn a_block_of_a_proven_source_says_why_it_is_longer() {
    let shown = Shown { blocks: vec![block("198.51.100.2")], ..shown("blocked") };
    let mut past = past();
    assert!(!told("198.51.100.2", &shown, &past).contains("longer"));
    let What::Blocked(offence) = &mut past[0].what else { panic!("no block") };
    offence.probe.kind = crate::detect::probe::Kind::Connect;
    let text = told("198.51.100.2", &shown, &past);
    let expected = "by nftrap; its block 3 in a row; longer, for a connection with a decoy proved its address; 12,345";
    assert!(text.contains(expected), "{text}");
    let operators = Shown { blocks: vec![Block { by: "operator".into(), ..block("198.51.100.2") }], ..shown };
    assert!(!told("198.51.100.2", &operators, &past).contains("longer"));
}

#[test]
fn a_block_is_told_with_its_end_its_reasons_its_past_and_the_way_out() {
    let evidence = vec![evidence(111), evidence(9999)];
    let shown = Shown { blocks: vec![block("198.51.100.2")], contacts: 2, repeats: 2, evidence, ..shown("blocked") };
    let expected = "\
198.51.100.2 is blocked until 2026-11-24T06:05:21Z (9m 12s left), by nftrap; its block 3 in a row; 12,345 packets dropped since
2 contacts remembered, last seen 2026-11-24T05:55:21Z; within 1h enough are 1 with trigger ports, \
or 4 with other ports that nobody serves
it asked for what nobody serves:
  2026-11-24T05:55:20Z  tcp 111 (sunrpc) of 203.0.113.2, syn
  2026-11-24T05:55:20Z  tcp 9999 of 203.0.113.2, syn
what happened before, the latest first:
  2026-11-23T05:55:21Z blocked 198.51.100.2 port=111 protocol=tcp kind=syn destination=203.0.113.2 hits=1 \
until=2026-11-23T06:05:21Z repeat=2; it ended by itself
to end the block:  nftrap unblock 198.51.100.2
to never block it: nftrap allow add 198.51.100.2
";
    assert_eq!(told("198.51.100.2", &shown, &past()), expected);
}

#[test]
fn what_the_daemon_forgot_is_told_from_the_journal() {
    let blocked = Shown { blocks: vec![block("198.51.100.2")], ..shown("blocked") };
    let text = told("198.51.100.2", &blocked, &past());
    assert!(
        text.contains("\nit was blocked for these:\n  2026-11-24T05:55:20Z  tcp 111 (sunrpc) of 203.0.113.2, syn\n"),
        "{text}"
    );
}

#[test]
fn an_operators_block_of_a_network_is_told_with_its_reason_and_ended_as_it_was_set() {
    let banned = Block {
        by: "operator".into(),
        until: None,
        left: None,
        repeat: None,
        packets: None,
        reason: Some("noise\u{1b}[2J".into()),
        ..block("198.51.100.0/24")
    };
    let shown = Shown { blocks: vec![banned], ..shown("blocked") };
    let expected = "\
198.51.100.0/24, which holds 198.51.100.2, is blocked for ever, by an operator: noise\u{fffd}[2J
to end the block:  nftrap unblock 198.51.100.0/24
to never block it: nftrap allow add 198.51.100.2
";
    assert_eq!(told("198.51.100.2", &shown, &[]), expected);
}

#[test]
fn who_is_watched_is_told_how_far_from_a_block_it_is() {
    let shown = Shown { contacts: 1, evidence: vec![evidence(9999)], ..shown("watched") };
    let expected = "\
198.51.100.2 is not blocked yet, and watched
1 contact remembered, last seen 2026-11-24T05:55:21Z; within 1h enough are 1 with trigger ports, or 4 with other ports that nobody \
serves
it asked for what nobody serves:
  2026-11-24T05:55:20Z  tcp 9999 of 203.0.113.2, syn
to block it:       nftrap block 198.51.100.2
to never block it: nftrap allow add 198.51.100.2
";
    assert_eq!(told("198.51.100.2", &shown, &[]), expected);
}

#[test]
fn who_is_never_blocked_is_told_why() {
    let shown = Shown { why: Some("default gateway".into()), ..shown("never blocked") };
    let expected = "\
198.51.100.2 is never blocked: default gateway
who is never blocked, and why: nftrap allow list
";
    assert_eq!(told("198.51.100.2", &shown, &[]), expected);
}

#[test]
fn nobody_is_told_to_be_nobody_and_the_past_makes_a_difference() {
    let text = told("198.51.100.2", &shown("unknown"), &[]);
    assert!(text.starts_with("nftrap knows nothing of 198.51.100.2: it is not blocked\nto block it: "), "{text}");
    let text = told("198.51.100.2", &shown("unknown"), &past());
    assert!(text.starts_with("198.51.100.2 is not blocked, and did nothing lately that counts\n"), "{text}");
}

#[test]
fn an_observer_is_told_that_nothing_is_blocked() {
    let text = told("198.51.100.2", &shown("would be blocked"), &[]);
    assert!(text.starts_with("198.51.100.2 would be blocked, but nftrap only observes"), "{text}");
    let text = told("198.51.100.2", &shown("reported"), &[]);
    assert!(text.starts_with("198.51.100.2 was reported, and is not blocked ([block] "), "{text}");
}

#[test]
fn one_address_of_a_network_is_told_whose_it_is() {
    let text = told("2001:db8::7", &Shown { source: "2001:db8::/64".into(), ..shown("watched") }, &[]);
    assert!(
        text.starts_with("2001:db8::7 belongs to 2001:db8::/64, which is one source to nftrap\n2001:db8::/64 is not"),
        "{text}"
    );
}

#[test]
fn commands_reach_the_instance_that_was_asked() {
    let shown = shown("unknown");
    let who = "198.51.100.2".parse().unwrap();
    let option = " --table other".to_owned();
    let story =
        Story { who, shown: &shown, runs: false, earlier: &past(), more: true, table: "other", option, now: now() };
    let text = story.told(&Services::default());
    assert!(text.contains("nftrap block 198.51.100.2 --table other\n"), "{text}");
    assert!(text.contains("\nmore: nftrap history --source 198.51.100.2 --table other\n"), "{text}");
    let at = "2026-11-24T05:55:20Z".parse().unwrap();
    assert_eq!(words::dated(&Event { at, what: What::Stopped }), "2026-11-24T05:55:20Z stopped");
}

#[test]
fn without_a_daemon_a_block_ends_by_the_element_that_stands_for_it() {
    let by_operator = |source: &str| Block { by: "operator".into(), ..block(source) };
    for (block, element) in [
        (block("198.51.100.2"), "block4 '{ 198.51.100.2 }'"),
        (block("2001:db8:a::/64"), "block6net '{ 2001:db8:a:: }'"),
        (block("2001:db8::1"), "block6 '{ 2001:db8::1 }'"),
        (by_operator("198.51.100.0/24"), "banned4 '{ 198.51.100.0/24 }'"),
        (by_operator("2001:db8::/32"), "banned6 '{ 2001:db8::/32 }'"),
    ] {
        let shown = Shown { blocks: vec![block], ..shown("blocked") };
        let who = "198.51.100.2".parse().unwrap();
        let story = Story {
            who,
            shown: &shown,
            runs: false,
            earlier: &[],
            more: false,
            table: "mine",
            option: String::new(),
            now: now(),
        };
        let text = story.told(&Services::default());
        assert!(text.contains(&format!("\nto end the block:  nft delete element inet mine {element}\n")), "{text}");
    }
}

#[test]
fn a_block_that_somebody_ended_did_not_end_by_itself() {
    let ended = serde_json::json!({"at": "2026-11-23T05:56:00Z", "event": "unblocked_all", "uid": 0, "pid": 1});
    let mut earlier = past();
    earlier.insert(0, serde_json::from_value(ended).unwrap());
    let text = told("198.51.100.2", &shown("unknown"), &earlier);
    assert!(text.contains("\n  2026-11-23T05:56:00Z unblocked all by uid 0\n"), "{text}");
    assert!(text.contains(" repeat=2\n"), "{text}");
}
