//! Prometheus' text exposition format, version 0.0.4: metric families to text. Own text, for a client library brings a registry of live
//! metrics, and ours are plain values that others count.

use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::report::histogram::{Durations, upper_bound};

/// A metric and its samples.
pub(super) struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    samples: Vec<Sample>,
}

/// What a metric is to Prometheus.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One line.
struct Sample {
    /// What follows the metric's name.
    suffix: &'static str,
    labels: Vec<Label>,
    value: Number,
}

/// What tells a sample from its siblings.
pub(super) type Label = (&'static str, String);

/// A sample's value.
#[derive(Clone, Copy)]
pub(super) enum Number {
    /// Of things or bytes.
    Whole(u64),
    /// Of time: shown in seconds.
    Time(Duration),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<bool> for Number {
    fn from(holds: bool) -> Self {
        Self::Whole(holds.into())
    }
}

impl From<Duration> for Number {
    fn from(duration: Duration) -> Self {
        Self::Time(duration)
    }
}

/// A count that only grows, and begins anew with the daemon. Its name ends in `_total`.
pub(super) fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, help, samples: Vec::new() }
}

/// A number that goes up and down.
pub(super) fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, help, samples: Vec::new() }
}

/// Durations, counted. Its name ends in `_seconds`.
pub(super) fn histogram(name: &'static str, help: &'static str, durations: &Durations) -> Family {
    let mut below = 0_u64;
    let mut samples = Vec::with_capacity(durations.counts.len().saturating_add(2));
    for (place, count) in durations.counts.iter().enumerate() {
        below = below.wrapping_add(*count);
        let bound = upper_bound(place).map_or_else(|| "+Inf".to_owned(), |bound| Number::from(bound).to_string());
        samples.push(Sample { suffix: "_bucket", labels: vec![("le", bound)], value: below.into() });
    }
    samples.push(Sample { suffix: "_sum", labels: Vec::new(), value: durations.sum.into() });
    samples.push(Sample { suffix: "_count", labels: Vec::new(), value: below.into() });
    Family { name, kind: Kind::Histogram, help, samples }
}

impl Family {
    /// With the one sample that it has.
    pub(super) fn is(self, value: impl Into<Number>) -> Self {
        self.with(Vec::new(), value)
    }

    /// With one more sample, told from its siblings by `labels`.
    pub(super) fn with(mut self, labels: Vec<Label>, value: impl Into<Number>) -> Self {
        self.samples.push(Sample { suffix: "", labels, value: value.into() });
        self
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, help, samples } = self;
        writeln!(f, "# HELP {name} {help}")?;
        writeln!(f, "# TYPE {name} {kind}")?;
        for Sample { suffix, labels, value } in samples {
            write!(f, "{name}{suffix}")?;
            write_labels(f, labels)?;
            writeln!(f, " {value}")?;
        }
        Ok(())
    }
}

fn write_labels(f: &mut fmt::Formatter<'_>, labels: &[Label]) -> fmt::Result {
    let mut before = '{';
    for (name, value) in labels {
        write!(f, "{before}{name}=\"")?;
        for c in value.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')?;
        before = ',';
    }
    if labels.is_empty() { Ok(()) } else { f.write_char('}') }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Time(duration) => duration.as_secs_f64().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_its_help_its_type_and_its_samples() {
        let family = gauge("nftrap_x", "What it is.").with(vec![("a", "1".into()), ("b", "2".into())], 3_u32).is(true);
        assert_eq!(
            family.to_string(),
            "# HELP nftrap_x What it is.\n# TYPE nftrap_x gauge\nnftrap_x{a=\"1\",b=\"2\"} 3\nnftrap_x 1\n"
        );
    }

    #[test]
    fn no_label_can_end_its_line_or_its_quotes() {
        let family = counter("x_total", "X.").with(vec![("a", "\"} 1\n\\".into())], 1_u32);
        assert!(family.to_string().ends_with("x_total{a=\"\\\"} 1\\n\\\\\"} 1\n"), "{family}");
    }

    #[test]
    fn buckets_hold_what_is_below_them_and_end_with_all() {
        let mut durations = Durations::default();
        durations.counts[0] = 2;
        durations.counts[1] = 1;
        durations.counts[21] = 4;
        durations.sum = Duration::from_millis(2500);
        let text = histogram("x_seconds", "X.", &durations).to_string();
        for line in [
            "x_seconds_bucket{le=\"0.000001\"} 2",
            "x_seconds_bucket{le=\"0.000002\"} 3",
            "x_seconds_bucket{le=\"1.048576\"} 3",
            "x_seconds_bucket{le=\"+Inf\"} 7",
            "x_seconds_sum 2.5",
            "x_seconds_count 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in:\n{text}");
        }
    }
}
