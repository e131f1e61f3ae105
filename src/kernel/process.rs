//! What the kernel says of our own process.

use std::fs;

/// Memory that the process has in the machine's, in bytes; 0 where it cannot be read.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the kernel's own account is a file")]
pub fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    pages.saturating_mul(u64::try_from(rustix::param::page_size()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_has_some_memory_and_not_all_of_it() {
        assert!((1 << 16..1 << 40).contains(&resident_bytes()), "{}", resident_bytes());
    }
}
