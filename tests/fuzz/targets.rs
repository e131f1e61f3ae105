//! The fuzzed functions: each takes any bytes, and fails by a panic. libFuzzer calls them (`run.rs`), and so does `cargo test` with every
//! input that is kept (`tests/fuzz_corpora.rs`).

#[path = "targets/capture.rs"]
mod capture;
#[path = "targets/config.rs"]
mod config;
#[path = "targets/control.rs"]
mod control;
#[path = "targets/doctor.rs"]
mod doctor;
#[path = "targets/event.rs"]
mod event;
#[path = "targets/feed.rs"]
mod feed;
#[path = "targets/import.rs"]
mod import;
#[path = "targets/metrics.rs"]
mod metrics;
#[path = "targets/netlink.rs"]
mod netlink;
#[path = "targets/packet.rs"]
mod packet;
#[path = "targets/table.rs"]
mod table;

/// What is done with an input.
pub(super) type Target = fn(&[u8]);

/// Every target by its name, which is that of its corpus.
pub(super) const ALL: [(&str, Target); 10] = [
    ("capture", capture::target),
    ("config", config::target),
    ("control", control::target),
    ("doctor", doctor::target),
    ("event", event::target),
    ("import", import::target),
    ("metrics", metrics::target),
    ("netlink", netlink::target),
    ("packet", packet::target),
    ("table", table::target),
];

/// Whether a terminal would take any of `text` for a command, new lines apart.
fn commands_a_terminal(text: &str) -> bool {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().any(|c| c != '\n' && (c.is_control() || turns(c)))
}
