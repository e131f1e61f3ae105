//! Who is told: `[report]`.

use std::path::Path;

use super::{BOTH, Convert};
use crate::import::Version;
use crate::import::conf::Entry;
use crate::import::draft::{Section, text};
use crate::import::key::Key;
use crate::import::lines::atoi;
use crate::import::modes::{Protocol, Watch};

const RIGHTS: &str = "the user of nftrap's service must be able to write there: /var/log/nftrap is such a folder; another one \
                      needs its rights, and a line ReadWritePaths= in `systemctl edit nftrap`";

impl<'a> Convert<'a> {
    pub(super) fn report(&mut self) {
        if self.question.keep_log {
            self.draft.remark(Section::Report, "as --keep-log asks");
            self.draft.set(Section::Report, "log", &text("portsentry"));
        } else {
            let remark =
                "To log offenders in PortSentry's own words, for programs that read them: log = \"portsentry\".";
            self.draft.remark(Section::Report, remark);
        }
        self.history();
        self.blocked_file();
        self.resolve();
    }

    fn history(&mut self) {
        let key = Key::HistoryFile;
        let Some(entry) = self.own_file(key) else {
            return;
        };
        self.draft.set(Section::Report, "history", &text(&entry.value));
        self.note(
            key,
            entry,
            &format!("{RIGHTS}. If the file moves, `logpath` of a fail2ban that reads it must follow"),
        );
        if self.conf.version == Version::Two {
            let why = "nftrap adds a line for each block, in PortSentry 1.2's form; PortSentry 2 wrote one for each packet, in a form of its own, and began anew with each start";
            self.note(key, entry, why);
        }
    }

    fn blocked_file(&mut self) {
        let key = Key::BlockedFile;
        match self.conf.version {
            Version::Two => {
                if let Some(entry) = self.conf.entry(key) {
                    self.quote(Section::Report, key, entry);
                    self.draft.remark(
                        Section::Report,
                        "    PortSentry's memory of its blocks; nftrap has its journal, and `nftrap list`",
                    );
                    self.note(
                        key,
                        entry,
                        "not written: nftrap keeps blocks in its journal; --blocked FILE shows whom this one names",
                    );
                }
            }
            Version::One => self.blocked_files_of_one(key),
        }
    }

    /// One file for each mode, with the mode behind its name.
    fn blocked_files_of_one(&mut self, key: Key) {
        let Some(entry) = self.own_file(key) else {
            return;
        };
        let modes: Vec<_> = BOTH.into_iter().filter_map(|protocol| self.mode_name(protocol)).collect();
        let Some(mode) = modes.first() else {
            return;
        };
        let path = format!("{}.{mode}", entry.value);
        self.draft.remark(Section::Report, "    PortSentry wrote the mode behind the name");
        self.draft.set(Section::Report, "blocked", &text(&path));
        self.note(key, entry, RIGHTS);
        let why = format!(
            "{path} is begun anew when nftrap starts: to block those in it here as well, import them before, with --blocked {path}"
        );
        self.note(key, entry, &crate::import::lines::printable(&why));
        if let Some(other) = modes.get(1) {
            let why = format!(
                "one file for both protocols now: what went to the one with .{other} goes to the one with .{mode}"
            );
            self.note(key, entry, &why);
        }
    }

    fn mode_name(&self, protocol: Protocol) -> Option<String> {
        let prefix = match self.modes.of(protocol).watch {
            Watch::Nothing => return None,
            Watch::Listening => "",
            Watch::Listed => "s",
            Watch::Low => "a",
        };
        Some(format!("{prefix}{}", protocol.name()))
    }

    /// A file that we may be told to write.
    fn own_file(&mut self, key: Key) -> Option<&'a Entry> {
        let conf = self.conf;
        let entry = conf.filled(key)?;
        self.quote(Section::Report, key, entry);
        let path = Path::new(&entry.value);
        if path.is_absolute() && path.file_name().is_some() && !entry.value.ends_with('/') {
            return Some(entry);
        }
        self.draft.remark(Section::Report, "    left out: not the whole path of a file");
        self.note(key, entry, "left out: not the whole path of a file");
        None
    }

    fn resolve(&mut self) {
        let key = Key::ResolveHost;
        let Some(entry) = self.conf.entry(key) else {
            return;
        };
        self.quote(Section::Report, key, entry);
        let asks = atoi(&entry.value) != 0;
        if asks && self.conf.version == Version::Two {
            self.note(key, entry, "PortSentry 2 never did, though asked to; nftrap does, for `history`, `blocked` and PortSentry's log lines");
        }
        if asks {
            let why = "a resolver that is not on this host needs a line IPAddressAllow= with its address in `systemctl edit nftrap`";
            self.note(key, entry, why);
        }
        self.draft.set(Section::Report, "resolve", if asks { "true" } else { "false" });
    }
}
