//! Lists of ports as each PortSentry reads them.

use std::ops::RangeInclusive;

use super::lines::{atoi, shown};
use super::modes::Protocol;
use crate::config::PortSet;
use crate::detect::probe::TRACEROUTE;

/// Ports, and what of their list is none or means something else than it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) ports: PortSet,
    /// An entry, and why.
    pub(super) oddities: Vec<(String, String)>,
}

impl Listed {
    fn odd(&mut self, entry: &str, why: impl Into<String>) {
        self.oddities.push((shown(entry.as_bytes()), why.into()));
    }
}

/// Of a `TCP_PORTS` or `UDP_PORTS` of 1.2.
pub(super) const WATCHED_BY_ONE: usize = 64;
/// Of an `ADVANCED_EXCLUDE` of 1.2.
pub(super) const EXCLUDED_BY_ONE: usize = 65;

/// What 1.2 makes of a list: so many numbers at most, each as C's `atoi` reads it.
pub(super) fn of_one(text: &str, most: usize) -> Listed {
    let mut listed = Listed::default();
    let mut ranges = Vec::new();
    let entries: Vec<_> = text.split(',').filter(|entry| !entry.is_empty()).collect();
    for entry in entries.iter().take(most) {
        let number = atoi(entry);
        let digits = entry.trim_start().trim_start_matches('+');
        match u16::try_from(number).ok().filter(|port| *port != 0) {
            Some(port) => {
                ranges.push(port..=port);
                if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    listed.odd(
                        entry,
                        format!("read as {port}, as PortSentry 1.2 reads it: it knows no ranges and no names"),
                    );
                }
            }
            None => listed.odd(entry, "left out: ports go from 1 to 65535"),
        }
    }
    let past = entries.get(most..).unwrap_or_default();
    if !past.is_empty() {
        let why = format!(
            "left out: PortSentry 1.2 reads {most} ports of a list and drops the rest; nftrap has no such limit, so add them if they are meant"
        );
        listed.odd(&past.join(","), why);
    }
    listed.ports = ranges.into_iter().collect();
    listed
}

/// What 2.x is meant to make of a list: numbers and ranges. What is neither becomes an arbitrary port there, and none here.
pub(super) fn of_two(text: &str) -> Listed {
    let mut listed = Listed::default();
    let mut ranges = Vec::new();
    for entry in text.split(',') {
        match range(entry.trim()) {
            Some(range) if range.is_empty() => listed.odd(entry, "left out: the range ends before it starts"),
            Some(range) => {
                ranges.push(range);
                if entry.ends_with([' ', '\t']) {
                    listed.odd(entry, "read as meant; PortSentry 2 watches an arbitrary port for the blank behind it");
                }
            }
            None => listed.odd(
                entry,
                "left out: neither a port from 1 to 65535 nor a range; PortSentry 2 watches an arbitrary port for it",
            ),
        }
    }
    listed.ports = ranges.into_iter().collect();
    listed
}

fn range(entry: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok())?.filter(|port: &u16| *port != 0)
    };
    let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
    Some(port(first)?..=port(last)?)
}

/// The ports that may be traps, and those that nftrap keeps for traceroute and refuses to trap.
pub(super) fn beside_traceroute(ports: &PortSet, protocol: Protocol) -> (PortSet, PortSet) {
    let inside = |range: &&RangeInclusive<u16>| {
        let within = |probes: &RangeInclusive<u16>| probes.contains(range.start()) && probes.contains(range.end());
        protocol == Protocol::Udp && TRACEROUTE.iter().any(within)
    };
    let kept: PortSet = ports.ranges().iter().filter(inside).cloned().collect();
    (ports.without(&kept), kept)
}

/// The first `count` of the ports, and the rest.
pub(super) fn split(ports: &PortSet, count: usize) -> (PortSet, PortSet) {
    let each = || ports.ranges().iter().cloned().flatten();
    (each().take(count).collect(), each().skip(count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reads_numbers_as_c_does() {
        let listed = of_one("1, 7,,20-25,abc,70000,-3,+9", WATCHED_BY_ONE);
        assert_eq!(listed.ports.to_string(), "1, 7, 9, 20");
        let odd: Vec<_> = listed.oddities.iter().map(|(entry, _)| entry.as_str()).collect();
        assert_eq!(odd, ["20-25", "abc", "70000", "-3"]);
    }

    #[test]
    fn one_reads_so_many_and_the_rest_is_named() {
        let text: Vec<_> = (1..=66).map(|port| port.to_string()).collect();
        let listed = of_one(&text.join(","), WATCHED_BY_ONE);
        assert_eq!(listed.ports.to_string(), "1-64");
        assert_eq!(listed.oddities[0].0, "65,66");
    }

    #[test]
    fn two_reads_ranges_and_refuses_the_rest() {
        let listed = of_two("1,20-25, 30,31 ,9-7,abc,0,70000,5-,8-8");
        assert_eq!(listed.ports.to_string(), "1, 8, 20-25, 30-31");
        let odd: Vec<_> = listed.oddities.iter().map(|(entry, _)| entry.as_str()).collect();
        assert_eq!(odd, ["31 ", "9-7", "abc", "0", "70000", "5-"]);
    }

    #[test]
    fn udp_ports_of_traceroute_are_kept_from_being_traps() {
        let ports: PortSet = [53..=53, 33_434..=33_435, 33_500..=34_000].into_iter().collect();
        let (traps, kept) = beside_traceroute(&ports, Protocol::Udp);
        assert_eq!((traps.to_string(), kept.to_string()), ("53, 33500-34000".to_owned(), "33434-33435".to_owned()));
        assert_eq!(beside_traceroute(&ports, Protocol::Tcp).0, ports);
    }
}
