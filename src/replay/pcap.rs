//! Packets → a pcap file, as `capture` reads it: little-endian, nanoseconds, raw IP. Pure but for the writer it is given.

use std::io::{self, Write};
use std::time::Duration;

const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Version 2.4, in the order of the bytes.
const VERSION: u32 = 0x0004_0002;
/// `LINKTYPE_RAW`: no link's header, for which link a packet came by has nothing to do with what it says.
const RAW_IP: u32 = 101;
/// Of longer packets only the beginning is written: what is judged lies before it, and so many wait to be put in order.
pub(super) const SNAP: usize = 2048;

/// The beginning of a file.
pub(super) fn header(out: &mut impl Write) -> io::Result<()> {
    let snap = u32::try_from(SNAP).unwrap_or(u32::MAX);
    fields(out, &[NANOSECONDS, VERSION, 0, 0, snap, RAW_IP])
}

/// One packet of `length` octets, of which `bytes` are there. A time that the format has no room for is its last one.
pub(super) fn record(out: &mut impl Write, at: Duration, bytes: &[u8], length: usize) -> io::Result<()> {
    let seconds = u32::try_from(at.as_secs()).unwrap_or(u32::MAX);
    let [there, length] = [bytes.len(), length].map(|length| u32::try_from(length).unwrap_or(u32::MAX));
    fields(out, &[seconds, at.subsec_nanos(), there, length])?;
    out.write_all(bytes)
}

fn fields(out: &mut impl Write, fields: &[u32]) -> io::Result<()> {
    fields.iter().try_for_each(|field| out.write_all(&field.to_le_bytes()))
}
