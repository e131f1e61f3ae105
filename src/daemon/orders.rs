//! What operators change while the daemon runs: blocks and permissions. First the kernel, then what we remember, then the journal: what
//! the kernel refuses has not happened.

use std::time::Duration;

use crossbeam_channel::bounded;
use ipnet::IpNet;
use log::info;

use super::Daemon;
use super::allowed::Entry;
use super::answers::{Order, unreadable};
use super::ban::few;
use super::bans::Ban;
use super::policy::Policy;
use crate::control::server::Refusal;
use crate::control::wire::{Changed, MAX_REASON, Request};
use crate::detect::source::Source;
use crate::detect::widen::{holders, is_wide};
use crate::event::{Operator, Wall, What, plain};
use crate::kernel::dump::{self, DumpError, Element};
use crate::kernel::nft::{self, NftError};
use crate::kernel::ruleset::Banned;

/// The writer looks twenty times a second, and a log that nobody reads does not hold it up.
const PATIENCE: Duration = Duration::from_secs(3);

impl Daemon {
    /// Does what an operator wants changed, and says what came of it.
    pub(super) fn fulfil(&mut self, order: Order) {
        let Order { request, by, reply } = order;
        let outcome = self.quietly(|daemon| daemon.change(request, by));
        // Who asked may have gone meanwhile; it is done even so.
        let (Ok(()) | Err(_)) = reply.send(outcome);
    }

    fn change(&mut self, request: Request, by: Operator) -> Result<Changed, Refusal> {
        match request {
            Request::Block { prefix, seconds, reason } => self.ban(prefix.trunc(), seconds, reason, by),
            Request::Unblock { prefix } => self.unblock(prefix.trunc(), by),
            Request::UnblockAll => self.unblock_all(by),
            Request::Allow { prefix, reason, save } => {
                self.allow(Entry { prefix: prefix.trunc(), reason, saved: save }, by)
            }
            Request::Disallow { prefix } => self.disallow(prefix.trunc(), by),
            Request::Reload => self.reload(Some(by)),
            Request::Status | Request::List | Request::Show { .. } | Request::AllowList | Request::Events { .. } => {
                Err(Refusal::plain("this changes nothing"))
            }
        }
    }

    /// Tells of an operator's change: in the log, and to all others. Whether the journal has it for good.
    pub(super) fn tell_change(&self, what: What) -> bool {
        log_change(&what);
        self.audience.tell_for_good(what)
    }

    fn unblock(&mut self, prefix: IpNet, by: Operator) -> Result<Changed, Refusal> {
        let now = self.shared.clock.steady();
        let mut bans = self.books.bans().clone();
        let whole = self.blocked_as_one_with(prefix)?;
        let lifted = bans.remove(now, whole)?;
        let sources = self.sources_in(whole)?;
        if !lifted.is_empty() {
            self.enforce(&bans)?;
            *self.books.bans() = bans;
        }
        let single = (prefix.prefix_len() == prefix.max_prefix_len())
            .then(|| Source::of(prefix.addr(), &self.shared.policy.load().surroundings));
        let watched = single.is_some_and(|source| self.shared.table.show(self.shared.clock.now(), source).is_some());
        self.let_go(sources.iter().copied().chain(single));
        let what = match (lifted.len().saturating_add(sources.len()), watched) {
            (0, false) => {
                let remedy = "`nftrap list` shows who is, and `nftrap why` what is known of somebody";
                return Err(Refusal::new(format!("{} is not blocked", plain(&prefix)), remedy));
            }
            (0, true) => format!("{} was not blocked; what it did is forgotten", plain(&prefix)),
            (1, _) => format!(
                "{} is not blocked any more",
                sources.first().map_or_else(|| plain(&prefix), ToString::to_string)
            ),
            (n, _) => format!("{n} blocks in {} are ended", plain(&whole)),
        };
        // A network that holds it was let go as a whole.
        let whole = sources.iter().map(|source| IpNet::from(*source)).find(|net| net.contains(&whole)).unwrap_or(whole);
        let stored = self.tell_change(What::Unblocked { prefix: whole, by });
        Ok(Changed { done: what, stored, notes: Vec::new() })
    }

    /// What is blocked as one is let go as one: the IPv6 network that is blocked as a whole and holds `prefix`, or that itself.
    fn blocked_as_one_with(&self, prefix: IpNet) -> Result<IpNet, Refusal> {
        let wide = self.sources_in(prefix)?.into_iter().filter(|source| is_wide(*source)).map(IpNet::from);
        Ok(wide.filter(|net| net.contains(&prefix)).min_by_key(IpNet::prefix_len).unwrap_or(prefix))
    }

    /// Blocked sources that lie in `prefix`, or that it lies in, as the kernel and the table have them.
    fn sources_in(&self, prefix: IpNet) -> Result<Vec<Source>, Refusal> {
        let in_kernel = self.in_kernel(prefix)?;
        let remembered = self.shared.table.blocked(self.shared.clock.now());
        let all =
            in_kernel.into_iter().map(|element| element.source).chain(remembered.into_iter().map(|(source, _)| source));
        let mut found: Vec<_> = all
            .filter(|source| {
                let net = IpNet::from(*source);
                prefix.contains(&net) || net.contains(&prefix)
            })
            .collect();
        found.sort_unstable_by_key(Source::parts);
        found.dedup();
        Ok(found)
    }

    /// Those in the kernel's sets. One address is found at once; to list all of very many takes seconds.
    fn in_kernel(&self, prefix: IpNet) -> Result<Vec<Element>, Refusal> {
        let (config, policy) = (self.books.config(), self.shared.policy.load());
        let found = if prefix.prefix_len() == prefix.max_prefix_len() {
            let whole = Source::of(prefix.addr(), &policy.surroundings);
            let host = Source::host(prefix.addr());
            let one = |source| dump::one(&config.table, config.detect.ipv6_prefix, &source);
            let all = holders(prefix.addr(), whole).into_iter().chain([host]).map(one);
            all.collect::<Result<Vec<_>, _>>().map(|found| found.into_iter().flatten().collect())
        } else {
            dump::dump(&config.table, config.detect.ipv6_prefix)
        };
        match found {
            Ok(found) => Ok(found),
            // Without a table nobody is blocked; what we remember can be forgotten all the same.
            Err(DumpError::SetGone(_)) => Ok(Vec::new()),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// Ends their blocks and forgets what they did: they start as strangers.
    fn let_go(&mut self, sources: impl Iterator<Item = Source> + Clone) {
        sources.clone().for_each(|source| self.end_block(source));
        self.catch_up();
        for source in sources {
            self.audience.evidence.forget(source);
        }
    }

    /// Takes `source` out of the kernel's set and of the scan table.
    pub(super) fn end_block(&mut self, source: Source) {
        // It fails where there is no such block, or it has just ended.
        let (Ok(()) | Err(_)) = self.set.lift(&source);
        self.shared.table.forget(source);
    }

    /// Waits until all is told that workers did so far. A block that the journal had only after its end would stand again after a reboot.
    pub(super) fn catch_up(&self) {
        let (tell, told) = bounded(1);
        if self.abreast.send_timeout(tell, PATIENCE).is_ok() {
            let (Ok(()) | Err(_)) = told.recv_timeout(PATIENCE);
        }
    }

    fn unblock_all(&self, by: Operator) -> Result<Changed, Refusal> {
        let count = self.sources_in_all()?;
        // Twice: a worker may have judged a packet before the first, and block its source after.
        for _ in 0..2 {
            nft::lift_all(&self.books.config().table).map_err(refuse)?;
            self.shared.table.forget_all();
        }
        self.books.bans().clear();
        self.catch_up();
        self.audience.evidence.forget_all();
        let stored = self.tell_change(What::UnblockedAll { by });
        Ok(Changed {
            done: format!("{count} blocks are ended, and what anybody did is forgotten"),
            stored,
            notes: Vec::new(),
        })
    }

    fn sources_in_all(&self) -> Result<usize, Refusal> {
        let config = self.books.config();
        let found = dump::dump(&config.table, config.detect.ipv6_prefix).map_err(|error| unreadable(&error))?;
        Ok(found.len().saturating_add(self.books.bans().in_force(self.shared.clock.steady()).count()))
    }

    fn allow(&mut self, entry: Entry, by: Operator) -> Result<Changed, Refusal> {
        check_reason(&entry.reason)?;
        let before = self.books.allowed().entries().to_vec();
        let Entry { prefix, reason, saved } = self.books.allowed().add(entry)?;
        if let Err(refusal) = self.apply_allowed() {
            // As it was; what cannot be taken back now is said when it is read again.
            let (Ok(()) | Err(_)) = self.books.allowed().take_back(before, prefix);
            return Err(refusal);
        }
        let freed = self.sources_in(prefix)?.into_iter().filter(|source| prefix.contains(&IpNet::from(*source)));
        let freed: Vec<_> = freed.collect();
        self.let_go(freed.iter().copied());
        let stored = self.tell_change(What::Allowed { prefix, reason, saved, by });
        let mut notes = Vec::new();
        if !freed.is_empty() {
            notes.push(format!("not blocked any more: {}", few(freed.iter().map(ToString::to_string))));
        }
        if !saved {
            notes.push("until nftrap ends: with --save it is kept".to_owned());
        }
        Ok(Changed { done: format!("{} is never blocked", plain(&prefix)), stored, notes })
    }

    fn disallow(&self, prefix: IpNet, by: Operator) -> Result<Changed, Refusal> {
        let before = self.books.allowed().entries().to_vec();
        self.books.allowed().remove(prefix)?;
        if let Err(refusal) = self.apply_allowed() {
            let (Ok(()) | Err(_)) = self.books.allowed().take_back(before, prefix);
            return Err(refusal);
        }
        let stored = self.tell_change(What::Disallowed { prefix, by });
        let mut notes = Vec::new();
        if self.shared.policy.load().rules.allow.contains(prefix.addr()) {
            notes.push("the allow list has it even so, by another entry: see `nftrap allow list`".to_owned());
        }
        Ok(Changed { done: format!("{} may be blocked again", plain(&prefix)), stored, notes })
    }

    /// First the kernel, which lets pass what it does not queue; then the workers.
    fn apply_allowed(&self) -> Result<(), Refusal> {
        let config = self.books.config();
        let allow = self.books.allowed().with(&config.allow);
        nft::allow(&config.table, &allow).map_err(refuse)?;
        let mut policy = Policy::clone(&self.shared.policy.load());
        policy.rules.allow = allow;
        self.shared.policy.store(std::sync::Arc::new(policy));
        Ok(())
    }
}

fn log_change(what: &What) {
    match what {
        What::OperatorBlocked { prefix, until, by, .. } => {
            let until = until.map_or_else(|| "forever".to_owned(), |until| until.to_string());
            info!(prefix = plain(prefix).as_str(), until = until.as_str(), by = who(by).as_str(); "operator blocked");
        }
        What::Unblocked { prefix, by } => {
            info!(prefix = plain(prefix).as_str(), by = who(by).as_str(); "operator unblocked");
        }
        What::UnblockedAll { by } => info!(by = who(by).as_str(); "operator unblocked all"),
        What::Allowed { prefix, saved, by, .. } => {
            info!(prefix = plain(prefix).as_str(), saved = *saved, by = who(by).as_str(); "operator allowed");
        }
        What::Disallowed { prefix, by } => {
            info!(prefix = plain(prefix).as_str(), by = who(by).as_str(); "operator took back what was allowed");
        }
        What::Reloaded { waiting, by } => {
            let by = by.as_ref().map_or_else(|| "signal".to_owned(), who);
            let (waiting, by) = (waiting.join(","), by.as_str());
            if waiting.is_empty() {
                info!(by; "reloaded");
            } else {
                info!(waiting = waiting.as_str(), by; "reloaded");
            }
        }
        What::Blocked(_)
        | What::WouldBlock(_)
        | What::NotBlocked { .. }
        | What::Distributed(_)
        | What::ReloadRefused { .. }
        | What::Started { .. }
        | What::Stopped
        | What::TableRestored { .. } => {}
    }
}

/// An operator, by name where the system has one.
fn who(by: &Operator) -> String {
    by.name.clone().unwrap_or_else(|| by.uid.to_string())
}

/// Operators' blocks as the kernel takes them.
pub(super) fn banned(bans: &super::bans::Bans, now: Wall) -> Vec<Banned> {
    let left = |ban: &Ban| Banned { prefix: ban.prefix, left: ban.until.map(|until| until.since(now)) };
    bans.in_force(now).map(left).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "that is how `map_err` gives it")]
pub(super) fn refuse(error: NftError) -> Refusal {
    Refusal::new(format!("nothing was changed: {error}"), "`nftrap doctor` looks for the cause")
}

pub(super) fn check_reason(reason: &str) -> Result<(), Refusal> {
    if reason.chars().count() > MAX_REASON {
        return Err(Refusal::new(
            format!("the reason is longer than {MAX_REASON} characters"),
            "say it in fewer words",
        ));
    }
    if reason.chars().any(char::is_control) {
        return Err(Refusal::new("the reason has control characters in it", "write it on one line, without them"));
    }
    Ok(())
}
