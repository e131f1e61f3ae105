//! One NFQUEUE: packets in, verdicts out. The only user of `nfq`.
//!
//! Two system calls a packet: a receive that waits, and a verdict. `nfq` hides its socket, without which neither the receive
//! buffer can be sized (the default holds 256 packets) nor a wait be bounded; so the socket is found by its number in the
//! process's list of open files.

#![expect(unsafe_code, reason = "borrowing the socket that nfq opened, by its number")]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

pub use nfq::{Message, Verdict};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{SendFlags, send};

use crate::config::QueueFull;

/// What the kernel copies of a packet: the headers, with room for chains of IPv6 extension headers that honest hosts never send.
const COPY_BYTES: u16 = 512;
/// The kernel's account of one waiting packet: up to two pages' slabs for its copy and the buffer's own head.
const BYTES_PER_WAITING_PACKET: usize = 2048;
/// How long a receive waits before it looks whether the daemon is to stop.
const WAIT: Duration = Duration::from_millis(200);
/// The kernel's list of queues, for root and root's group alone.
const LIST: &str = "/proc/self/net/netfilter/nfnetlink_queue";
/// The owner of a queue, to whom that list is closed.
const UNSEEN: &str = "another program (run as root to see which)";

/// A queue that is bound and configured.
pub struct Queue {
    inner: nfq::Queue,
    /// The same socket.
    socket: OwnedFd,
    number: u16,
}

/// What came of waiting for a packet.
pub enum Received {
    /// A packet, to be judged.
    Packet(Message),
    /// Nothing, for a while.
    Nothing,
    /// The kernel had flushed a packet before our verdict on it came: as many reports as packets, and no reason to stop.
    Flushed,
    /// Anything else: no reason to stop either, if it does not go on and on.
    Failed(io::Error),
}

/// Why a queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Somebody else listens.
    #[error("queue {number} is in use by {owner}: choose another number with `first` in section [queue]")]
    InUse {
        /// The queue's number.
        number: u16,
        /// Who listens, as far as can be seen.
        owner: String,
    },
    /// We lack the right.
    #[error("no right to open netfilter queue {0}: CAP_NET_ADMIN is needed")]
    Forbidden(u16),
    /// Anything else.
    #[error("cannot open netfilter queue {number}")]
    Open {
        /// The queue's number.
        number: u16,
        /// The system's reason.
        source: io::Error,
    },
}

impl Queue {
    /// Binds and configures queue `number`. Call it while no other thread opens files, and before any rule points at the queue:
    /// `nfq` throws away packets that arrive while it configures.
    pub fn open(number: u16, length: u32, when_full: QueueFull) -> Result<Self, QueueError> {
        let explain = |refused: QueueError, source: io::Error| match source.raw_os_error() {
            Some(libc::EPERM) => refused,
            Some(_) | None => QueueError::Open { number, source },
        };
        let (queue, socket) = roomy(length).map_err(|error| explain(QueueError::Forbidden(number), error))?;
        // The large buffer needs the same right as the queue does: who has it and is refused here meets somebody else.
        let taken = || QueueError::InUse { number, owner: owner(number).unwrap_or_else(|| UNSEEN.to_owned()) };
        let inner = bind(queue, &socket, number, length, when_full).map_err(|error| explain(taken(), error))?;
        Ok(Self { inner, socket, number })
    }

    /// Waits for a packet, but not for ever.
    pub fn receive(&mut self) -> Received {
        match self.inner.recv() {
            Ok(message) => Received::Packet(message),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => Received::Nothing,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Received::Flushed,
            Err(error) => Received::Failed(error),
        }
    }

    /// Changes the length and what happens when it is full, while packets come. `nfq` would wait for the kernel's answers, and throw
    /// away the packets that come between; so these messages ask for none: what the kernel refuses stays as it was.
    pub fn retune(&mut self, length: u32, when_full: QueueFull) -> io::Result<()> {
        let buffer = usize::try_from(length).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_WAITING_PACKET);
        set_socket_recv_buffer_size_force(&self.socket, buffer)?;
        let fail_open = match when_full {
            QueueFull::Open => FAIL_OPEN,
            QueueFull::Closed => 0,
        };
        let attributes = [(NFQA_CFG_QUEUE_MAXLEN, length), (NFQA_CFG_FLAGS, fail_open), (NFQA_CFG_MASK, FAIL_OPEN)];
        let message = setting(self.number, &attributes);
        send(&self.socket, &message, SendFlags::empty()).map(|_sent| ()).map_err(io::Error::from)
    }

    /// Gives `message` its verdict.
    pub fn verdict(&mut self, mut message: Message, verdict: Verdict) -> io::Result<()> {
        message.set_verdict(verdict);
        self.inner.verdict(message)
    }
}

/// A socket for one queue with room for `length` packets, not bound yet.
fn roomy(length: u32) -> io::Result<(nfq::Queue, OwnedFd)> {
    let before = open_files()?;
    let queue = nfq::Queue::open()?;
    let socket = *open_files()?.difference(&before).next().ok_or(io::ErrorKind::NotFound)?;
    let socket = own(socket)?;
    let buffer = usize::try_from(length).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_WAITING_PACKET);
    set_socket_recv_buffer_size_force(&socket, buffer)?;
    Ok((queue, socket))
}

fn bind(
    mut queue: nfq::Queue,
    socket: &OwnedFd,
    number: u16,
    length: u32,
    when_full: QueueFull,
) -> io::Result<nfq::Queue> {
    queue.bind(number)?;
    queue.set_queue_max_len(number, length)?;
    queue.set_copy_range(number, COPY_BYTES)?;
    // A large packet comes whole, and not as the many that it will be on the wire: one verdict serves them all.
    queue.set_recv_gso(number, true)?;
    queue.set_fail_open(number, when_full == QueueFull::Open)?;
    // Only now: each call above waits for an answer, however long that takes.
    set_socket_timeout(socket, Timeout::Recv, Some(WAIT))?;
    Ok(queue)
}

/// Attributes of `NFQNL_MSG_CONFIG` and a flag (`linux/netfilter/nfnetlink_queue.h`).
const NFQA_CFG_QUEUE_MAXLEN: u16 = 3;
const NFQA_CFG_MASK: u16 = 4;
const NFQA_CFG_FLAGS: u16 = 5;
const FAIL_OPEN: u32 = 1;

/// A message that sets attributes of queue `number`.
fn setting(number: u16, attributes: &[(u16, u32)]) -> Vec<u8> {
    const CONFIG: u16 = (3 << 8) | 2; // NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG
    const REQUEST: u16 = 1;
    let mut body = Vec::new();
    body.extend(CONFIG.to_ne_bytes());
    body.extend(REQUEST.to_ne_bytes());
    body.extend([0; 8]); // sequence number and port
    body.extend([0, 0]); // family and version
    body.extend(number.to_be_bytes());
    for (kind, value) in attributes {
        body.extend(8_u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(value.to_be_bytes());
    }
    let length = u32::try_from(body.len().saturating_add(4)).unwrap_or(u32::MAX);
    [length.to_ne_bytes().as_slice(), &body].concat()
}

/// The numbers of our open files.
fn open_files() -> io::Result<BTreeSet<RawFd>> {
    let number = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let numbers: Vec<RawFd> = fs::read_dir("/proc/self/fd")?.filter_map(number).collect();
    // The listing itself was among them and is closed by now; the next file opened gets its number.
    Ok(numbers.into_iter().filter(|number| fs::read_link(format!("/proc/self/fd/{number}")).is_ok()).collect())
}

/// A handle of our own on nfq's socket; and no child process may inherit it: it would keep the queue bound when we are gone.
fn own(socket: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: `nfq::Queue::open` has just opened this number, and the queue that owns it outlives this function.
    let borrowed = unsafe { BorrowedFd::borrow_raw(socket) };
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    Ok(fcntl_dupfd_cloexec(borrowed, 0)?)
}

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
    read(LIST).unwrap_or_default().lines().filter_map(parse_state).collect()
}

/// Whether it is certain that no queue of this namespace has a listener. Without root's group it never is.
#[must_use]
pub fn nobody_listens() -> bool {
    match read(LIST) {
        Ok(list) => list.is_empty(),
        // Without the list there is nothing in the kernel that could queue.
        Err(error) => error.kind() == io::ErrorKind::NotFound,
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
