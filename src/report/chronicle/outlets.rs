//! Where offences are written: lines of the log, if it is in these words, and the two files, as far as they are open.

use std::sync::OnceLock;
use std::time::Duration;

use jiff::tz::TimeZone;
use log::{Level, log};

use super::{Fate, Logged, Offence, TARGET};
use crate::config::LogFormat;
use crate::detect::source::Source;
use crate::event::portsentry::{self, Host};
use crate::kernel::block_set::set_of;
use crate::report::line_file::Lines;

/// What is written, and where.
#[derive(Debug)]
pub(super) struct Outlets {
    pub(super) log: LogFormat,
    table: String,
    zone: TimeZone,
    pub(super) history: OnceLock<Lines>,
    pub(super) blocked: OnceLock<Lines>,
}

impl Outlets {
    pub(super) fn new(log: LogFormat, table: &str, zone: TimeZone) -> Self {
        Self { log, table: table.to_owned(), zone, history: OnceLock::new(), blocked: OnceLock::new() }
    }

    pub(super) fn write(&self, offence: &Offence, name: Option<&str>) {
        let Offence { at, sender, asked, fate, logged, .. } = offence;
        let host = Host { address: *sender, name };
        if *logged == Logged::Yes && self.log == LogFormat::PortSentry {
            self.log(Level::Info, &portsentry::scan(host, asked));
            match fate {
                Fate::Blocked(lasts) => {
                    self.log(Level::Info, &portsentry::blocked(*sender, &self.command(&offence.source, *lasts)));
                }
                Fate::LetGo => self.log(Level::Info, &portsentry::ignored(asked)),
                Fate::NotBlocked => self.log(Level::Error, &portsentry::not_blocked(host)),
            }
        }
        match fate {
            Fate::Blocked(_) => {
                for file in [self.history.get(), self.blocked.get()].into_iter().flatten() {
                    file.tell(portsentry::history(*at, &self.zone, host, asked));
                }
            }
            Fate::LetGo | Fate::NotBlocked => {}
        }
    }

    /// The command that would have the same effect as what we ask the kernel for.
    pub(super) fn command(&self, source: &Source, lasts: Duration) -> String {
        let (table, set, key) = (&self.table, set_of(source), source.address());
        // The clock's milliseconds are not the kernel's.
        let seconds = lasts.saturating_add(Duration::from_millis(500)).as_secs();
        format!("nft add element inet {table} {set} {{ {key} timeout {seconds}s }}")
    }

    pub(super) fn log(&self, level: Level, line: &str) {
        if self.log == LogFormat::PortSentry {
            log!(target: TARGET, level, "{line}");
        }
    }
}
