//! The picture: what the model knows, drawn. Pure: the same model at the same time is the same picture.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use std::time::Duration;

use super::model::{Model, Table};
use super::words;
use crate::time::Moment;

mod dialogs;
mod head;
mod tables;
#[cfg(test)]
mod tests;

/// The smallest screen: below this a table has no rows left.
const LEAST: (u16, u16) = (60, 15);
/// From here on all three tables find room.
const WIDE: (u16, u16) = (120, 30);
/// From this height on the last minute gets two lines for each of its pictures.
const ROOMY: u16 = 24;
/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(10);

/// How it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Bad is red, good is green.
    Colours,
    /// Bold and reversed only.
    Plain,
}

/// What is said by how a text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Normal,
    Quiet,
    Good,
    Warning,
    Bad,
    Title,
    Chosen,
}

impl Look {
    fn of(self, tone: Tone) -> Style {
        let style = Style::new();
        let coloured = |colour: Color| if self == Self::Colours { style.fg(colour) } else { style };
        match tone {
            Tone::Quiet if self == Self::Colours => style.add_modifier(Modifier::DIM),
            Tone::Normal | Tone::Quiet => style,
            Tone::Good => coloured(Color::Green).add_modifier(Modifier::BOLD),
            Tone::Warning => coloured(Color::Yellow).add_modifier(Modifier::BOLD),
            Tone::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Title => coloured(Color::Cyan).add_modifier(Modifier::BOLD),
            Tone::Chosen => style.add_modifier(Modifier::REVERSED),
        }
    }

    fn span(self, tone: Tone, text: impl Into<String>) -> Span<'static> {
        Span::styled(text.into(), self.of(tone))
    }
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, now: Moment, look: Look) {
    let area = frame.area();
    if !holds(area, LEAST) {
        let (wide, high) = LEAST;
        let text = format!("{}x{} is too small: {wide}x{high}, please", area.width, area.height);
        return frame.render_widget(Line::from(text), area);
    }
    let head = head::lines(model, now, look, area.width);
    let bar = if area.height < ROOMY { 1 } else { 2 };
    let [top, packets, blocks, body, foot] = Layout::vertical([
        Constraint::Length(u16::try_from(head.len()).unwrap_or(u16::MAX)),
        Constraint::Length(bar),
        Constraint::Length(bar),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Text::from(head), top);
    head::spark(frame, packets, look, "packets/s", &model.minute.map(|second| second.packets));
    head::spark(frame, blocks, look, "blocks/s", &model.minute.map(|second| second.blocks));
    draw_tables(frame, body, model, now, look);
    frame.render_widget(footer(model, now, look, foot.width), foot);
    dialogs::draw(frame, model, look);
}

/// One table, or all three where there is room for them.
fn draw_tables(frame: &mut Frame<'_>, area: Rect, model: &Model, now: Moment, look: Look) {
    let rows = model.rows();
    let all = holds(frame.area(), WIDE);
    let mut draw = |table: Table, area: Rect| {
        let picture = tables::Picture { model, rows: &rows, now, look, all };
        frame.render_widget(Text::from(picture.lines(table, area)), area);
    };
    if !all {
        return draw(model.focus, area);
    }
    let [upper, lower] = Layout::vertical([Constraint::Fill(3), Constraint::Fill(2)]).areas(area);
    let [left, right] = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).spacing(2).areas(upper);
    draw(Table::Sources, left);
    draw(Table::Ports, right);
    draw(Table::Blocks, lower);
}

const fn holds(area: Rect, (wide, high): (u16, u16)) -> bool {
    area.width >= wide && area.height >= high
}

/// The last line: what happened just now, or else what keys do.
fn footer(model: &Model, now: Moment, look: Look, width: u16) -> Line<'static> {
    let fresh = |(at, text): &&(Moment, String)| now.since(*at) < NOTICE && !text.is_empty();
    if let Some((_, text)) = model.notice.as_ref().filter(fresh) {
        return Line::from(look.span(Tone::Title, words::cut(text, usize::from(width))));
    }
    let keys = [
        ("q", "quit"),
        ("?", "help"),
        ("Tab", "table"),
        ("s", "sort"),
        ("p", "pause"),
        ("Enter", "why"),
        ("u", "unblock"),
        ("r", "reset"),
        ("arrows", "choose"),
    ];
    let items = keys.map(|(key, what)| vec![look.span(Tone::Title, key), look.span(Tone::Quiet, format!(" {what}"))]);
    head::flow(items.into(), width).into_iter().next().unwrap_or_default()
}
