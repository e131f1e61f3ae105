//! Counts as tables and a chart for people, or as JSON.

use std::fmt::Write as _;

use serde_json::json;

use super::Counts;
use crate::cli::Output;
use crate::cli::plain::counted;
use crate::journal::{By, Top};

/// From nearly nothing to all.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The longest bar of the plain chart.
const BAR: u64 = 40;

pub(super) fn text(counts: &Counts, output: Output) -> String {
    let blocks: u64 = counts.slots.iter().sum();
    let mut text =
        format!("{} from {} to {}\n", counted(blocks, "block"), counts.since.to_second(), counts.until.to_second());
    if blocks == 0 {
        return text;
    }
    text.push('\n');
    match output {
        Output::Terminal => text.push_str(&chart(counts)),
        Output::Plain => text.push_str(&plain_chart(counts)),
    }
    for (by, top) in &counts.tables {
        table(&mut text, *by, top);
    }
    text
}

fn table(text: &mut String, by: By, top: &[Top]) {
    let [blocks, sources, last] = ["blocks", "sources", "last"];
    let mut line = |line: String| {
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line(String::new());
    match by {
        By::Source => line(format!("{:<26} {blocks:>8} {:>8}  {last}", "source", "")),
        By::Port => line(format!("{:<26} {blocks:>8} {sources:>8}  {last}", "port")),
        By::Network => line(format!("{:<26} {blocks:>8} {sources:>8}  {last}", "network")),
    }
    for row in top {
        let sources = if by == By::Source { String::new() } else { row.sources.to_string() };
        line(format!("{:<26} {:>8} {sources:>8}  {}", row.what, row.blocks, row.last.to_second()));
    }
}

/// One column for each part of the time.
fn chart(counts: &Counts) -> String {
    let most = counts.slots.iter().copied().max().unwrap_or(0);
    let bars: String = counts.slots.iter().map(|count| level(*count, most)).collect();
    format!("{bars}  at most {most} in {}\n", each(counts))
}

fn level(count: u64, most: u64) -> char {
    if count == 0 {
        return ' ';
    }
    let steps = u64::try_from(LEVELS.len()).unwrap_or(1);
    let step = share(count, most, steps).saturating_sub(1);
    usize::try_from(step).ok().and_then(|step| LEVELS.get(step)).copied().unwrap_or(' ')
}

/// `of`, as much of it as `count` is of `most`: something, where there is something.
fn share(count: u64, most: u64, of: u64) -> u64 {
    count.saturating_mul(of).div_ceil(most.max(1)).min(of)
}

/// A line for each two parts of the time, without a character that is not ASCII.
fn plain_chart(counts: &Counts) -> String {
    let pairs: Vec<u64> = counts.slots.chunks(2).map(|pair| pair.iter().sum()).collect();
    let most = pairs.iter().copied().max().unwrap_or(0);
    let length = part(counts, pairs.len());
    let mut text = String::new();
    let mut at = counts.since;
    for count in pairs {
        let bar = "#".repeat(usize::try_from(share(count, most, BAR)).unwrap_or(0));
        let line = format!("{} {count:>8} {bar}", at.to_second());
        // Writing to a string does not fail.
        let (Ok(()) | Err(_)) = writeln!(text, "{}", line.trim_end());
        at = at.plus(length);
    }
    text
}

fn part(counts: &Counts, parts: usize) -> std::time::Duration {
    let parts = u32::try_from(parts).unwrap_or(1);
    counts.until.since(counts.since).checked_div(parts).unwrap_or_default()
}

fn each(counts: &Counts) -> String {
    let part = std::time::Duration::from_secs(part(counts, counts.slots.len()).as_secs().max(1));
    let text = humantime::format_duration(part).to_string();
    // Days and hours, or hours and minutes: nobody wants the seconds of a day.
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

pub(super) fn json(counts: &Counts) -> String {
    let row = |top: &Top| json!({"what": top.what, "blocks": top.blocks, "sources": top.sources, "last": top.last});
    let mut object = json!({
        "since": counts.since,
        "until": counts.until,
        "blocks": counts.slots.iter().sum::<u64>(),
        "slots": counts.slots,
    });
    for (by, top) in &counts.tables {
        let name = match by {
            By::Port => "port",
            By::Source => "source",
            By::Network => "network",
        };
        if let Some(object) = object.as_object_mut() {
            object.insert(name.to_owned(), top.iter().map(row).collect());
        }
    }
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Counts {
        let (since, until) = ("2026-11-24T00:00:00Z".parse().unwrap(), "2026-11-24T08:00:00Z".parse().unwrap());
        let top = Top { what: "111/tcp".into(), blocks: 9, sources: 4, last: until };
        Counts { since, until, slots: vec![0, 1, 0, 8, 0, 0, 0, 0], tables: vec![(By::Port, vec![top])] }
    }

    #[test]
    fn a_terminal_gets_a_chart_of_one_line_and_a_file_gets_ascii() {
        let terminal = text(&counts(), Output::Terminal);
        assert_eq!(
            terminal,
            "9 blocks from 2026-11-24T00:00:00Z to 2026-11-24T08:00:00Z\n\n\u{20}▁ █      at most 8 in 1h\n\n\
             port                         blocks  sources  last\n\
             111/tcp                           9        4  2026-11-24T08:00:00Z\n"
        );
        let plain = text(&counts(), Output::Plain);
        assert!(plain.is_ascii());
        assert!(plain.contains("2026-11-24T02:00:00Z        8 ########################################\n"), "{plain}");
        assert!(plain.contains("2026-11-24T00:00:00Z        1 #####\n"), "{plain}");
    }

    #[test]
    fn json_is_one_object_with_the_tables_that_were_asked_for() {
        let object: serde_json::Value = serde_json::from_str(&json(&counts())).unwrap();
        assert_eq!(object["blocks"], 9);
        assert_eq!(object["port"][0]["what"], "111/tcp");
        assert_eq!(object.get("source"), None);
    }
}
