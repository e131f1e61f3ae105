//! The time of day, as the journal and people have it: a value, read elsewhere. Nothing is decided by it while the daemon runs, for
//! it can be stepped: see [`crate::time::Moment`].

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

/// Milliseconds since 1970, in UTC. Displayed, read and stored as RFC 3339: `2026-11-24T05:55:21.189Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(u64);

/// Why something is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no time: write it in UTC as 2026-11-24T05:55:21Z")]
pub struct NotATime;

impl Wall {
    /// The end of the year 9999: RFC 3339 has no years of five digits.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// So many milliseconds after 1970 began; what is past [`Self::MAX`] is that.
    #[must_use]
    pub fn from_millis(since_1970: u64) -> Self {
        Self(since_1970).min(Self::MAX)
    }

    /// Milliseconds since 1970 began.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970 began.
    #[must_use]
    pub const fn to_seconds(self) -> u64 {
        self.0.div_euclid(1000)
    }

    /// To the second, as in log lines: `2026-11-24T05:55:21Z`.
    #[must_use]
    pub fn to_second(self) -> String {
        let text = self.to_string();
        text.split_once('.').map(|(seconds, _)| format!("{seconds}Z")).unwrap_or(text)
    }

    /// This time and `later`; a sum past the end of time stays there.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis(later)))
    }

    /// So long before this time; 1970, where that is further back.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(millis(earlier)))
    }

    /// How long ago `earlier` was; nothing, where it has yet to come.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A length of time as people write it, in its two largest units: `9m 12s`, `3d 4h`.
#[must_use]
pub fn span(span: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let mut rest = span.as_secs();
    let mut parts = Vec::new();
    for (length, unit) in UNITS {
        let (count, left) = (rest.checked_div(length).unwrap_or(0), rest.checked_rem(length).unwrap_or(0));
        rest = left;
        if count > 0 || !parts.is_empty() || unit == "s" {
            parts.push((count, unit));
        }
    }
    let shown = parts.iter().take(2).filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    let shown: Vec<_> = shown.collect();
    if shown.is_empty() { "0s".to_owned() } else { shown.join(" ") }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = UNIX_EPOCH.checked_add(Duration::from_millis(self.0)).unwrap_or(UNIX_EPOCH);
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

impl FromStr for Wall {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let time = humantime::parse_rfc3339(text).or(Err(NotATime))?;
        Ok(Self::from_millis(millis(time.duration_since(UNIX_EPOCH).or(Err(NotATime))?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_written() {
        let text = "2026-11-24T05:55:21.189Z";
        let time: Wall = text.parse().unwrap();
        assert_eq!(time.millis(), 1_795_499_721_189);
        assert_eq!(time.to_string(), text);
        assert_eq!(time.to_second(), "2026-11-24T05:55:21Z");
        assert_eq!("2026-11-24T05:55:21Z".parse(), Ok(time.minus(Duration::from_millis(189))));
        for text in ["", "yesterday", "2026-11-24", "2026-13-24T05:55:21Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(text.parse::<Wall>(), Err(NotATime), "{text}");
        }
    }

    #[test]
    fn the_end_of_time_can_be_written_and_not_passed() {
        let end = Wall::from_millis(u64::MAX);
        assert_eq!(end.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(end.to_string().parse(), Ok(Wall::MAX));
        assert_eq!(end.plus(Duration::MAX), Wall::MAX);
        assert_eq!(Wall::default().minus(Duration::MAX), Wall::default());
        assert_eq!(Wall::default().since(end), Duration::ZERO);
    }
}
