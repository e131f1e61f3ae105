//! Another config, while packets come: everything but what is laid down when queues and files are opened. Blocks, queued packets and the
//! scan table stay. What is wrong with it is said, and the old one stays in force.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use log::{error, warn};
use sd_notify::NotifyState;

use super::allow_files::beyond;
use super::allowed::Allowed;
use super::launch::no_group;
use super::orders::{banned, refuse};
use super::policy::{self, Policy};
use super::status::mode_name;
use super::{Daemon, bans::Ban};
use crate::config::{Config, GuestQueue, Queue, load};
use crate::control::server::Refusal;
use crate::control::wire::Changed;
use crate::detect::prefixes::Prefixes;
use crate::detect::source::Source;
use crate::detect::widen::is_wide;
use crate::event::{Operator, What};
use crate::kernel::nft;

impl Daemon {
    /// Reads the config again and puts it into force, all of it or nothing.
    pub(super) fn reload(&mut self, by: Option<Operator>) -> Result<Changed, Refusal> {
        tell_systemd(&reloading());
        let outcome = self.try_reload();
        tell_systemd(&[NotifyState::Ready]);
        match outcome {
            Ok((waiting, mut notes)) => {
                notes.extend(waiting.iter().map(|key| format!("`{key}` changes with the next restart")));
                let stored = self.tell_change(What::Reloaded { waiting, by });
                Ok(Changed { done: "the config is read again and in force".to_owned(), stored, notes })
            }
            Err(refusal) => {
                error!("not reloaded, the old config stays in force: {}", refusal.problem);
                self.audience.tell(What::ReloadRefused { problem: refusal.problem.clone() });
                Err(refusal)
            }
        }
    }

    /// The keys whose change waits for a restart, and what the operator should know of the rest.
    fn try_reload(&mut self) -> Result<(Vec<String>, Vec<String>), Refusal> {
        let path = self.books.path.clone();
        let path = path.as_deref().ok_or_else(|| {
            Refusal::new("there is no config to read again: nftrap was started without", "start it with --config FILE")
        })?;
        let fresh = read(path).map_err(|refusal| self.beyond_cage(refusal))?;
        let old = self.books.config();
        let operators = self.books.allowed().read_again()?;
        let (waiting, mut notes) = (waiting(&old, &fresh), notes(&old, &fresh));
        notes.extend(edited(&self.books.allowed(), &operators));
        let no_group = no_group(&fresh).inspect(|problem| warn!("{problem}"));
        let bound = self.books.health().kept.binds(&fresh).inspect(|problem| warn!("{problem}"));
        let beyond = self.books.health().kept.cannot_reach(&fresh).inspect(|problem| warn!("{problem}"));
        notes.extend(no_group.into_iter().chain(bound).chain(beyond));
        let fresh = in_force(&old, fresh);
        let allow = operators.with(&fresh.allow);
        let around = policy::surroundings(&fresh);
        let room = self.books.health().room.unwrap_or(u32::MAX).min(fresh.block.max);
        let policy = Policy::of(&fresh, self.shared.uptime, room, allow.clone(), around);
        let orphans = self.orphans(&old, &fresh);
        self.make_room(&old, &fresh)?;
        nft::reload(&fresh, &self.shared.host_with(&policy.surroundings), &allow).map_err(refuse)?;
        if old.fail_mode().no_daemon != fresh.fail_mode().no_daemon {
            let method = self.books.health().method;
            if let Err(error) = nft::rearm(&fresh, method) {
                self.take_back(&old);
                return Err(refuse(error));
            }
        }
        self.guard.settled();
        self.books.health().bad_lists.clear();
        self.shared.policy.store(Arc::new(policy));
        *self.books.allowed() = operators;
        self.adopt(orphans);
        self.free(&allow);
        self.audience.act_by(&fresh, &allow, self.shared.clock);
        self.books.config.store(Arc::new(fresh));
        self.allow_files.forget();
        self.open_files();
        self.look_at_room();
        Ok((waiting, notes))
    }

    /// Has the scan table hold as many sources as the fresh config says, or as many as before.
    fn make_room(&self, old: &Config, fresh: &Config) -> Result<(), Refusal> {
        let (table, now) = (&self.shared.table, self.shared.clock.now());
        table.resize(now, fresh.detect.max_sources).map_err(|error| {
            // Shards that are larger already are no harm, if this fails, too.
            let (Ok(()) | Err(_)) = table.resize(now, old.detect.max_sources);
            Refusal::plain(error.to_string())
        })
    }

    /// What may not be read may be outside the cage, which only a restart changes.
    fn beyond_cage(&self, refusal: Refusal) -> Refusal {
        if !refusal.problem.contains("we may not read it") || !self.books.health().kept.holds_files() {
            return refusal;
        }
        let more = "a file in a folder that was not named at the start needs a restart";
        let remedy = refusal.remedy.map_or_else(|| more.to_owned(), |remedy| format!("{remedy}; {more}"));
        Refusal { remedy: Some(remedy), ..refusal }
    }

    /// Puts the old rules back, for half of the new ones are in the kernel.
    fn take_back(&mut self, old: &Config) {
        let allow = self.books.allowed().with(&old.allow);
        if let Err(error) = nft::reload(old, &self.shared.host(), &allow) {
            error!(error:%; "the kernel has rules of the config that was refused: restart nftrap");
        }
        self.guard.settled();
    }

    /// Ends the blocks of those who are allowed now, and says how many. Nothing of theirs is dropped any more; nor are they to be listed.
    pub(super) fn free(&mut self, allow: &Prefixes) -> usize {
        let mut blocked = self.shared.table.blocked(self.shared.clock.now());
        blocked.retain(|(source, _)| allow.covers((*source).into()));
        for (source, _) in &blocked {
            self.end_block(*source);
        }
        blocked.len()
    }

    /// Networks that are blocked by a length which is none any more: the kernel's set could not find them.
    fn orphans(&self, old: &Config, fresh: &Config) -> Vec<(Source, Ban)> {
        if old.detect.ipv6_prefix == fresh.detect.ipv6_prefix {
            return Vec::new();
        }
        let (now, today) = (self.shared.clock.now(), self.shared.clock.steady());
        let blocked = self.shared.table.blocked(now).into_iter();
        let networks = blocked.filter(|(source, _)| !source.is_host() && !is_wide(*source));
        networks.map(|(source, until)| (source, Ban::of_another_length(source, today.plus(until.since(now))))).collect()
    }

    /// Blocks them as an operator would.
    fn adopt(&mut self, orphans: Vec<(Source, Ban)>) {
        if orphans.is_empty() {
            return;
        }
        let (now, mut bans) = (self.shared.clock.steady(), self.books.bans().clone());
        let mut lost = 0_u32;
        for (source, ban) in orphans {
            lost = lost.saturating_add(u32::from(bans.add(now, ban).is_err()));
            self.end_block(source);
        }
        match nft::ban(&self.books.config().table, &banned(&bans, now)) {
            Ok(()) => *self.books.bans() = bans,
            Err(error) => warn!(error:%; "IPv6 networks that were blocked by another prefix length are not any more"),
        }
        if lost > 0 {
            warn!(lost; "of the IPv6 networks that were blocked by another prefix length, so many are not any more");
        }
    }
}

fn read(path: &Path) -> Result<Config, Refusal> {
    if load::says_nothing(path) {
        let remedy = "is it half written? the old config stays in force; to have the defaults, restart";
        return Err(Refusal::new(format!("{} is empty", path.display()), remedy));
    }
    load::load(path).map_err(|problems| {
        let remedy = format!("the old config stays in force; mend it, and try `nftrap check {}`", path.display());
        Refusal::new(problems.to_string(), remedy)
    })
}

/// What is laid down when queues and files are opened stays as it was.
fn in_force(old: &Config, mut fresh: Config) -> Config {
    fresh.table.clone_from(&old.table);
    fresh.queue = Queue { length: fresh.queue.length, ..old.queue };
    if old.queue.guests == GuestQueue::None {
        fresh.detect.guest = Duration::ZERO; // nobody would judge them
    }
    fresh.decoy = old.decoy.clone();
    fresh.rights = old.rights;
    (fresh.journal, fresh.report) = (old.journal.clone(), old.report.clone());
    fresh
}

/// Of it, what the new config would have otherwise.
fn waiting(old: &Config, fresh: &Config) -> Vec<String> {
    let changed = [
        ("table", old.table != fresh.table),
        ("queue.first", old.queue.first != fresh.queue.first),
        ("queue.count", old.queue.count != fresh.queue.count),
        ("detect.guest", old.queue.guests == GuestQueue::None && !fresh.detect.guest.is_zero()),
        ("queue.reader", old.queue.reader != fresh.queue.reader),
        ("decoy", old.decoy != fresh.decoy),
        ("rights.user", old.rights.user != fresh.rights.user),
        ("rights.cage", old.rights.cage != fresh.rights.cage),
        ("journal.file", old.journal.file != fresh.journal.file),
        ("journal.keep", old.journal.keep != fresh.journal.keep),
        ("journal.max_mib", old.journal.max_bytes != fresh.journal.max_bytes),
        ("report.log", old.report.log != fresh.report.log),
        ("report.history", old.report.history != fresh.report.history),
        ("report.blocked", old.report.blocked != fresh.report.blocked),
        ("report.resolve", old.report.resolve != fresh.report.resolve),
        ("report.events", old.report.events != fresh.report.events),
        ("report.metrics", old.report.metrics != fresh.report.metrics),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key.to_owned()).collect()
}

/// systemd wants to know since when, to tell this reload from an earlier one.
fn reloading() -> Vec<NotifyState<'static>> {
    [NotifyState::Reloading].into_iter().chain(NotifyState::monotonic_usec_now().ok()).collect()
}

/// What is worth a second look, for it may not have been meant.
fn notes(old: &Config, fresh: &Config) -> Vec<String> {
    let mode = (old.mode_in_effect() != fresh.mode_in_effect())
        .then(|| format!("the mode is {} now", mode_name(fresh.mode_in_effect())));
    let gone = beyond(&old.allow, &fresh.allow);
    let allow = (gone > 0).then(|| format!("{gone} entries of [allow] are gone"));
    mode.into_iter().chain(allow).collect()
}

/// Whom people allowed, or do not any more, in the file of those whom operators allowed for good.
fn edited(old: &Allowed, fresh: &Allowed) -> Option<String> {
    let beyond = |some: &Allowed, others: &Allowed| {
        let known: HashSet<_> = others.entries().iter().map(|entry| entry.prefix).collect();
        some.entries().iter().filter(|entry| !known.contains(&entry.prefix)).count()
    };
    let (new, gone) = (beyond(fresh, old), beyond(old, fresh));
    (new > 0 || gone > 0)
        .then(|| format!("of those whom operators allowed for good, {new} are new and {gone} are gone"))
}

/// Who started us may want to know; where nobody does, nothing is sent.
pub(super) fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(error:%; "cannot tell systemd how we do");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LogFormat, Mode, Reader, Report};

    #[test]
    fn a_changed_mode_and_a_shorter_allow_list_are_told() {
        let prefixes =
            |texts: &[&str]| Prefixes::new(&texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());
        let old = Config { allow: prefixes(&["192.0.2.1/32", "198.51.100.0/24"]), ..Config::default() };
        let fresh = Config { allow: prefixes(&["198.51.0.0/16"]), mode: Mode::Observe, ..Config::default() };
        assert_eq!(notes(&old, &fresh), ["the mode is observe now", "1 entries of [allow] are gone"]);
        assert_eq!(notes(&old, &old), Vec::<String>::new());
    }

    #[test]
    fn what_waits_for_a_restart_is_named_and_stays_as_it_was() {
        let old = Config::default();
        let mut fresh = Config::default();
        fresh.detect.threshold = 3;
        assert_eq!(waiting(&old, &fresh), Vec::<String>::new());
        (fresh.queue.count, fresh.queue.reader) = (9, Reader::Plain);
        fresh.table = "other".to_owned();
        fresh.report = Report { log: LogFormat::Json, resolve: true, blocked: Some("/b".into()), ..old.report.clone() };
        fresh.decoy.banner = "220 ready".to_owned();
        let expected =
            ["table", "queue.count", "queue.reader", "decoy", "report.log", "report.blocked", "report.resolve"];
        assert_eq!(waiting(&old, &fresh), expected);
        let in_force = in_force(&old, fresh);
        assert_eq!((&in_force.decoy, in_force.queue), (&old.decoy, old.queue));
        assert_eq!((in_force.queue.count, in_force.table.as_str(), in_force.detect.threshold), (2, "nftrap", 3));
    }
}
