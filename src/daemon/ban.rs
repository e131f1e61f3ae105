//! A block that an operator wants: what makes no sense is refused, and the answer says what was before and who stays reachable even so.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::Daemon;
use super::answers::needs;
use super::bans::{Ban, Bans};
use super::orders::{banned, check_reason, refuse};
use super::policy;
use crate::config::Mode;
use crate::control::server::Refusal;
use crate::control::wire::Changed;
use crate::event::{Operator, Wall, What, plain, span};
use crate::kernel::clock::wall;
use crate::kernel::nft;
use crate::kernel::surroundings::Why;

/// Whoever blocks more than one of 256 of all addresses has mistyped a length.
const WIDEST_V4: u8 = 8;
/// As much of IPv6: no registry gives more to anybody.
const WIDEST_V6: u8 = 16;
/// More names in one note nobody reads.
const NAMED: usize = 5;
/// Longer is for ever.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

impl Daemon {
    /// Blocks `prefix`.
    pub(super) fn ban(
        &self,
        prefix: IpNet,
        seconds: Option<u64>,
        reason: String,
        by: Operator,
    ) -> Result<Changed, Refusal> {
        check_reason(&reason)?;
        check_prefix(prefix)?;
        if self.shared.policy.load().rules.allow.covers(prefix) {
            let remedy = "take it off the allow list first: `nftrap allow list` shows what put it there";
            return Err(Refusal::new(format!("{} is on the allow list", plain(&prefix)), remedy));
        }
        let lasts = seconds.map(Duration::from_secs).map(|lasts| lasts.clamp(Duration::from_secs(1), LONGEST));
        let now = self.shared.clock.steady();
        let ban = Ban { prefix, until: lasts.map(|lasts| now.plus(lasts)), reason: reason.clone() };
        let mut bans = self.books.bans().clone();
        let replaced = bans.add(now, ban)?;
        self.enforce(&bans)?;
        *self.books.bans() = bans;
        let until = lasts.map(|lasts| wall().plus(lasts));
        let stored = self.tell_change(What::OperatorBlocked { prefix, until, reason, by });
        let how_long = lasts.map_or_else(|| "until it is unblocked".to_owned(), |lasts| format!("for {}", span(lasts)));
        let mut notes = before(prefix, &replaced, now);
        notes.extend(self.spared(prefix));
        if self.books.config().mode == Mode::Observe {
            notes.push("nftrap only observes: nothing is dropped until its mode is enforce".to_owned());
        }
        Ok(Changed { done: format!("{} is blocked {how_long}", plain(&prefix)), stored, notes })
    }

    /// Who in `prefix` stays reachable even so.
    fn spared(&self, prefix: IpNet) -> Vec<String> {
        let allowed = self.shared.policy.load().rules.allow.within(prefix);
        let allowed = allowed.iter().map(|net| format!("{} is on the allow list, and stays reachable", plain(net)));
        allowed.chain(needed(prefix, &policy::exempt(&self.books.config()))).collect()
    }

    /// Puts operators' blocks into the kernel.
    pub(super) fn enforce(&self, bans: &Bans) -> Result<(), Refusal> {
        nft::ban(&self.books.config().table, &banned(bans, self.shared.clock.steady())).map_err(refuse)
    }
}

/// What no operator means.
fn check_prefix(prefix: IpNet) -> Result<(), Refusal> {
    let widest = if prefix.addr().is_ipv4() { WIDEST_V4 } else { WIDEST_V6 };
    if prefix.prefix_len() < widest {
        return Err(Refusal::new(
            format!("{prefix} is more of the Internet than anybody scans from"),
            format!("block networks of at least /{widest}; for whole families, write a rule of your own"),
        ));
    }
    let what = match prefix.network() {
        who if who.is_loopback() => "a loopback address",
        who if who.is_multicast() => "a multicast address",
        _ => return Ok(()),
    };
    let remedy = "name the address that packets come from, as `nftrap events` or the log shows it";
    Err(Refusal::new(format!("{} is {what}: nothing from there comes in by a wire", plain(&prefix)), remedy))
}

/// What `replaced` was, which a block of `prefix` took the place of at `now`.
fn before(prefix: IpNet, replaced: &[Ban], now: Wall) -> Vec<String> {
    let same = replaced.iter().find(|ban| ban.prefix == prefix).map(|ban| {
        let until = |until: Wall| format!("until {}", wall().plus(until.since(now)).to_second());
        let until = ban.until.map_or_else(|| "for ever".to_owned(), until);
        let reason = if ban.reason.is_empty() { String::new() } else { format!(": {}", ban.reason) };
        format!("before: {until}, by an operator{reason}")
    });
    let narrower: Vec<_> = replaced.iter().filter(|ban| ban.prefix != prefix).map(|ban| plain(&ban.prefix)).collect();
    let narrower = (!narrower.is_empty()).then(|| format!("in place of blocks of {}", few(narrower)));
    same.into_iter().chain(narrower).collect()
}

/// Those in `prefix` whom this host needs, each by itself, and why.
fn needed(prefix: IpNet, exempt: &[(IpAddr, Why)]) -> Vec<String> {
    let mut needs = needs(exempt);
    needs.retain(|who, _| prefix.contains(who));
    let more = needs.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("{more} more stay reachable: `nftrap allow list` shows them, and why"));
    let one = |(who, why): (&IpAddr, &String)| format!("{who} stays reachable: {why}");
    needs.iter().take(NAMED).map(one).chain(more).collect()
}

/// The first of `names`, and how many more there are.
pub(super) fn few(names: impl IntoIterator<Item = String>) -> String {
    let mut names = names.into_iter();
    let first: Vec<_> = names.by_ref().take(NAMED).collect();
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn ban(prefix: &str, until: Option<u64>, reason: &str) -> Ban {
        Ban { prefix: net(prefix), until: until.map(Wall::from_millis), reason: reason.to_owned() }
    }

    #[test]
    fn what_was_before_is_told_and_at_most_five_names_of_narrower_ones() {
        let same = [ban("192.0.2.0/24", None, "do not touch")];
        let now = Wall::from_millis(0);
        assert_eq!(before(net("192.0.2.0/24"), &same, now), ["before: for ever, by an operator: do not touch"]);
        let narrower: Vec<_> = (1..=7).map(|host| ban(&format!("192.0.2.{host}/32"), Some(10), "")).collect();
        assert_eq!(
            before(net("192.0.2.0/24"), &narrower, now),
            ["in place of blocks of 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5 and 2 more"]
        );
        assert_eq!(before(net("192.0.2.0/24"), &[], now), Vec::<String>::new());
    }

    #[test]
    fn each_whom_this_host_needs_is_named_with_why_though_its_neighbour_is_needed_too() {
        let who = |text: &str| text.parse::<IpAddr>().unwrap();
        let exempt = [
            (who("203.0.113.2"), Why::DefaultGateway),
            (who("203.0.113.2"), Why::Resolver),
            (who("203.0.113.3"), Why::OwnAddress),
        ];
        let gateway = "203.0.113.2 stays reachable: the default gateway, a resolver";
        assert_eq!(needed(net("203.0.113.2/32"), &exempt), [gateway]);
        let both = [gateway, "203.0.113.3 stays reachable: an address of this host"];
        assert_eq!(needed(net("203.0.113.0/24"), &exempt), both);
        assert_eq!(needed(net("203.0.113.4/32"), &exempt), Vec::<String>::new());
    }

    #[test]
    fn what_no_wire_brings_is_refused() {
        for prefix in ["127.0.0.1/32", "127.0.0.0/8", "::1/128", "224.0.0.1/32", "ff02::1/128"] {
            let refusal = check_prefix(net(prefix)).unwrap_err();
            assert!(refusal.problem.contains("nothing from there comes in by a wire"), "{}", refusal.problem);
        }
        assert_eq!(check_prefix(net("126.0.0.0/8")), Ok(()));
    }
}
