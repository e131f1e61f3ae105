//! A door for tests that make up what a kernel says: the readers of its octets, without a socket. Pure.

use std::time::Duration;

use super::bulk;
use super::dump::{self, Element};
use super::message::messages;
use super::netlink::{self, Report};
use super::watch;
use crate::detect::source::Source;

/// The elements of `set` in what was received at once.
#[must_use]
pub fn elements(octets: &[u8], set: &'static str, ipv6_prefix: u8) -> Vec<Element> {
    messages(octets).flat_map(|message| dump::elements(&message, set, ipv6_prefix)).collect()
}

/// What is sent to have `blocks` in `set`.
#[must_use]
pub fn additions(table: &str, set: &str, blocks: &[(Source, Duration)]) -> Vec<u8> {
    bulk::transaction(table, set, &blocks.iter().collect::<Vec<_>>()).octets().to_owned()
}

/// The number and the flags of each table in what was received at once.
#[must_use]
pub fn tables(octets: &[u8]) -> Vec<(u64, u32)> {
    messages(octets).filter_map(|message| watch::read_table(&message)).collect()
}

/// The report that a received message is.
#[must_use]
pub fn report(octets: &[u8]) -> Option<Report> {
    netlink::read_report(octets)
}

/// Whether each received message ends an answer.
#[must_use]
pub fn ends(octets: &[u8]) -> Vec<bool> {
    messages(octets).map(|message| netlink::end(&message, false).is_some()).collect()
}
