//! What is written is read again by a reader that knows no mercy: it holds the format, and that each number is where it belongs.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A metric as read: its type, and the value of each series by what stands before it.
#[derive(Debug, Default)]
struct Read {
    kind: String,
    series: BTreeMap<String, f64>,
}

/// Reads a whole exposition, or says which line is wrong, and why.
fn parse(text: &str) -> Result<BTreeMap<String, Read>, String> {
    let mut metrics: BTreeMap<String, Read> = BTreeMap::new();
    let mut current = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let wrong = |why: &str| format!("{why}: {line}");
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').ok_or_else(|| wrong("no help"))?;
            let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")));
            let kind = kind.ok_or_else(|| wrong("no type after help"))?.to_owned();
            let known = ["counter", "gauge", "histogram"].contains(&kind.as_str());
            if !known || !is_name(name) || !help.ends_with('.') || help.contains('\\') {
                return Err(wrong("malformed help or type"));
            }
            if metrics.insert(name.to_owned(), Read { kind, ..Read::default() }).is_some() {
                return Err(wrong("metric told twice"));
            }
            current = name.to_owned();
            continue;
        }
        let (series, value) = line.rsplit_once(' ').ok_or_else(|| wrong("neither help nor sample"))?;
        let value: f64 = value.parse().ok().ok_or_else(|| wrong("no number"))?;
        let name = sample_name(series).ok_or_else(|| wrong("malformed labels"))?;
        let metric = metrics.get_mut(&current).ok_or_else(|| wrong("sample without metric"))?;
        let suffix = name.strip_prefix(&current).ok_or_else(|| wrong("sample of another metric"))?;
        let suffixes: &[&str] = if metric.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        if !suffixes.contains(&suffix) || metric.series.insert(series.to_owned(), value).is_some() {
            return Err(wrong("no such sample, or the same twice"));
        }
    }
    if text.ends_with('\n') { Ok(metrics) } else { Err("no end of line at the end".into()) }
}

fn is_name(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|c| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The name before well-formed labels.
fn sample_name(series: &str) -> Option<&str> {
    let Some((name, labels)) = series.split_once('{') else { return is_name(series).then_some(series) };
    let mut rest = labels;
    let mut names = BTreeSet::new();
    loop {
        let (label, after) = rest.split_once("=\"")?;
        let end = after.match_indices('"').find(|(at, _)| !escaped(after.split_at(*at).0))?.0;
        if !is_name(label) || !names.insert(label) {
            return None;
        }
        rest = after.split_at(end).1.strip_prefix('"')?;
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return (rest == "}" && is_name(name)).then_some(name),
        }
    }
}

fn escaped(before: &str) -> bool {
    before.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

fn durations(seed: u64) -> Durations {
    let mut durations = Durations { sum: Duration::from_millis(seed), ..Durations::default() };
    durations.counts[3] = seed;
    durations.counts[21] = 1;
    durations
}

/// Each number of its own, so that none can stand for another.
#[expect(clippy::arithmetic_side_effects, reason = "small numbers")]
fn numbers() -> Numbers {
    let totals = |n| Totals {
        watched: n,
        packets: n,
        accepted: n + 1,
        dropped: n + 2,
        unreadable: n + 3,
        panics: n + 4,
        blocks: n + 5,
        block_failures: n + 6,
        lost: n + 7,
        facts_lost: n + 8,
    };
    let work = |n| Work { totals: totals(n), verdict_time: durations(n + 10), block_time: durations(n + 20) };
    Numbers {
        version: "1.2.3",
        mode: Mode::Observe,
        table: "nftrap".into(),
        since: Wall::from_millis(1_795_499_721_189),
        uptime: Duration::from_millis(3_600_500),
        protection: Protection::Whole,
        workers: vec![work(100), work(200)],
        queues: vec![QueueState { number: 3100, port: 1, waiting: 31, overrun: 32, unsent: 33 }],
        blocked: 41,
        banned: 42,
        watched: 43,
        distributed: 47,
        sources: 44,
        max_sources: 45,
        memory_bytes: 46,
        journal: Some(Journal { stored: 51, dropped: 52, lag: Duration::from_millis(53), works: true }),
        events_unwritten: Some(61),
    }
}

#[test]
fn every_number_is_shown_where_it_belongs() {
    let text = text(&numbers());
    for line in [
        "nftrap_build_info{version=\"1.2.3\",table=\"nftrap\"} 1",
        "nftrap_enforcing 0",
        "nftrap_protection_whole 1",
        "nftrap_uptime_seconds 3600.5",
        "process_start_time_seconds 1795499721.189",
        "process_resident_memory_bytes 46",
        "nftrap_distributed_scans_total 47",
        "nftrap_packets_total{worker=\"0\"} 100",
        "nftrap_packets_total{worker=\"1\"} 200",
        "nftrap_verdicts_total{worker=\"0\",verdict=\"accept\"} 101",
        "nftrap_verdicts_total{worker=\"1\",verdict=\"drop\"} 202",
        "nftrap_unreadable_packets_total{worker=\"1\"} 203",
        "nftrap_panics_total{worker=\"1\"} 204",
        "nftrap_blocks_total{worker=\"1\"} 205",
        "nftrap_block_failures_total{worker=\"1\"} 206",
        "nftrap_lost_packets_total{worker=\"1\"} 207",
        "nftrap_facts_lost_total{worker=\"1\"} 208",
        "nftrap_verdict_latency_seconds_bucket{le=\"0.000008\"} 320",
        "nftrap_verdict_latency_seconds_bucket{le=\"+Inf\"} 322",
        "nftrap_verdict_latency_seconds_sum 0.32",
        "nftrap_block_latency_seconds_count 342",
        "nftrap_queue_waiting_packets{queue=\"3100\"} 31",
        "nftrap_queue_overrun_packets_total{queue=\"3100\"} 32",
        "nftrap_queue_unsent_packets_total{queue=\"3100\"} 33",
        "nftrap_blocked_sources 41",
        "nftrap_operator_blocks 42",
        "nftrap_watched_contacts_total 43",
        "nftrap_remembered_sources 44",
        "nftrap_remembered_sources_max 45",
        "nftrap_journal_stored_events_total 51",
        "nftrap_journal_dropped_events_total 52",
        "nftrap_journal_lag_seconds 0.053",
        "nftrap_journal_works 1",
        "nftrap_events_file_unwritten_events_total 61",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in:\n{text}");
    }
}

#[test]
fn a_strict_reader_takes_it() {
    let nobody = Numbers { workers: vec![], queues: vec![], journal: None, events_unwritten: None, ..numbers() };
    for numbers in [numbers(), nobody] {
        let metrics = parse(&text(&numbers)).unwrap();
        for (name, metric) in &metrics {
            assert!(name.starts_with("nftrap_") || name.starts_with("process_"), "{name}");
            assert_eq!(metric.kind == "counter", name.ends_with("_total"), "{name}");
            assert!(metric.series.values().all(|value| *value >= 0.0), "{metric:?}");
        }
        assert!(metrics.values().any(|metric| metric.kind == "histogram"));
    }
}

#[test]
fn the_strict_reader_is_strict() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\\\"\"} 1\n";
    parse(good).unwrap();
    for bad in [
        "a_total 1\n",
        "# HELP a_total A.\na_total 1\n",
        "# HELP a_total A.\n# TYPE a_total number\n",
        &good.replace("\\\"", "\""),
        &good.replace("} 1", "} one"),
        &good.replace("a_total{", "b_total{"),
        &format!("{good}{good}"),
        &format!("{good}a_total{{x=\"1\\\"\"}} 2\n"),
        good.trim_end(),
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn buckets_grow_and_the_last_one_is_the_count() {
    let text = text(&numbers());
    let of = |start: &str| -> Vec<(f64, f64)> {
        let pair = |line: &str| {
            let (bound, count) = line.strip_prefix(start)?.split_once("\"} ")?;
            Some((bound.parse().ok()?, count.parse().ok()?))
        };
        text.lines().filter_map(pair).collect()
    };
    for name in ["nftrap_verdict_latency_seconds", "nftrap_block_latency_seconds"] {
        let buckets = of(&format!("{name}_bucket{{le=\""));
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{buckets:?}");
        let (bound, all) = *buckets.last().unwrap();
        assert!(bound.is_infinite());
        assert!(text.contains(&format!("\n{name}_count {all}\n")), "{name}");
    }
}

#[test]
fn what_is_not_there_has_no_numbers() {
    let text = text(&Numbers { journal: None, events_unwritten: None, ..numbers() });
    assert!(!text.contains("journal") && !text.contains("events_file"), "{text}");
}
