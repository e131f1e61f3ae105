//! Times on the command line: how long ago, or when.

use std::time::Duration;

use crate::event::Wall;

/// A time as somebody gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Ago(Duration),
    At(Wall),
}

impl When {
    /// As a time, now that it is `now`.
    pub(super) fn at(self, now: Wall) -> Wall {
        match self {
            Self::Ago(ago) => now.minus(ago),
            Self::At(at) => at,
        }
    }
}

/// `1d`, `2026-11-24` or `2026-11-24T05:55:21Z`.
pub(super) fn when(text: &str) -> Result<When, &'static str> {
    let ago = humantime::parse_duration(text).map(When::Ago).ok();
    let at = || text.parse().or_else(|_| format!("{text}T00:00:00Z").parse()).map(When::At).ok();
    ago.or_else(at).ok_or("write it as 90m, 12h or 7d (ago), as 2026-11-24, or in UTC as 2026-11-24T05:55:21Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_as_how_long_ago_as_a_day_or_in_full() {
        let now: Wall = "2026-11-24T05:55:21Z".parse().unwrap();
        let at = |text| when(text).unwrap().at(now).to_string();
        assert_eq!(at("1d"), "2026-11-23T05:55:21.000Z");
        assert_eq!(at("1h 30m"), "2026-11-24T04:25:21.000Z");
        assert_eq!(at("2026-11-20"), "2026-11-20T00:00:00.000Z");
        assert_eq!(at("2026-11-20T01:02:03.004Z"), "2026-11-20T01:02:03.004Z");
        for text in ["", "yesterday", "5", "2026-11", "2026-11-20T01:02:03+01:00"] {
            assert!(when(text).is_err(), "{text}");
        }
    }
}
