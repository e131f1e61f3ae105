//! The netlink socket of a queue: opened, given room, read in batches.

#![expect(
    unsafe_code,
    reason = "neither rustix nor a safe call of the C library's sets this option or receives many messages at once"
)]

use std::io;
use std::mem;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::ptr;

use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, bind, send, socket_with};

use super::WAIT;

/// Packets that are read at once, at most. More saves little; and who is let go waits until those before him in the batch are judged.
pub(super) const BATCH: usize = 64;
/// The kernel's account of one waiting packet: up to two pages' slabs for its copy and the buffer's own head.
const BYTES_PER_WAITING_PACKET: usize = 2048;

/// A message as the kernel sent it, or room for one.
pub(super) type Octets = Box<[u8]>;

/// Whether a receive waits for the first message.
#[derive(Clone, Copy)]
pub(super) enum First {
    /// As long as the socket's time limit says.
    Awaited,
    /// No: what is there is read.
    Here,
}

/// A socket with room for `length` packets; no child process inherits it, which would keep the queue bound when we are gone.
pub(super) fn open(length: u32) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(NETFILTER))?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    report_no_overruns(&socket)?;
    make_room(socket.as_fd(), length)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(WAIT))?;
    Ok(socket)
}

/// Room for `length` packets that wait to be read: what finds none is not queued, whatever the queue's own length is.
pub(super) fn make_room(socket: BorrowedFd<'_>, length: u32) -> io::Result<()> {
    let buffer = usize::try_from(length).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_WAITING_PACKET);
    Ok(set_socket_recv_buffer_size_force(socket, buffer)?)
}

/// Sends messages to the kernel, which has read them all when this returns.
pub(super) fn send_all(socket: BorrowedFd<'_>, messages: &[u8]) -> io::Result<()> {
    send(socket, messages, SendFlags::empty()).map(|_sent| ()).map_err(io::Error::from)
}

/// A socket that reports an overrun takes no packet more until all that wait are read; the kernel counts overruns anyway.
fn report_no_overruns(socket: &OwnedFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&on)).map_err(io::Error::other)?;
    // SAFETY: the pointer is to a number that lives until the call returns, and `size` is its size.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_NETLINK,
            libc::NETLINK_NO_ENOBUFS,
            ptr::from_ref(&on).cast(),
            size,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads what waits, one message into each slot, and notes how long each is. Says how many there are: one at least.
pub(super) fn receive_many(
    socket: BorrowedFd<'_>,
    slots: &mut [Octets; BATCH],
    lengths: &mut [usize; BATCH],
    first: First,
) -> io::Result<usize> {
    let flags = match first {
        First::Awaited => libc::MSG_WAITFORONE,
        First::Here => libc::MSG_DONTWAIT,
    };
    let mut parts =
        slots.each_mut().map(|slot| libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() });
    // SAFETY: these structures are numbers and pointers, for which zero is a value: no address, no control data, no parts.
    let mut heads: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
    for (head, part) in heads.iter_mut().zip(&mut parts) {
        (head.msg_hdr.msg_iov, head.msg_hdr.msg_iovlen) = (part, 1);
    }
    let count = u32::try_from(heads.len()).map_err(io::Error::other)?;
    // SAFETY: there are `count` heads; each names one part, and each part a slot with its own length. All of them are
    // borrowed by this function, and the kernel keeps no pointer when the call returns.
    let received = unsafe { libc::recvmmsg(socket.as_raw_fd(), heads.as_mut_ptr(), count, flags, ptr::null_mut()) };
    // It is -1, and the reason is to be asked for, or a number of messages.
    let received = usize::try_from(received).map_err(|_negative| io::Error::last_os_error())?;
    for (length, head) in lengths.iter_mut().zip(&heads) {
        *length = usize::try_from(head.msg_len).unwrap_or(0);
    }
    Ok(received)
}
