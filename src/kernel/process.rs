//! What the kernel says of our own process.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Memory that the process has in the machine's, in bytes; 0 where it cannot be read.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the kernel's own account is a file")]
pub fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    pages.saturating_mul(u64::try_from(rustix::param::page_size()).unwrap_or(0))
}

/// Has what the kernel tells a process at its start remembered. Older kernels tell it later by a file alone, which another user than the one
/// that started us may not read, and a thread that opens no files cannot.
pub fn remember_start() {
    let _page_size = rustix::param::page_size();
}

/// Files of ours beside those of strangers' connections: queues, sets, journal, commands, decoys.
const OWN_FILES: u64 = 448;

/// Has the system let us open `wanted` files more than our own, as far as it does; returns for how many more there is room.
#[must_use]
pub fn room_for_files(wanted: u32) -> u32 {
    let limit = getrlimit(Resource::Nofile);
    let needed = OWN_FILES.saturating_add(u64::from(wanted));
    let possible = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    if limit.current.is_some_and(|current| current < possible) {
        // What it does not grant is found out below.
        let (Ok(()) | Err(_)) = setrlimit(Resource::Nofile, Rlimit { current: Some(possible), ..limit });
    }
    let granted = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(OWN_FILES);
    u32::try_from(granted).unwrap_or(u32::MAX).min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_has_some_memory_and_not_all_of_it() {
        assert!((1 << 16..1 << 40).contains(&resident_bytes()), "{}", resident_bytes());
    }

    #[test]
    fn files_are_granted_as_far_as_the_system_does() {
        assert_eq!(room_for_files(1), 1);
        let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX).saturating_sub(OWN_FILES);
        assert!(u64::from(room_for_files(4096)) <= most);
    }
}
