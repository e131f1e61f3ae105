//! libFuzzer's way to the targets: `TARGET` names one.

#![no_main]

use std::sync::OnceLock;

#[path = "targets.rs"]
mod targets;

static TARGET: OnceLock<targets::Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("TARGET").unwrap_or_default();
        targets::ALL.into_iter().find(|(known, _)| *known == name).expect("TARGET names no target").1
    });
    target(input);
});
