//! What stands in front of the tables: the keys, a question, what is known of a source.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Constraint;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Padding, Paragraph};

use super::super::model::{Dialog, Model};
use super::super::words::{counted, printable, span, wrap};
use super::{Look, Tone};
use crate::control::wire::{self, Shown};
use crate::event::{self, Seen};

const KEYS: [&str; 11] = [
    "q, Esc, Ctrl-C    quit",
    "Tab, 1, 2, 3      sources, ports, latest blocks",
    "arrows, PgUp/Dn   choose a row; Home: whatever is on top",
    "s                 sort: contacts, last seen, address",
    "Enter             what is known of the chosen source",
    "u                 unblock it (asks first)",
    "p                 let the tables stand still; again: go on",
    "r                 count from now on",
    "",
    "The tables count what happened since the screen opened;",
    "times of day are UTC. Those silent longest make room.",
];

/// A line, and how it looks.
type Said = (Tone, String);

/// Draws what is in front, if anything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, look: Look) {
    let normal = |text: &str| (Tone::Normal, text.to_owned());
    match &model.dialog {
        Dialog::None => {}
        Dialog::Help => popup(frame, look, " keys ", &KEYS.map(normal), 0),
        Dialog::Unblock(who) => {
            let question = format!("unblock {}? y/n", event::plain(who));
            popup(frame, look, " unblock ", &[(Tone::Warning, question), normal("its contacts are forgotten, too")], 0);
        }
        Dialog::Evidence { who, answer, scroll } => {
            let lines = match answer {
                None => vec![normal("asking nftrap …")],
                Some(Err(problem)) => vec![(Tone::Bad, printable(problem))],
                Some(Ok(shown)) => story(shown),
            };
            popup(frame, look, &format!(" {} ", event::plain(who)), &lines, *scroll);
        }
    }
}

/// What is known of a source, the verdict first.
fn story(shown: &Shown) -> Vec<Said> {
    let tone = match shown.state.as_str() {
        "blocked" => Tone::Bad,
        "would be blocked" | "reported" => Tone::Warning,
        _ => Tone::Good,
    };
    let normal = |text: String| (Tone::Normal, text);
    let mut lines = vec![(tone, format!("{}: {}", printable(&shown.source), printable(&shown.state)))];
    lines.extend(shown.why.as_ref().map(|why| normal(format!("why: {}", printable(why)))));
    lines.extend(shown.blocks.iter().map(|block| normal(block_words(block))));
    lines.extend(shown.last_seen.as_ref().map(|seen| normal(format!("last seen {}", printable(seen)))));
    let (triggers, unserved) = shown.enough;
    let window = span(Duration::from_secs(shown.window));
    lines.push(normal(format!(
        "{}; enough are {triggers} with triggers, or {unserved} with other ports, within {window}",
        counted(shown.contacts.into(), "contact")
    )));
    if shown.repeats > 0 {
        lines.push(normal(format!("blocks in a row so far: {}", shown.repeats)));
    }
    if !shown.evidence.is_empty() {
        lines.push((Tone::Title, "what it did lately, oldest first:".to_owned()));
    }
    lines.extend(shown.evidence.iter().map(|seen| normal(contact_words(seen))));
    lines
}

fn block_words(block: &wire::Block) -> String {
    let left = |left: u64| format!("for another {}", span(Duration::from_secs(left)));
    let left = block.left.map_or_else(|| "for ever".to_owned(), left);
    let packets = block.packets.map(|packets| format!(", {} dropped", counted(packets, "packet")));
    let reason = block.reason.as_ref().map(|reason| format!(": {}", printable(reason)));
    let (source, by) = (printable(&block.source), printable(&block.by));
    format!("{source} blocked by {by} {left}{}{}", packets.unwrap_or_default(), reason.unwrap_or_default())
}

/// One contact, as `2026-11-24T05:55:21.189Z syn tcp/111 at 203.0.113.2`.
fn contact_words(seen: &serde_json::Value) -> String {
    match serde_json::from_value(seen.clone()) {
        Ok(Seen { at, probe }) => {
            format!("{at} {} {}/{} at {}", probe.kind, probe.protocol, probe.port, probe.destination)
        }
        Err(_) => printable(&seen.to_string()),
    }
}

/// A framed text in the middle, as large as it needs and finds room.
fn popup(frame: &mut Frame<'_>, look: Look, title: &str, lines: &[Said], scroll: u16) {
    let screen = frame.area();
    let widest = lines.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0).max(36);
    let room = usize::from(screen.width.saturating_sub(6)).min(widest);
    let wrapped = |(tone, text): &Said| {
        let tone = *tone;
        wrap(text, room).into_iter().map(move |line| Line::from(look.span(tone, line)))
    };
    let text: Vec<_> = lines.iter().flat_map(wrapped).collect();
    let needed = text.len();
    let framed = |inside: usize| u16::try_from(inside).unwrap_or(u16::MAX).saturating_add(2);
    let height = framed(needed).min(screen.height.saturating_sub(2));
    let area = screen.centered(Constraint::Length(framed(room.saturating_add(2))), Constraint::Length(height));
    let hidden = u16::try_from(needed).unwrap_or(u16::MAX).saturating_sub(height.saturating_sub(2));
    let frame_of =
        Block::bordered().title(title.to_owned()).border_style(look.of(Tone::Title)).padding(Padding::horizontal(1));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(text).block(frame_of).scroll((scroll.min(hidden), 0)), area);
}
