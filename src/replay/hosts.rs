//! Who takes part in a capture: which hosts speak, which hear, and with whom. Pure, bounded.

use std::net::IpAddr;

use ahash::RandomState;

use super::checksum::Checksum;
use super::recent::Recent;
use super::seen::Seen;
use super::sketch::Sketch;

/// Hosts that are told apart; a forgotten one looks as if it neither spoke nor heard.
pub const MAX_HOSTS: usize = 7 << 17;
/// Of 64 bits: half of them are set by some 44 peers. Nobody pings so many but a sweep, or a monitor that wants an allow list.
const SWEEP: u32 = 32;

/// All hosts.
#[derive(Debug)]
pub struct Hosts {
    hosts: Recent<IpAddr, Host>,
}

/// What is known of one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host {
    /// Packets of its own were recorded.
    pub speaks: bool,
    /// Packets for it were recorded.
    pub hears: bool,
    /// Some of its checksums are right: a wrong one is a broken packet, and not an unfinished one.
    pub sums_up: bool,
    /// So many packets from it and to it.
    pub packets: u64,
    /// With whom.
    pub peers: Sketch,
}

impl Hosts {
    /// Nobody yet.
    #[must_use]
    pub fn new(hasher: &RandomState) -> Self {
        Self { hosts: Recent::new(MAX_HOSTS, hasher) }
    }

    /// Learns from one packet.
    pub fn learn(&mut self, seen: &Seen) {
        let (source, destination) = (seen.packet.source, seen.packet.destination);
        let host = self.hosts.entry(source, Host::default);
        host.speaks = true;
        host.sums_up |= seen.checksum == Checksum::Right;
        host.meet(destination);
        if seen.is_for_one() {
            let host = self.hosts.entry(destination, Host::default);
            host.hears = true;
            host.meet(source);
        }
    }

    /// What is known of `address`.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Host {
        self.hosts.peek(&address).copied().unwrap_or_default()
    }

    /// Whether `source` asked dozens of hosts, and nobody was heard to answer.
    #[must_use]
    pub fn sweeps_unheard(&self, source: IpAddr) -> bool {
        let host = self.of(source);
        !host.hears && host.peers.count() >= SWEEP
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, Host)> {
        self.hosts.iter().map(|(address, host)| (*address, *host))
    }

    /// So many were forgotten for lack of room.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.hosts.forgotten()
    }
}

impl Host {
    fn meet(&mut self, peer: IpAddr) {
        self.packets = self.packets.saturating_add(1);
        self.peers.add_address(peer);
    }
}
