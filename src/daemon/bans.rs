//! Blocks that operators set: addresses or whole networks, for a time or for ever. **Bounded**, and no two of them overlap, as the kernel's
//! interval set wants it. Pure: the kernel and the journal get what this says.

use ipnet::IpNet;

use crate::control::server::Refusal;
use crate::detect::source::Source;
use crate::event::{Wall, plain};

/// The kernel takes the longer to replace them the more there are; who has more wants a blocklist of its own.
pub(super) const MAX_BANS: usize = 4096;

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ban {
    pub(super) prefix: IpNet,
    /// For ever without.
    pub(super) until: Option<Wall>,
    pub(super) reason: String,
}

impl Ban {
    /// The block of an IPv6 network by a length which is none any more: the kernel's set of sources could not find it.
    pub(super) fn of_another_length(network: Source, until: Wall) -> Self {
        Self { prefix: network.into(), until: Some(until), reason: "blocked before ipv6_prefix was changed".to_owned() }
    }
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Bans(Vec<Ban>);

impl Bans {
    /// All that have not ended.
    pub(super) fn in_force(&self, now: Wall) -> impl Iterator<Item = &Ban> {
        self.0.iter().filter(move |ban| ban.until.is_none_or(|until| until > now))
    }

    /// Adds one, in place of those that it covers, and returns these. One that lasts longer is never made shorter by the way.
    pub(super) fn add(&mut self, now: Wall, ban: Ban) -> Result<Vec<Ban>, Refusal> {
        self.tidy(now);
        if let Some(wider) =
            self.0.iter().find(|known| known.prefix.contains(&ban.prefix) && known.prefix != ban.prefix)
        {
            let (wider, ban) = (plain(&wider.prefix), plain(&ban.prefix));
            return Err(Refusal::new(
                format!("{ban} is blocked with {wider} already"),
                format!("unblock {wider} first, to block less of it"),
            ));
        }
        let ends_later = |known: &&Ban| lasts(known) > lasts(&ban);
        if let Some(longer) = self
            .0
            .iter()
            .filter(|known| known.prefix != ban.prefix && ban.prefix.contains(&known.prefix))
            .find(ends_later)
        {
            let longer = plain(&longer.prefix);
            return Err(Refusal::new(
                format!("{longer} is in {}, and is blocked for longer already", plain(&ban.prefix)),
                format!("unblock {longer} first, or block for longer"),
            ));
        }
        let (replaced, kept): (Vec<_>, Vec<_>) =
            self.0.iter().cloned().partition(|known| ban.prefix.contains(&known.prefix));
        if kept.len() >= MAX_BANS {
            return Err(Refusal::new(
                format!("there are {MAX_BANS} blocks by operators already"),
                "unblock some, or put long lists into an nftables set of your own",
            ));
        }
        self.0 = kept;
        self.0.push(ban);
        Ok(replaced)
    }

    /// Takes away all that lie in `prefix`, and returns them. One that reaches beyond is refused, for part of it would stay.
    pub(super) fn remove(&mut self, now: Wall, prefix: IpNet) -> Result<Vec<Ban>, Refusal> {
        self.tidy(now);
        if let Some(wider) = self.0.iter().find(|known| known.prefix.contains(&prefix) && known.prefix != prefix) {
            let wider = plain(&wider.prefix);
            return Err(Refusal::new(
                format!("{} is blocked with {wider}, by an operator", plain(&prefix)),
                format!("unblock {wider}, or allow {}", plain(&prefix)),
            ));
        }
        let (gone, kept) = self.0.drain(..).partition(|known| prefix.contains(&known.prefix));
        self.0 = kept;
        Ok(gone)
    }

    /// Takes away all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn tidy(&mut self, now: Wall) {
        self.0.retain(|ban| ban.until.is_none_or(|until| until > now));
    }
}

/// For ever is longest.
fn lasts(ban: &Ban) -> (bool, Option<Wall>) {
    (ban.until.is_none(), ban.until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(prefix: &str, until: Option<u64>) -> Ban {
        Ban { prefix: prefix.parse().unwrap(), until: until.map(Wall::from_millis), reason: String::new() }
    }

    fn at(millis: u64) -> Wall {
        Wall::from_millis(millis)
    }

    fn shown(bans: &Bans, now: u64) -> Vec<String> {
        bans.in_force(at(now)).map(|ban| plain(&ban.prefix)).collect()
    }

    #[test]
    fn a_wider_one_takes_the_place_of_narrower_ones_that_end_sooner() {
        let mut bans = Bans::default();
        bans.add(at(0), ban("192.0.2.1/32", Some(10))).unwrap();
        bans.add(at(0), ban("192.0.2.2/32", None)).unwrap();
        assert_eq!(
            bans.add(at(0), ban("192.0.2.0/24", Some(50))).unwrap_err().problem,
            "192.0.2.2 is in 192.0.2.0/24, and is blocked for longer already"
        );
        bans.add(at(0), ban("192.0.2.0/24", None)).unwrap();
        assert_eq!(shown(&bans, 5), ["192.0.2.0/24"]);
        let refused = bans.add(at(0), ban("192.0.2.9/32", None)).unwrap_err();
        assert_eq!(refused.problem, "192.0.2.9 is blocked with 192.0.2.0/24 already");
    }

    #[test]
    fn the_same_again_may_be_shorter() {
        let mut bans = Bans::default();
        bans.add(at(0), ban("192.0.2.1/32", None)).unwrap();
        bans.add(at(0), ban("192.0.2.1/32", Some(10))).unwrap();
        assert_eq!(bans.in_force(at(0)).collect::<Vec<_>>(), [&ban("192.0.2.1/32", Some(10))]);
    }

    #[test]
    fn what_has_ended_is_none() {
        let mut bans = Bans::default();
        bans.add(at(0), ban("192.0.2.0/24", Some(10))).unwrap();
        assert_eq!(shown(&bans, 9), ["192.0.2.0/24"]);
        assert_eq!(shown(&bans, 10), Vec::<String>::new());
        bans.add(at(10), ban("192.0.2.9/32", None)).unwrap();
        assert_eq!(shown(&bans, 10), ["192.0.2.9"]);
    }

    #[test]
    fn all_in_a_prefix_are_taken_away_and_no_part_of_one() {
        let mut bans = Bans::default();
        bans.add(at(0), ban("192.0.2.0/24", None)).unwrap();
        bans.add(at(0), ban("2001:db8::/64", None)).unwrap();
        assert_eq!(
            bans.remove(at(0), "192.0.2.7/32".parse().unwrap()).unwrap_err().remedy.unwrap(),
            "unblock 192.0.2.0/24, or allow 192.0.2.7"
        );
        assert_eq!(bans.remove(at(0), "192.0.0.0/16".parse().unwrap()).unwrap(), [ban("192.0.2.0/24", None)]);
        assert_eq!(bans.remove(at(0), "192.0.0.0/16".parse().unwrap()).unwrap(), []);
        assert_eq!(shown(&bans, 0), ["2001:db8::/64"]);
    }

    #[test]
    fn there_is_a_limit() {
        let mut bans = Bans::default();
        for n in 0..u32::try_from(MAX_BANS).unwrap() {
            bans.add(at(0), ban(&format!("{}/32", std::net::Ipv4Addr::from_bits(n * 2)), None)).unwrap();
        }
        assert!(bans.add(at(0), ban("192.0.2.1/32", None)).unwrap_err().problem.contains("4096"));
    }
}
