//! Whether packets come to us, and what is done when they do not: other tools flush the whole ruleset, and our table with it.

use std::cmp::Reverse;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use log::{debug, error, warn};

use super::pace::Pace;
use super::policy::{self, Policy};
use super::{Daemon, orders};
use crate::config::{Config, Mode};
use crate::detect::source::Source;
use crate::event::What;
use crate::kernel::nft;
use crate::kernel::watch::{Found, Watch};
use crate::time::Moment;

/// Somebody who takes it away while it is put back makes for a new reason each time.
const QUIET: Duration = Duration::from_secs(60);

/// Whether packets come to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Protection {
    /// As far as we know.
    Whole,
    /// They do not, for that reason.
    Broken(String),
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

/// What looks after our table.
pub(super) struct Guard {
    table: Watch,
    pace: Pace,
    state: Protection,
    /// When it was said last that something cannot be put back.
    said: Option<Moment>,
}

impl Guard {
    /// Looks after `table` from now on.
    pub(super) fn open(table: &str) -> io::Result<Self> {
        Ok(Self { table: Watch::open(table)?, pace: Pace::new(), state: Protection::Whole, said: None })
    }

    /// Takes the table for ours as it is now: after each load, reload or arming.
    pub(super) fn settled(&mut self) {
        if let Err(error) = self.table.settled() {
            debug!(error:%; "cannot see our table: the next look puts it back once more");
        }
    }
}

impl Daemon {
    /// Puts back what somebody took away, if it is time to. A kernel that does not answer gives no reason to think that anything is gone.
    pub(super) fn protect(&mut self) {
        let found = match self.guard.state {
            Protection::Broken(_) => Found::Gone,
            Protection::Whole => self.guard.table.look().unwrap_or(Found::Whole),
        };
        let now = self.shared.clock.now();
        if found == Found::Whole {
            return;
        }
        if !self.guard.pace.allows(now) {
            if self.guard.state == Protection::Whole {
                // Nothing is dropped meanwhile, and who asks is to know it.
                let reason = "somebody takes our table away again and again: it is put back within a minute";
                self.books.health().protection = Protection::Broken(reason.to_owned());
            }
            return;
        }
        let restored = self.quietly(|daemon| daemon.restore(found));
        let was = std::mem::replace(&mut self.guard.state, restored);
        self.books.health().protection = self.guard.state.clone();
        if self.guard.state != Protection::Whole {
            self.guard.pace.failed(now);
            return self.complain(now, &was);
        }
        self.guard.settled();
        if let Some(pause) = self.guard.pace.restored(now) {
            warn!(pause = pause.as_secs(); "somebody takes our table away again and again: putting it back ever more seldom");
        }
    }

    /// Says why nothing can be put back: once, and another reason within a minute.
    fn complain(&mut self, now: Moment, was: &Protection) {
        let is_news = *was == Protection::Whole || self.guard.said.is_none_or(|said| now.since(said) >= QUIET);
        if is_news && *was != self.guard.state {
            self.guard.said = Some(now);
            let error = &self.guard.state;
            error!(error:%; "somebody removed or changed our table, and it cannot be put back: trying on");
        }
    }

    /// Puts back table and blocks. What fails now is tried again soon.
    fn restore(&self, found: Found) -> Protection {
        let config = self.whole_config();
        let blocks = self.blocks_to_restore(&config);
        let banned = orders::banned(&self.books.bans(), self.shared.clock.steady());
        let loaded = nft::load(&config, &self.shared.host(), &blocks).and_then(|()| nft::ban(&config.table, &banned));
        match loaded.and_then(|()| nft::arm(&config)) {
            Ok(_) => {
                let what = if found == Found::Gone { "removed" } else { "changed" };
                warn!(blocks = blocks.len(); "somebody {what} our table: it is back, and so are the blocks");
                self.audience.tell(What::TableRestored { blocks: u32::try_from(blocks.len()).unwrap_or(u32::MAX) });
                Protection::Whole
            }
            Err(error) => Protection::Broken(error.to_string()),
        }
    }

    /// The config with whom operators allowed.
    fn whole_config(&self) -> Config {
        let config = self.books.config();
        Config { allow: self.books.allowed().with(&config.allow), ..Config::clone(&config) }
    }

    /// Those that were in the kernel, as far as we know: while observing none, and never more than may be at once.
    fn blocks_to_restore(&self, config: &Config) -> Vec<(Source, Duration)> {
        if config.mode == Mode::Observe {
            return Vec::new();
        }
        let now = self.shared.clock.now();
        let mut blocks = self.shared.table.blocked(now);
        blocks.sort_unstable_by_key(|(_, until)| Reverse(*until));
        blocks.truncate(usize::try_from(config.block.max).unwrap_or(usize::MAX));
        blocks.into_iter().map(|(source, until)| (source, until.since(now))).collect()
    }

    pub(super) fn look_around(&mut self) {
        let known = self.shared.policy.load();
        let found = policy::surroundings(&self.books.config());
        if found != known.surroundings {
            let exempt = found.exempt.clone();
            self.shared.policy.store(Arc::new(Policy { surroundings: found, ..Policy::clone(&known) }));
            self.refresh();
            if exempt != known.surroundings.exempt {
                // The kernel lets them pass; what was done about them elsewhere ends, too.
                self.audience.act_by(&self.books.config(), &exempt, self.shared.clock);
            }
        }
    }

    /// Tells the kernel of our links, of whom we depend on, and of the ports that are served: their clients are no scanners when they
    /// stop.
    pub(super) fn refresh(&mut self) {
        let host = self.shared.host();
        let config = self.books.config();
        self.served.remember(&host.listening);
        let told = self.quietly(|_| nft::refresh(&config, &host));
        if let Err(error) = told {
            // Most often because somebody flushed the ruleset: it is put back with this.
            debug!(error:%; "cannot tell the kernel of our surroundings");
        }
    }
}
