//! One reader of metrics: its request in, our answer out, before its time is up.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::ioctl_fionread;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use super::request::{self, MAX_HEAD, Reading};
use crate::kernel::clock::Clock;
use crate::report::metrics::{self, Numbers};
use crate::time::Moment;

/// What a client gets, in all: a scraper on the same machine needs milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
const CHUNK: usize = 2048;

pub(super) struct Client {
    stream: OwnedFd,
    clock: Clock,
    /// It said something that was read.
    spoke: AtomicBool,
}

impl Client {
    pub(super) fn new(stream: OwnedFd) -> Self {
        Self { stream, clock: Clock::start(), spoke: AtomicBool::new(false) }
    }

    /// Whether it has said nothing yet, read or unread.
    pub(super) fn is_silent(&self) -> bool {
        !self.spoke.load(Ordering::Acquire) && ioctl_fionread(&self.stream).unwrap_or(0) == 0
    }

    /// Ends whatever it is waited for.
    pub(super) fn cut_off(&self) {
        // Where it cannot be shut down, it is gone.
        let (Ok(()) | Err(_)) = shutdown(&self.stream, Shutdown::Both);
    }

    /// Answers one request. A client that goes away, or does not read, has no answer: that is its own affair.
    pub(super) fn serve(&self, numbers: &dyn Fn() -> Numbers) {
        let Some(asked) = self.read_request() else { return };
        let answer = request::answer(asked, || metrics::text(&numbers()));
        if self.write(answer.as_bytes()).is_ok() {
            self.part();
        }
    }

    /// The head of a request, or what is wrong with it; nothing, if the client left or never said anything.
    fn read_request(&self) -> Option<request::Asked> {
        let mut head = Vec::new();
        let mut chunk = [0; CHUNK];
        loop {
            match self.read(&mut chunk) {
                Ok(0) if head.is_empty() => return None,
                Ok(0) => return Some(request::Asked::Nonsense),
                Ok(length) => {
                    self.spoke.store(true, Ordering::Release);
                    head.extend_from_slice(chunk.get(..length)?);
                }
                Err(error) if is_late(&error) => return Some(request::Asked::TooSlow),
                Err(_) => return None,
            }
            match request::read(&head) {
                _ if head.len() > MAX_HEAD => return Some(request::Asked::TooLong),
                Reading::Whole(asked) => return Some(asked),
                Reading::Part => {}
            }
        }
    }

    /// Lets the client read our answer to its end: to close while something it sent is unread would reset the connection.
    fn part(&self) {
        let mut chunk = [0; CHUNK];
        if shutdown(&self.stream, Shutdown::Write).is_ok() {
            while self.read(&mut chunk).is_ok_and(|length| length > 0) {}
        }
    }

    fn read(&self, chunk: &mut [u8]) -> io::Result<usize> {
        set_socket_timeout(&self.stream, Timeout::Recv, Some(self.time_left()?))?;
        Ok(recv(&self.stream, chunk, RecvFlags::empty())?.0)
    }

    fn write(&self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            // Someone who is told that time is up has a moment to hear it.
            let left = self.time_left().unwrap_or(Duration::from_millis(1));
            set_socket_timeout(&self.stream, Timeout::Send, Some(left))?;
            let sent = send(&self.stream, text, SendFlags::NOSIGNAL)?;
            text = text.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    fn time_left(&self) -> io::Result<Duration> {
        match Moment::ZERO.plus(PATIENCE).since(self.clock.now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
