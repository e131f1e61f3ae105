//! Every event there and back, and in the words of the log.

use super::*;

fn operator(name: Option<&str>) -> Operator {
    Operator { uid: 1000, pid: 4321, name: name.map(ToOwned::to_owned) }
}

fn asked() -> Asked {
    Asked { port: 111, protocol: Protocol::Tcp, kind: Kind::SynFin, destination: [203, 0, 113, 2].into() }
}

fn offence(source: &str) -> Offence {
    let at = "2026-11-24T05:55:20Z".parse().unwrap();
    let until = "2026-11-24T06:05:21.189Z".parse().unwrap();
    let other = Asked { protocol: Protocol::Number(47), port: 0, kind: Kind::Protocol, ..asked() };
    let evidence = vec![Seen { at, probe: other }, Seen { at, probe: asked() }];
    Offence { source: source.parse().unwrap(), probe: asked(), hits: 2, until, repeat: 3, evidence }
}

fn one_of_each() -> Vec<What> {
    let (prefix, by) = ("198.51.100.0/24".parse().unwrap(), operator(Some("alice")));
    let until = Some("2026-11-24T06:05:21.189Z".parse().unwrap());
    vec![
        What::Blocked(offence("198.51.100.2")),
        What::WouldBlock(offence("2001:db8:a::/64")),
        What::NotBlocked { source: "2001:db8::1".parse().unwrap(), reason: "the set is full".into() },
        What::Distributed(Distributed {
            destination: [203, 0, 113, 2].into(),
            sources: 20,
            places: 30,
            first: "2026-11-24T05:55:20Z".parse().unwrap(),
            last: "2026-11-24T05:55:21.189Z".parse().unwrap(),
            among: vec!["198.51.100.2".parse().unwrap(), "2001:db8:a::/64".parse().unwrap()],
        }),
        What::Unblocked { prefix: "198.51.100.2/32".parse().unwrap(), by: by.clone() },
        What::UnblockedAll { by: by.clone() },
        What::OperatorBlocked { prefix, until, reason: "noise \u{1b}[31m".into(), by: by.clone() },
        What::Allowed { prefix, reason: "our own scanner".into(), by: by.clone(), saved: true },
        What::Disallowed { prefix: "2001:db8::/32".parse().unwrap(), by: by.clone() },
        What::Reloaded { by: Some(by), waiting: vec!["queue.count".into()] },
        What::ReloadRefused { problem: "nftrap.toml:3:1: there is no key `foo`".into() },
        What::Started { version: "0.1.0".into(), blocks: 7 },
        What::Stopped,
        What::TableRestored { blocks: 7 },
    ]
}

#[test]
fn every_event_comes_back_as_it_was() {
    let nobody = What::Reloaded { by: None, waiting: Vec::new() };
    let nameless = What::OperatorBlocked {
        prefix: "2001:db8::7/128".parse().unwrap(),
        until: None,
        reason: String::new(),
        by: operator(None),
    };
    for what in one_of_each().into_iter().chain([nobody, nameless]) {
        let event = Event { at: Wall::from_millis(1_795_499_721_189), what };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event, "{json}");
    }
}

#[test]
fn every_event_has_the_name_that_its_json_has() {
    let events = one_of_each();
    assert_eq!(events.iter().map(What::name).collect::<Vec<_>>(), What::NAMES);
    for what in events {
        let json = serde_json::to_value(&what).unwrap();
        assert_eq!(json["event"], what.name());
    }
}

#[test]
fn json_is_flat_and_speaks_the_words_of_the_log() {
    let event =
        Event { at: Wall::from_millis(0), what: What::Blocked(Offence { evidence: vec![], ..offence("192.0.2.1") }) };
    assert_eq!(
        serde_json::to_string(&event).unwrap(),
        concat!(
            r#"{"at":"1970-01-01T00:00:00.000Z","event":"blocked","source":"192.0.2.1","port":111,"protocol":"tcp","#,
            r#""kind":"syn+fin","destination":"203.0.113.2","hits":2,"until":"2026-11-24T06:05:21.189Z","repeat":3}"#
        )
    );
    let by = operator(Some("alice"));
    let event =
        Event { at: Wall::from_millis(0), what: What::Unblocked { prefix: "192.0.2.1/32".parse().unwrap(), by } };
    assert_eq!(
        serde_json::to_string(&event).unwrap(),
        r#"{"at":"1970-01-01T00:00:00.000Z","event":"unblocked","prefix":"192.0.2.1","uid":1000,"pid":4321,"user":"alice"}"#
    );
}

#[test]
fn what_is_no_event_is_refused() {
    for json in [
        "",
        "{}",
        r#"{"at":"1970-01-01T00:00:00Z"}"#,
        r#"{"at":"1970-01-01T00:00:00Z","event":"eaten"}"#,
        r#"{"at":"soon","event":"stopped"}"#,
        r#"{"at":"1970-01-01T00:00:00Z","event":"not_blocked","source":"192.0.2.0/24","reason":""}"#,
    ] {
        assert!(serde_json::from_str::<Event>(json).is_err(), "{json}");
    }
}

#[test]
fn a_network_is_the_same_whichever_of_its_addresses_names_it() {
    let read = |prefix: &str| {
        let at = r#""at":"2026-11-24T05:55:21Z","event":"disallowed""#;
        serde_json::from_str::<Event>(&format!(r#"{{{at},"prefix":"{prefix}","uid":0,"pid":1}}"#)).unwrap()
    };
    assert_eq!(read("192.0.2.1/24"), read("192.0.2.0/24"));
    assert_ne!(read("192.0.2.1"), read("192.0.2.0"));
}
