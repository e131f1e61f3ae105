//! Fragments, joined and not.

use super::*;
use crate::packet::{self, TcpFlags, Transport};

/// A SYN from port 0x1234 to port 80, as its 20 octets.
const SYN: [u8; 20] = [0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0];

fn v4(id: u8, offset: usize, more: bool, piece: &[u8]) -> Vec<u8> {
    let length = u8::try_from(piece.len().wrapping_add(20)).unwrap();
    let flags = if more { 0x20 } else { 0 };
    let offset = u8::try_from(offset / UNIT).unwrap();
    let header = [0x45, 0, 0, length, 0, id, flags, offset, 64, TCP, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2];
    [&header, piece].concat()
}

fn v6(offset: u8, more: bool, piece: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0, 0, u8::try_from(piece.len().wrapping_add(8)).unwrap(), V6_FRAGMENT, 64];
    bytes.extend([[0x20; 16], [0x21; 16]].concat());
    bytes.extend([TCP, 0, 0, offset | u8::from(more), 0, 0, 0, 9]);
    [&bytes, piece].concat()
}

fn join(fragments: &mut Fragments, at: u64, bytes: &[u8]) -> Joined {
    let parsed = packet::parse(bytes).unwrap();
    fragments.join(Duration::from_secs(at), parsed.source, parsed.destination, bytes)
}

fn fragments() -> Fragments {
    Fragments::new(&RandomState::with_seeds(1, 2, 3, 4))
}

#[track_caller]
fn assert_syn(joined: Joined) {
    let Joined::Head(bytes) = joined else { panic!("no head: {joined:?}") };
    let found = packet::parse(&bytes).unwrap().transport;
    assert_eq!(found, Transport::Tcp { from: 0x1234, to: 80, flags: TcpFlags(TcpFlags::SYN) });
}

#[test]
fn a_tcp_header_in_pieces_of_eight_octets_is_put_together_in_any_order() {
    let pieces = [v4(7, 0, true, &SYN[..8]), v4(7, 8, true, &SYN[8..16]), v4(7, 16, false, &SYN[16..])];
    for [a, b, c] in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut fragments = fragments();
        assert_eq!(join(&mut fragments, 0, &pieces[a]), Joined::Piece);
        assert_eq!(join(&mut fragments, 1, &pieces[b]), Joined::Piece);
        assert_syn(join(&mut fragments, 2, &pieces[c]));
    }
}

#[test]
fn ipv6_is_no_way_around_it() {
    let mut fragments = fragments();
    assert_eq!(join(&mut fragments, 0, &v6(0, true, &SYN[..8])), Joined::Piece);
    assert_syn(join(&mut fragments, 0, &v6(8, false, &SYN[8..])));
}

#[test]
fn pieces_of_different_packets_or_half_a_minute_apart_do_not_join() {
    let mut fragments = fragments();
    assert_eq!(join(&mut fragments, 0, &v4(7, 0, true, &SYN[..16])), Joined::Piece);
    assert_eq!(join(&mut fragments, 1, &v4(8, 16, false, &SYN[16..])), Joined::Piece);
    assert_eq!(join(&mut fragments, 31, &v4(7, 16, false, &SYN[16..])), Joined::Piece);
}

#[test]
fn what_never_becomes_whole_is_no_packet() {
    let mut fragments = fragments();
    assert_eq!(join(&mut fragments, 0, &v4(7, 0, true, &SYN[..8])), Joined::Piece);
    assert_eq!(join(&mut fragments, 0, &v4(7, 8, true, &SYN[8..])), Joined::Piece, "the last piece is missing");
    assert_eq!(join(&mut fragments, 0, &v4(8, 0, true, &SYN[..16])), Joined::Piece);
    assert_eq!(join(&mut fragments, 0, &v4(8, 8, false, &SYN[8..])), Joined::Piece, "they overlap");
}

#[test]
fn a_packet_with_its_whole_header_is_judged_as_it_is() {
    let mut fragments = fragments();
    assert_eq!(join(&mut fragments, 0, &v4(7, 0, false, &SYN)), Joined::AsItIs);
    assert_eq!(join(&mut fragments, 0, &v4(7, 0, true, &[SYN.as_slice(), &[0; 4]].concat())), Joined::AsItIs);
    assert_eq!(join(&mut fragments, 0, &v4(7, 24, false, &[0; 9])), Joined::Piece);
}
