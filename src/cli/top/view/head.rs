//! The head: whether packets are judged, how fast, and how it looks in the last minute.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Sparkline;

use super::super::model::Model;
use super::super::words::{cut, micros, printable, span};
use super::{Look, Tone};
use crate::control::wire::{JournalStatus, Quantiles, Status};
use crate::time::Moment;

/// An answer that is older says nothing of now: the daemon is asked every second.
const STALE: Duration = Duration::from_secs(3);
/// As long as nobody says anew why no events come, they do.
const DEAF: Duration = Duration::from_secs(3);
/// Between two items on a line.
const GAP: &str = "   ";

type Item = Vec<Span<'static>>;

/// The verdict on the first line, the numbers below, as many lines as `width` makes of them.
pub(super) fn lines(model: &Model, now: Moment, look: Look, width: u16) -> Vec<Line<'static>> {
    let mut lines = vec![verdict(model, now, look, width)];
    let Some((_, status)) = &model.status else { return lines };
    let mut items = numbers(model, status, look);
    items.extend(trouble(model, now, status, look));
    if width >= 80 {
        let about = format!("nftrap {}, table inet {}", printable(&status.version), printable(&status.table));
        items.push(vec![look.span(Tone::Quiet, about)]);
    }
    lines.extend(flow(items, width));
    lines
}

/// The first line: what an operator must see first.
fn verdict(model: &Model, now: Moment, look: Look, width: u16) -> Line<'static> {
    let mut spans =
        if model.is_paused() { vec![look.span(Tone::Warning, "PAUSED "), Span::raw(" ")] } else { Vec::new() };
    let room = usize::from(width).saturating_sub(if model.is_paused() { 8 } else { 0 });
    let bad = |text: String| look.span(Tone::Bad, cut(&text, room));
    match (&model.status, &model.away) {
        (_, Some(reason)) => spans.push(bad(format!("NO ANSWER: {reason}"))),
        (None, None) => spans.push(look.span(Tone::Warning, "nftrap has not answered yet")),
        (Some((at, _)), None) if now.since(*at) >= STALE => {
            spans.push(bad(format!("NO ANSWER for {}: nftrap is stopped or very busy", span(now.since(*at)))));
        }
        (Some((_, status)), None) if status.protection != "whole" => {
            spans.push(bad(format!("NOT PROTECTING: {}", printable(&status.protection))));
        }
        (Some((_, status)), None) => spans.extend(whole(status, look)),
    }
    Line::from(spans)
}

fn whole(status: &Status, look: Look) -> Vec<Span<'static>> {
    let verdict = match status.mode.as_str() {
        "observe" => look.span(Tone::Warning, "OBSERVING"),
        _ => look.span(Tone::Good, "GUARDING"),
    };
    // A date without its fractions and letters is enough to know one's own restart by.
    let since = printable(&status.since).replace('T', " ");
    let since: String = since.chars().take(16).collect();
    let since = format!("{GAP}since {since} UTC ({})", span(Duration::from_secs(status.uptime)));
    vec![verdict, Span::raw(format!("  mode {}", printable(&status.mode))), Span::raw(since)]
}

fn numbers(model: &Model, status: &Status, look: Look) -> Vec<Item> {
    let second = model.minute.latest().unwrap_or_default();
    let waiting: u64 = status.queues.iter().map(|queue| u64::from(queue.waiting)).fold(0, u64::saturating_add);
    let lost = |queue: &crate::control::wire::Queue| u64::from(queue.overrun).saturating_add(u64::from(queue.unsent));
    let overrun = status.queues.iter().map(lost).fold(0, u64::saturating_add);
    let overrun_tone = if overrun == 0 { Tone::Normal } else { Tone::Bad };
    let filled = status.sources.saturating_mul(100).checked_div(status.max_sources).unwrap_or(0);
    let filled_tone = if filled < 90 { Tone::Normal } else { Tone::Warning };
    let item = |name: &str, tone: Tone, value: String| {
        vec![look.span(Tone::Quiet, format!("{name} ")), look.span(tone, value)]
    };
    vec![
        item("packets", Tone::Title, format!("{}/s", second.packets)),
        item("blocks", Tone::Title, format!("{}/s", second.blocks)),
        item("first contacts", Tone::Title, format!("{}/s", second.contacts)),
        item("verdict", Tone::Normal, quantiles(status.verdict_us)),
        item("block", Tone::Normal, quantiles(status.block_us)),
        vec![
            look.span(Tone::Quiet, "queues "),
            look.span(Tone::Normal, format!("{waiting} waiting, ")),
            look.span(overrun_tone, format!("{overrun} overrun")),
        ],
        item("blocked", Tone::Normal, status.blocked.to_string()),
        item("banned", Tone::Normal, status.banned.to_string()),
        item("sources", filled_tone, format!("{} of {} ({filled}%)", status.sources, status.max_sources)),
        journal(status.journal.as_ref(), look),
    ]
}

fn quantiles(of: Quantiles) -> String {
    format!("p50 {} p99 {}", micros(of.p50), micros(of.p99))
}

fn journal(journal: Option<&JournalStatus>, look: Look) -> Item {
    /// A healthy disk is done in a blink; this is when somebody should look.
    const SLOW: u64 = 5000;
    let name = look.span(Tone::Quiet, "journal ");
    let Some(journal) = journal else { return vec![name, Span::raw("none")] };
    let mut tone = Tone::Normal;
    let mut text = match &journal.problem {
        Some(problem) => {
            tone = Tone::Bad;
            cut(&printable(problem), 50)
        }
        None => format!("ok, {} stored", journal.stored),
    };
    if journal.dropped > 0 {
        tone = Tone::Bad;
        text = format!("{text}, {} lost", journal.dropped);
    }
    if journal.lag_ms >= SLOW {
        tone = Tone::Bad;
        text = format!("{text}, {} behind", span(Duration::from_millis(journal.lag_ms)));
    }
    vec![name, look.span(tone, text)]
}

/// What went wrong, and is seen nowhere else.
fn trouble(model: &Model, now: Moment, status: &Status, look: Look) -> Vec<Item> {
    let counters = &status.counters;
    let mut items: Vec<Item> = [
        (counters.block_failures, "blocks failed"),
        (counters.lost, "packets lost"),
        (counters.panics, "panics"),
        (counters.facts_lost, "events lost in the daemon"),
        (model.missed, "events missed here"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| vec![look.span(Tone::Bad, format!("{count} {what}"))])
    .collect();
    if model.away.is_none()
        && let Some((at, reason)) = &model.deaf
        && now.since(*at) < DEAF
    {
        items.push(vec![look.span(Tone::Bad, format!("no events: {}", cut(reason, 48)))]);
    }
    items
}

/// Items in lines of `width`, none of them broken.
pub(super) fn flow(items: Vec<Item>, width: u16) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for item in items {
        let item_width = Line::from(item.clone()).width();
        match lines.last_mut() {
            Some(line) if line.width().saturating_add(GAP.len()).saturating_add(item_width) <= usize::from(width) => {
                line.spans.push(Span::raw(GAP));
                line.spans.extend(item);
            }
            Some(_) | None => lines.push(Line::from(item)),
        }
    }
    lines
}

/// One number over the last minute, now at the right, with its name and its highest.
pub(super) fn spark(frame: &mut Frame<'_>, area: Rect, look: Look, name: &'static str, seconds: &[Option<u64>]) {
    let [label, bars, most] =
        Layout::horizontal([Constraint::Length(10), Constraint::Fill(1), Constraint::Length(12)]).areas(area);
    let room = usize::from(bars.width);
    let shown = seconds.get(seconds.len().saturating_sub(room)..).unwrap_or_default();
    let highest = shown.iter().flatten().copied().max().unwrap_or(0);
    let blank = std::iter::repeat_n(None, room.saturating_sub(shown.len()));
    // Little beside much is not nothing: it gets the lowest bar that there is.
    let least = highest.div_ceil(u64::from(area.height).saturating_mul(8).max(1));
    let seen = |n: u64| if n == 0 { 0 } else { n.max(least) };
    let bars_of = Sparkline::default()
        .data(blank.chain(shown.iter().map(|n| n.map(seen))).collect::<Vec<_>>())
        .max(highest.max(1))
        .style(look.of(Tone::Title));
    frame.render_widget(look.span(Tone::Quiet, name), label);
    frame.render_widget(bars_of, bars);
    frame.render_widget(look.span(Tone::Quiet, format!(" max {highest}")), most);
}
