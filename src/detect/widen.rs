//! IPv6 networks that are blocked as a whole, since several sources in them were: whoever has a /56 or a /48 can scan from another /64 each
//! time. Pure. **Bounded:** so many networks; past this the one is forgotten in which nobody was blocked for longest. Forgotten too early, a
//! network is not blocked as a whole.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;

use super::source::Source;
use super::table::Seeds;
use crate::time::Moment;

/// What a site gets that is no large one (RFC 6177 names it; most providers give it to a household).
pub const WIDE: u8 = 56;
/// What a large site gets.
pub const WIDER: u8 = 48;
/// Of one /64 the neighbours are one household's hosts, however short a source is written.
const HOUSEHOLD: u8 = 64;

/// So many blocked networks within one make it one: two may be chance where a provider gives each customer a /64.
pub const ENOUGH: usize = 4;
/// Networks that are remembered; 1 MB if all are full.
const NETWORKS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);

/// Who was blocked lately, by the network around them.
pub struct Widener(LruCache<Source, Vec<Member>, ahash::RandomState>);

struct Member {
    source: Source,
    at: Moment,
}

impl Widener {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(seeds: Seeds) -> Self {
        let hasher = ahash::RandomState::with_seeds(seeds.0, seeds.1, !seeds.0, !seeds.1);
        Self(LruCache::with_hasher(NETWORKS, hasher))
    }

    /// Notes that `source` is blocked now. The network around it, and for how many blocks in it, if these are enough: those of the last
    /// `memory`, of sources that are still known to have been blocked.
    pub fn note(
        &mut self,
        now: Moment,
        source: Source,
        memory: Duration,
        known: impl Fn(Source) -> bool,
    ) -> Option<(Source, u8)> {
        let network = around(source)?;
        let members = self.0.get_or_insert_mut(network, Vec::new);
        members.retain(|member| {
            household(member.source) != household(source) && now.since(member.at) <= memory && known(member.source)
        });
        if members.len() >= ENOUGH {
            members.remove(0);
        }
        members.push(Member { source, at: now });
        (members.len() >= ENOUGH).then(|| (network, u8::try_from(members.len()).unwrap_or(u8::MAX)))
    }

    /// So many networks are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether `source` has the length of a network that is blocked as a whole.
#[must_use]
pub const fn is_wide(source: Source) -> bool {
    matches!(source.parts().1, WIDE | WIDER)
}

/// Who may be blocked together with `who`, the shortest network last: `source`, which it belongs to, and what that lies in.
#[must_use]
pub fn holders(who: IpAddr, source: Source) -> Vec<Source> {
    let IpAddr::V6(v6) = who else { return vec![source] };
    let wide = [WIDE, WIDER].into_iter().filter(|length| *length < source.parts().1);
    [source].into_iter().chain(wide.map(|length| Source::network(v6, length))).collect()
}

/// The next wider network; none around what is wide enough, nor around IPv4.
fn around(source: Source) -> Option<Source> {
    let (address, prefix) = source.parts();
    let wider = match prefix {
        _ if prefix > WIDE => WIDE,
        _ if prefix > WIDER => WIDER,
        _ => return None,
    };
    source.address().is_ipv6().then(|| Source::network(address, wider))
}

fn household(source: Source) -> Source {
    let (address, prefix) = source.parts();
    Source::network(address, prefix.min(HOUSEHOLD))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const WEEK: Duration = Duration::from_secs(7 * 86_400);

    fn source(text: &str) -> Source {
        text.parse().unwrap()
    }

    fn second(n: u64) -> Moment {
        Moment::from_start(Duration::from_secs(n))
    }

    /// The last of what comes of these blocks, a second apart.
    fn widened(widener: &mut Widener, sources: &[&str]) -> Option<String> {
        let each = (0..).zip(sources).map(|(n, text)| widener.note(second(n), source(text), WEEK, |_| true));
        each.last().flatten().map(|(network, blocks)| format!("{network} for {blocks}"))
    }

    fn widener() -> Widener {
        Widener::new(Seeds(1, 2))
    }

    #[test]
    fn four_blocked_64s_in_a_56_are_one_and_four_such_in_a_48() {
        let sources = ["2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:2::/64", "2001:db8:0:ff::/64"];
        assert_eq!(widened(&mut widener(), &sources[1..]), None);
        assert_eq!(widened(&mut widener(), &sources).unwrap(), "2001:db8::/56 for 4");
        let networks = ["2001:db8:0:100::/56", "2001:db8:0:200::/56", "2001:db8::/56", "2001:db8:0:ff00::/56"];
        assert_eq!(widened(&mut widener(), &networks).unwrap(), "2001:db8::/48 for 4");
        let wide = ["2001:db8::/48", "2001:db8:1::/48", "2001:db8:2::/48", "2001:db8:3::/48"];
        assert_eq!(widened(&mut widener(), &wide), None, "nobody has more");
    }

    #[test]
    fn the_same_source_again_or_another_network_does_not_count() {
        let again = ["2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:2::/64", "2001:db8:0:1::/64"];
        assert_eq!(widened(&mut widener(), &again), None);
        let elsewhere = ["2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:2::/64", "2001:db8:0:100::/64"];
        assert_eq!(widened(&mut widener(), &elsewhere), None);
        let hosts = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"];
        assert_eq!(widened(&mut widener(), &hosts), None, "one household");
        let ipv4 = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
        assert_eq!(widened(&mut widener(), &ipv4), None);
    }

    #[test]
    fn what_is_long_ago_or_was_let_go_does_not_count() {
        let mut old = widener();
        assert_eq!(widened(&mut old, &["2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:2::/64"]), None);
        let later = second(7 * 86_400 + 2);
        assert_eq!(old.note(later, source("2001:db8:0:3::/64"), WEEK, |_| true), None);

        let mut known = widener();
        assert_eq!(widened(&mut known, &["2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:2::/64"]), None);
        let but_one = |other: Source| other != source("2001:db8:0:1::/64");
        assert_eq!(known.note(second(9), source("2001:db8:0:3::/64"), WEEK, but_one), None);
    }

    #[test]
    fn a_network_in_which_somebody_offends_again_is_named_again() {
        let mut widener = widener();
        let sources = ["2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:2::/64", "2001:db8:0:3::/64"];
        assert!(widened(&mut widener, &sources).is_some());
        assert!(widened(&mut widener, &["2001:db8:0:1::/64"]).is_some());
        assert!(widened(&mut widener, &["2001:db8:0:9::/64"]).is_some());
    }

    #[test]
    fn blocks_all_over_the_world_fill_a_bounded_memory() {
        let mut widener = widener();
        for n in 0..20_000_u32 {
            let network = Source::network(Ipv6Addr::from_bits((0x2001_u128 << 112) | (u128::from(n) << 72)), 64);
            let named = widener.note(second(n.into()), network, WEEK, |_| true);
            assert_eq!(named, None);
        }
        assert_eq!(widener.len(), NETWORKS.get());
    }

    #[test]
    fn an_address_may_be_blocked_with_any_network_around_it() {
        let who: IpAddr = "2001:db8:1:2::3".parse().unwrap();
        let shown = |source: Source| holders(who, source).iter().map(ToString::to_string).collect::<Vec<_>>();
        let own = source("2001:db8:1:2::/64");
        assert_eq!(shown(own), ["2001:db8:1:2::/64", "2001:db8:1::/56", "2001:db8:1::/48"]);
        assert_eq!(shown(source("2001:db8:1::/48")), ["2001:db8:1::/48"]);
        let v4: IpAddr = [192, 0, 2, 1].into();
        assert_eq!(holders(v4, Source::host(v4)), [Source::host(v4)]);
    }
}
