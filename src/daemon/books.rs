//! What this thread and those that answer operators know in common. Workers never look at it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::allowed::Allowed;
use super::bans::Bans;
use super::cage::Kept;
use super::protection::Protection;
use crate::config::Config;
use crate::control::wire::Rates;
use crate::event::Wall;
use crate::kernel::ruleset::Method;
use crate::report::line_file::Purpose;

/// What is known in common.
pub(super) struct Books {
    /// The config in force.
    pub(super) config: ArcSwap<Config>,
    /// Where it was read.
    pub(super) path: Option<PathBuf>,
    pub(super) since: Wall,
    bans: Mutex<Bans>,
    allowed: Mutex<Allowed>,
    health: Mutex<Health>,
}

/// How the daemon does.
#[derive(Debug, Clone)]
pub(super) struct Health {
    /// As those see it who ask.
    pub(super) protection: Protection,
    pub(super) method: Method,
    pub(super) rates: Rates,
    /// So many blocks fit into the kernel's sets, if they are smaller than the config wants.
    pub(super) room: Option<u32>,
    /// What is to be said of a set of blocks that is nearly full.
    pub(super) crowded: Option<String>,
    /// Why files that the config names are not written.
    pub(super) no_files: Vec<(Purpose, String)>,
    /// What is wrong with allow lists that are not taken up.
    pub(super) bad_lists: Vec<String>,
    /// Why no metrics are served, though the config names an address.
    pub(super) no_metrics: Option<String>,
    /// Why no decoy answers, where one should.
    pub(super) no_decoys: Option<String>,
    /// What became of our rights.
    pub(super) kept: Kept,
}

impl Health {
    /// What the config wants, and cannot be; and what soon cannot.
    pub(super) fn untold(&self) -> Vec<String> {
        let files = self.no_files.iter().map(|(_, problem)| problem);
        let rest = self.bad_lists.iter().chain(&self.no_metrics).chain(&self.no_decoys).chain(&self.crowded);
        files.chain(rest).cloned().collect()
    }
}

impl Books {
    pub(super) fn new(config: Config, path: Option<PathBuf>, since: Wall, allowed: Allowed, bans: Bans) -> Self {
        let health = Health {
            protection: Protection::Broken("not yet".to_owned()),
            method: Method::Native,
            rates: Rates::default(),
            room: None,
            crowded: None,
            no_files: Vec::new(),
            bad_lists: Vec::new(),
            no_metrics: None,
            no_decoys: None,
            kept: Kept::default(),
        };
        Self {
            config: ArcSwap::from_pointee(config),
            path,
            since,
            bans: Mutex::new(bans),
            allowed: Mutex::new(allowed),
            health: Mutex::new(health),
        }
    }

    pub(super) fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    pub(super) fn bans(&self) -> MutexGuard<'_, Bans> {
        self.bans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn allowed(&self) -> MutexGuard<'_, Allowed> {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
