//! What is run and written for an offender: `[command]`, `[hosts_deny]`.

use super::Convert;
use crate::import::Version;
use crate::import::draft::{Section, text};
use crate::import::key::Key;
use crate::import::lines::atoi;

const TARGET: &str = "$TARGET$";

impl Convert<'_> {
    pub(super) fn command(&mut self) {
        let block = self.route();
        if let Some(line) = &block {
            self.draft.set(Section::Command, "block", &format!("[{}]", text(line)));
        }
        let run = self.run();
        if block.is_some() || run {
            self.draft.remark(Section::Command, "PortSentry handed its commands to the shell");
            self.draft.set(Section::Command, "shell", "true");
        }
    }

    /// The command beside the block. Whether there is one.
    fn run(&mut self) -> bool {
        let key = Key::KillRunCmd;
        let first = Key::KillRunCmdFirst;
        let Some(entry) = self.conf.filled(key) else {
            if let Some(entry) = self.conf.entry(first) {
                self.note(first, entry, "left out: there is no KILL_RUN_CMD");
            }
            return false;
        };
        self.quote(Section::Command, key, entry);
        self.draft.set(Section::Command, "run", &format!("[{}]", text(&entry.value)));
        self.note_rights(key, entry);
        if let Some(entry) = self.conf.entry(first) {
            self.quote(Section::Command, first, entry);
            let said = atoi(&entry.value);
            if !matches!(said, 0 | 1) {
                self.note(first, entry, "taken for 0: the command is run after the block; write 0 or 1");
            }
            self.draft.set(Section::Command, "first", if said == 1 { "true" } else { "false" });
        }
        true
    }

    pub(super) fn hosts_deny(&mut self) {
        let key = Key::KillHostsDeny;
        let Some(entry) = self.conf.filled(key) else {
            return;
        };
        if !entry.value.contains(TARGET) || entry.value.chars().any(char::is_control) {
            self.note(key, entry, "left out: it names no $TARGET$, or is no line of text");
            return;
        }
        self.quote(Section::HostsDeny, key, entry);
        self.draft.remark(Section::HostsDeny, "    the line goes when the block ends; PortSentry's stayed");
        self.draft.set(Section::HostsDeny, "line", &text(&entry.value));
        self.note(
            key,
            entry,
            "the user of nftrap's service may not replace /etc/hosts.deny: write the line ALL: /var/lib/nftrap/hosts.deny into it, make \
             that list with `install -o nftrap -g nftrap -m 640 /dev/null /var/lib/nftrap/hosts.deny`, and set line = \"$TARGET$\" and \
             file = \"/var/lib/nftrap/hosts.deny\" in [hosts_deny]; lines that PortSentry wrote stay until you take them out",
        );
        if self.conf.version == Version::One && self.conf.filled(Key::KillRoute).is_none() {
            self.draft.remark(Section::HostsDeny, "    nftrap blocks such a source in the kernel as well");
        }
    }
}
