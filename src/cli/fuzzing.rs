//! A door for tests that make up what others wrote: how it is printed for people and for programs. Pure.

use serde_json::Value;

use super::{Output, history, plain, words};
use crate::event::Event;

/// The row that `nftrap history` has of an event.
#[must_use]
pub fn row(event: &Event) -> String {
    let mut out = Vec::new();
    // A vector takes all that is written to it.
    let (Ok(()) | Err(_)) = history::row(&mut out, event, false);
    String::from_utf8_lossy(&out).into_owned()
}

/// The line that `nftrap why` has of it.
#[must_use]
pub fn dated(event: &Event) -> String {
    words::dated(event)
}

/// The line that `nftrap events` has of a part of the daemon's answer.
#[must_use]
pub fn line(part: &Value) -> String {
    words::line(part, Output::Plain)
}

/// The same as JSON.
#[must_use]
pub fn json(part: &Value) -> String {
    plain::json_line(part)
}
