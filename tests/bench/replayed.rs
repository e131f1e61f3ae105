//! Time that a replay takes for each packet of a flood in which every source is forged, beside reading the same file and nothing else; of a
//! file, and of one four times as large.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use nftrap::config::Config;
use nftrap::detect::prefixes::Prefixes;
use nftrap::replay::capture::Capture;
use nftrap::replay::replay;

use super::{scatter, syn, thread_ns};

const PACKETS: u32 = 500_000;
const PORTS: [u16; 6] = [22, 80, 443, 111, 8080, 5900];
/// Of a little-endian file with microseconds, version 2.4, raw IP packets (`LINKTYPE_RAW`).
const HEADER: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101];

pub(super) fn flood() {
    let file = std::env::temp_dir().join(format!("nftrap-bench-{}.pcap", std::process::id()));
    let protect = Prefixes::new(&["192.0.2.0/24".parse().expect("a prefix")]);
    for packets in [PACKETS, 4 * PACKETS] {
        write(&file, packets).expect("write a capture into the temporary folder");
        let each = |work: &dyn Fn()| {
            let start = thread_ns();
            work();
            (thread_ns() - start) / f64::from(packets)
        };
        let bare = each(&|| Capture::open(&file).and_then(|capture| capture.read(&mut |_| ())).expect("read it"));
        let whole = each(&|| {
            let outcome = replay(std::slice::from_ref(&file), &Config::default(), &protect, &mut |_| ());
            assert_eq!(outcome.read.packets, u64::from(packets), "all of it was read");
        });
        println!(
            "replay, all forged       {packets:8} packets: {whole:.0} ns each, {:.2} million a second; {bare:.0} ns to read it once",
            1e3 / whole
        );
    }
    fs::remove_file(file).expect("remove the capture");
}

fn write(path: &Path, packets: u32) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    HEADER.iter().try_for_each(|word| file.write_all(&word.to_le_bytes()))?;
    for n in 0..packets {
        let bytes = syn(scatter(n) >> 7 ^ n << 1, PORTS[usize::try_from(n % 6).expect("below 6")]);
        let at = Duration::from_micros(1_700_000_000_000_000 + 10 * u64::from(n));
        let second = u32::try_from(at.as_secs()).expect("before 2106");
        let record = [second, at.subsec_micros(), 40, 40];
        record.iter().try_for_each(|word| file.write_all(&word.to_le_bytes()))?;
        file.write_all(&bytes)?;
    }
    file.flush()
}
