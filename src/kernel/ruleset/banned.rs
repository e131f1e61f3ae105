//! The operator's own blocks as the kernel takes them: prefixes that may lie in one another become ranges that do not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;

/// A network that the operator shuts out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Banned {
    /// Which.
    pub prefix: IpNet,
    /// The time left to it; for ever, if there is none.
    pub left: Option<Duration>,
}

const SET_V4: &str = "banned4";
const SET_V6: &str = "banned6";

/// Makes these, and no others, the operator's blocks in `table`. Where they overlap, the one that lasts longest holds.
#[must_use]
pub fn banned(table: &str, banned: &[Banned]) -> String {
    let (v4, v6): (Vec<_>, Vec<_>) = banned.iter().partition(|banned| matches!(banned.prefix, IpNet::V4(_)));
    let v4_address = |bits| Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)).to_string();
    let v6_address = |bits| Ipv6Addr::from_bits(bits).to_string();
    [replace(table, SET_V4, &v4, v4_address), replace(table, SET_V6, &v6, v6_address)].concat()
}

fn replace(table: &str, set: &str, banned: &[&Banned], address: impl Fn(u128) -> String) -> String {
    let element = |Range { first, last, left }: &Range| {
        let addresses = if first == last { address(*first) } else { format!("{}-{}", address(*first), address(*last)) };
        left.map_or_else(|| addresses.clone(), |left| format!("{addresses} timeout {}s", left.as_secs().max(1)))
    };
    let elements: Vec<_> = ranges(banned).iter().map(element).collect();
    let flush = format!("flush set inet {table} {set}\n");
    if elements.is_empty() {
        return flush;
    }
    format!("{flush}add element inet {table} {set} {{ {} }}\n", elements.join(", "))
}

/// Addresses from the first to the last, as numbers, and how long.
struct Range {
    first: u128,
    last: u128,
    left: Option<Duration>,
}

/// Prefixes either lie in one another or do not meet: those that hold at an address are a stack, and each lasts there at least as long as
/// what it lies in.
#[derive(Default)]
struct Sweep {
    /// The last address of each, and how long it lasts.
    open: Vec<(u128, Option<Duration>)>,
    /// The first address that is in no range yet; none behind the very last.
    next: Option<u128>,
    found: Vec<Range>,
}

impl Sweep {
    fn enter(&mut self, first: u128, last: u128, left: Option<Duration>) {
        self.leave_before(first);
        let mut lasts = left;
        if let Some((_, outer)) = self.open.last().copied() {
            lasts = longer(outer, left);
            if lasts == outer {
                return; // it adds nothing
            }
            if let Some(before) = first.checked_sub(1) {
                self.range_to(before, outer);
            }
        }
        self.next = Some(first);
        self.open.push((last, lasts));
    }

    fn leave_before(&mut self, first: u128) {
        while let Some((last, left)) = self.open.pop_if(|(last, _)| *last < first) {
            self.range_to(last, left);
        }
    }

    fn range_to(&mut self, last: u128, left: Option<Duration>) {
        if let Some(first) = self.next.filter(|first| *first <= last) {
            self.found.push(Range { first, last, left });
            self.next = last.checked_add(1);
        }
    }

    fn end(mut self) -> Vec<Range> {
        while let Some((last, left)) = self.open.pop() {
            self.range_to(last, left);
        }
        self.found
    }
}

/// Without an end is longest.
fn longer(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    Some(one?.max(other?))
}

fn ranges(banned: &[&Banned]) -> Vec<Range> {
    let mut sorted = banned.to_vec();
    sorted.sort_unstable_by_key(|banned| (banned.prefix.network(), banned.prefix.prefix_len()));
    let mut sweep = Sweep::default();
    for Banned { prefix, left } in sorted {
        sweep.enter(bits(prefix.network()), bits(prefix.broadcast()), *left);
    }
    sweep.end()
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(list: &[(&str, Option<u64>)]) -> String {
        let banned = |(prefix, left): &(&str, Option<u64>)| Banned {
            prefix: prefix.parse().unwrap(),
            left: left.map(Duration::from_secs),
        };
        super::banned("t", &list.iter().map(banned).collect::<Vec<_>>())
    }

    fn elements(list: &[(&str, Option<u64>)]) -> String {
        let text = text(list);
        let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("add element inet t ")).collect();
        lines.join("; ")
    }

    #[test]
    fn each_family_has_its_set_and_each_network_its_end_or_none() {
        assert_eq!(
            text(&[("192.0.2.0/24", Some(60)), ("2001:db8::/32", None), ("198.51.100.7/32", None)]),
            "flush set inet t banned4\n\
             add element inet t banned4 { 192.0.2.0-192.0.2.255 timeout 60s, 198.51.100.7 }\n\
             flush set inet t banned6\n\
             add element inet t banned6 { 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff }\n"
        );
        assert_eq!(text(&[]), "flush set inet t banned4\nflush set inet t banned6\n");
    }

    #[test]
    fn what_lies_in_a_longer_one_adds_nothing() {
        for inner in [Some(59), Some(60)] {
            let list = [("10.1.0.0/16", inner), ("10.0.0.0/8", Some(60))];
            assert_eq!(elements(&list), "banned4 { 10.0.0.0-10.255.255.255 timeout 60s }");
        }
    }

    #[test]
    fn what_lasts_longer_than_what_it_lies_in_keeps_its_own_end() {
        assert_eq!(
            elements(&[
                ("10.0.0.0/8", Some(60)),
                ("10.1.0.0/16", None),
                ("10.1.2.0/24", Some(90)),
                ("10.0.0.0/32", Some(90))
            ]),
            "banned4 { 10.0.0.0 timeout 90s, 10.0.0.1-10.0.255.255 timeout 60s, 10.1.0.0-10.1.255.255, \
             10.2.0.0-10.255.255.255 timeout 60s }"
        );
    }

    #[test]
    fn the_same_network_twice_lasts_as_long_as_the_longer() {
        let list = [("192.0.2.0/24", Some(60)), ("192.0.2.0/24", Some(90)), ("192.0.2.9/24", Some(30))];
        assert_eq!(elements(&list), "banned4 { 192.0.2.0-192.0.2.255 timeout 90s }");
    }

    #[test]
    fn the_ends_of_the_address_space_are_addresses_like_others() {
        assert_eq!(
            elements(&[("::/0", Some(60)), ("ffff::/16", None), ("::/128", None), ("0.0.0.0/0", None)]),
            "banned4 { 0.0.0.0-255.255.255.255 }; banned6 { ::, ::1-fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff timeout 60s, \
             ffff::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff }"
        );
    }
}
