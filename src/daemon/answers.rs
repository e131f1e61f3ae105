//! Answers to those who only ask, each in its client's thread; what changes something is handed to the main thread, which alone changes
//! things, and its outcome is waited for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::audience::Audience;
use super::books::Books;
use super::policy;
use super::start::Shared;
use super::status;
use crate::config::Mode;
use crate::control::peer::Peer;
use crate::control::server::{Outgoing, Refusal, Stopped};
use crate::control::wire::{Allowed, Block, Changed, Missed, Request, Shown};
use crate::detect::source::Source;
use crate::detect::widen::holders;
use crate::event::{Operator, plain};
use crate::kernel::clock::wall;
use crate::kernel::dump::{self, DumpError, Element};
use crate::kernel::surroundings::Why;
use crate::report::counters::Counters;
use crate::report::hub::{Line, Wants};

/// A reload of a large ruleset on a slow machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a follower is looked after to whom nothing is to be told.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Something to be changed, and where the outcome goes.
pub(super) struct Order {
    pub(super) request: Request,
    pub(super) by: Operator,
    pub(super) reply: Sender<Result<Changed, Refusal>>,
}

/// Who answers.
pub(super) struct Answers {
    pub(super) shared: Arc<Shared>,
    pub(super) books: Arc<Books>,
    pub(super) audience: Arc<Audience>,
    pub(super) counters: Vec<Arc<Counters>>,
    pub(super) orders: Sender<Order>,
}

impl Answers {
    /// Answers one request.
    pub(super) fn answer(&self, request: Request, peer: &Peer, out: &mut Outgoing) -> Result<(), Stopped> {
        match request {
            Request::Status => out.part(&status::status(self)),
            Request::List => self.list()?.iter().try_for_each(|block| out.part(block)),
            Request::Show { who } => out.part(&self.show(who)?),
            Request::AllowList => self.allow_list().iter().try_for_each(|allowed| out.part(allowed)),
            Request::Events { watched } => self.events(watched, out),
            Request::Block { .. }
            | Request::Unblock { .. }
            | Request::UnblockAll
            | Request::Allow { .. }
            | Request::Disallow { .. }
            | Request::Reload => out.part(&self.change(request, peer)?),
        }
    }

    fn change(&self, request: Request, peer: &Peer) -> Result<Changed, Refusal> {
        let by = Operator { uid: peer.uid, pid: peer.pid, name: peer.name.clone() };
        let (reply, outcome) = bounded(1);
        let busy = || Refusal::new("nftrap is busy with other changes", "try again; `nftrap status` shows how it does");
        self.orders.send_timeout(Order { request, by, reply }, PATIENCE).map_err(|_full| busy())?;
        match outcome.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Err(Refusal::new(
                "nftrap does not say whether it is done",
                "it may be done yet: look with `nftrap status` and `nftrap history`",
            )),
            Err(RecvTimeoutError::Disconnected) => Err(Refusal::plain("nftrap is ending")),
        }
    }

    /// All blocks, those that end soonest first.
    fn list(&self) -> Result<Vec<Block>, Refusal> {
        let mut blocks: Vec<_> = self.elements()?.iter().map(|element| self.block(element)).collect();
        blocks.extend(self.bans(None));
        blocks.sort_by(|a, b| (a.left.is_none(), a.left, &a.source).cmp(&(b.left.is_none(), b.left, &b.source)));
        Ok(blocks)
    }

    /// What the kernel drops. While we only observe, what it would, as far as we remember.
    fn elements(&self) -> Result<Vec<Element>, Refusal> {
        let config = self.books.config();
        match config.mode {
            Mode::Observe => {
                let now = self.shared.clock.now();
                let element = |(source, until): (Source, crate::time::Moment)| Element {
                    source,
                    left: Some(until.since(now)),
                    packets: None,
                };
                Ok(self.shared.table.blocked(now).into_iter().map(element).collect())
            }
            Mode::Enforce => dump::dump(&config.table, config.detect.ipv6_prefix).map_err(|error| unreadable(&error)),
        }
    }

    fn block(&self, element: &Element) -> Block {
        let Element { source, left, packets } = *element;
        let known = self.shared.table.show(self.shared.clock.now(), source);
        let known = known.filter(|known| known.blocked_until.is_some());
        Block {
            source: source.to_string(),
            // The table forgets some in a flood; what has an end is ours even so.
            by: if left.is_some() { "nftrap" } else { "nft" }.to_owned(),
            until: left.map(|left| wall().plus(left).to_string()),
            left: left.map(|left| left.as_secs()),
            repeat: known.map(|known| known.repeats),
            packets,
            reason: None,
        }
    }

    /// Blocks by operators; only those that hold `who`, if somebody is asked for.
    fn bans(&self, who: Option<IpAddr>) -> Vec<Block> {
        let now = self.shared.clock.steady();
        let bans = self.books.bans().clone();
        let wanted = bans.in_force(now).filter(|ban| who.is_none_or(|who| ban.prefix.contains(&who)));
        let block = |ban: &super::bans::Ban| Block {
            source: plain(&ban.prefix),
            by: "operator".to_owned(),
            until: ban.until.map(|until| wall().plus(until.since(now)).to_string()),
            left: ban.until.map(|until| until.since(now).as_secs()),
            repeat: None,
            packets: None,
            reason: Some(ban.reason.clone()).filter(|reason| !reason.is_empty()),
        };
        wanted.map(block).collect()
    }

    fn show(&self, who: IpAddr) -> Result<Shown, Refusal> {
        let (config, policy, now) = (self.books.config(), self.shared.policy.load(), self.shared.clock.now());
        let who = who.to_canonical();
        let source = Source::of(who, &policy.surroundings);
        let mut blocks = self.bans(Some(who));
        match config.mode {
            Mode::Observe => {}
            Mode::Enforce => {
                for holder in holders(who, source) {
                    let found = dump::one(&config.table, config.detect.ipv6_prefix, &holder);
                    let found =
                        found.map_err(|error| Refusal::plain(format!("cannot read whether it is blocked: {error}")))?;
                    blocks.extend(found.iter().map(|element| self.block(element)));
                }
            }
        }
        let known = self.shared.table.show(now, source);
        let evidence = self.audience.evidence.of(source);
        let why = self.why_never(who);
        let state = match (&why, blocks.is_empty(), &known) {
            (Some(_), _, _) => "never blocked",
            (None, false, _) => "blocked",
            (None, true, Some(known)) if known.blocked_until.is_some() && config.mode == Mode::Observe => {
                "would be blocked"
            }
            (None, true, Some(known)) if known.reported => "reported",
            (None, true, Some(known)) if known.contacts > 0 => "watched",
            (None, true, _) => "unknown",
        };
        // It only changes what is said to be enough; whoever could not read it was refused above.
        let guest = !config.detect.guest.is_zero() && dump::is_guest(&config.table, &source).unwrap_or(false);
        let threshold = policy.rules.threshold;
        let threshold = if guest { threshold.of_guests() } else { threshold };
        Ok(Shown {
            source: source.to_string(),
            state: state.to_owned(),
            why,
            blocks,
            last_seen: known.map(|known| self.shared.clock.wall_at(known.last_seen).to_string()),
            contacts: known.map_or(0, |known| known.contacts),
            enough: (threshold.contacts, threshold.unserved),
            window: threshold.window.as_secs(),
            guest,
            repeats: known.map_or(0, |known| known.repeats),
            evidence: evidence.iter().filter_map(|seen| serde_json::to_value(seen).ok()).collect(),
        })
    }

    /// Why `who` is never blocked, if it is not.
    fn why_never(&self, who: IpAddr) -> Option<String> {
        let operators = self.books.allowed();
        if let Some(entry) = operators.entries().iter().find(|entry| entry.prefix.contains(&who)) {
            let (prefix, reason) = (plain(&entry.prefix), entry.reason.as_str());
            return Some(format!("an operator allowed {prefix}{}{reason}", if reason.is_empty() { "" } else { ": " }));
        }
        drop(operators);
        let config = self.books.config();
        if config.allow.contains(who) {
            return Some("it is on the config's allow list".to_owned());
        }
        policy::exempt(&config).into_iter().find(|(address, _)| *address == who).map(|(_, why)| words(why).to_owned())
    }

    fn allow_list(&self) -> Vec<Allowed> {
        let config = self.books.config();
        let of_config = config.allow.nets().map(|prefix| Allowed {
            prefix: plain(&prefix),
            why: "config".to_owned(),
            reason: None,
            lasting: true,
        });
        let operators: Vec<_> = self.books.allowed().entries().to_vec();
        let of_operators = operators.into_iter().map(|entry| Allowed {
            prefix: plain(&entry.prefix),
            why: "operator".to_owned(),
            reason: Some(entry.reason).filter(|reason| !reason.is_empty()),
            lasting: entry.saved,
        });
        let of_needs = needs(&policy::exempt(&config)).into_iter().map(|(address, why)| Allowed {
            prefix: address.to_string(),
            why,
            reason: None,
            lasting: false,
        });
        of_config.chain(of_operators).chain(of_needs).collect()
    }

    /// Tells everything that happens, until the client goes.
    fn events(&self, watched: bool, out: &mut Outgoing) -> Result<(), Stopped> {
        let lines = self.audience.hub.follow(if watched { Wants::Watched } else { Wants::Events });
        while out.is_read() {
            match lines.recv_timeout(LOOK_EVERY) {
                Ok(Line::Event(line)) => out.line(&line)?,
                Ok(Line::Missed(missed)) => out.part(&Missed { missed })?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if lines.is_empty() {
                out.flush()?;
            }
        }
        Err(Stopped::Gone)
    }
}

/// The kernel's sets cannot be read.
pub(super) fn unreadable(error: &DumpError) -> Refusal {
    Refusal::plain(format!("cannot read who is blocked: {error}"))
}

/// Whom this host needs, each once, and all that it needs them for.
pub(super) fn needs(exempt: &[(IpAddr, Why)]) -> BTreeMap<IpAddr, String> {
    let mut needs: BTreeMap<IpAddr, String> = BTreeMap::new();
    for (who, why) in exempt {
        let all = needs.entry(*who).or_default();
        all.push_str(if all.is_empty() { "" } else { ", " });
        all.push_str(words(*why));
    }
    needs
}

/// What this host needs somebody for.
const fn words(why: Why) -> &'static str {
    match why {
        Why::OwnAddress => "an address of this host",
        Why::DefaultGateway => "the default gateway",
        Why::Resolver => "a resolver",
        Why::TimeServer => "a time server",
        Why::Session => "somebody is logged in from there",
    }
}
