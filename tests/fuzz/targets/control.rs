//! What goes over the control socket: a request as the daemon reads it, parts of answers as commands do.
//!
//! Input: a line.

use std::fmt::Debug;

use nftrap::cli::fuzzing::{json, line};
use nftrap::control::wire::{Allowed, Block, Changed, End, Missed, Request, Shown, Status};
use nftrap::event::{Event, Watched};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::commands_a_terminal;

pub(super) fn target(input: &[u8]) {
    comes_back::<Request>(input);
    if let Ok(request) = Request::read(input) {
        assert_eq!(serde_json::from_slice::<Request>(input).unwrap(), request);
    }
    comes_back::<End>(input);
    comes_back::<Status>(input);
    comes_back::<Block>(input);
    comes_back::<Allowed>(input);
    comes_back::<Missed>(input);
    comes_back::<Changed>(input);
    comes_back::<Event>(input);
    comes_back::<Watched>(input);
    comes_back_but_for_fractions(input);
    let Ok(part) = serde_json::from_slice::<Value>(input) else { return };
    for text in [line(&part), json(&part)] {
        assert!(!text.contains('\n') && !commands_the_terminal_that_json_may(&text), "{text:?}");
    }
}

/// Both ends say the same thing the same way, in one line.
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(input: &[u8]) {
    let Ok(said) = serde_json::from_slice::<T>(input) else { return };
    let text = serde_json::to_string(&said).unwrap();
    assert!(!text.contains('\n'), "{text}");
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), said, "{text}");
}

/// Its evidence is JSON of any kind, and a fraction may change by its last digit.
fn comes_back_but_for_fractions(input: &[u8]) {
    let Ok(shown) = serde_json::from_slice::<Shown>(input) else { return };
    let again: Shown = serde_json::from_str(&serde_json::to_string(&shown).unwrap()).unwrap();
    assert_eq!(again.evidence.len(), shown.evidence.len());
    assert_eq!(Shown { evidence: Vec::new(), ..again }, Shown { evidence: Vec::new(), ..shown });
}

/// JSON is for programs: it has what turns the direction of writing as it is.
fn commands_the_terminal_that_json_may(text: &str) -> bool {
    let is_json = text.starts_with(['{', '[', '"']);
    if is_json { text.chars().any(char::is_control) } else { commands_a_terminal(text) }
}
