//! Capture files, whole and damaged, made by hand.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

fn pcap(order: Order, magic: u32, link: u32, packets: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut file =
        [order.u32(magic), order.u32(0x0002_0004), [0; 4], [0; 4], order.u32(65_535), order.u32(link)].concat();
    for (seconds, fraction, bytes) in packets {
        let length = u32::try_from(bytes.len()).unwrap();
        for field in [*seconds, *fraction, length, length] {
            file.extend(order.u32(field));
        }
        file.extend(*bytes);
    }
    file
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let length = order.u32(u32::try_from(body.len().wrapping_add(12)).unwrap());
    [&order.u32(kind), &length, body, &length].concat()
}

fn section(order: Order) -> Vec<u8> {
    let versions = [order.u16(1), order.u16(0)].concat();
    block(order, 0x0a0d_0d0a, &[&order.u32(0x1a2b_3c4d), versions.as_slice(), &[0xff; 8]].concat())
}

fn interface(order: Order, link: u16, resolution: u8) -> Vec<u8> {
    let option = [&order.u16(9)[..], &order.u16(1), &[resolution, 0, 0, 0], &[0; 4]].concat();
    block(order, 1, &[&order.u16(link)[..], &[0; 2], &order.u32(0), &option].concat())
}

fn packet(order: Order, interface: u32, ticks: u64, bytes: &[u8]) -> Vec<u8> {
    let (high, low) = (u32::try_from(ticks >> 32).unwrap(), u32::try_from(ticks & 0xffff_ffff).unwrap());
    let fields = [interface, high, low, 4, 4].map(|field| order.u32(field)).concat();
    block(order, 6, &[&fields, bytes].concat())
}

/// A packet: its time in nanoseconds, its link type and its bytes.
type Found = (u128, Link, Vec<u8>);

/// All packets, and how the file ended.
fn read(file: Vec<u8>) -> (Vec<Found>, Result<(), Fault>) {
    let mut found = Vec::new();
    let mut see = |frame: &Frame<'_>| found.push((frame.at.as_nanos(), frame.link, frame.bytes.to_vec()));
    let end = Capture::from_reader(Cursor::new(file)).and_then(|capture| capture.read(&mut see));
    (found, end)
}

#[test]
fn pcap_is_read_in_both_byte_orders_and_both_resolutions() {
    for order in [Order::Little, Order::Big] {
        let file = pcap(order, 0xa1b2_c3d4, 1, &[(7, 5, b"abcd"), (8, 6, b"")]);
        let (found, end) = read(file);
        assert_eq!(end, Ok(()));
        assert_eq!(found[0], (7_000_005_000, Link::Ethernet, b"abcd".to_vec()));
        assert_eq!(found[1], (8_000_006_000, Link::Ethernet, Vec::new()));
        let (found, _) = read(pcap(order, 0xa1b2_3c4d, 101, &[(7, 5, b"abcd")]));
        assert_eq!(found[0], (7_000_000_005, Link::Raw, b"abcd".to_vec()));
    }
}

#[test]
fn every_interface_of_pcapng_has_its_own_link_and_clock() {
    for order in [Order::Little, Order::Big] {
        let file = [
            section(order),
            interface(order, 1, 9),
            interface(order, 113, 0x8a), // of 2^-10 seconds
            packet(order, 1, 3 << 10 | 512, b"abcd"),
            packet(order, 0, 4_000_000_001, b"efgh"),
            section(order), // interfaces are counted anew
            interface(order, 101, 6),
            packet(order, 0, 5_000_001, b"ijkl"),
        ];
        let (found, end) = read(file.concat());
        assert_eq!(end, Ok(()));
        assert_eq!(found[0], (3_500_000_000, Link::Cooked, b"abcd".to_vec()));
        assert_eq!(found[1], (4_000_000_001, Link::Ethernet, b"efgh".to_vec()));
        assert_eq!(found[2], (5_000_001_000, Link::Raw, b"ijkl".to_vec()));
    }
}

#[test]
fn the_packet_block_of_early_pcapng_is_read() {
    for order in [Order::Little, Order::Big] {
        let fields = [0, 5_000_001, 4, 4].map(|field| order.u32(field)).concat();
        let block = block(order, 2, &[&order.u16(0)[..], &order.u16(7), &fields, b"abcd"].concat());
        let (found, end) = read([section(order), interface(order, 101, 6), block].concat());
        assert_eq!((found, end), (vec![(5_000_001_000, Link::Raw, b"abcd".to_vec())], Ok(())));
    }
}

#[test]
fn a_gzipped_file_is_read_as_if_it_were_not() {
    let plain = pcap(Order::Little, 0xa1b2_c3d4, 1, &[(7, 5, b"abcd")]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&plain).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(read(packed.clone()), read(plain));
    let (_, end) = read(packed[..packed.len() - 12].to_vec());
    assert!(end.is_err(), "half a gzip file is half a capture");
}

#[test]
fn what_stands_before_the_damage_is_read_and_the_damage_is_named() {
    let file = pcap(Order::Little, 0xa1b2_c3d4, 1, &[(7, 5, b"abcd"), (8, 6, b"efgh")]);
    for cut in 1..20 {
        let (found, end) = read(file[..file.len() - cut].to_vec());
        assert_eq!(found.len(), 1, "{cut}");
        let fault = end.unwrap_err();
        assert_eq!((fault.packets, fault.offset, &fault.reason), (1, 44, &Reason::CutOff), "{cut}");
        assert!(fault.to_string().starts_with("after packet 1, at byte 44: "), "{fault}");
    }
}

#[test]
fn a_record_that_claims_gigabytes_is_damage() {
    let mut file = pcap(Order::Little, 0xa1b2_c3d4, 1, &[(7, 5, b"abcd"), (8, 6, b"")]);
    let length = file.len();
    file[length - 8..].fill(0x7f);
    file.resize(40 * 1024 * 1024, 0);
    let (found, end) = read(file);
    assert_eq!((found.len(), end.unwrap_err().reason), (1, Reason::TooLarge));
}

#[test]
fn a_packet_from_nowhere_is_damage() {
    let file = [section(Order::Little), interface(Order::Little, 1, 6), packet(Order::Little, 9, 0, b"abcd")];
    assert_eq!(read(file.concat()).1.unwrap_err().reason, Reason::Interface);
}

#[test]
fn other_files_are_refused_by_what_they_are() {
    assert_eq!(read(Vec::new()).1.unwrap_err().reason, Reason::Empty);
    assert_eq!(read(b"# a text file".to_vec()).1.unwrap_err().reason, Reason::Format);
    assert_eq!(read(b"\xd4\xc3\xb2\xa1\x02\x00".to_vec()).1.unwrap_err().reason, Reason::CutOff);
    assert_eq!(Capture::open(Path::new("/")).err().unwrap().reason, Reason::NotAFile);
    assert_eq!(Capture::open(Path::new("/dev/null")).err().unwrap().reason, Reason::NotAFile);
}
