//! A socket to netfilter: transactions out, reports back; questions out, answers back. The only user of `mnl`.

#![expect(unsafe_code, reason = "libmnl's socket is a pointer and gives its number only")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use mnl::{Bus, Socket};
use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};

use super::message::{Message, messages};

/// A report repeats the message that failed, and ours are shorter than 200 octets.
const REPORT_WORDS: usize = 256;
/// The kernel fills at most 32 KiB at once, whatever room there is.
const ANSWER_WORDS: usize = 8192;
/// `NLM_F_DUMP` of `linux/netlink.h`: all that there is, in as many parts as it takes.
pub(super) const DUMP: i32 = 0x300;
/// `NLM_F_DUMP_INTR`: the tables changed while they were listed.
const CHANGED_MEANWHILE: u16 = 0x10;

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

/// How a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Wholly.
    Whole,
    /// Wholly, but the tables changed between two of its parts: something may be missing, or there twice.
    Torn,
    /// With the kernel's error number.
    Error(i32),
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

    /// Asks for one object, or for all there are (`DUMP`), and hands over each message of the answer. The request must be one that the
    /// kernel ends its answer to: a dump, or one with `NLM_F_ACK`. Does not wait: each part is there when the one before was read.
    pub(super) fn ask(&self, request: &[u8], mut each: impl FnMut(&Message<'_>)) -> io::Result<Answer> {
        let sequence = messages(request).next().map(|message| message.sequence);
        self.send(request)?;
        let mut words = vec![0_u32; ANSWER_WORDS];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        let mut torn = false;
        loop {
            let length = match self.0.recv_raw(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                received => received?,
            };
            let part = messages(bytes.get(..length).unwrap_or_default());
            // What an earlier question left behind is none of ours.
            for message in part.filter(|message| Some(message.sequence) == sequence) {
                torn |= message.flags & CHANGED_MEANWHILE != 0;
                match end(&message, torn) {
                    Some(answer) => return Ok(answer),
                    None => each(&message),
                }
            }
        }
    }

    /// The next report on what was sent; `None` when the kernel has no more to say. Reports come in the order of the messages. A
    /// transaction that fails reports its errors, and never the end that was asked for: so this never waits.
    #[must_use]
    pub fn next_report(&self) -> Option<Report> {
        self.report_into(&mut [0; REPORT_WORDS])
    }

    /// Hands over all reports on what was sent, also on messages of up to 32 KiB; says how many there were.
    pub(super) fn reports(&self, each: impl FnMut(Report)) -> usize {
        let mut words = vec![0; ANSWER_WORDS];
        std::iter::from_fn(|| self.report_into(&mut words)).map(each).count()
    }

    fn report_into(&self, words: &mut [u32]) -> Option<Report> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
        loop {
            let length = self.0.recv_raw(bytes).ok()?;
            if let Some(report) = bytes.get(..length).and_then(read_report) {
                return Some(report);
            }
        }
    }
}

/// What an answer's last message says of it; nothing, if it is another.
pub(super) fn end(message: &Message<'_>, torn: bool) -> Option<Answer> {
    if !matches!(i32::from(message.kind), libc::NLMSG_ERROR | libc::NLMSG_DONE) {
        return None;
    }
    Some(match message.error() {
        0 if torn => Answer::Torn,
        0 => Answer::Whole,
        error => Answer::Error(error),
    })
}

/// Netlink's types, flags and attributes are numbers of 16 bits, and wider in the headers that name them.
pub(super) fn narrow(number: impl TryInto<u16>) -> u16 {
    number.try_into().unwrap_or(u16::MAX)
}

pub(super) fn read_report(message: &[u8]) -> Option<Report> {
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
