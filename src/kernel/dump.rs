//! What the kernel's sets hold: every block with the time left to it and the packets that it met, or one of them. Asked over netlink;
//! what `nft -j list set` says of a hundred thousand takes seconds to write and to read.
//!
//! The kernel lists a set in parts, and walks it from its start for each: listing takes the longer, per element, the more there are.
//! One element is found at once.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::block_set::{SET_V4, SET_V6_NETWORKS, SET_V6_WIDE, SET_V6_WIDER, SETS, set_of};
use super::message::{Message, Messages, attributes, find, long, name, word};
use super::netlink::{Answer, DUMP, Netfilter};
use crate::detect::source::Source;
use crate::detect::widen::{WIDE, WIDER};

/// Blocks that are set while the list is read tear it, and under a scan there always are some. What was there all along and is
/// missing from so many lists in a row does not happen.
const ATTEMPTS: u32 = 5;

/// A source in one of our sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// Whose it is.
    pub source: Source,
    /// The time left to it. Without an end it is the operator's, who added it with nft.
    pub left: Option<Duration>,
    /// Packets that met it; nothing in a set that was made by an earlier version of ours, which did not count.
    pub packets: Option<u64>,
}

/// Why the sets cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The table or the set is not there.
    #[error("there is no set {0} in our table: is nftrap running, and was the ruleset flushed?")]
    SetGone(&'static str),
    /// We lack the right.
    #[error("no right to read the kernel's sets: run it as root, through sudo, or with CAP_NET_ADMIN")]
    Forbidden,
    /// The kernel's own reason, or none.
    #[error("the kernel does not list set {set}")]
    Refused {
        /// The set.
        set: &'static str,
        /// What it says.
        source: io::Error,
    },
}

/// All elements of our sets in `table`, in no order; networks there have the length `ipv6_prefix`.
pub fn dump(table: &str, ipv6_prefix: u8) -> Result<Vec<Element>, DumpError> {
    let mut found = Vec::new();
    for set in SETS {
        found.append(&mut dump_set(table, set, ipv6_prefix)?);
    }
    Ok(found)
}

/// The element of one source, if it is blocked.
pub fn one(table: &str, ipv6_prefix: u8, source: &Source) -> Result<Option<Element>, DumpError> {
    let set = set_of(source);
    let request = question(table, set, source);
    let mut found = None;
    match open(set)?.ask(request.octets(), |message| found = elements(message, set, ipv6_prefix).next().or(found)) {
        // Either it or the whole set is not there.
        Ok(Answer::Error(libc::ENOENT)) => room(table).map(|_room| None),
        answered => check(answered, set).map(|_| found),
    }
}

/// Whether one source is a guest now.
pub fn is_guest(table: &str, source: &Source) -> Result<bool, DumpError> {
    let set = match source.address() {
        IpAddr::V4(_) => "guests4",
        IpAddr::V6(_) => "guests6",
    };
    match open(set)?.ask(question(table, set, source).octets(), |_| {}) {
        Ok(Answer::Error(libc::ENOENT)) => Ok(false),
        answered => check(answered, set).map(|_| true),
    }
}

fn question(table: &str, set: &str, source: &Source) -> Messages {
    let mut request = Messages::default();
    request.add(libc::NFT_MSG_GETSETELEM, libc::NLM_F_ACK, 1, |body| {
        body.name(NFTA_SET_ELEM_LIST_TABLE, table);
        body.name(NFTA_SET_ELEM_LIST_SET, set);
        body.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |list| list.nest(NFTA_LIST_ELEM, |element| key(element, source)));
    });
    request
}

/// So many elements fit into the smallest of our sets. A kernel may keep the size that a set was first made with (5.10 and 6.1 do).
pub fn room(table: &str) -> Result<Option<u32>, DumpError> {
    let mut smallest = None;
    for set in SETS {
        smallest = smallest.into_iter().chain(size(table, set)?).min();
    }
    Ok(smallest)
}

/// The set of ours in which fewest elements more find room, and how many do; nothing, where sets have no size.
pub fn fullest(table: &str) -> Result<Option<(&'static str, u32)>, DumpError> {
    let mut fullest = None;
    for set in SETS {
        if let Some(size) = size(table, set)? {
            let left = size.saturating_sub(count(table, set)?);
            fullest = fullest.into_iter().chain([(set, left)]).min_by_key(|(_, left)| *left);
        }
    }
    Ok(fullest)
}

fn size(table: &str, set: &'static str) -> Result<Option<u32>, DumpError> {
    let mut request = Messages::default();
    request.add(libc::NFT_MSG_GETSET, libc::NLM_F_ACK, 1, |body| {
        body.name(NFTA_SET_TABLE, table);
        body.name(NFTA_SET_NAME, set);
    });
    let read = |message: &Message<'_>| {
        let (_, description) = message.attributes().find(|(number, _)| *number == NFTA_SET_DESC)?;
        word(find(description, NFTA_SET_DESC_SIZE)?)
    };
    let mut size = None;
    let answered = open(set)?.ask(request.octets(), |message| size = read(message).or(size));
    check(answered, set).map(|_| size)
}

/// So many elements, about: while blocks are set, some may be missed or met twice.
fn count(table: &str, set: &'static str) -> Result<u32, DumpError> {
    let mut count = 0_u32;
    let answered = open(set)?.ask(all_of(table, set).octets(), |message| {
        let lists = message.attributes().filter(|(number, _)| *number == NFTA_SET_ELEM_LIST_ELEMENTS);
        let here = lists.map(|(_, list)| attributes(list).count()).sum::<usize>();
        count = count.saturating_add(u32::try_from(here).unwrap_or(u32::MAX));
    });
    check(answered, set).map(|_| count)
}

/// Asks for all elements of a set.
fn all_of(table: &str, set: &str) -> Messages {
    let mut request = Messages::default();
    request.add(libc::NFT_MSG_GETSETELEM, DUMP, 1, |body| {
        body.name(NFTA_SET_ELEM_LIST_TABLE, table);
        body.name(NFTA_SET_ELEM_LIST_SET, set);
    });
    request
}

/// The key that stands for `source` in its set, as an attribute of an element.
pub(super) fn key(element: &mut Messages, source: &Source) {
    element.nest(NFTA_SET_ELEM_KEY, |key| match source.address() {
        IpAddr::V4(v4) => key.attribute(NFTA_DATA_VALUE, &v4.octets()),
        IpAddr::V6(v6) => key.attribute(NFTA_DATA_VALUE, &v6.octets()),
    });
}

/// The elements of one of them.
pub(super) fn dump_set(table: &str, set: &'static str, ipv6_prefix: u8) -> Result<Vec<Element>, DumpError> {
    let (request, netfilter) = (all_of(table, set), open(set)?);
    let mut torn: HashMap<Source, Element> = HashMap::new();
    for _ in 0..ATTEMPTS {
        let mut found = Vec::new();
        let answered = netfilter.ask(request.octets(), |message| found.extend(elements(message, set, ipv6_prefix)));
        // A set that the kernel spreads anew meanwhile, for it has grown, shows some twice and others not at all, without a word.
        let seen: HashSet<_> = found.iter().map(|element| element.source).collect();
        if check(answered, set)? == Answer::Whole && seen.len() == found.len() {
            return Ok(found);
        }
        torn.extend(found.into_iter().map(|element| (element.source, element)));
    }
    Ok(torn.into_values().collect())
}

fn open(set: &'static str) -> Result<Netfilter, DumpError> {
    Netfilter::open().map_err(|source| DumpError::Refused { set, source })
}

fn check(answered: io::Result<Answer>, set: &'static str) -> Result<Answer, DumpError> {
    match answered {
        Ok(Answer::Error(libc::ENOENT)) => Err(DumpError::SetGone(set)),
        Ok(Answer::Error(libc::EPERM)) => Err(DumpError::Forbidden),
        Ok(Answer::Error(error)) => Err(DumpError::Refused { set, source: io::Error::from_raw_os_error(error) }),
        Ok(answer) => Ok(answer),
        Err(source) => Err(DumpError::Refused { set, source }),
    }
}

/// The elements in one message. One that has run out, and is not swept up yet, is none.
pub(super) fn elements<'a>(
    message: &Message<'a>,
    set: &'static str,
    ipv6_prefix: u8,
) -> impl Iterator<Item = Element> + use<'a> {
    let lists = message.attributes().filter(|(number, _)| *number == NFTA_SET_ELEM_LIST_ELEMENTS);
    lists.flat_map(|(_, list)| attributes(list)).filter_map(move |(_, element)| read(element, set, ipv6_prefix))
}

fn read(element: &[u8], set: &str, ipv6_prefix: u8) -> Option<Element> {
    let key = find(find(element, NFTA_SET_ELEM_KEY)?, NFTA_DATA_VALUE)?;
    let network = |length| Some(Source::network(Ipv6Addr::from(<[u8; 16]>::try_from(key).ok()?), length));
    let source = match set {
        SET_V4 => Source::host(IpAddr::from(<[u8; 4]>::try_from(key).ok()?)),
        SET_V6_NETWORKS => network(ipv6_prefix)?,
        SET_V6_WIDE => network(WIDE)?,
        SET_V6_WIDER => network(WIDER)?,
        _ => Source::host(IpAddr::from(<[u8; 16]>::try_from(key).ok()?)),
    };
    let left = find(element, NFTA_SET_ELEM_EXPIRATION).and_then(long).map(Duration::from_millis);
    (left != Some(Duration::ZERO)).then(|| Element { source, left, packets: packets(element) })
}

/// One expression stands alone; several stand in a list.
fn packets(element: &[u8]) -> Option<u64> {
    let alone = find(element, NFTA_SET_ELEM_EXPR);
    let listed = find(element, NFTA_SET_ELEM_EXPRESSIONS).into_iter().flat_map(attributes).map(|(_, value)| value);
    let counter = alone
        .into_iter()
        .chain(listed)
        .find(|expression| find(expression, NFTA_EXPR_NAME).is_some_and(|kind| name(kind) == b"counter"))?;
    long(find(find(counter, NFTA_EXPR_DATA)?, NFTA_COUNTER_PACKETS)?)
}

pub(super) const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
pub(super) const NFTA_SET_ELEM_LIST_SET: u16 = 2;
pub(super) const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
pub(super) const NFTA_LIST_ELEM: u16 = 1;
const NFTA_SET_ELEM_KEY: u16 = 1;
pub(super) const NFTA_SET_ELEM_TIMEOUT: u16 = 4;
const NFTA_SET_ELEM_EXPIRATION: u16 = 5;
const NFTA_SET_ELEM_EXPR: u16 = 7;
const NFTA_SET_ELEM_EXPRESSIONS: u16 = 11;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_COUNTER_PACKETS: u16 = 2;
const NFTA_SET_TABLE: u16 = 1;
const NFTA_SET_NAME: u16 = 2;
const NFTA_SET_DESC: u16 = 9;
const NFTA_SET_DESC_SIZE: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::block_set::SET_V6;
    use crate::kernel::message::messages;

    fn counter(to: &mut Messages, packets: u64) {
        to.name(NFTA_EXPR_NAME, "counter");
        to.nest(NFTA_EXPR_DATA, |counts| {
            counts.attribute(1, &600_u64.to_be_bytes());
            counts.attribute(NFTA_COUNTER_PACKETS, &packets.to_be_bytes());
        });
    }

    fn read_one(source: &Source, set: &'static str, more: impl FnOnce(&mut Messages)) -> Vec<Element> {
        let element = |element: &mut Messages| {
            key(element, source);
            more(element);
        };
        let list = |list: &mut Messages| list.nest(NFTA_LIST_ELEM, element);
        let mut said = Messages::default();
        said.add(libc::NFT_MSG_NEWSETELEM, 0, 1, |body| body.nest(NFTA_SET_ELEM_LIST_ELEMENTS, list));
        messages(said.octets()).flat_map(|message| elements(&message, set, 64)).collect()
    }

    #[test]
    fn a_block_has_the_time_left_and_its_packets() {
        let source = Source::host("192.0.2.1".parse().unwrap());
        let found = read_one(&source, SET_V4, |element| {
            element.attribute(NFTA_SET_ELEM_EXPIRATION, &61_500_u64.to_be_bytes());
            element.nest(NFTA_SET_ELEM_EXPR, |expression| counter(expression, 7));
        });
        assert_eq!(found, [Element { source, left: Some(Duration::from_millis(61_500)), packets: Some(7) }]);
    }

    #[test]
    fn the_operators_own_block_has_no_end_and_an_uncounted_one_no_packets() {
        let network = Source::network("2001:db8:1:2::".parse().unwrap(), 64);
        let found = read_one(&network, SET_V6_NETWORKS, |_| ());
        assert_eq!(found, [Element { source: network, left: None, packets: None }]);
        let host = Source::host("2001:db8:1:2::".parse().unwrap());
        assert_eq!(read_one(&host, SET_V6, |_| ())[0].source, host);
        let wide = Source::network("2001:db8:1::".parse().unwrap(), 56);
        assert_eq!(read_one(&wide, set_of(&wide), |_| ())[0].source, wide, "whatever the config's length is");
    }

    #[test]
    fn a_counter_among_other_expressions_is_found() {
        let source = Source::host("192.0.2.1".parse().unwrap());
        let found = read_one(&source, SET_V4, |element| {
            element.nest(NFTA_SET_ELEM_EXPRESSIONS, |list| {
                list.nest(NFTA_LIST_ELEM, |other| other.name(NFTA_EXPR_NAME, "last"));
                list.nest(NFTA_LIST_ELEM, |expression| counter(expression, 9));
            });
        });
        assert_eq!(found[0].packets, Some(9));
    }

    #[test]
    fn what_has_run_out_or_is_no_address_is_no_element() {
        let source = Source::host("192.0.2.1".parse().unwrap());
        let over = |element: &mut Messages| element.attribute(NFTA_SET_ELEM_EXPIRATION, &[0; 8]);
        assert_eq!(read_one(&source, SET_V4, over), []);
        assert_eq!(read_one(&source, SET_V6, |_| ()), []);
    }
}
