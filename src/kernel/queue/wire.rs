//! A queue's messages to and from octets (`linux/netfilter/nfnetlink_queue.h`). Reads whatever comes, without a panic; what is cut off
//! counts as far as it goes.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::super::message::{MESSAGE_HEADER, NUMBER, WORD, messages};
use super::{COPY_BYTES, Verdict};
use crate::config::QueueFull;

/// netfilter's header behind netlink's own: family, version, and here the queue's number.
const FAMILY_HEADER: usize = 4;
const ATTRIBUTE_HEADER: usize = 4;

const PACKET: u16 = kind(libc::NFQNL_MSG_PACKET);
const VERDICT: u16 = kind(libc::NFQNL_MSG_VERDICT);
const VERDICT_BATCH: u16 = kind(libc::NFQNL_MSG_VERDICT_BATCH);
const CONFIG: u16 = kind(libc::NFQNL_MSG_CONFIG);
const REQUEST: u16 = 1; // NLM_F_REQUEST

const PACKET_HEADER: u16 = 1; // NFQA_PACKET_HDR
const VERDICT_HEADER: u16 = 2; // NFQA_VERDICT_HDR
const PAYLOAD: u16 = 10; // NFQA_PAYLOAD

const CONFIG_COMMAND: u16 = 1; // NFQA_CFG_CMD, and the following
const CONFIG_COPY: u16 = 2;
const CONFIG_LENGTH: u16 = 3;
const CONFIG_MASK: u16 = 4;
const CONFIG_FLAGS: u16 = 5;
const BIND: [u8; 4] = [1, 0, 0, 0];
const COPY_PACKET: u8 = 2;
const FAIL_OPEN: u32 = 1;
/// A large packet comes whole, and not as the many that it will be on the wire: one verdict serves them all.
const WHOLE: u32 = 4;

/// netfilter's messages have the subsystem in the upper half.
const fn kind(message: i32) -> u16 {
    const SUBSYSTEM: u16 = 3 << 8; // NFNL_SUBSYS_QUEUE
    let [low, ..] = message.to_le_bytes();
    let [high, _] = SUBSYSTEM.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// What the kernel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// A packet waits: by which number, and where in the message its copy is.
    Packet(u32, Range<usize>),
    /// It refuses something that we said, with this error number, positive.
    Refused(i32),
    /// Nothing that we know, or a packet of which not even the number is there.
    Unreadable,
    /// What we said is done, or there is nothing to say.
    Nothing,
}

/// Reads what was received at once: the kernel puts one message into each datagram.
pub(super) fn read(octets: &[u8]) -> Heard {
    let Some(message) = messages(octets).next() else { return cut_off(octets) };
    if message.kind == PACKET {
        let end = MESSAGE_HEADER.saturating_add(message.body.len());
        return packet(octets.get(..end).unwrap_or_default());
    }
    match (i32::from(message.kind), message.error()) {
        (libc::NLMSG_ERROR, 0) | (libc::NLMSG_NOOP | libc::NLMSG_DONE, _) => Heard::Nothing,
        (libc::NLMSG_ERROR, error) => Heard::Refused(error),
        (_, _) => Heard::Unreadable,
    }
}

/// A message that is longer than what there is of it. A packet's number comes first: so it gets a verdict of its own.
fn cut_off(octets: &[u8]) -> Heard {
    let kind = octets.get(WORD..).and_then(|rest| rest.first_chunk());
    if kind == Some(&PACKET.to_ne_bytes()) { packet(octets) } else { Heard::Unreadable }
}

fn packet(message: &[u8]) -> Heard {
    let (mut number, mut payload) = (None, 0..0);
    let mut at = MESSAGE_HEADER.saturating_add(FAMILY_HEADER);
    while let Some((kind, value)) = attribute(message, at) {
        at = value.end.next_multiple_of(WORD);
        match kind {
            PACKET_HEADER => number = message.get(value).and_then(|value| value.first_chunk()).copied(),
            PAYLOAD => payload = value,
            _ => {}
        }
    }
    number.map_or(Heard::Unreadable, |number| Heard::Packet(u32::from_be_bytes(number), payload))
}

/// The number of the attribute that begins at `at`, and where its value is; nothing, if it is not whole.
fn attribute(message: &[u8], at: usize) -> Option<(u16, Range<usize>)> {
    let header: &[u8; ATTRIBUTE_HEADER] = message.get(at..)?.first_chunk()?;
    let [low, high, kind @ ..] = *header;
    let length = usize::from(u16::from_ne_bytes([low, high]));
    let value = at.checked_add(ATTRIBUTE_HEADER)?..at.checked_add(length)?;
    message.get(value.clone())?;
    Some((u16::from_ne_bytes(kind) & NUMBER, value))
}

/// Binds queue `number` and sets it up, all in one message: between two, packets would come that find it half set up.
pub(super) fn opening(number: u16, length: u32, when_full: QueueFull) -> Vec<u8> {
    let [a, b, c, d] = u32::from(COPY_BYTES).to_be_bytes();
    config(
        number,
        &[
            (CONFIG_COMMAND, &BIND),
            (CONFIG_COPY, &[a, b, c, d, COPY_PACKET]),
            (CONFIG_LENGTH, &length.to_be_bytes()),
            (CONFIG_FLAGS, &(WHOLE | fail_open(when_full)).to_be_bytes()),
            (CONFIG_MASK, &(WHOLE | FAIL_OPEN).to_be_bytes()),
        ],
    )
}

/// Sets what may change while packets come.
pub(super) fn tuning(number: u16, length: u32, when_full: QueueFull) -> Vec<u8> {
    config(
        number,
        &[
            (CONFIG_LENGTH, &length.to_be_bytes()),
            (CONFIG_FLAGS, &fail_open(when_full).to_be_bytes()),
            (CONFIG_MASK, &FAIL_OPEN.to_be_bytes()),
        ],
    )
}

const fn fail_open(when_full: QueueFull) -> u32 {
    match when_full {
        QueueFull::Open => FAIL_OPEN,
        QueueFull::Closed => 0,
    }
}

fn config(number: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(CONFIG.to_ne_bytes());
    body.extend(REQUEST.to_ne_bytes());
    body.extend([0; 8]); // sequence number and port
    body.extend([0, 0]); // family and version
    body.extend(number.to_be_bytes());
    for (kind, value) in attributes {
        let length = u16::try_from(value.len().saturating_add(ATTRIBUTE_HEADER)).unwrap_or(u16::MAX);
        body.extend(length.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(WORD), 0);
    }
    let length = u32::try_from(body.len().saturating_add(WORD)).unwrap_or(u32::MAX);
    [length.to_ne_bytes().as_slice(), &body].concat()
}

/// One message: the verdict on one packet, or on all that wait up to one.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Answer {
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    family_and_version: [u8; 2],
    queue: [u8; 2],
    attribute_length: u16,
    attribute: u16,
    verdict: [u8; 4],
    packet: [u8; 4],
}

/// Verdicts that are to be sent at once, in the order in which their packets came.
///
/// A run of one verdict is one message: it is for all packets that wait in the queue up to its last. That these are ours, and only the
/// run's, the kernel's order sees to: it numbers a packet, puts it into our socket and into its list under one lock, so that no
/// packet waits with a lower number but those that we have read before; and it reads our messages one after the other.
pub(super) struct Verdicts {
    queue: u16,
    answers: Vec<Answer>,
    last: Option<Verdict>,
    count: u32,
    let_go: bool,
}

impl Verdicts {
    /// For queue number `queue`, with room for `most`.
    pub(super) fn new(queue: u16, most: usize) -> Self {
        Self { queue, answers: Vec::with_capacity(most), last: None, count: 0, let_go: false }
    }

    /// The verdict on the packet that came next.
    pub(super) fn add(&mut self, packet: u32, verdict: Verdict) {
        self.count = self.count.saturating_add(1);
        let alone = self.answer(VERDICT, packet, verdict);
        let run = self.answer(VERDICT_BATCH, packet, verdict);
        match self.answers.last_mut() {
            Some(last) if self.last == Some(verdict) => *last = run,
            Some(_) | None => self.answers.push(alone),
        }
        self.last = Some(verdict);
        self.let_go |= verdict == Verdict::Accept;
    }

    /// The messages.
    pub(super) fn octets(&self) -> &[u8] {
        bytemuck::cast_slice(&self.answers)
    }

    /// How many packets they are for.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Whether one of them lets its packet go.
    pub(super) const fn let_go(&self) -> bool {
        self.let_go
    }

    /// They are sent.
    pub(super) fn clear(&mut self) {
        self.answers.clear();
        (self.last, self.count, self.let_go) = (None, 0, false);
    }

    fn answer(&self, kind: u16, packet: u32, verdict: Verdict) -> Answer {
        let verdict = match verdict {
            Verdict::Drop => libc::NF_DROP,
            Verdict::Accept => libc::NF_ACCEPT,
        };
        Answer {
            length: 32,
            kind,
            flags: REQUEST,
            sequence: 0,
            port: 0,
            family_and_version: [0; 2],
            queue: self.queue.to_be_bytes(),
            attribute_length: 12,
            attribute: VERDICT_HEADER,
            verdict: verdict.to_be_bytes(),
            packet: packet.to_be_bytes(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
