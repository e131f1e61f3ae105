//! Lists of ports: numbers, ranges, names. Refuses what would trap nobody, trap twice, or trap the honest.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use toml::de::DeValue;

use super::problem::{Fault, quoted};
use super::services::{Protocol, Services};
use super::source::{Source, Value};
use super::value::{expected, whole};
use crate::config::PortSet;
use crate::detect::probe::TRACEROUTE;

const LIST_HELP: &str = "write it as [1, 11, \"40-50\", \"sunrpc\"]";
const ENTRY_HELP: &str = "write a number, a range such as \"40-50\", or a name from /etc/services";
const PORT_HELP: &str = "ports go from 1 to 65535";

/// The ports of a list, or nothing and the notes on what is wrong with them.
pub(super) fn ports(
    source: &mut Source<'_>,
    value: &Value<'_>,
    protocol: Protocol,
    services: &Services,
) -> Option<PortSet> {
    let entries = source.list(value, "a list of ports", LIST_HELP)?;
    let mut taken = Taken::default();
    let mut sound = true;
    for entry in entries {
        let range = entry_range(entry, protocol, services).and_then(|range| beside_traceroute(range, protocol));
        if let Err(fault) = range.and_then(|range| taken.add(range, written(entry))) {
            source.refuse(entry.span(), fault);
            sound = false;
        }
    }
    sound.then(|| taken.set())
}

fn entry_range(entry: &Value<'_>, protocol: Protocol, services: &Services) -> Result<RangeInclusive<u16>, Fault> {
    match entry.get_ref() {
        DeValue::Integer(integer) => {
            let number = whole(integer).and_then(|number| u16::try_from(number).ok());
            existing(number, &integer.to_string()).map(|port| port..=port)
        }
        // A service's name has a letter (RFC 6335): without one it is a port or a range.
        DeValue::String(text) if text.chars().all(|c| c.is_ascii_digit() || c == '-' || c == ' ') => range(text),
        DeValue::String(name) => services.port(name, protocol).map(|port| port..=port),
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err(expected("a port", entry, ENTRY_HELP))
        }
    }
}

fn range(text: &str) -> Result<RangeInclusive<u16>, Fault> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim(), last.trim());
    let is_number = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return Err(Fault::new(format!("{} is not a range of ports", quoted(text)), "write it as \"40-50\""));
    }
    let (start, end) = (existing(first.parse().ok(), first)?, existing(last.parse().ok(), last)?);
    if start > end {
        let help = format!("write \"{end}-{start}\"");
        return Err(Fault::new(format!("the range {} ends before it starts", quoted(text)), help));
    }
    Ok(start..=end)
}

fn existing(port: Option<u16>, written: &str) -> Result<u16, Fault> {
    let port = port.filter(|port| *port != 0);
    port.ok_or_else(|| Fault::new(format!("port {} does not exist", shortened(written)), PORT_HELP))
}

/// A port of traceroute's would be a trap that never shuts; a range that merely contains them works for the rest.
fn beside_traceroute(range: RangeInclusive<u16>, protocol: Protocol) -> Result<RangeInclusive<u16>, Fault> {
    let inside = |probes: &RangeInclusive<u16>| probes.contains(range.start()) && probes.contains(range.end());
    if protocol != Protocol::Udp || !TRACEROUTE.iter().any(inside) {
        return Ok(range);
    }
    let help = "leave it out: udp 33000-33534 and 44444-44544 are answered, never trapped";
    Err(Fault::new(format!("{} traceroute's", ports_are(&range)), help))
}

/// Ranges that do not overlap, by their first port: their last one, and the entry that named them.
#[derive(Default)]
struct Taken(BTreeMap<u16, (u16, String)>);

impl Taken {
    fn add(&mut self, range: RangeInclusive<u16>, written: String) -> Result<(), Fault> {
        let (start, end) = range.into_inner();
        let before = self.0.range(..=start).next_back().filter(|(_, (last, _))| *last >= start);
        let Some((&first, (last, earlier))) = before.or_else(|| self.0.range(start..=end).next()) else {
            self.0.insert(start, (end, written));
            return Ok(());
        };
        let common = start.max(first)..=end.min(*last);
        let reason = if *earlier == written {
            format!("{} listed twice", ports_are(&common))
        } else {
            format!("{} already in {}", ports_are(&common), quoted(earlier))
        };
        Err(Fault::new(reason, "name each port once"))
    }

    fn set(self) -> PortSet {
        self.0.into_iter().map(|(first, (last, _))| first..=last).collect()
    }
}

fn ports_are(range: &RangeInclusive<u16>) -> String {
    if range.start() == range.end() {
        format!("port {} is", range.start())
    } else {
        format!("ports {}-{} are", range.start(), range.end())
    }
}

/// The entry as the operator wrote it, without its quotes.
fn written(entry: &Value<'_>) -> String {
    match entry.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            String::new()
        }
    }
}

/// A number that fits on a line.
fn shortened(number: &str) -> String {
    quoted(number).trim_matches('`').to_owned()
}
