//! Rows as they are shown, and their order. Plain values: a paused screen keeps a copy of them.

use std::cmp::Reverse;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::detect::probe::Protocol;
use crate::detect::source::Source;
use crate::event::{Asked, Wall};
use crate::time::Moment;

/// A port of a protocol.
pub(in super::super) type Service = (Protocol, u16);

/// How a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum State {
    /// It did something, and not enough.
    Watched,
    /// It is blocked until then; without an end, until somebody unblocks it.
    Blocked(Option<Moment>),
    /// It would be, were the daemon not only observing.
    WouldBlock,
    /// It should be, and the kernel did not take it.
    NotBlocked,
    /// An operator ended its block.
    LetGo,
}

/// One source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct SourceRow {
    pub(in super::super) source: Source,
    pub(in super::super) contacts: u64,
    /// Distinct ports, up to [`super::tally::DISTINCT`].
    pub(in super::super) ports: usize,
    pub(in super::super) last: Option<Service>,
    pub(in super::super) state: State,
    pub(in super::super) seen: Moment,
}

/// One port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct PortRow {
    pub(in super::super) service: Service,
    pub(in super::super) contacts: u64,
    /// Distinct sources, up to [`super::tally::DISTINCT`].
    pub(in super::super) sources: usize,
    pub(in super::super) seen: Moment,
}

/// One block, in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct BlockRow {
    pub(in super::super) number: u64,
    pub(in super::super) at: Wall,
    pub(in super::super) who: IpNet,
    pub(in super::super) cause: Cause,
    pub(in super::super) state: State,
}

/// Why somebody is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Cause {
    /// So many contacts, the last of them this.
    Contacts(u8, Asked),
    /// An operator wants it.
    Operator,
}

/// What a table's rows are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Sort {
    /// Most contacts first.
    Contacts,
    /// Latest first.
    LastSeen,
    /// By address, or by port.
    Address,
}

impl Sort {
    pub(in super::super) const fn next(self) -> Self {
        match self {
            Self::Contacts => Self::LastSeen,
            Self::LastSeen => Self::Address,
            Self::Address => Self::Contacts,
        }
    }
}

/// All that the tables show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Rows {
    pub(in super::super) sources: Vec<SourceRow>,
    pub(in super::super) ports: Vec<PortRow>,
    pub(in super::super) blocks: Vec<BlockRow>,
}

impl Rows {
    /// Orders each table; of equals, the latest stands first.
    pub(super) fn sort(&mut self, sources: Sort, ports: Sort, blocks: Sort) {
        self.sources.sort_by_key(|row| source_order(sources, row));
        self.ports.sort_by_key(|row| port_order(ports, row));
        self.blocks.sort_by_key(|row| block_order(blocks, row));
    }
}

type Order = (Reverse<u64>, Reverse<Moment>, bool, IpAddr);

fn source_order(by: Sort, row: &SourceRow) -> Order {
    let address = row.source.address();
    let (contacts, seen) = (Reverse(row.contacts), Reverse(row.seen));
    match by {
        Sort::Contacts => (contacts, seen, address.is_ipv6(), address),
        Sort::LastSeen => (Reverse(0), seen, address.is_ipv6(), address),
        Sort::Address => (Reverse(0), Reverse(Moment::ZERO), address.is_ipv6(), address),
    }
}

fn port_order(by: Sort, row: &PortRow) -> (Reverse<u64>, Reverse<Moment>, u16, String) {
    let (protocol, port) = row.service;
    match by {
        Sort::Contacts => (Reverse(row.contacts), Reverse(row.seen), port, protocol.to_string()),
        Sort::LastSeen => (Reverse(0), Reverse(row.seen), port, protocol.to_string()),
        Sort::Address => (Reverse(0), Reverse(Moment::ZERO), port, protocol.to_string()),
    }
}

fn block_order(by: Sort, row: &BlockRow) -> (Reverse<u64>, bool, Option<IpAddr>, Reverse<u64>) {
    let number = Reverse(row.number);
    match by {
        Sort::Contacts => {
            let contacts = if let Cause::Contacts(hits, _) = row.cause { u64::from(hits) } else { 0 };
            (Reverse(contacts), false, None, number)
        }
        Sort::LastSeen => (Reverse(0), false, None, number),
        Sort::Address => (Reverse(0), row.who.addr().is_ipv6(), Some(row.who.addr()), number),
    }
}
