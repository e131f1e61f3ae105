//! Packets for the tests of this folder.

use std::net::SocketAddr;

use super::capture::Reach;
use super::checksum::Checksum;
use super::seen::{Payload, Seen};
use crate::packet::{Packet, TcpFlags, Transport};

pub(super) const SYN: u8 = TcpFlags::SYN;
pub(super) const ACK: u8 = TcpFlags::ACK;
pub(super) const FIN: u8 = TcpFlags::FIN;
pub(super) const RST: u8 = TcpFlags::RST;
pub(super) const PSH: u8 = TcpFlags::PSH;

/// A TCP segment without payload.
pub(super) fn tcp(from: &str, to: &str, flags: u8) -> Seen {
    seen(from, to, |from, to| Transport::Tcp { from, to, flags: TcpFlags(flags) })
}

/// A UDP datagram with payload.
pub(super) fn udp(from: &str, to: &str) -> Seen {
    Seen { payload: Payload::Some, ..seen(from, to, |from, to| Transport::Udp { from, to }) }
}

/// A ping.
pub(super) fn echo(from: &str, to: &str) -> Seen {
    seen(&at_port_0(from), &at_port_0(to), |_, _| Transport::Echo)
}

/// The same with an application's bytes in it.
pub(super) fn with_payload(seen: Seen) -> Seen {
    Seen { payload: Payload::Some, ..seen }
}

fn at_port_0(address: &str) -> String {
    if address.contains(':') { format!("[{address}]:0") } else { format!("{address}:0") }
}

fn seen(from: &str, to: &str, transport: impl FnOnce(u16, u16) -> Transport) -> Seen {
    let [from, to]: [SocketAddr; 2] = [from, to].map(|end| end.parse().unwrap());
    let transport = transport(from.port(), to.port());
    let packet = Packet { source: from.ip(), destination: to.ip(), transport };
    Seen { packet, reach: Reach::One, payload: Payload::None, checksum: Checksum::Unknown, refused: None }
}
