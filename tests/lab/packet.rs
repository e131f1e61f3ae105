//! Packets, written by hand: what an honest stack would not send must come from somewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const URG: u8 = 0x20;

const TCP: u8 = 6;
const UDP: u8 = 17;
const HOP_BY_HOP: u8 = 0;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

type Endpoint = (IpAddr, u16);

/// A TCP packet without payload.
pub(crate) fn tcp(from: Endpoint, to: Endpoint, flags: u8) -> Vec<u8> {
    ip(from.0, to.0, TCP, &tcp_segment(from, to, flags, &[]))
}

/// A UDP packet.
pub(crate) fn udp(from: Endpoint, to: Endpoint, payload: &[u8]) -> Vec<u8> {
    let length = length_of(payload) + 8;
    let mut datagram = [from.1.to_be_bytes(), to.1.to_be_bytes(), length.to_be_bytes(), [0; 2]].concat();
    datagram.extend_from_slice(payload);
    let sum = checksum(&pseudo(from.0, to.0, UDP, &datagram));
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    ip(from.0, to.0, UDP, &datagram)
}

/// A SYN whose IPv4 fragments carry 8 bytes each: not even the flags are in the first.
pub(crate) fn syn_in_ipv4_fragments(from: Endpoint, to: Endpoint) -> Vec<Vec<u8>> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (from.0, to.0) else { panic!("IPv4 only") };
    let segment = tcp_segment(from, to, SYN, &[]);
    let count = segment.len().div_ceil(8);
    let fragment = |(i, piece): (usize, &[u8])| {
        let more = if i + 1 < count { 0x2000 } else { 0 };
        ipv4(source, destination, more | u16::try_from(i).expect("a small packet"), TCP, piece)
    };
    segment.chunks(8).enumerate().map(fragment).collect()
}

/// A SYN with a payload in two IPv6 fragments. The first holds the TCP header: RFC 8200 forbids to split it, and
/// Linux drops what does.
pub(crate) fn syn_in_ipv6_fragments(from: Endpoint, to: Endpoint) -> Vec<Vec<u8>> {
    let segment = tcp_segment(from, to, SYN, &[0x55; 20]);
    let (first, rest) = segment.split_at(24);
    let fragment = |offset_and_more: u16, piece: &[u8]| {
        let [high, low] = offset_and_more.to_be_bytes();
        let header = [TCP, 0, high, low, 0, 0, 0x12, 0x34];
        ip(from.0, to.0, FRAGMENT, &[&header, piece].concat())
    };
    vec![fragment(1, first), fragment(24, rest)]
}

/// IPv6 SYNs behind extension headers: hop-by-hop options, destination options, and one after the other.
pub(crate) fn syns_behind_extension_headers(from: Endpoint, to: Endpoint) -> [Vec<u8>; 3] {
    let segment = tcp_segment(from, to, SYN, &[]);
    let header = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0]; // one PadN option
    [
        ip(from.0, to.0, HOP_BY_HOP, &[&header(TCP), &segment[..]].concat()),
        ip(from.0, to.0, DESTINATION_OPTIONS, &[&header(TCP), &segment[..]].concat()),
        ip(from.0, to.0, HOP_BY_HOP, &[&header(DESTINATION_OPTIONS), &header(TCP), &segment[..]].concat()),
    ]
}

/// A packet of any protocol.
pub(crate) fn other(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ip(from, to, protocol, payload)
}

fn tcp_segment(from: Endpoint, to: Endpoint, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    segment.extend_from_slice(&0x1234_5678_u32.to_be_bytes());
    let acknowledged: u32 = if flags & ACK == 0 { 0 } else { 0x8765_4321 };
    segment.extend_from_slice(&acknowledged.to_be_bytes());
    segment.extend_from_slice(&[0x50, flags, 0x04, 0x00, 0, 0, 0, 0]);
    segment.extend_from_slice(payload);
    let sum = checksum(&pseudo(from.0, to.0, TCP, &segment));
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

fn ip(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ipv4(from, to, 0, protocol, payload),
        (IpAddr::V6(from), IpAddr::V6(to)) => ipv6(from, to, protocol, payload),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            panic!("two families in one packet")
        }
    }
}

fn ipv4(from: Ipv4Addr, to: Ipv4Addr, fragment: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [length_high, length_low] = (length_of(payload) + 20).to_be_bytes();
    let [fragment_high, fragment_low] = fragment.to_be_bytes();
    let mut packet = vec![0x45, 0, length_high, length_low, 0x12, 0x34, fragment_high, fragment_low];
    packet.extend_from_slice(&[64, protocol, 0, 0]);
    packet.extend_from_slice(&from.octets());
    packet.extend_from_slice(&to.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

fn ipv6(from: Ipv6Addr, to: Ipv6Addr, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = length_of(payload).to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, high, low, next_header, 64];
    packet.extend_from_slice(&from.octets());
    packet.extend_from_slice(&to.octets());
    packet.extend_from_slice(payload);
    packet
}

/// What a TCP or UDP checksum covers. Its upper layer length is always of 32 bits here: the sum is the same.
fn pseudo(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let length = u32::from(length_of(payload)).to_be_bytes();
    [&octets(from)[..], &octets(to), &length, &[0, 0, 0, protocol], payload].concat()
}

fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}

fn length_of(payload: &[u8]) -> u16 {
    u16::try_from(payload.len()).expect("a small packet")
}
