//! Which ports were served lately, over a reboot: the kernel's own list goes with it, and the clients who come back before a service is up
//! again are no scanners.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use log::{debug, warn};

use crate::journal::{read_ours, replace_ours};
use crate::kernel::clock::wall;
use crate::kernel::home;
use crate::kernel::ruleset::Listening;

/// As long as the kernel's own list remembers a service; seconds.
const FRESH: u64 = 86_400;
/// When nothing else has changed, the times are written again so often; seconds.
const AGAIN_AFTER: u64 = 3600;
/// Every port of both protocols, in a line each.
const MAX_FILE: u64 = 4 << 20;

/// Ports, each with the time of day when it was last seen served.
type Ports = BTreeMap<Listening, u64>;

/// What keeps the file.
#[derive(Debug, Default)]
pub(super) struct Served {
    file: Option<PathBuf>,
    known: Ports,
    written: u64,
    /// A disk may take its time: nobody waits for it.
    at_work: Option<JoinHandle<()>>,
}

impl Served {
    /// With what `file` says.
    pub(super) fn at(file: Option<PathBuf>) -> Self {
        Self { known: load(file.as_deref()), file, written: 0, at_work: None }
    }

    /// What was served lately, on this host.
    pub(super) fn ports(&self) -> impl Iterator<Item = Listening> {
        self.known.keys().copied()
    }

    /// Notes what is served now, and has the file say so, too.
    pub(super) fn remember(&mut self, listening: &[Listening]) {
        let now = wall().to_seconds();
        let before = self.known.len();
        let new = listening.iter().filter(|port| self.known.insert(**port, now).is_none()).count();
        self.known.retain(|_, seen| is_fresh(*seen, now));
        let changed = new > 0 || self.known.len() != before || now.abs_diff(self.written) > AGAIN_AFTER;
        let idle = self.at_work.as_ref().is_none_or(JoinHandle::is_finished);
        let Some(file) = self.file.clone().filter(|_| changed && idle) else { return };
        let text = text(&self.known, &home::read());
        let write = move || {
            if let Err(error) = replace_ours(&file, text.as_bytes()) {
                debug!(error:%; "cannot note which ports are served: after a reboot they are traps until their services are up");
            }
        };
        self.written = now;
        self.at_work = std::thread::Builder::new().name("served".into()).spawn(write).ok();
    }
}

fn load(file: Option<&Path>) -> Ports {
    let read_all = |path: &Path| {
        read_ours(path, MAX_FILE).unwrap_or_else(|error| {
        warn!(file:% = path.display(), error:%; "cannot read which ports were served: after a reboot they are traps until their services are up");
        None
    })
    };
    let text = file.and_then(read_all).unwrap_or_default();
    read(&String::from_utf8_lossy(&text), &home::read(), wall().to_seconds())
}

/// A clock that is not set yet makes a time one of the future.
const fn is_fresh(seen: u64, now: u64) -> bool {
    now.saturating_sub(seen) <= FRESH
}

fn text(ports: &Ports, home: &str) -> String {
    let mut text = format!("# ports that were served, and when last: for the time after a reboot\nhome {home}\n");
    for (Listening { protocol, port }, seen) in ports {
        // Writing to a String does not fail.
        let (Ok(()) | Err(_)) = writeln!(text, "{protocol} {port} {seen}");
    }
    text
}

/// Within one boot another namespace is another host.
fn read(text: &str, here: &str, now: u64) -> Ports {
    let boot = |home: &'_ str| home.split_once('/').map(|(boot, _)| boot.to_owned());
    let homes = text.lines().filter_map(|line| line.strip_prefix("home "));
    if homes.into_iter().any(|home| home != here && boot(home) == boot(here)) {
        return Ports::new();
    }
    let port = |line: &str| {
        let mut words = line.split(' ');
        let (name, port, seen) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let protocol = ["tcp", "udp"].into_iter().find(|protocol| *protocol == name)?;
        is_fresh(seen, now).then_some((Listening { protocol, port }, seen))
    };
    text.lines().filter_map(port).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn ports(seen: u64) -> Ports {
        [("tcp", 22), ("udp", 53)].map(|(protocol, port)| (Listening { protocol, port }, seen)).into()
    }

    #[test]
    fn what_was_served_is_known_after_a_reboot_and_in_this_namespace_alone() {
        let written = text(&ports(NOW), "boot-1/7");
        assert_eq!(read(&written, "boot-1/7", NOW), ports(NOW));
        assert_eq!(read(&written, "boot-2/9", NOW + FRESH), ports(NOW));
        assert_eq!(read(&written, "boot-2/9", 0), ports(NOW), "the clock is not set yet");
        assert_eq!(read(&written, "boot-2/9", NOW + FRESH + 1), Ports::new());
        assert_eq!(read(&written, "boot-1/8", NOW), Ports::new());
        let rubbish = "tcp 22\nicmp 1 1\ntcp 70000 1\nudp\n\u{0}\ntcp 0x16 1\nhome\ntcp 22 -1";
        assert_eq!(read(rubbish, "boot-2/9", 1), Ports::new());
    }

    #[test]
    fn what_is_seen_is_written_with_what_was_known_and_no_file_is_no_trouble() {
        let folder = std::env::temp_dir().join(format!("nftrap-served-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("nftrap.served");
        let today = wall().to_seconds();
        fs::write(&file, text(&ports(today), "another-boot/1")).unwrap();
        let mut served = Served::at(Some(file.clone()));
        served.remember(&[Listening { protocol: "tcp", port: 443 }]);
        served.at_work.take().unwrap().join().unwrap();
        let names: Vec<_> = Served::at(Some(file)).ports().map(|port| (port.protocol, port.port)).collect();
        assert_eq!(names, [("tcp", 22), ("tcp", 443), ("udp", 53)]);
        served.remember(&[]);
        assert!(served.at_work.is_none(), "there is nothing new to write");
        for none in [Some(folder.clone()), Some(folder.join("none")), None] {
            assert_eq!(Served::at(none).ports().count(), 0);
        }
        Served::at(None).remember(&[Listening { protocol: "tcp", port: 443 }]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
