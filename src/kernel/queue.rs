//! One NFQUEUE: packets in, verdicts out.
//!
//! Two readers of one and the same queue. The one that reads in batches takes what waits with one system call, up to 64 packets,
//! and answers them with another; the plain one, by the crate `nfq`, needs two for each packet, and stays for systems where the first
//! cannot be had, and to compare it with.

use std::io;
use std::time::Duration;

mod batch;
mod list;
mod plain;
mod socket;
mod wire;

use batch::Batch;
pub use list::{QueueState, keep, nobody_listens, owner, states};
use plain::Plain;

use crate::config::{QueueFull, Reader};

/// What the kernel copies of a packet: the headers, with room for chains of IPv6 extension headers that honest hosts never send.
const COPY_BYTES: u16 = 512;
/// How long a receive waits before it looks whether the daemon is to stop.
const WAIT: Duration = Duration::from_millis(200);
/// The owner of a queue, to whom the kernel's list is closed.
const UNSEEN: &str = "another program (run as root to see which)";

/// A queue that is bound and configured.
pub struct Queue(Kind);

enum Kind {
    Batch(Box<Batch>),
    Plain(Plain),
}

/// A packet that waits for its verdict.
#[must_use = "a packet without a verdict waits until the queue is closed, or goes with those after it"]
pub struct Message(Origin);

enum Origin {
    Batch(batch::Message),
    Plain(nfq::Message),
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It ends here.
    Drop,
}

/// What came of waiting for a packet.
pub enum Received {
    /// A packet, to be judged.
    Packet(Message),
    /// Nothing, for a while.
    Nothing,
    /// So many verdicts that were left of the last batch are in the kernel now.
    Sent(u32),
    /// The kernel had flushed packets before our verdict on them came: one report for each message of verdicts that found none, which is for
    /// one packet or a run of up to 64. No reason to stop.
    Flushed,
    /// The kernel takes no verdicts just now. They stay, and are sent again: no reason to stop either, if it does not go on and on.
    Unsent(io::Error),
    /// Anything else: likewise.
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

/// What goes wrong between the first system call and the last.
enum OpenError {
    /// While the socket was made.
    Socket(io::Error),
    /// While the queue was bound to it.
    Bind(io::Error),
    /// The kernel's answer to that.
    Refused(io::Error),
}

impl Queue {
    /// Binds and configures queue `number`. The plain reader finds its socket among our open files, and throws away packets that
    /// arrive while it configures: call it while no other thread opens files, and before any rule points at the queue.
    pub fn open(number: u16, length: u32, when_full: QueueFull, reader: Reader) -> Result<Self, QueueError> {
        let opened = match reader {
            Reader::Batch => Batch::open(number, length, when_full).map(|batch| Kind::Batch(Box::new(batch))),
            Reader::Plain => Plain::open(number, length, when_full).map(Kind::Plain),
        };
        let not_permitted = |error: &io::Error| error.raw_os_error() == Some(libc::EPERM);
        opened.map(Self).map_err(|error| match error {
            OpenError::Socket(error) if not_permitted(&error) => QueueError::Forbidden(number),
            // The large buffer needs the same right as the queue does: who has it and is refused here meets somebody else. What a filter
            // of system calls forbids is no refusal of the kernel's queues.
            OpenError::Refused(error) if not_permitted(&error) => {
                QueueError::InUse { number, owner: owner(number).unwrap_or_else(|| UNSEEN.to_owned()) }
            }
            OpenError::Socket(source) | OpenError::Bind(source) | OpenError::Refused(source) => {
                QueueError::Open { number, source }
            }
        })
    }

    /// The next packet; waits for one, but not for ever, and with no verdict unsent.
    pub fn receive(&mut self) -> Received {
        match &mut self.0 {
            Kind::Batch(batch) => batch.receive(),
            Kind::Plain(plain) => plain.receive(),
        }
    }

    /// Gives `message` its verdict, which is sent with the last one of its batch. Says how many went to the kernel now. Packets get their
    /// verdicts in the order in which they were received: a run of one verdict is for all that wait up to its last. An error means that
    /// the kernel did not take this verdict and will not be told again.
    pub fn verdict(&mut self, message: Message, verdict: Verdict) -> io::Result<u32> {
        match (&mut self.0, message.0) {
            (Kind::Batch(batch), Origin::Batch(message)) => Ok(batch.verdict(message, verdict)),
            (Kind::Plain(plain), Origin::Plain(message)) => plain.verdict(message, verdict).map(|()| 1),
            (Kind::Batch(_), Origin::Plain(_)) | (Kind::Plain(_), Origin::Batch(_)) => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "a packet of another queue"))
            }
        }
    }

    /// Sends the verdicts that wait for the rest of their batch. Says how many: none, if the kernel takes none just now. Then they stay, and
    /// `receive` tells, if it lasts.
    pub fn send(&mut self) -> u32 {
        match &mut self.0 {
            Kind::Batch(batch) => batch.send(),
            Kind::Plain(_) => 0,
        }
    }

    /// Sends them if one of them lets its packet go: who is dropped misses nothing by waiting.
    pub fn let_go(&mut self) -> u32 {
        match &mut self.0 {
            Kind::Batch(batch) => batch.let_go(),
            Kind::Plain(_) => 0,
        }
    }

    /// Changes the length and what happens when it is full, while packets come. It asks for no answer, which could come behind
    /// packets: what the kernel refuses stays as it was.
    pub fn retune(&mut self, length: u32, when_full: QueueFull) -> io::Result<()> {
        let (socket, number) = match &self.0 {
            Kind::Batch(batch) => batch.socket(),
            Kind::Plain(plain) => plain.socket(),
        };
        socket::make_room(socket, length)?;
        socket::send_all(socket, &wire::tuning(number, length, when_full))
    }
}

impl Message {
    /// What was copied of the packet, from its IP header on.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        match &self.0 {
            Origin::Batch(message) => message.payload(),
            Origin::Plain(message) => message.get_payload(),
        }
    }

    /// Whether it is the first of those that were read at once.
    #[must_use]
    pub const fn opens_batch(&self) -> bool {
        match &self.0 {
            Origin::Batch(message) => message.opens_batch(),
            Origin::Plain(_) => true,
        }
    }
}
