//! Messages as the kernel frames them, and as nobody should.

#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use super::*;

/// A message of this kind with this body, as netlink frames it.
fn framed(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(MESSAGE_HEADER + body.len()).unwrap();
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], body].concat()
}

/// An attribute that says it is so long.
fn claiming(length: u16, kind: u16, value: &[u8]) -> Vec<u8> {
    let mut octets = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    octets.resize(octets.len().next_multiple_of(WORD), 0);
    octets
}

fn whole(kind: u16, value: &[u8]) -> Vec<u8> {
    claiming(u16::try_from(value.len() + 4).unwrap(), kind, value)
}

fn packet_of(attributes: &[Vec<u8>]) -> Vec<u8> {
    framed(PACKET, &[&[2, 0, 0x0c, 0x1c][..], &attributes.concat()].concat())
}

/// A packet by its number, and its copy.
pub(in crate::kernel::queue) fn numbered_as(number: u32, copy: &[u8]) -> Vec<u8> {
    packet_of(&[whole(PACKET_HEADER, &[&number.to_be_bytes()[..], &[8, 0, 1]].concat()), whole(PAYLOAD, copy)])
}

/// What the kernel says to a request: this error, or none.
pub(in crate::kernel::queue) fn refusing(error: i32) -> Vec<u8> {
    framed(2, &[&error.to_ne_bytes()[..], &[0; 16]].concat())
}

/// Packet 0x01020304, by Ethernet, at a hook.
fn numbered() -> Vec<u8> {
    whole(PACKET_HEADER, &[1, 2, 3, 4, 0x08, 0, 1])
}

fn payload_of(message: &[u8]) -> Option<(u32, &[u8])> {
    match read(message) {
        Heard::Packet(number, payload) => Some((number, &message[payload])),
        Heard::Refused(_) | Heard::Unreadable | Heard::Nothing => None,
    }
}

#[test]
fn a_packet_is_read_by_its_number_and_its_copy_among_whatever_else_is_said() {
    let copy = [0x45, 0, 0, 20, 5];
    let message = packet_of(&[numbered(), whole(5, &[0, 0, 0, 2]), whole(9, &[0; 12]), whole(PAYLOAD, &copy)]);
    assert_eq!(payload_of(&message), Some((0x0102_0304, &copy[..])));
    // Some kernels mark attributes of attributes and byte orders in the upper bits.
    let marked = packet_of(&[numbered(), whole(PAYLOAD | 0x4000, &copy)]);
    assert_eq!(payload_of(&marked), Some((0x0102_0304, &copy[..])));
}

#[test]
fn a_packet_without_a_copy_still_has_its_number_and_one_without_a_number_is_none() {
    assert_eq!(payload_of(&packet_of(&[numbered()])), Some((0x0102_0304, &[][..])));
    assert_eq!(payload_of(&packet_of(&[numbered(), whole(PAYLOAD, &[])])), Some((0x0102_0304, &[][..])));
    for headless in [
        packet_of(&[]),
        packet_of(&[whole(PAYLOAD, &[0x45; 20])]),
        packet_of(&[whole(PACKET_HEADER, &[1, 2, 3]), whole(PAYLOAD, &[0x45; 20])]),
        // A number inside another attribute is not the packet's.
        packet_of(&[whole(0x13 | 0x8000, &numbered()), whole(PAYLOAD, &[0x45; 20])]),
    ] {
        assert_eq!(read(&headless), Heard::Unreadable, "{headless:?}");
    }
}

#[test]
fn an_attribute_of_a_wrong_length_ends_the_list() {
    let copy = whole(PAYLOAD, &[7; 8]);
    for length in [0, 1, 3, 65_535] {
        let message = packet_of(&[numbered(), claiming(length, 5, &[0; 4]), copy.clone()]);
        assert_eq!(payload_of(&message), Some((0x0102_0304, &[][..])), "{length}");
        let before = packet_of(&[claiming(length, 5, &[0; 4]), numbered(), copy.clone()]);
        assert_eq!(read(&before), Heard::Unreadable, "{length}");
    }
    let long_copy = packet_of(&[numbered(), claiming(9, PAYLOAD, &[7; 4])]);
    assert_eq!(payload_of(&long_copy), Some((0x0102_0304, &[][..])));
}

#[test]
fn what_is_cut_off_anywhere_is_read_as_far_as_it_goes() {
    let message = packet_of(&[numbered(), whole(PAYLOAD, &[7; 32])]);
    for end in 0..message.len() {
        let cut_off = read(&message[..end]);
        let mut reframed = message[..end].to_vec();
        if let Some(length) = reframed.first_chunk_mut() {
            *length = u32::try_from(end).unwrap().to_ne_bytes();
        }
        assert_eq!(cut_off, read(&reframed), "whether netlink's own header says that it is longer, or not: {end}");
        match read(&reframed) {
            Heard::Packet(number, payload) => {
                assert_eq!((number, payload), (0x0102_0304, 0..0), "{end}");
                assert!(end >= MESSAGE_HEADER + FAMILY_HEADER + 11, "{end}");
            }
            Heard::Unreadable => assert!(end < MESSAGE_HEADER + FAMILY_HEADER + 11, "{end}"),
            other @ (Heard::Refused(_) | Heard::Nothing) => panic!("{end}: {other:?}"),
        }
    }
    assert_eq!(payload_of(&message).unwrap().1, [7; 32]);
    assert_eq!(
        read(&refusing(-libc::ENOENT)[..30]),
        Heard::Unreadable,
        "only a packet needs an answer whatever is said of it"
    );
}

#[test]
fn any_octets_are_read_without_a_panic_and_never_past_their_end() {
    let message = packet_of(&[numbered(), whole(9, &[0; 12]), whole(PAYLOAD, &[7; 32])]);
    let mut state = 1_u32;
    for _ in 0..200_000 {
        let mut mangled = message.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = usize::try_from(state >> 16).unwrap() % mangled.len();
            mangled[at] = state.to_be_bytes()[2];
        }
        if let Heard::Packet(_, payload) = read(&mangled) {
            assert!(mangled.get(payload).is_some());
        }
    }
}

#[test]
fn a_refusal_is_its_error_number_and_an_acknowledgement_nothing() {
    assert_eq!(read(&refusing(-libc::ENOENT)), Heard::Refused(libc::ENOENT));
    assert_eq!(read(&refusing(0)), Heard::Nothing);
    assert_eq!(read(&framed(2, &[])), Heard::Refused(libc::EIO));
    assert_eq!(read(&framed(1, &[])), Heard::Nothing);
    assert_eq!(read(&framed(0x0a00, &[0; 8])), Heard::Unreadable);
    assert_eq!(read(&[]), Heard::Unreadable);
}

/// Kind, verdict and packet of each message.
fn said(verdicts: &Verdicts) -> Vec<(u16, u32, u32)> {
    let word = |octets: &[u8]| u32::from_be_bytes(octets.try_into().unwrap());
    let each = messages(verdicts.octets()).map(|message| {
        assert_eq!(message.body[..8], [0, 0, 0x0c, 0x1c, 12, 0, 2, 0], "queue 3100, one attribute of 12 octets");
        (message.kind, word(&message.body[8..12]), word(&message.body[12..]))
    });
    each.collect()
}

#[test]
fn a_run_of_one_verdict_is_one_message_and_a_packet_alone_is_named_alone() {
    use Verdict::{Accept, Drop};
    let mut verdicts = Verdicts::new(3100, 64);
    for (packet, verdict) in [(7, Accept), (8, Drop), (9, Drop), (12, Drop), (13, Accept), (14, Accept), (15, Drop)] {
        verdicts.add(packet, verdict);
    }
    assert_eq!(verdicts.count(), 7);
    let expected = [(VERDICT, 1, 7), (VERDICT_BATCH, 0, 12), (VERDICT_BATCH, 1, 14), (VERDICT, 0, 15)];
    assert_eq!(said(&verdicts), expected);
    verdicts.clear();
    assert_eq!((verdicts.count(), verdicts.octets()), (0, &[][..]));
    verdicts.add(u32::MAX, Drop);
    verdicts.add(0, Drop);
    assert_eq!(said(&verdicts), [(VERDICT_BATCH, 0, 0)], "numbers start anew after the last one");
}

#[test]
fn verdicts_that_let_a_packet_go_are_told_from_those_that_only_drop() {
    let mut verdicts = Verdicts::new(3100, 64);
    let mut after = |packet, verdict| {
        verdicts.add(packet, verdict);
        verdicts.let_go()
    };
    let told = [(1, Verdict::Drop), (2, Verdict::Accept), (3, Verdict::Drop)].map(|(packet, on)| after(packet, on));
    assert_eq!(told, [false, true, true]);
    verdicts.clear();
    assert!(!verdicts.let_go());
}

#[test]
fn a_queue_is_bound_and_set_up_in_one_message() {
    let attributes = |octets: &[u8]| {
        let message = messages(octets).next().unwrap();
        assert_eq!((message.kind, octets.len() % WORD), (CONFIG, 0));
        message.attributes().map(|(kind, value)| (kind, value.to_vec())).collect::<Vec<_>>()
    };
    let opening = attributes(&opening(3100, 8192, QueueFull::Open));
    assert_eq!(
        opening,
        [
            (1, vec![1, 0, 0, 0]),
            (2, vec![0, 0, 2, 0, 2]),
            (3, vec![0, 0, 0x20, 0]),
            (5, vec![0, 0, 0, 5]),
            (4, vec![0, 0, 0, 5]),
        ]
    );
    let tuning = attributes(&tuning(3100, 16, QueueFull::Closed));
    assert_eq!(tuning, [(3, vec![0, 0, 0, 16]), (5, vec![0; 4]), (4, vec![0, 0, 0, 1])]);
}
