//! What the journal and the events file hold: an event as JSON, and how it is shown.
//!
//! Input: one row's JSON.

use nftrap::cli::fuzzing::{dated, json, row};
use nftrap::detect::source::Source;
use nftrap::event::{Event, Wall, What};

use super::commands_a_terminal;

pub(super) fn target(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        reads_what_it_writes(text.trim());
    }
    let Ok(event) = serde_json::from_slice::<Event>(input) else { return };
    let value = serde_json::to_value(&event).unwrap();
    let text = json(&value);
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert_eq!(value["event"], event.what.name());
    assert!(What::NAMES.contains(&event.what.name()));
    for shown in [row(&event).trim_end_matches('\n').to_owned(), dated(&event)] {
        assert!(!shown.contains('\n') && !commands_a_terminal(&shown), "{shown:?}");
        assert!(shown.contains(event.what.name()) || shown.contains(&event.what.name().replace('_', " ")), "{shown}");
    }
    if let Some(offence) = event.what.offence() {
        assert_eq!(event.what.until(), Some(offence.until));
        assert_eq!(event.what.whom(), Some(offence.source.into()));
    }
}

/// Times and sources, alone.
fn reads_what_it_writes(text: &str) {
    if let Ok(at) = text.parse::<Wall>() {
        assert!(at <= Wall::MAX);
        assert_eq!(at.to_string().parse(), Ok(at));
    }
    if let Ok(source) = text.parse::<Source>() {
        assert_eq!(source.to_string().parse(), Ok(source));
        assert_eq!(Source::try_from(ipnet::IpNet::from(source)), Ok(source));
    }
}
