//! What is decided about those who have proven their addresses, at a decoy or as guests of a service, and about networks as a whole.

use super::probe::{Contact, Kind};
use super::table::Seeds;
use super::*;
use crate::config::Count;
use crate::packet::{TcpFlags, Transport};

fn at_decoy(protocol: Protocol, kind: Kind) -> Probe {
    let contact = Contact { destination: [203, 0, 113, 2].into(), protocol, port: 8888 };
    Probe { source: [198, 51, 100, 2].into(), contact, kind }
}

fn judged(config: &Config, probe: Probe) -> Decision {
    let around = Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::default() };
    let rules = Rules::of(config, Moment::from_start(Duration::from_secs(300)), Duration::MAX);
    rules.judge_answered(&ScanTable::new(1024, Seeds(1, 2)), Moment::ZERO, probe, &around)
}

#[test]
fn who_asks_a_decoy_is_an_offender_at_once_whatever_else_its_port_is() {
    for (protocol, kind) in [(Protocol::Tcp, Kind::Connect), (Protocol::Udp, Kind::Udp)] {
        let probe = at_decoy(protocol, kind);
        let Decision::Block(offence) = judged(&Config::default(), probe) else { panic!("{kind} is no offence") };
        assert_eq!((offence.probe, offence.hits), (probe, 1));
    }
}

#[test]
fn a_proven_source_is_blocked_for_longer_and_only_by_the_contact_that_proves_it() {
    let around = Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::default() };
    let rules = Rules::of(&Config::default(), Moment::ZERO, Duration::MAX);
    let table = ScanTable::new(1024, Seeds(1, 2));
    let mut now = Moment::ZERO;
    let mut lasts = |kind| {
        let decided = rules.judge_answered(&table, now, at_decoy(Protocol::Tcp, kind), &around);
        let Decision::Block(offence) = decided else { panic!("{decided:?}") };
        let lasts = offence.until.since(now).as_secs() / 60;
        now = offence.until;
        (offence.repeat, lasts)
    };
    assert_eq!(lasts(Kind::Connect), (1, 60));
    assert_eq!(lasts(Kind::Syn), (2, 20), "it may be forged, and the count of blocks is one");
    assert_eq!(lasts(Kind::Connect), (3, 240));
    let later: Vec<_> = (4..=9).map(|_| lasts(Kind::Connect).1).collect();
    assert_eq!(later, [480, 960, 1920, 3840, 7680, 10_080], "a week at most");
    assert_eq!(lasts(Kind::Syn), (10, 120));
}

/// What is decided about each of a guest's packets, in their order.
fn of_a_guest(config: &Config, packets: &[(u16, Transport)]) -> Vec<&'static str> {
    let around = Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::default() };
    let rules = Rules::of(config, Moment::from_start(Duration::from_secs(300)), Duration::MAX);
    let table = ScanTable::new(1024, Seeds(1, 2));
    let (source, destination) = ([198, 51, 100, 2].into(), [203, 0, 113, 2].into());
    let decide = |(second, transport): &(u16, Transport)| {
        let now = Moment::from_start(Duration::from_secs((*second).into()));
        let packet = Packet { source, destination, transport: *transport };
        match rules.judge_guest(&table, now, &packet, &around) {
            Decision::Innocent => "innocent",
            Decision::Watch(_, Novelty::First) => "watch",
            Decision::Watch(_, Novelty::Again) => "again",
            Decision::Block(_) => "block",
            Decision::Report(_) => "report",
            Decision::StillBlocked => "still blocked",
        }
    };
    packets.iter().map(decide).collect()
}

const fn tcp(to: u16, flags: u8) -> Transport {
    Transport::Tcp { from: 40_000, to, flags: TcpFlags(flags) }
}

#[test]
fn a_guest_may_be_named_by_a_forged_packet_or_three_and_by_retransmits_of_them() {
    let syn = |port| (1000, tcp(port, TcpFlags::SYN));
    let decided = of_a_guest(&Config::default(), &[syn(111), syn(111), syn(79), syn(8080), syn(111), syn(143)]);
    assert_eq!(decided, ["watch", "again", "watch", "watch", "again", "block"]);
    let hidden = (1000, Transport::Hidden);
    let udp = (1000, Transport::Udp { from: 4000, to: 161 });
    assert_eq!(of_a_guest(&Config::default(), &[hidden, udp, syn(1), syn(11)]), ["watch", "watch", "watch", "block"]);
    let null = |port| (1000, tcp(port, 0));
    let decided = of_a_guest(&Config::default(), &[null(80), null(81), null(82), null(83), null(84)]);
    assert_eq!(decided, ["watch", "watch", "watch", "watch", "block"], "of half weight, one more");
}

#[test]
fn triggers_count_of_a_guest_while_services_start_and_other_ports_do_not() {
    let syn = |port| (0, tcp(port, TcpFlags::SYN));
    let decided = of_a_guest(&Config::default(), &[syn(8080), syn(111), syn(79), syn(1), syn(11)]);
    assert_eq!(decided, ["innocent", "watch", "watch", "watch", "block"]);
}

#[test]
fn a_guest_is_never_judged_harder_than_a_stranger() {
    let syn = |port| (1000, tcp(port, TcpFlags::SYN));
    let mut config = Config::default();
    (config.detect.threshold, config.detect.count) = (1, Count::Packets);
    assert_eq!(of_a_guest(&config, &[syn(1), syn(1), syn(1), syn(1)]), ["watch", "again", "again", "again"]);
    (config.detect.threshold, config.detect.count) = (6, Count::Places);
    let places = [1, 11, 15, 79, 111, 119].map(syn);
    assert_eq!(of_a_guest(&config, &places), ["watch", "watch", "watch", "watch", "watch", "block"]);
    config.detect.count = Count::Packets;
    let packets = [1, 1, 1, 11, 1, 1].map(syn);
    assert_eq!(of_a_guest(&config, &packets), ["watch", "again", "again", "watch", "again", "block"]);
}

#[test]
fn who_is_allowed_may_ask_a_decoy() {
    let config = Config { allow: Prefixes::new(&["198.51.100.0/24".parse().unwrap()]), ..Config::default() };
    assert_eq!(judged(&config, at_decoy(Protocol::Tcp, Kind::Connect)), Decision::Innocent);
}

#[test]
fn a_network_is_not_blocked_as_a_whole_that_holds_whom_we_spare_or_reaches_into_our_links() {
    let spares = |text: &str| Prefixes::new(&[text.parse().unwrap()]);
    let judged = |allow: Prefixes, around: &Surroundings| {
        let rules = Rules::of(&Config { allow, ..Config::default() }, Moment::ZERO, Duration::MAX);
        let why = ("2001:db8:0:100::/56".parse().unwrap(), 4, at_decoy(Protocol::Tcp, Kind::Syn));
        rules.judge_network(&ScanTable::new(1024, Seeds(1, 2)), Moment::ZERO, why, around)
    };
    let nobody = Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: Prefixes::default() };
    for text in ["2001:db8:0:1ff::7/128", "2001:db8::/32", "2001:db8:0:100::/56"] {
        assert_eq!(judged(spares(text), &nobody), Decision::Innocent, "{text}");
        let exempt = Surroundings { exempt: spares(text), ..nobody.clone() };
        assert_eq!(judged(Prefixes::default(), &exempt), Decision::Innocent, "{text}");
    }
    for link in ["2001:db8:0:177::/64", "2001:db8::/48"] {
        let linked = Surroundings { on_link: vec![link.parse().unwrap()], ..nobody.clone() };
        assert_eq!(judged(Prefixes::default(), &linked), Decision::Innocent, "{link}");
    }
    let Decision::Block(offence) = judged(spares("2001:db8:0:200::7/128"), &nobody) else { panic!("not blocked") };
    assert_eq!((offence.source.to_string().as_str(), offence.hits), ("2001:db8:0:100::/56", 4));
}
