//! What is done about an offender: `[block]`.

use super::{BOTH, Convert, keys};
use crate::import::Version;
use crate::import::conf::Entry;
use crate::import::draft::{Section, text};
use crate::import::firewall::only_firewall;
use crate::import::key::Key;
use crate::import::lines::atoi;
use crate::import::modes::{Protocol, Watch};

impl Convert<'_> {
    pub(super) fn block(&mut self) {
        self.draft.remark(
            Section::Block,
            "PortSentry's blocks never ended. nftrap's last 10m, each further one of the same source twice as long, up to 2h, for an \
             address changes hands and can be forged. For longer ones set `time` and `longest`, up to \"365days\".",
        );
        for protocol in BOTH {
            if self.is_watched(protocol) || self.conf.entry(keys(protocol).block).is_some() {
                let act = self.act(protocol);
                self.blocks |= act == "block";
                self.draft.set(Section::Block, protocol.name(), &text(act));
            }
        }
        if self.blocks {
            self.means();
        }
    }

    fn is_watched(&self, protocol: Protocol) -> bool {
        match self.modes.of(protocol).watch {
            Watch::Nothing => false,
            Watch::Low => true,
            Watch::Listed | Watch::Listening => self.conf.entry(keys(protocol).list).is_some(),
        }
    }

    fn act(&mut self, protocol: Protocol) -> &'static str {
        let key = keys(protocol).block;
        let name = protocol.name();
        let Some(entry) = self.conf.entry(key) else {
            self.draft.remark(Section::Block, &format!("{} is not there: PortSentry then only reports", key.name()));
            let why = format!(
                "not there, and then PortSentry only reports: {name} = \"observe\" in [block]; write \"block\" to block"
            );
            self.note_absence(key, &why);
            return "observe";
        };
        self.quote(Section::Block, key, entry);
        match atoi(&entry.value) {
            0 => {
                let why = format!(
                    "PortSentry only reported, and so does nftrap: write {name} = \"block\" in [block] to block"
                );
                self.note(key, entry, &why);
                "observe"
            }
            1 => "block",
            2 => self.command_alone(key, entry),
            _ => {
                let why = format!("PortSentry only reports with anything but 1 and 2: {name} = \"observe\" in [block]");
                self.note(key, entry, &why);
                "observe"
            }
        }
    }

    fn command_alone(&mut self, key: Key, entry: &Entry) -> &'static str {
        if self.conf.filled(Key::KillRunCmd).is_some() {
            return "command";
        }
        self.note(key, entry, "it is to run KILL_RUN_CMD, which is not there: \"observe\" in [block]");
        "observe"
    }

    /// What PortSentry blocked with.
    fn means(&mut self) {
        let route = self.conf.filled(Key::KillRoute);
        let deny = self.conf.filled(Key::KillHostsDeny);
        let why = match (route, deny) {
            (Some(_), _) => return,
            (None, Some(_)) => {
                "PortSentry blocked by hosts.deny alone, which TCP wrappers' services read; nftrap blocks everything that an offender starts"
            }
            (None, None) => "PortSentry had nothing to block with; nftrap blocks in the kernel by itself",
        };
        self.note_absence(Key::KillRoute, &format!("not there: {why}"));
    }

    /// What PortSentry ran to block: nftrap's own sets do that, unless it did something else.
    pub(super) fn route(&mut self) -> Option<String> {
        let key = Key::KillRoute;
        let entry = self.conf.filled(key)?;
        if let Some(firewall) = only_firewall(&entry.value) {
            self.quote(Section::Block, key, entry);
            let remark = format!("    the work of {firewall} is done by nftrap's own sets in the kernel");
            self.draft.remark(Section::Block, &remark);
            if !self.blocks {
                self.draft.remark(Section::Block, "    not used: PortSentry only reports");
                return None;
            }
            let why = format!(
                "not run any more: nftrap blocks by itself. What it has blocked so far stays in the firewall until you take it \
                 out there; if something else relies on what {firewall} is told, put the line into `block` of [command]"
            );
            self.note(key, entry, &why);
            return None;
        }
        if !entry.value.contains("$TARGET$") {
            let why = "left out: without $TARGET$ PortSentry does not run it";
            self.quote(Section::Block, key, entry);
            self.draft.remark(Section::Block, &format!("    {why}"));
            self.note(key, entry, why);
            return None;
        }
        self.quote(Section::Command, key, entry);
        let why = "run beside nftrap's own block; nothing undoes it when that block ends: write into `unblock` of [command] what does";
        self.note(key, entry, why);
        self.note_rights(key, entry);
        Some(entry.value.clone())
    }

    pub(super) fn note_rights(&mut self, key: Key, entry: &Entry) {
        self.note(key, entry, "it was run as root; nftrap's service runs it as its own user, and only programs that a line ExecPaths= in `systemctl edit nftrap` permits");
        if self.conf.version == Version::Two && entry.value.contains("$MODE$") {
            self.note(key, entry, "$MODE$ was stealth or connect, and is stcp, sudp, atcp, audp, tcp or udp now");
        }
        if self.conf.version == Version::One && entry.value.contains("$TARGET$") {
            self.note(key, entry, "$TARGET$ may be an IPv6 address now, which PortSentry 1.2 did not know");
        }
    }
}
