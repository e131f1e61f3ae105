//! The files that say who is never blocked, while they are edited: a change is taken up by itself, as a reload would for these lists alone. A
//! file has to rest for two looks, so that one caught half-written frees nobody and loses nobody; a bad one leaves the old list in force.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use log::{info, warn};

use super::Daemon;
use super::allowed::Allowed;
use super::orders::refuse;
use super::policy::Policy;
use crate::config::{Config, load};
use crate::control::server::Refusal;
use crate::detect::prefixes::Prefixes;
use crate::kernel::nft;

/// What the files looked like.
#[derive(Debug, Default)]
pub(super) struct AllowFiles {
    /// When what they say was taken up, or refused.
    taken: Vec<Look>,
    /// At the last look.
    seen: Vec<Look>,
}

/// A file, as far as can be seen without reading it: a change shows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    path: PathBuf,
    /// Device, inode, size, and when content and inode were changed; none, where nothing is there.
    found: Option<(u64, u64, u64, [i64; 4])>,
}

impl AllowFiles {
    /// With this file as it is now, which is read after this. The config's own files, which were read before, count as changed.
    pub(super) fn before_reading(file: Option<PathBuf>) -> Self {
        Self { taken: file.into_iter().map(look).collect(), seen: Vec::new() }
    }

    /// All count as changed.
    pub(super) fn forget(&mut self) {
        self.taken.clear();
    }

    /// Those that have changed since they were taken up, if none has since the last look.
    fn rested(&mut self, now: Vec<Look>) -> Vec<PathBuf> {
        let rest = self.seen == now;
        self.seen = now;
        if !rest {
            return Vec::new();
        }
        self.seen.iter().filter(|look| !self.taken.contains(look)).map(|look| look.path.clone()).collect()
    }

    fn take(&mut self) {
        self.taken.clone_from(&self.seen);
    }
}

impl Daemon {
    /// Takes up what has changed in the files of those who are allowed, if something has.
    pub(super) fn look_at_allow_files(&mut self) {
        let config = self.books.config();
        let changed = self.allow_files.rested(looks(&config));
        if changed.is_empty() {
            return;
        }
        let operators = self.books.allowed().clone();
        let allow_now = list_of_config(&config, &changed);
        let operators_now = list_of_operators(&config, &operators, &changed);
        if looks(&config) != self.allow_files.seen {
            // Somebody has written meanwhile: it rests later.
            return;
        }
        let mut bad = Vec::new();
        let allow = said(allow_now, &mut bad).unwrap_or_else(|| config.allow.clone());
        let operators = said(operators_now, &mut bad).unwrap_or(operators);
        self.books.health().bad_lists = bad;
        if let Err(refusal) = self.put_into_force(&operators.with(&allow), &changed) {
            warn!("cannot put a changed allow list into force, and try again: {}", refusal.problem);
            return;
        }
        self.allow_files.take();
        *self.books.allowed() = operators;
        if allow != config.allow {
            self.books.config.store(Arc::new(Config { allow, ..Config::clone(&config) }));
        }
    }

    /// First the kernel, then the workers, then those who are free now.
    fn put_into_force(&mut self, allow: &Prefixes, files: &[PathBuf]) -> Result<(), Refusal> {
        let old = Arc::clone(&self.shared.policy.load());
        if old.rules.allow == *allow {
            return Ok(());
        }
        let freed = self.quietly(|daemon| {
            nft::allow(&daemon.books.config().table, allow).map_err(refuse)?;
            let mut policy = Policy::clone(&old);
            policy.rules.allow = allow.clone();
            daemon.shared.policy.store(Arc::new(policy));
            Ok(daemon.free(allow))
        })?;
        self.catch_up();
        self.audience.act_by(&self.books.config(), allow, self.shared.clock);
        let (new, gone) = (beyond(allow, &old.rules.allow), beyond(&old.rules.allow, allow));
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        info!(files = files.join(",").as_str(), new, gone, freed; "took up a changed allow list");
        Ok(())
    }
}

/// The config's list, if one of its files has changed.
fn list_of_config(config: &Config, changed: &[PathBuf]) -> Option<Result<Prefixes, String>> {
    let sources = &config.allow_sources;
    let mut ours = sources.files.iter().filter(|file| changed.contains(file)).peekable();
    ours.peek()?;
    // Somebody's disk is full, or somebody has just begun to write: a list that is gone is to be said on purpose.
    let emptied = ours.find(|file| fs::metadata(file).is_ok_and(|found| found.len() == 0));
    Some(match emptied {
        Some(file) => Err(format!("{} is empty: if that is meant, `nftrap reload`", file.display())),
        None => load::allow_again(sources).map_err(|problems| problems.to_string()),
    })
}

/// The list of those whom operators allowed, if their file has changed.
fn list_of_operators(config: &Config, known: &Allowed, changed: &[PathBuf]) -> Option<Result<Allowed, String>> {
    config
        .allow_file()
        .is_some_and(|file| changed.contains(&file))
        .then(|| known.read_again().map_err(|refusal| refusal.problem))
}

/// A bad list is said; `changed` is what keeps it from being said again.
fn said<T>(list: Option<Result<T, String>>, bad: &mut Vec<String>) -> Option<T> {
    let problem = match list? {
        Ok(list) => return Some(list),
        Err(problem) => problem,
    };
    warn!("a changed allow list is not taken up, the old one stays in force: {problem}");
    let first = problem.lines().next().unwrap_or_default();
    bad.push(format!("an allow list is not taken up, and may keep nftrap from starting again: {first}"));
    None
}

/// How many of the first are not in the second.
pub(super) fn beyond(some: &Prefixes, others: &Prefixes) -> usize {
    some.nets().filter(|net| !others.covers(*net)).count()
}

/// How all files look now.
fn looks(config: &Config) -> Vec<Look> {
    config.allow_sources.files.iter().cloned().chain(config.allow_file()).map(look).collect()
}

fn look(path: PathBuf) -> Look {
    let found = fs::metadata(&path).ok().map(|found| {
        let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
        (found.dev(), found.ino(), found.size(), times)
    });
    Look { path, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(sizes: &[u64]) -> Vec<Look> {
        let paths = ["/a", "/b"].map(PathBuf::from);
        let seen = paths.into_iter().zip(sizes);
        seen.map(|(path, size)| Look { path, found: (*size > 0).then_some((1, 1, *size, [0; 4])) }).collect()
    }

    #[test]
    fn a_change_is_taken_up_once_it_has_rested_for_two_looks() {
        let mut allow = AllowFiles { taken: files(&[5, 5]), seen: Vec::new() };
        let none: [PathBuf; 0] = [];
        for (now, changed) in [
            ([5, 5], &none[..]),
            ([5, 5], &none),
            ([5, 0], &none), // removed, to be written anew
            ([5, 3], &none), // half written
            ([5, 9], &none), // written
            ([5, 9], &["/b".into()]),
            ([5, 9], &["/b".into()]), // not taken yet
            ([6, 9], &none),
            ([6, 9], &["/a".into(), "/b".into()]),
        ] {
            assert_eq!(allow.rested(files(&now)), changed, "{now:?}");
        }
        allow.take();
        assert_eq!(allow.rested(files(&[6, 9])), none);
        allow.forget();
        assert_eq!(allow.rested(files(&[6, 9])).len(), 2);
    }

    #[test]
    fn what_was_read_before_the_first_look_is_read_again() {
        let mut allow = AllowFiles::before_reading(Some("/none".into()));
        let now = || vec![look("/none".into()), look("/proc/self/exe".into())];
        assert_eq!((allow.rested(now()), allow.rested(now())), (vec![], vec!["/proc/self/exe".into()]));
    }

    #[test]
    fn a_file_that_is_replaced_or_rewritten_in_the_same_length_looks_changed() {
        let path = std::env::temp_dir().join(format!("nftrap-look-{}", std::process::id()));
        fs::write(&path, "10.1.0.2").unwrap();
        let first = look(path.clone());
        assert_eq!(look(path.clone()), first);
        let other = path.with_extension("new");
        fs::write(&other, "10.1.0.3").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_ne!(look(path.clone()), first);
        fs::remove_file(&path).unwrap();
        assert_eq!(look(path).found, None);
    }
}
