//! What is one scan of many sources, and what only looks like one.

#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::detect::probe::Contact;
use crate::detect::source::Source;

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2));

fn at(millis: u64) -> Moment {
    Moment::from_start(Duration::from_millis(millis))
}

fn crowds() -> Crowds {
    Crowds::new(Moment::ZERO, Seeds(1, 2))
}

/// Source number `source` asks for a TCP port.
fn asks(source: u32, port: u16) -> Sighting {
    let address = Ipv4Addr::from_bits(0xc633_6400_u32.wrapping_add(source)).into();
    let contact = Contact { destination: HOST, protocol: Protocol::Tcp, port };
    Sighting { source: Source::host(address), probe: Probe { source: address, contact, kind: Kind::Syn } }
}

/// One contact each `step`, from `start` on, in milliseconds; whatever is told until some time after the last.
fn told(crowds: &mut Crowds, (start, step): (u64, u64), contacts: impl IntoIterator<Item = Sighting>) -> Vec<Scan> {
    let (mut now, mut scans) = (start, Vec::new());
    for sighting in contacts {
        crowds.note(at(now), sighting);
        scans.extend(std::iter::from_fn(|| crowds.due(at(now))));
        now += step;
    }
    scans.extend(std::iter::from_fn(|| crowds.due(at(now + 10_000))));
    scans
}

/// `places` ports, shared out among `sources`.
fn shared_scan(sources: u32, places: u16) -> impl Iterator<Item = Sighting> {
    (0..places).map(move |n| asks(u32::from(n) % sources, 1000 + n))
}

#[test]
fn many_sources_that_divide_ports_among_them_are_one_scan() {
    let scans = told(&mut crowds(), (5000, 100), shared_scan(20, 30));
    let [scan] = &scans[..] else { panic!("{scans:?}") };
    assert_eq!((scan.destination, scan.places, scan.members.len()), (HOST, 30, 20));
    assert_eq!((scan.first, scan.last), (at(5000), at(7900)));
    assert_eq!((scan.members[0], scan.to_block().len()), (asks(0, 1000), 20));
}

#[test]
fn fewer_places_or_fewer_sources_are_none() {
    assert_eq!(told(&mut crowds(), (0, 100), shared_scan(19, 19)), []);
    assert_eq!(told(&mut crowds(), (0, 100), shared_scan(7, 60)), []);
    assert_eq!(told(&mut crowds(), (0, 100), shared_scan(8, 20)).len(), 1);
}

#[test]
fn all_the_world_asks_for_the_same_few_ports_and_that_is_no_scan() {
    let popular = (0..5000_u16).map(|n| asks(n.into(), [23, 445, 8080, 3389, 5060, 6379][usize::from(n % 6)]));
    assert_eq!(told(&mut crowds(), (0, 5), popular), []);
}

#[test]
fn the_clients_of_a_service_that_moved_are_no_scan() {
    assert_eq!(told(&mut crowds(), (0, 10), (0..1000).map(|n| asks(n, 8443))), []);
}

#[test]
fn a_stranger_each_quarter_of_a_minute_at_a_random_port_is_no_scan() {
    // Two days, from the start on, when nothing is known of what is usual.
    let ports = (0..11_520_u32).map(|n| asks(n, u16::try_from(n.wrapping_mul(40_503) % 30_011).unwrap()));
    assert_eq!(told(&mut crowds(), (0, 15_000), ports), []);
}

#[test]
fn clients_that_come_back_to_ports_of_their_own_are_no_scan() {
    let high = (0..200_u16).map(|n| asks(n.into(), FIRST_OF_ONE_CLIENT + n));
    assert_eq!(told(&mut crowds(), (0, 10), high), []);
    let late = (0..200_u16).map(|n| {
        let sighting = asks(n.into(), 1000 + n);
        Sighting { probe: Probe { kind: Kind::Ack, ..sighting.probe }, ..sighting }
    });
    assert_eq!(told(&mut crowds(), (0, 10), late), []);
}

#[test]
fn a_slow_scan_is_found_where_nothing_is_usual_and_not_before_that_is_known() {
    let hour = 3_600_000;
    assert_eq!(told(&mut crowds(), (0, 120_000), shared_scan(25, 25)), []);
    assert_eq!(told(&mut crowds(), (hour, 120_000), shared_scan(25, 25)).len(), 1);
}

#[test]
fn where_much_is_usual_it_takes_more() {
    let mut crowds = crowds();
    let noise = (0..1000_u32).map(|n| asks(n, u16::try_from(n).unwrap()));
    assert_eq!(told(&mut crowds, (0, 20_000), noise), []); // 180 an hour
    let start = 20_100_000;
    assert_eq!(told(&mut crowds, (start, 1000), shared_scan(25, 25)), []);
    let larger = (0..40_u16).map(|n| asks((2000 + n).into(), 20_000 + n));
    assert_eq!(told(&mut crowds, (start + 60_000, 1000), larger).len(), 1);
}

#[test]
fn a_scan_is_told_once_until_it_has_doubled_or_an_hour_was_quiet() {
    let mut crowds = crowds();
    assert_eq!(told(&mut crowds, (0, 100), shared_scan(20, 30)).len(), 1);
    let later = |more: u16, from: u16| (0..more).map(move |n| asks((from + n).into(), from + n));
    assert_eq!(told(&mut crowds, (70_000, 100), later(40, 5000)), [], "no more than before");
    let grown = told(&mut crowds, (140_000, 100), later(90, 6000));
    assert_eq!(grown.len(), 1);
    assert_eq!(grown[0].newcomers.len(), grown[0].members.len(), "others than before");
    assert_eq!(told(&mut crowds, (4_000_000, 100), later(30, 8000)).len(), 1);
}

#[test]
fn whoever_is_an_offender_alone_is_left_out() {
    let mut crowds = crowds();
    let contacts: Vec<_> = shared_scan(8, 24).collect();
    for (n, sighting) in (0..).zip(&contacts) {
        crowds.note(at(n), *sighting);
    }
    let Sighting { source, probe } = contacts[3];
    crowds.note_offence(at(24), &Offence { source, probe, hits: 4, repeat: 1, until: at(600_000) });
    assert_eq!(crowds.due(at(10_000)), None);
}

#[test]
fn a_flood_of_forged_sources_is_told_once_and_nobody_is_blocked_for_it() {
    let mut crowds = crowds();
    let flood = (0..100_000_u32).map(|n| asks(n, u16::try_from(n.wrapping_mul(40_503) % 30_011).unwrap()));
    let scans = told(&mut crowds, (0, 1), flood);
    assert_eq!(scans.len(), 1);
    assert_eq!((scans[0].places, scans[0].to_block()), (256, &[][..]));
}

#[test]
fn a_flood_over_all_addresses_is_told_some_times_a_minute_and_fills_a_bounded_memory() {
    let mut crowds = crowds();
    let flood = (0..200_000_u32).map(|n| {
        let sighting = asks(n, u16::try_from(n / 100 + 1).unwrap());
        let destination = Ipv4Addr::from_bits(0xcb00_7100 + n % 100).into();
        let contact = Contact { destination, ..sighting.probe.contact };
        Sighting { probe: Probe { contact, ..sighting.probe }, ..sighting }
    });
    let scans = told(&mut crowds, (0, 1), flood);
    assert!((10..=40).contains(&scans.len()), "{}", scans.len());
    for n in 0..1000 {
        let sighting = asks(1, 1);
        let contact = Contact { destination: Ipv4Addr::from_bits(n).into(), ..sighting.probe.contact };
        crowds.note(at(200_000), Sighting { probe: Probe { contact, ..sighting.probe }, ..sighting });
    }
    assert_eq!(crowds.len(), DESTINATIONS.get());
}
