//! Octets of one packet, as a queue hands them over: what is read of them, and what is made of their sender.
//!
//! Input: one octet of choices, then the packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use nftrap::config::{Config, Count};
use nftrap::detect::prefixes::Prefixes;
use nftrap::detect::source::{Source, Surroundings};
use nftrap::detect::table::{ScanTable, Seeds};
use nftrap::detect::{Decision, Rules};
use nftrap::packet::{self, Malformed, Packet, TcpFlags, Transport};
use nftrap::replay::capture::Reach;
use nftrap::replay::seen::Seen;
use nftrap::time::Moment;

use super::feed::Feed;

pub(super) fn target(input: &[u8]) {
    let mut feed = Feed(input);
    let choices = feed.octet();
    let bytes = feed.rest();
    let packet = packet::parse(bytes);
    match packet {
        Ok(packet) => {
            reads_the_header(bytes, &packet);
            is_the_same_without_what_follows(bytes, &packet);
            tells_less_when_cut(bytes, &packet);
            judges(choices, &packet);
        }
        Err(malformed) => is_refused_with_reason(bytes, malformed),
    }
    refuses(bytes, packet.ok());
    assert_eq!(Seen::read(bytes, Reach::One).map(|seen| seen.packet), packet);
}

fn reads_the_header(bytes: &[u8], packet: &Packet) {
    let (source, destination) = addresses(bytes);
    assert_eq!((packet.source, packet.destination), (source, destination));
}

fn addresses(bytes: &[u8]) -> (IpAddr, IpAddr) {
    let v4 = |at: usize| IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap()));
    let v6 = |at: usize| IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap()));
    match bytes[0] >> 4 {
        4 => (v4(12), v4(16)),
        version => {
            assert_eq!(version, 6);
            (v6(8), v6(24))
        }
    }
}

/// Ethernet pads short packets: what stands behind one is none of it.
fn is_the_same_without_what_follows(bytes: &[u8], packet: &Packet) {
    let told = match bytes[0] >> 4 {
        4 => usize::from(u16::from_be_bytes([bytes[2], bytes[3]])),
        _ => match u16::from_be_bytes([bytes[4], bytes[5]]) {
            0 => bytes.len(),
            payload => 40 + usize::from(payload),
        },
    };
    assert_eq!(packet::parse(&bytes[..told.min(bytes.len())]), Ok(*packet));
}

/// A copy that ends too early tells less, and never something else.
fn tells_less_when_cut(bytes: &[u8], packet: &Packet) {
    for end in [20, 24, 32, 40, 44, 48, 52, 60].into_iter().filter(|end| *end < bytes.len()) {
        let Ok(cut) = packet::parse(&bytes[..end]) else { continue };
        assert_eq!((cut.source, cut.destination), (packet.source, packet.destination));
        let sctp = matches!((packet.transport, cut.transport), (Transport::SctpInit { .. }, Transport::Other(132)));
        assert!(cut.transport == packet.transport || cut.transport == Transport::Hidden || sctp, "{packet:?} {cut:?}");
    }
}

fn is_refused_with_reason(bytes: &[u8], malformed: Malformed) {
    match malformed {
        Malformed::Empty => assert!(bytes.is_empty()),
        Malformed::Version(version) => assert!(version == bytes[0] >> 4 && ![4, 6].contains(&version)),
        Malformed::CutOff => assert!(bytes.len() < 60),
        Malformed::Lengths => assert_eq!(bytes[0] >> 4, 4),
    }
    assert!(!malformed.to_string().is_empty());
}

/// A refusal is one of a packet that went the other way, or of one that is quoted.
fn refuses(bytes: &[u8], packet: Option<Packet>) {
    let Some(refused) = packet::refused(bytes) else { return };
    let packet = packet.expect("what is no packet refuses nothing");
    if let Transport::Tcp { from, to, .. } = packet.transport {
        let transport = Transport::Tcp { from: to, to: from, flags: TcpFlags(TcpFlags::SYN) };
        assert_eq!(refused, Packet { source: packet.destination, destination: packet.source, transport });
    } else {
        assert_eq!(packet.transport, Transport::Icmp);
    }
}

fn judges(choices: u8, packet: &Packet) {
    let mut config = Config::default();
    config.detect.threshold = choices % 4 + 1;
    config.detect.count = if choices & 4 == 0 { Count::Places } else { Count::Packets };
    let nobody = Surroundings { ipv6_prefix: 48 + choices % 81, on_link: Vec::new(), exempt: Prefixes::default() };
    let whole = Prefixes::new(&[IpNet::from(packet.source)]);
    let exempt = Surroundings { exempt: whole.clone(), ..nobody.clone() };
    assert_eq!(decisions(&config, packet, &exempt), [Decision::Innocent; 8], "whom we depend on is never blocked");
    let allowing = Config { allow: whole, ..config.clone() };
    assert_eq!(decisions(&allowing, packet, &nobody), [Decision::Innocent; 8], "who is allowed is never blocked");
    let made = decisions(&config, packet, &nobody);
    let patient = config.detect.count == Count::Places && config.detect.threshold > 1;
    for decision in made {
        match decision {
            Decision::Block(offence) | Decision::Report(offence) => {
                assert!(!patient, "one place counts once: {offence:?}");
                assert!(IpNet::from(offence.source).contains(&packet.source));
                assert_eq!(offence.probe.contact.destination, packet.destination);
                assert!(!is_an_answer(packet), "{packet:?}");
            }
            Decision::Watch(sighting, _) => assert_eq!(sighting.source, Source::of(packet.source, &nobody)),
            Decision::Innocent | Decision::StillBlocked => {}
        }
    }
}

/// The same packet several times, a second apart.
fn decisions(config: &Config, packet: &Packet, surroundings: &Surroundings) -> [Decision; 8] {
    let table = ScanTable::new(512, Seeds(1, 2));
    let rules = Rules::of(config, Moment::ZERO, Duration::from_secs(60));
    let made = [0, 1, 2, 3, 4, 5, 6, 7]
        .map(|second| rules.judge(&table, Moment::from_start(Duration::from_secs(second)), packet, surroundings));
    let remembered = table.census(Moment::ZERO).remembered;
    assert_eq!(remembered == 0, made == [Decision::Innocent; 8], "of the innocent nothing is remembered");
    made
}

/// What a host that somebody forged sends to us.
fn is_an_answer(packet: &Packet) -> bool {
    match packet.transport {
        Transport::Tcp { flags, .. } => {
            let both = TcpFlags::SYN | TcpFlags::ACK;
            flags.any(TcpFlags::RST) || flags.0 & (both | TcpFlags::FIN) == both
        }
        Transport::Icmp => true,
        Transport::Udp { .. }
        | Transport::Echo
        | Transport::SctpInit { .. }
        | Transport::Hidden
        | Transport::Other(_) => false,
    }
}
