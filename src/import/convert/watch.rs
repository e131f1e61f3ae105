//! Which ports are watched, and when that is enough: `[trigger]`, `[unserved]`, `[detect]`.

use super::{BOTH, Convert, Low, keys};
use crate::config::{MAX_PACKETS, PortSet};
use crate::import::Version;
use crate::import::conf::Entry;
use crate::import::draft::{Section, ports, text};
use crate::import::key::Key;
use crate::import::lines::atoi;
use crate::import::modes::{Protocol, Watch};
use crate::import::ports::{EXCLUDED_BY_ONE, Listed, WATCHED_BY_ONE, beside_traceroute, of_one, of_two};

/// What 1.2 takes where `ADVANCED_PORTS` is missing.
const BELOW: i64 = 1024;
/// So many hits 1.2 remembers, of all hosts together.
const REMEMBERED_BY_ONE: i64 = 50;
/// 2.x keeps the number in 16 bits.
const KEPT_BY_TWO: i64 = 65_536;

impl Convert<'_> {
    pub(super) fn watch(&mut self) {
        let mut udp_triggers = false;
        for protocol in BOTH {
            let triggers = self.triggers(protocol);
            self.draft.set(Section::Trigger, protocol.name(), &ports(&triggers));
            udp_triggers = protocol == Protocol::Udp && !triggers.is_empty();
        }
        self.stealth(udp_triggers || self.answers);
        self.unserved();
    }

    /// Whether packets that no honest client sends count at any port.
    fn stealth(&mut self, other_traps: bool) {
        let (counts, why) = match self.modes.tcp.watch {
            Watch::Listed | Watch::Low => (
                true,
                "NULL, FIN, XMAS and SYN+FIN packets count at any port; PortSentry looked at its own ports only, where they count in any case",
            ),
            Watch::Nothing if other_traps => {
                (false, "NULL, FIN, XMAS and SYN+FIN packets are of TCP, which PortSentry did not watch")
            }
            Watch::Listening if other_traps => (
                false,
                "PortSentry saw completed connections of TCP alone; with true, NULL, FIN, XMAS and SYN+FIN packets count at any port",
            ),
            Watch::Nothing | Watch::Listening => (
                true,
                "NULL, FIN, XMAS and SYN+FIN packets count at any port. PortSentry did not see them in this mode; but with no port to \
                 watch nftrap wants this trap, which no honest client meets.",
            ),
        };
        self.draft.remark(Section::Trigger, why);
        self.draft.set(Section::Trigger, "stealth", if counts { "true" } else { "false" });
    }

    /// The trigger ports of a protocol; its decoys are written on the way.
    fn triggers(&mut self, protocol: Protocol) -> PortSet {
        let watched = self.modes.of(protocol).clone();
        self.draft.remark(Section::Trigger, &watched.because);
        match watched.watch {
            Watch::Nothing => {
                self.unused(&[keys(protocol).list, keys(protocol).below, keys(protocol).except]);
                PortSet::default()
            }
            Watch::Listed => {
                let listed = self.list(protocol, Section::Trigger);
                self.unused(&[keys(protocol).below, keys(protocol).except]);
                listed
            }
            Watch::Listening => self.decoys(protocol),
            Watch::Low => self.low(protocol),
        }
    }

    pub(super) fn unused(&mut self, unused: &[Key]) {
        for key in unused {
            if let Some(entry) = self.conf.entry(*key) {
                self.quote(Section::Trigger, *key, entry);
                self.draft.remark(Section::Trigger, "    not used: PortSentry did not look at it in this mode");
            }
        }
    }

    /// The ports of the protocol's list.
    pub(super) fn list(&mut self, protocol: Protocol, section: Section) -> PortSet {
        let key = keys(protocol).list;
        let Some(entry) = self.conf.entry(key) else {
            self.note_absence(key, &format!("not there: no port of {} is watched", protocol.name()));
            return PortSet::default();
        };
        self.quote(section, key, entry);
        let listed = match self.conf.version {
            Version::One => of_one(&entry.value, WATCHED_BY_ONE),
            Version::Two => of_two(&entry.value),
        };
        self.oddities(key, &listed);
        let (kept, traceroute) = beside_traceroute(&listed.ports, protocol);
        if !traceroute.is_empty() {
            let why = "left out: traceroute sends to these, and nftrap refuses them as traps";
            self.notes.add(&self.conf.path, Some(entry.line), &format!("{}: {traceroute}", key.name()), why);
        }
        kept
    }

    fn oddities(&mut self, key: Key, listed: &Listed) {
        let line = self.conf.entry(key).map(|entry| entry.line);
        for (entry, why) in &listed.oddities {
            self.notes.add(&self.conf.path, line, &format!("{}: {entry}", key.name()), why);
        }
    }

    /// All ports below a number, but for the excepted.
    fn low(&mut self, protocol: Protocol) -> PortSet {
        let entry = self.conf.entry(keys(protocol).below);
        if let Some(entry) = entry {
            self.quote(Section::Trigger, keys(protocol).below, entry);
        }
        let below = entry.map_or(BELOW, |entry| atoi(&entry.value));
        let last = u16::try_from(below.clamp(1, 65_536).saturating_sub(1)).unwrap_or_default();
        let low: PortSet = [1..=last].into_iter().collect();
        self.draft.remark(Section::Trigger, &about_low(protocol, last, self.low));
        if last > 0 {
            self.low = Low::Explained;
        }
        self.unused(&[keys(protocol).list]);
        low.without(&self.excepted(protocol))
    }

    fn excepted(&mut self, protocol: Protocol) -> PortSet {
        let key = keys(protocol).except;
        let Some(entry) = self.conf.entry(key) else {
            let why =
                "not there: with no service below its limit either, PortSentry watched all ports; here the limit holds";
            self.note_absence(key, why);
            return PortSet::default();
        };
        let listed = of_one(&entry.value, EXCLUDED_BY_ONE);
        self.oddities(key, &listed);
        beside_traceroute(&listed.ports, protocol).0
    }

    fn unserved(&mut self) {
        self.draft.remark(
            Section::Unserved,
            "PortSentry counted the ports above alone. nftrap can as well block who asks for several others that nobody serves, \
             at the fourth, and finds most scanners by these: leave out the next two lines to have that.",
        );
        for protocol in BOTH {
            self.draft.set(Section::Unserved, protocol.name(), "[]");
        }
        for protocol in BOTH {
            let key = keys(protocol).except;
            let entry = self.conf.entry(key).filter(|_| self.modes.of(protocol).watch == Watch::Low);
            if let Some(entry) = entry {
                self.quote(Section::Unserved, key, entry);
                let excepted = beside_traceroute(&of_one(&entry.value, EXCLUDED_BY_ONE).ports, protocol).0;
                self.draft.set(Section::Unserved, &format!("except_{}", protocol.name()), &ports(&excepted));
            }
        }
    }

    pub(super) fn detect(&mut self) {
        let key = Key::ScanTrigger;
        let entry = self.conf.entry(key);
        if let Some(entry) = entry {
            self.quote(Section::Detect, key, entry);
        }
        let said = entry.map_or(0, |entry| atoi(&entry.value));
        let asked = match self.conf.version {
            Version::One if said > REMEMBERED_BY_ONE => 1,
            Version::One => said,
            Version::Two => said.checked_rem(KEPT_BY_TWO).unwrap_or_default(),
        };
        let threshold = asked.clamp(1, MAX_PACKETS.into());
        if let Some(entry) = entry {
            self.note_trigger(key, entry, (said, asked, threshold));
        }
        if entry.is_none() {
            self.draft.remark(Section::Detect, "SCAN_TRIGGER is not there: PortSentry then acts at the first packet");
        } else if threshold == 1 {
            self.draft.remark(Section::Detect, "    the first packet is enough, to PortSentry at 0 and at 1");
        } else {
            let why = "    every packet counts, retransmits as well; nftrap forgets one after `window`, an hour unless set to more";
            self.draft.remark(Section::Detect, why);
            self.draft.set(Section::Detect, "count", &text("packets"));
        }
        self.draft.set(Section::Detect, "threshold", &threshold.to_string());
    }

    fn note_trigger(&mut self, key: Key, entry: &Entry, numbers: (i64, i64, i64)) {
        let (said, asked, threshold) = numbers;
        if said == asked && threshold >= asked {
            return;
        }
        let why = if said > asked && self.conf.version == Version::One {
            "past the 50 packets that PortSentry 1.2 remembers, it acted at the first one: threshold = 1, as it did"
                .to_owned()
        } else if said != asked {
            format!("PortSentry 2 took it for {asked}, for it keeps 16 bits: threshold = {threshold}")
        } else {
            format!("nftrap counts to {MAX_PACKETS}: threshold = {threshold}")
        };
        self.note(key, entry, &why);
    }
}

fn about_low(protocol: Protocol, last: u16, low: Low) -> String {
    let name = protocol.name();
    if last == 0 {
        return "    none but port 0, which nobody asks for".to_owned();
    }
    let forgive = format!("{name} = [] here, and below [unserved] {name} = [\"1-{last}\"]");
    match low {
        Low::New => format!(
            "    ports 1 to {last} but the excepted, at the first packet, as PortSentry acted. The kernel looks for a program that listens \
             there whenever a packet arrives, so these need not be known; port 0 is left out. Some honest clients try a port or two, \
             though: to forgive that, write {forgive}; then it takes three different ports within the hour with [detect] sensitivity \
             = \"high\", four without it."
        ),
        Low::Explained => {
            format!("    ports 1 to {last} but the excepted, as above; to forgive a port or two: {forgive}")
        }
    }
}
