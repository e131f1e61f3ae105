//! How long to wait. Long limits that end early: an emulated machine is some fifty times slower than a real one.

use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// What has not happened by then is not going to happen.
pub(crate) fn patience() -> Duration {
    Duration::from_secs(if is_slow() { 120 } else { 20 })
}

/// Whether this machine is an emulated one (or `NFTRAP_SLOW` says that it is as slow).
pub(crate) fn is_slow() -> bool {
    static SLOW: LazyLock<bool> = LazyLock::new(|| {
        let told = std::env::var_os("NFTRAP_SLOW").is_some();
        told || fs::read_to_string("/proc/cpuinfo").is_ok_and(|cpu| cpu.contains("QEMU"))
    });
    *SLOW
}

/// A limit for a machine of our own; an emulated one gets ten times as long.
pub(crate) fn limit(here: Duration) -> Duration {
    if is_slow() { here * 10 } else { here }
}

/// An answer that has not come by then was not sent.
pub(crate) fn silence() -> Duration {
    if is_slow() { Duration::from_secs(3) } else { Duration::from_millis(600) }
}

/// Asks again and again until the answer is yes; says how long that took. Panics when `patience` is over.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < patience(), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}
