//! A set of ports, as ranges.

use std::fmt;
use std::ops::RangeInclusive;

/// Ports of one protocol: sorted ranges that neither overlap nor touch. Port 0 is an ordinary member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortSet(Vec<RangeInclusive<u16>>);

impl PortSet {
    /// The ranges, sorted, with a gap between each and the next.
    #[must_use]
    pub fn ranges(&self) -> &[RangeInclusive<u16>] {
        &self.0
    }

    /// Whether there is no port in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// So many ports are in it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    /// Both together.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).cloned().collect()
    }

    /// What is in this one and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = self.0.clone();
        for cut in &other.0 {
            left = left.iter().flat_map(|range| cut_out(range, cut)).flatten().collect();
        }
        Self(left)
    }

    /// Whether `port` is in it.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        let after = self.0.partition_point(|range| *range.start() <= port);
        after.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|range| range.contains(&port))
    }
}

/// What is left of `range` below and above `cut`.
fn cut_out(range: &RangeInclusive<u16>, cut: &RangeInclusive<u16>) -> [Option<RangeInclusive<u16>>; 2] {
    let below = cut.start().checked_sub(1).map(|end| *range.start()..=end.min(*range.end()));
    let above = cut.end().checked_add(1).map(|start| start.max(*range.start())..=*range.end());
    [below, above].map(|part| part.filter(|part| !part.is_empty()))
}

impl FromIterator<RangeInclusive<u16>> for PortSet {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u16>>>(ranges: I) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        sorted.sort_unstable_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u16>> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                Some(_) | None => merged.push(range),
            }
        }
        Self(merged)
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        ports.into_iter().map(|port| port..=port).collect()
    }
}

/// As nft writes it: `1, 11, 40-50`.
impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_overlap_or_touch_become_one() {
        let set: PortSet = [5..=9, 1..=1, 8..=12, 13..=13, 65_535..=65_535, 40..=40].into_iter().collect();
        assert_eq!(set.to_string(), "1, 5-13, 40, 65535");
    }

    #[test]
    fn what_is_cut_out_leaves_both_sides() {
        let all: PortSet = [0..=65_535].into_iter().collect();
        let cuts: PortSet = [0..=0, 113..=139, 65_535..=65_535].into_iter().collect();
        assert_eq!(all.without(&cuts).to_string(), "1-112, 140-65534");
        assert_eq!(all.without(&all), PortSet::default());
        assert_eq!(cuts.without(&PortSet::default()), cuts);
        let few: PortSet = [5..=6, 20..=30].into_iter().collect();
        assert_eq!(few.without(&[6..=25].into_iter().collect()).to_string(), "5, 26-30");
        assert_eq!(few.with(&[7..=7].into_iter().collect()).to_string(), "5-7, 20-30");
    }

    #[test]
    fn a_port_is_found_at_both_ends_of_its_range_only() {
        let set: PortSet = [10..=20].into_iter().collect();
        assert!([10, 15, 20].into_iter().all(|p| set.contains(p)));
        assert!(![9, 21, 0, 65_535].into_iter().any(|p| set.contains(p)));
    }
}
