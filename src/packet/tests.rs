//! What the parser promises, and bytes that try to break it.

#![expect(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test that overflows fails")]

use super::*;

/// An IPv4 packet with `options` (a multiple of 4 octets) and `payload`; lengths are right, checksums are not read.
fn v4(protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = 20 + options.len();
    let total = u16::try_from(header + payload.len()).unwrap().to_be_bytes();
    let mut bytes =
        vec![0x40 | u8::try_from(header / 4).unwrap(), 0, total[0], total[1], 0, 0, 0, 0, 64, protocol, 0, 0];
    bytes.extend([192, 0, 2, 1, 198, 51, 100, 7]);
    bytes.extend(options);
    bytes.extend(payload);
    bytes
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x60, 0, 0, 0, length[0], length[1], next, 64];
    bytes.extend("2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    bytes.extend("2001:db8:1::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
    bytes.extend(payload);
    bytes
}

/// From port 4000 to port 111.
fn tcp(flags: u8) -> Vec<u8> {
    let mut bytes = vec![0x0f, 0xa0, 0, 111, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 4, 0, 0, 0, 0, 0];
    bytes.truncate(20);
    bytes
}

const UDP: [u8; 8] = [0, 53, 0x80, 0x03, 0, 8, 0, 0];

fn transport(bytes: &[u8]) -> Transport {
    parse(bytes).unwrap().transport
}

const SYN_TO_111: Transport = Transport::Tcp { from: 4000, to: 111, flags: TcpFlags(TcpFlags::SYN) };

#[test]
fn a_syn_says_who_asks_whom_for_what() {
    let packet = parse(&v4(6, &[], &tcp(TcpFlags::SYN))).unwrap();
    assert_eq!(packet.source, "192.0.2.1".parse::<IpAddr>().unwrap());
    assert_eq!(packet.destination, "198.51.100.7".parse::<IpAddr>().unwrap());
    assert_eq!(packet.transport, SYN_TO_111);
    let packet = parse(&v6(6, &tcp(TcpFlags::SYN))).unwrap();
    assert_eq!(packet.source, "2001:db8::1".parse::<IpAddr>().unwrap());
    assert_eq!(packet.transport, SYN_TO_111);
}

#[test]
fn ports_are_read_behind_ipv4_options() {
    assert_eq!(transport(&v4(6, &[1; 40], &tcp(TcpFlags::SYN))), SYN_TO_111);
    assert_eq!(transport(&v4(17, &[1; 4], &UDP)), Transport::Udp { from: 53, to: 0x8003 });
}

#[test]
fn ports_are_read_behind_every_kind_of_extension_header() {
    for (kind, header) in [
        (0, vec![6, 0, 1, 4, 0, 0, 0, 0]),
        (43, vec![6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (60, vec![6, 0, 1, 4, 0, 0, 0, 0]),
        (135, vec![6, 0, 0, 0, 0, 0, 0, 0]),
        (139, vec![6, 0, 0, 0, 0, 0, 0, 0]),
        (44, vec![6, 0, 0, 1, 0, 0, 0, 9]), // the first fragment of several
        (51, vec![6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(transport(&v6(kind, &[header, tcp(TcpFlags::SYN)].concat())), SYN_TO_111, "header {kind}");
    }
}

#[test]
fn a_later_fragment_never_lends_its_bytes_to_a_port() {
    let mut bytes = v4(6, &[], &tcp(TcpFlags::SYN));
    bytes[7] = 1; // offset 8 octets
    assert_eq!(transport(&bytes), Transport::Hidden);
    let fragment = [&[6, 0, 0, 8, 0, 0, 0, 9], tcp(TcpFlags::SYN).as_slice()].concat();
    assert_eq!(transport(&v6(44, &fragment)), Transport::Hidden);
}

#[test]
fn a_chain_that_does_not_end_is_followed_no_further() {
    let chain = [0u8, 0, 1, 4, 0, 0, 0, 0].repeat(100);
    assert_eq!(transport(&v6(0, &chain)), Transport::Hidden);
}

#[test]
fn echo_requests_and_sctp_are_told_from_the_rest() {
    assert_eq!(transport(&v4(1, &[], &[8, 0, 0, 0])), Transport::Echo);
    assert_eq!(transport(&v4(1, &[], &[0, 0, 0, 0])), Transport::Icmp);
    assert_eq!(transport(&v6(58, &[128, 0, 0, 0])), Transport::Echo);
    assert_eq!(transport(&v6(58, &[135, 0, 0, 0])), Transport::Icmp);
    let sctp = |chunk| [0, 1, 0x0b, 0x59, 0, 0, 0, 0, 0, 0, 0, 0, chunk, 0, 0, 20];
    assert_eq!(transport(&v4(132, &[], &sctp(1))), Transport::SctpInit { to: 2905 });
    assert_eq!(transport(&v4(132, &[], &sctp(0))), Transport::Other(132));
    assert_eq!(transport(&v4(47, &[], &[0; 8])), Transport::Other(47));
}

#[test]
fn a_refusal_tells_what_was_refused() {
    let syn = Packet {
        source: "198.51.100.7".parse().unwrap(),
        destination: "192.0.2.1".parse().unwrap(),
        transport: Transport::Tcp { from: 111, to: 4000, flags: TcpFlags(TcpFlags::SYN) },
    };
    assert_eq!(refused(&v4(6, &[], &tcp(TcpFlags::RST | TcpFlags::ACK))), Some(syn));
    for others in [TcpFlags::RST, TcpFlags::SYN | TcpFlags::ACK, TcpFlags::ACK, TcpFlags::SYN] {
        assert_eq!(refused(&v4(6, &[], &tcp(others))), None, "flags {others:#04x}");
    }
    let inner = v4(17, &[], &UDP);
    for (code, tells) in [(3, true), (2, true), (1, false), (13, false)] {
        let error = [&[3, code, 0, 0, 0, 0, 0, 0], inner.as_slice()].concat();
        assert_eq!(refused(&v4(1, &[1; 4], &error)), tells.then(|| parse(&inner).unwrap()), "code {code}");
    }
    let inner = v6(17, &UDP);
    let error = [&[1, 4, 0, 0, 0, 0, 0, 0], inner.as_slice()].concat();
    assert_eq!(refused(&v6(58, &error)), Some(parse(&inner).unwrap()));
    assert_eq!(refused(&v6(58, &error[..20])), None);
}

#[test]
fn lengths_that_lie_are_malformed() {
    let good = v4(6, &[], &tcp(TcpFlags::SYN));
    let mut short_header = good.clone();
    short_header[0] = 0x44;
    assert_eq!(parse(&short_header), Err(Malformed::Lengths));
    let mut long_header = v4(6, &[], &[]);
    (long_header[0], long_header[3]) = (0x4f, 60);
    assert_eq!(parse(&long_header), Err(Malformed::CutOff));
    let mut short_total = good;
    short_total[3] = 19;
    assert_eq!(parse(&short_total), Err(Malformed::Lengths));
    assert_eq!(parse(&[]), Err(Malformed::Empty));
    assert_eq!(parse(&[0x50; 64]), Err(Malformed::Version(5)));
}

#[test]
fn bytes_past_the_packets_own_length_do_not_count() {
    let mut padded = v4(6, &[], &tcp(TcpFlags::SYN)[..4]);
    padded.extend([0; 40]); // Ethernet's padding, say
    assert_eq!(transport(&padded), Transport::Hidden);
}

/// Splitmix64: the same bytes on every run.
fn noise(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn no_bytes_at_all_make_it_panic() {
    let models = [
        v4(6, &[1; 8], &tcp(TcpFlags::SYN)),
        v6(
            0,
            &[&[60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 1, 0, 0, 0, 9], tcp(2).as_slice()].concat(),
        ),
    ];
    let mut state = 7;
    for round in 0..200_000u32 {
        let mut bytes = models[round as usize % models.len()].clone();
        for _ in 0..noise(&mut state) % 6 {
            let at = usize::try_from(noise(&mut state)).unwrap() % bytes.len();
            bytes[at] = noise(&mut state).to_le_bytes()[0];
        }
        bytes.truncate(usize::try_from(noise(&mut state)).unwrap() % (bytes.len() + 1));
        let _whatever = refused(&bytes);
        if let Ok(packet) = parse(&bytes) {
            assert!(bytes.len() >= 20, "a packet of {} bytes: {packet:?}", bytes.len());
        }
    }
}
