//! Honest traffic of all kinds beside each other, for some seconds: `scripts/noise` does it for as long as one likes.

use std::path::Path;
use std::process::Command;

use crate::lab::daemon::binary;
use crate::lab::hosts::may_make_one;

/// A quarter of a minute: each kind is sent several times.
const MINUTES: &str = "0.25";

#[test]
fn honest_traffic_of_all_kinds_at_once_is_answered_and_blocks_nobody() {
    if !may_make_one() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/noise");
    let output = Command::new(script).arg(MINUTES).env("NFTRAP_BIN", binary()).output().expect("start the script");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
}
