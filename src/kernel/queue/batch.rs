//! A queue read in batches: one system call for all packets that wait, up to 64, and one for their verdicts.
//!
//! No timer and no waiting for more: a batch is what is there, on an idle queue the one packet that woke us, whose verdict goes out at
//! once. Every verdict is its packet's own. Nothing is allocated on the way: a packet takes its slot's octets along, and its verdict
//! brings them back.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use super::socket::{self, BATCH, First, Octets};
use super::wire::{self, Heard, Verdicts};
use super::{COPY_BYTES, OpenError, Origin, Received, Verdict};
use crate::config::QueueFull;

/// Room for what the kernel says of a packet beside its copy: less than 200 octets.
const BESIDE_THE_COPY: usize = 512;

/// A queue, over a socket of our own.
pub(super) struct Batch {
    socket: OwnedFd,
    number: u16,
    slots: [Octets; BATCH],
    lengths: [usize; BATCH],
    /// So many slots hold a message.
    filled: usize,
    /// The first that is not read.
    next: usize,
    /// Whether a packet of this batch has been handed over.
    begun: bool,
    verdicts: Verdicts,
}

/// A packet that waits for its verdict.
pub(super) struct Message {
    octets: Octets,
    payload: Range<usize>,
    number: u32,
    slot: usize,
    opens_batch: bool,
}

impl Batch {
    pub(super) fn open(number: u16, length: u32, when_full: QueueFull) -> Result<Self, OpenError> {
        let mut batch = Self::over(socket::open(length).map_err(OpenError::Socket)?, number);
        batch.bind(length, when_full)?;
        Ok(batch)
    }

    fn over(socket: OwnedFd, number: u16) -> Self {
        Self {
            socket,
            number,
            slots: std::array::from_fn(|_| Octets::default()),
            lengths: [0; BATCH],
            filled: 0,
            next: 0,
            begun: false,
            verdicts: Verdicts::new(number, BATCH),
        }
    }

    /// The kernel's refusal is there when the message is sent. Where rules of an earlier daemon point at this queue, packets may be there
    /// as well, and stay for `receive`.
    fn bind(&mut self, length: u32, when_full: QueueFull) -> Result<(), OpenError> {
        let opening = wire::opening(self.number, length, when_full);
        socket::send_all(self.socket.as_fd(), &opening).map_err(OpenError::Bind)?;
        match self.fill(First::Here) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(()),
            Err(error) => Err(OpenError::Bind(error)),
            Ok(()) => {
                self.heard().find_map(|heard| refusal(&heard)).map_or(Ok(()), |error| Err(OpenError::Refused(error)))
            }
        }
    }

    pub(super) fn receive(&mut self) -> Received {
        loop {
            if let Some(received) = self.hand_over() {
                return received;
            }
            // Something is left only where the last messages of a batch are no packets, or the kernel took no verdicts just now. They must
            // not wait as long as we do; and as long as they cannot be sent, a batch more of them finds no room.
            match self.try_send() {
                Ok(0) => {}
                Ok(count) => return Received::Sent(count),
                Err(error) => return Received::Unsent(error),
            }
            match self.fill(First::Awaited) {
                Ok(()) => {}
                Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => {
                    return Received::Nothing;
                }
                Err(error) => return Received::Failed(error),
            }
        }
    }

    /// The verdict on a packet; with the last one of the batch, all are sent.
    pub(super) fn verdict(&mut self, message: Message, verdict: Verdict) -> u32 {
        self.verdicts.add(message.number, verdict);
        if let Some(slot) = self.slots.get_mut(message.slot) {
            *slot = message.octets;
        }
        if self.next < self.filled { 0 } else { self.send() }
    }

    /// Sends the verdicts that there are; `receive` tells of a refusal, when it has tried once more.
    pub(super) fn send(&mut self) -> u32 {
        self.try_send().unwrap_or(0)
    }

    pub(super) fn let_go(&mut self) -> u32 {
        if self.verdicts.let_go() { self.send() } else { 0 }
    }

    /// They stay, if the kernel does not take them, and are sent with the next.
    fn try_send(&mut self) -> io::Result<u32> {
        let count = self.verdicts.count();
        if count > 0 {
            socket::send_all(self.socket.as_fd(), self.verdicts.octets())?;
            self.verdicts.clear();
        }
        Ok(count)
    }

    pub(super) fn socket(&self) -> (BorrowedFd<'_>, u16) {
        (self.socket.as_fd(), self.number)
    }

    /// Reads what waits into the slots.
    fn fill(&mut self, first: First) -> io::Result<()> {
        // Empty at the start, or where a packet was forgotten together with its octets.
        let room = usize::from(COPY_BYTES).saturating_add(BESIDE_THE_COPY);
        for slot in self.slots.iter_mut().filter(|slot| slot.is_empty()) {
            *slot = vec![0; room].into_boxed_slice();
        }
        (self.filled, self.next, self.begun) = (0, 0, false);
        self.filled = socket::receive_many(self.socket.as_fd(), &mut self.slots, &mut self.lengths, first)?;
        Ok(())
    }

    /// The next message of this batch that says something; nothing, when it is through.
    fn hand_over(&mut self) -> Option<Received> {
        while self.next < self.filled {
            let slot = self.next;
            self.next = slot.saturating_add(1);
            let octets = self.slots.get_mut(slot)?;
            let heard = wire::read(octets.get(..*self.lengths.get(slot)?).unwrap_or_default());
            return Some(match heard {
                Heard::Packet(number, payload) => {
                    let opens_batch = !std::mem::replace(&mut self.begun, true);
                    let octets = std::mem::take(octets);
                    Received::Packet(super::Message(Origin::Batch(Message {
                        octets,
                        payload,
                        number,
                        slot,
                        opens_batch,
                    })))
                }
                Heard::Refused(libc::ENOENT) => Received::Flushed,
                Heard::Refused(error) => Received::Failed(io::Error::from_raw_os_error(error)),
                // The kernel puts a packet's number first: what has none is not a packet, or it goes with the next run of verdicts.
                Heard::Unreadable => Received::Failed(io::ErrorKind::InvalidData.into()),
                Heard::Nothing => continue,
            });
        }
        None
    }

    /// All messages of this batch.
    fn heard(&self) -> impl Iterator<Item = Heard> {
        let messages = self.slots.iter().zip(self.lengths).take(self.filled);
        messages.map(|(octets, length)| wire::read(octets.get(..length).unwrap_or_default()))
    }
}

impl Drop for Batch {
    /// What is judged is not to be lost with those that are not.
    fn drop(&mut self) {
        // There is nothing to be done about a socket that takes no verdicts.
        let (Ok(_) | Err(_)) = self.try_send();
    }
}

impl Message {
    pub(super) fn payload(&self) -> &[u8] {
        self.octets.get(self.payload.clone()).unwrap_or_default()
    }

    pub(super) const fn opens_batch(&self) -> bool {
        self.opens_batch
    }
}

fn refusal(heard: &Heard) -> Option<io::Error> {
    match heard {
        Heard::Refused(error) => Some(io::Error::from_raw_os_error(*error)),
        Heard::Packet(..) | Heard::Unreadable | Heard::Nothing => None,
    }
}

#[cfg(test)]
mod tests;
