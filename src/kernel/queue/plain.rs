//! A queue read packet by packet. The only user of `nfq`.
//!
//! Two system calls a packet: a receive that waits, and a verdict. `nfq` hides its socket, without which neither the receive
//! buffer can be sized (the default holds 256 packets) nor a wait be bounded; so the socket is found by its number in the
//! process's list of open files.

#![expect(unsafe_code, reason = "borrowing the socket that nfq opened, by its number")]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::socket::make_room;
use super::{COPY_BYTES, Message, OpenError, Origin, Received, Verdict, WAIT};
use crate::config::QueueFull;

/// A queue, by `nfq`.
pub(super) struct Plain {
    inner: nfq::Queue,
    /// The same socket.
    socket: OwnedFd,
    number: u16,
}

impl Plain {
    pub(super) fn open(number: u16, length: u32, when_full: QueueFull) -> Result<Self, OpenError> {
        let (queue, socket) = roomy(length).map_err(OpenError::Socket)?;
        let inner = bind(queue, &socket, number, length, when_full)?;
        Ok(Self { inner, socket, number })
    }

    pub(super) fn receive(&mut self) -> Received {
        match self.inner.recv() {
            Ok(message) => Received::Packet(Message(Origin::Plain(message))),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => Received::Nothing,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Received::Flushed,
            Err(error) => Received::Failed(error),
        }
    }

    pub(super) fn verdict(&mut self, mut message: nfq::Message, verdict: Verdict) -> io::Result<()> {
        message.set_verdict(match verdict {
            Verdict::Accept => nfq::Verdict::Accept,
            Verdict::Drop => nfq::Verdict::Drop,
        });
        self.inner.verdict(message)
    }

    pub(super) fn socket(&self) -> (BorrowedFd<'_>, u16) {
        (self.socket.as_fd(), self.number)
    }
}

/// A socket for one queue with room for `length` packets, not bound yet.
fn roomy(length: u32) -> io::Result<(nfq::Queue, OwnedFd)> {
    let before = open_files()?;
    let queue = nfq::Queue::open()?;
    let socket = *open_files()?.difference(&before).next().ok_or(io::ErrorKind::NotFound)?;
    let socket = own(socket)?;
    make_room(socket.as_fd(), length)?;
    Ok((queue, socket))
}

fn bind(
    mut queue: nfq::Queue,
    socket: &OwnedFd,
    number: u16,
    length: u32,
    when_full: QueueFull,
) -> Result<nfq::Queue, OpenError> {
    // `nfq` does not tell the kernel's answer from a call that failed.
    queue.bind(number).map_err(OpenError::Refused)?;
    set_up(&mut queue, socket, number, length, when_full).map_err(OpenError::Bind)?;
    Ok(queue)
}

fn set_up(queue: &mut nfq::Queue, socket: &OwnedFd, number: u16, length: u32, when_full: QueueFull) -> io::Result<()> {
    queue.set_queue_max_len(number, length)?;
    queue.set_copy_range(number, COPY_BYTES)?;
    // A large packet comes whole, and not as the many that it will be on the wire: one verdict serves them all.
    queue.set_recv_gso(number, true)?;
    queue.set_fail_open(number, when_full == QueueFull::Open)?;
    // Only now: each call above waits for an answer, however long that takes.
    Ok(set_socket_timeout(socket, Timeout::Recv, Some(WAIT))?)
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
