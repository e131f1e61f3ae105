//! A socket to netfilter: transactions out, reports back. The only user of `mnl`.

#![expect(unsafe_code, reason = "libmnl's socket is a pointer and gives its number only")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use mnl::{Bus, Socket};
use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};

/// A report repeats the message that failed, and ours are shorter than 200 octets.
const REPORT_WORDS: usize = 256;

/// A netlink socket to netfilter.
pub struct Netfilter(Socket);

// SAFETY: the pointer inside is owned by this value alone, and libmnl keeps no state per thread.
unsafe impl Send for Netfilter {}

/// What the kernel says of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The message's sequence number.
    pub sequence: u32,
    /// The error number, positive; 0 is success.
    pub error: i32,
}

impl Netfilter {
    /// Opens the socket.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::new(Bus::Netfilter)?;
        // SAFETY: the socket was just opened and lives on in this function.
        let fd = unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) };
        fcntl_setfd(fd, FdFlags::CLOEXEC)?;
        // Reports are there when a send returns: there is nothing to wait for.
        ioctl_fionbio(fd, true)?;
        Ok(Self(socket))
    }

    /// Sends whole messages; a transaction must come in one piece.
    pub fn send(&self, messages: &[u8]) -> io::Result<()> {
        self.0.send(messages).map(|_all| ())
    }

    /// The next report on what was sent; `None` when the kernel has no more to say. Reports come in the order of the messages. A
    /// transaction that fails reports its errors, and never the end that was asked for: so this never waits.
    #[must_use]
    pub fn next_report(&self) -> Option<Report> {
        let mut words = [0u32; REPORT_WORDS];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        loop {
            let length = self.0.recv_raw(bytes).ok()?;
            if let Some(report) = bytes.get(..length).and_then(read_report) {
                return Some(report);
            }
        }
    }
}

/// Netlink's types, flags and attributes are numbers of 16 bits, and wider in the headers that name them.
pub(super) fn narrow(number: impl TryInto<u16>) -> u16 {
    number.try_into().unwrap_or(u16::MAX)
}

fn read_report(message: &[u8]) -> Option<Report> {
    let word = |at: usize| message.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes);
    let kind = u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?);
    let error = word(16)?.cast_signed().checked_neg().unwrap_or(libc::EIO);
    (i32::from(kind) == libc::NLMSG_ERROR).then_some(Report { sequence: word(8)?, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_and_nothing_else_is() {
        let report = |kind: u8, error: i32| {
            let mut bytes = vec![36, 0, 0, 0, kind, 0, 0, 0, 7, 0, 0, 0, 9, 9, 9, 9];
            bytes.extend(error.to_le_bytes());
            bytes
        };
        assert_eq!(read_report(&report(2, -libc::ENFILE)), Some(Report { sequence: 7, error: libc::ENFILE }));
        assert_eq!(read_report(&report(2, 0)), Some(Report { sequence: 7, error: 0 }));
        assert_eq!(read_report(&report(3, 0)), None);
        assert_eq!(read_report(&report(2, 0)[..19]), None);
        assert_eq!(read_report(&report(2, i32::MIN)), Some(Report { sequence: 7, error: libc::EIO }));
    }
}
