//! The kernel's list of queues: who listens to which, how much waits, how much found no room.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;

/// The list, opened while we were root: whoever has it open may read on.
static KEPT: OnceLock<File> = OnceLock::new();

/// The kernel's list of queues, for root and root's group alone.
const LIST: &str = "/proc/self/net/netfilter/nfnetlink_queue";

/// One line of the kernel's list of queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// The queue's number.
    pub number: u16,
    /// The listener's netlink port: most often its process id.
    pub port: u32,
    /// Packets that wait for a verdict.
    pub waiting: u32,
    /// Packets that found the queue full.
    pub overrun: u32,
    /// Packets that found the socket's buffer full.
    pub unsent: u32,
}

/// The kernel's list of all queues that somebody listens to in this namespace; empty where it cannot be read.
#[must_use]
pub fn states() -> Vec<QueueState> {
    list().unwrap_or_default().lines().filter_map(parse_state).collect()
}

/// Whether it is certain that no queue of this namespace has a listener. Without root's group it never is.
#[must_use]
pub fn nobody_listens() -> bool {
    match list() {
        Ok(list) => list.is_empty(),
        // Without the list there is nothing in the kernel that could queue.
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Keeps the list open, for the time when root's rights are given up. It is this namespace's from then on.
pub fn keep() {
    if let Ok(list) = File::open(LIST) {
        KEPT.get_or_init(|| list);
    }
}

/// As it is now.
fn list() -> io::Result<String> {
    let Some(kept) = KEPT.get() else { return read(LIST) };
    let (mut text, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let at = u64::try_from(text.len()).map_err(io::Error::other)?;
        let read = kept.read_at(&mut part, at)?;
        if read == 0 {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
        text.extend(part.iter().take(read));
    }
}

fn parse_state(line: &str) -> Option<QueueState> {
    let column: Vec<u32> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    Some(QueueState {
        number: u16::try_from(*column.first()?).ok()?,
        port: *column.get(1)?,
        waiting: *column.get(2)?,
        overrun: *column.get(5)?,
        unsent: *column.get(6)?,
    })
}

/// Who listens to queue `number`, in words.
#[must_use]
pub fn owner(number: u16) -> Option<String> {
    let port = states().into_iter().find(|state| state.number == number)?.port;
    Some(match read(&format!("/proc/{port}/comm")) {
        Ok(name) => format!("process {port} ({})", name.trim_end()),
        Err(_) => format!("another program (netlink port {port})"),
    })
}

#[expect(clippy::disallowed_methods, reason = "the kernel's own lists are files")]
fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_columns_are_read_by_their_place() {
        let line = " 3100  40522     7 2   512     3     4      951  1";
        let state = QueueState { number: 3100, port: 40_522, waiting: 7, overrun: 3, unsent: 4 };
        assert_eq!(parse_state(line), Some(state));
        assert_eq!(parse_state("3100 1 2"), None);
    }
}
