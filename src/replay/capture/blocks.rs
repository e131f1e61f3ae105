//! A file's records → packets with a time and a link type. Pure.

use std::time::Duration;

use pcap_parser::pcapng::{Block, EnhancedPacketBlock, InterfaceDescriptionBlock};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{PcapBlockOwned, PcapHeader};

use super::{Frame, Link, Reason};

/// A section that describes more interfaces than this was not written by a capturing program.
const MAX_INTERFACES: usize = 65_536;
const NANOS: u32 = 1_000_000_000;
const MICROS: u32 = 1_000_000;

/// What a file, or a section of a pcapng file, has said of its packets so far.
#[derive(Debug, Default)]
pub(super) struct Section {
    interfaces: Vec<Interface>,
    big_endian: bool,
    last: Duration,
}

/// Where packets come from. Times are counted in units of which a second has `units`.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: Link,
    units: u128,
    offset: i64,
    /// 0 where the whole packet is captured.
    snap: u32,
}

impl Section {
    /// The packet in `block`, if there is one.
    pub(super) fn frame<'a>(&mut self, block: &'a PcapBlockOwned<'a>) -> Result<Option<Frame<'a>>, Reason> {
        let frame = match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.interfaces = vec![Interface::legacy(header)];
                return Ok(None);
            }
            PcapBlockOwned::Legacy(packet) => {
                let from = self.interfaces.first().ok_or(Reason::Interface)?;
                let at = from.legacy_time(packet.ts_sec, packet.ts_usec);
                Frame { at, link: from.link, bytes: packet.data }
            }
            PcapBlockOwned::NG(Block::SectionHeader(header)) => {
                (self.interfaces, self.big_endian) = (Vec::new(), header.big_endian());
                return Ok(None);
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Err(Reason::Interface);
                }
                self.interfaces.push(Interface::described(interface, self.big_endian));
                return Ok(None);
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => self.enhanced(packet)?,
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                let from = self.interfaces.first().ok_or(Reason::Interface)?;
                let length = if from.snap == 0 { packet.origlen } else { packet.origlen.min(from.snap) };
                let bytes = packet.data.get(..usize::try_from(length).unwrap_or(usize::MAX)).unwrap_or(packet.data);
                Frame { at: self.last, link: from.link, bytes } // it has no time of its own
            }
            PcapBlockOwned::NG(Block::Unknown(block)) if is_obsolete(block.block_type) => self.obsolete(block.data)?,
            PcapBlockOwned::NG(_) => return Ok(None), // names, statistics, secrets, another's inventions
        };
        self.last = frame.at;
        Ok(Some(frame))
    }

    fn enhanced<'a>(&self, packet: &'a EnhancedPacketBlock<'a>) -> Result<Frame<'a>, Reason> {
        self.timed(packet.if_id, (packet.ts_high, packet.ts_low), packet.packet_data())
    }

    /// Interface and drops of 16 bits each, then as in the block that replaced it (draft-ietf-opsawg-pcapng, appendix A).
    fn obsolete<'a>(&self, body: &'a [u8]) -> Result<Frame<'a>, Reason> {
        let field = |at: usize| {
            let bytes = *body.get(at..)?.first_chunk::<4>()?;
            Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
        };
        let frame = || {
            let interface = if self.big_endian { field(0)? >> 16 } else { field(0)? & 0xffff };
            let length = usize::try_from(field(12)?).ok()?;
            Some((interface, (field(4)?, field(8)?), body.get(20..)?.get(..length)?))
        };
        let (interface, ticks, bytes) = frame().ok_or(Reason::Block)?;
        self.timed(interface, ticks, bytes)
    }

    fn timed<'a>(&self, interface: u32, (high, low): (u32, u32), bytes: &'a [u8]) -> Result<Frame<'a>, Reason> {
        let number = usize::try_from(interface).unwrap_or(usize::MAX);
        let from = self.interfaces.get(number).ok_or(Reason::Interface)?;
        Ok(Frame { at: from.time(u64::from(high) << 32 | u64::from(low)), link: from.link, bytes })
    }
}

/// The Packet Block of early pcapng: type 2, which the crate reads as little-endian whatever the section says.
const fn is_obsolete(kind: u32) -> bool {
    kind == 2 || kind == 2_u32.swap_bytes()
}

impl Interface {
    fn legacy(header: &PcapHeader) -> Self {
        let units = if header.is_nanosecond_precision() { NANOS } else { MICROS };
        let link = Link::of(u32::try_from(header.network.0).unwrap_or(u32::MAX));
        Self { link, units: units.into(), offset: 0, snap: 0 }
    }

    fn described(block: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Self {
        // The crate reads this number as little-endian whatever the section says.
        let offset = if big_endian { block.if_tsoffset.swap_bytes() } else { block.if_tsoffset };
        let exponent = u32::from(block.if_tsresol & 0x7f);
        let base: u128 = if block.if_tsresol & 0x80 == 0 { 10 } else { 2 };
        let units = base.checked_pow(exponent).unwrap_or(u128::MAX); // so fine a clock stands still
        let link = Link::of(u32::try_from(block.linktype.0).unwrap_or(u32::MAX));
        Self { link, units, offset, snap: block.snaplen }
    }

    /// The fraction may exceed a second in damaged files; it then counts as written.
    fn legacy_time(&self, seconds: u32, fraction: u32) -> Duration {
        let nanos =
            if self.units == NANOS.into() { u64::from(fraction) } else { u64::from(fraction).saturating_mul(1000) };
        Duration::from_secs(seconds.into()).saturating_add(Duration::from_nanos(nanos))
    }

    fn time(&self, ticks: u64) -> Duration {
        let nanos = u128::from(ticks).saturating_mul(NANOS.into()).checked_div(self.units).unwrap_or(0);
        let seconds = u64::try_from(nanos.checked_div(NANOS.into()).unwrap_or(0)).unwrap_or(u64::MAX);
        let fraction = u32::try_from(nanos.checked_rem(NANOS.into()).unwrap_or(0)).unwrap_or(0);
        Duration::new(seconds.saturating_add_signed(self.offset), fraction)
    }
}
