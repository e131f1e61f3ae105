//! Single values: numbers, durations, words. Pure; every refusal says what is allowed instead.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::{DeInteger, DeValue};

use super::problem::{Fault, nearest, quoted};
use super::source::Value;

const DAY: u64 = 86_400;
/// The kernel allows 255; nobody reads more than this in a listing.
const MAX_TABLE: usize = 31;

/// A value of another type than the one that belongs here.
pub(super) fn expected(what: &str, found: &Value<'_>, help: impl Into<String>) -> Fault {
    let found = match found.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    };
    Fault::new(format!("expected {what}, found {found}"), help)
}

/// A whole number within `limits`.
pub(super) fn number<T>(value: &Value<'_>, limits: RangeInclusive<T>) -> Result<T, Fault>
where
    T: TryFrom<i128> + PartialOrd + Display,
{
    let help = format!("write a number from {} to {}", limits.start(), limits.end());
    let DeValue::Integer(integer) = value.get_ref() else {
        return Err(expected("a whole number", value, help));
    };
    let number = whole(integer).and_then(|number| T::try_from(number).ok()).filter(|number| limits.contains(number));
    number.ok_or_else(|| Fault::new(format!("{} is out of range", quoted(&integer.to_string())), help))
}

/// The integer's value; nothing, if it is beyond everything that could be meant.
pub(super) fn whole(integer: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// `true` or `false`.
pub(super) fn switch(value: &Value<'_>) -> Result<bool, Fault> {
    let help = "write true or false, without quotes";
    value.get_ref().as_bool().ok_or_else(|| expected("true or false", value, help))
}

/// One of two words.
pub(super) fn choice<T: Copy, const N: usize>(value: &Value<'_>, words: [(&str, T); N]) -> Result<T, Fault> {
    let either = words.map(|(word, _)| format!("\"{word}\"")).join(" or ");
    let Some(word) = value.get_ref().as_str() else {
        return Err(expected(&either, value, format!("write {either}")));
    };
    let meant = words.into_iter().find(|(name, _)| *name == word).map(|(_, meant)| meant);
    meant.ok_or_else(|| {
        let help = match nearest(word, words.map(|(word, _)| word)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write {either}"),
        };
        Fault::new(format!("{} is not possible here", quoted(word)), help)
    })
}

/// Words of nft's own language, which it takes for no name (nft 1.0.6).
const KEYWORDS: [&str; 106] = [
    "add",
    "all",
    "and",
    "accept",
    "arp",
    "bridge",
    "chain",
    "counter",
    "create",
    "ct",
    "day",
    "delete",
    "describe",
    "dnat",
    "drop",
    "dst",
    "dup",
    "dynamic",
    "ecn",
    "element",
    "eq",
    "exists",
    "export",
    "exthdr",
    "fib",
    "flags",
    "flow",
    "flowtable",
    "flush",
    "frag",
    "fwd",
    "ge",
    "get",
    "gt",
    "handle",
    "hook",
    "hour",
    "icmp",
    "icmpv6",
    "iif",
    "iifname",
    "import",
    "inet",
    "insert",
    "ip",
    "ip6",
    "ipsec",
    "jhash",
    "jump",
    "le",
    "limit",
    "list",
    "log",
    "lt",
    "map",
    "mark",
    "masquerade",
    "meta",
    "meter",
    "monitor",
    "ne",
    "netdev",
    "notrack",
    "numgen",
    "oif",
    "oifname",
    "or",
    "osf",
    "policy",
    "position",
    "priority",
    "queue",
    "quota",
    "random",
    "reject",
    "rename",
    "replace",
    "reset",
    "return",
    "rt",
    "rule",
    "ruleset",
    "sctp",
    "secmark",
    "set",
    "size",
    "snat",
    "socket",
    "symhash",
    "synproxy",
    "table",
    "tcp",
    "th",
    "time",
    "timeout",
    "tproxy",
    "type",
    "typeof",
    "udp",
    "udplite",
    "undefine",
    "update",
    "vlan",
    "vmap",
    "xor",
    "xt",
];

/// A name for our nftables table.
pub(super) fn table(value: &Value<'_>) -> Result<String, Fault> {
    let help = "write a letter, then letters, digits or `_`, at most 31 in all";
    let Some(name) = value.get_ref().as_str() else {
        return Err(expected("the name of a table", value, help));
    };
    let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= MAX_TABLE;
    if KEYWORDS.contains(&name) {
        Err(Fault::new(format!("{} is a word of nft's own language", quoted(name)), "choose another name"))
    } else if well_formed {
        Ok(name.to_owned())
    } else {
        Err(Fault::new(format!("{} is no name for a table", quoted(name)), help))
    }
}

/// Whether a duration may have a fraction of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    Any,
    WholeSeconds,
}

/// The same, or none at all: `"0s"`.
pub(super) fn duration_or_none(value: &Value<'_>, most: Duration) -> Result<Duration, Fault> {
    let none = value.get_ref().as_str().is_some_and(|text| humantime::parse_duration(text) == Ok(Duration::ZERO));
    if none { Ok(Duration::ZERO) } else { duration(value, most, Grain::Any) }
}

/// A duration, as in `"10m"` or `"1h 30m"`, from one second to `most`.
pub(super) fn duration(value: &Value<'_>, most: Duration, grain: Grain) -> Result<Duration, Fault> {
    let help = "write a number and a unit, such as \"90s\", \"10m\", \"12h\" or \"7days\"";
    let text = match value.get_ref() {
        DeValue::String(text) => text,
        DeValue::Integer(n) => {
            let help = format!("write \"{n}s\" for seconds, \"{n}m\" for minutes");
            return Err(expected("a duration", value, help));
        }
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            return Err(expected("a duration", value, help));
        }
    };
    let unreadable = |_| Fault::new(format!("{} is not a duration", quoted(text)), help);
    let duration = humantime::parse_duration(text).map_err(unreadable)?;
    if !(Duration::from_secs(1)..=most).contains(&duration) {
        let most = if most.as_secs().is_multiple_of(DAY) {
            format!("{}days", most.as_secs().wrapping_div(DAY))
        } else {
            humantime::format_duration(most).to_string()
        };
        let help = format!("write a duration from 1s to {most}");
        return Err(Fault::new(format!("{} is out of range", quoted(text)), help));
    }
    if grain == Grain::WholeSeconds && duration.subsec_nanos() != 0 {
        let fault = Fault::new(format!("{} is not a whole number of seconds", quoted(text)), "leave out the fraction");
        return Err(fault);
    }
    Ok(duration)
}
