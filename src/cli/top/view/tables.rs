//! The tables: top sources, top ports, latest blocks. Only the rows that are seen are put into words.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::model::rows::{BlockRow, Cause, PortRow, Rows, Service, Sort, SourceRow, State};
use super::super::model::tally::DISTINCT;
use super::super::model::{Model, Table};
use super::super::words::{distinct, fit, short, span};
use super::{Look, Tone};
use crate::event;
use crate::time::Moment;

/// Lines of a table before its rows.
const ABOVE: usize = 2;
const BETWEEN: usize = 1;

/// What the tables are drawn from.
pub(super) struct Picture<'a> {
    pub(super) model: &'a Model,
    pub(super) rows: &'a Rows,
    pub(super) now: Moment,
    pub(super) look: Look,
    /// Whether all tables are seen, and not only the one in focus.
    pub(super) all: bool,
}

/// One column.
#[derive(Debug, Clone, Copy)]
struct Column {
    head: &'static str,
    /// 0 is what the others leave.
    width: usize,
    /// A table that is narrower goes without it, so that addresses find room.
    from: usize,
}

/// A row: its words, and how its state looks.
type Cells = (Vec<String>, Tone);

const fn column(head: &'static str, width: usize, from: usize) -> Column {
    Column { head, width, from }
}

const SOURCES: [Column; 6] = [
    column("source", 0, 0),
    column("contacts", 8, 0),
    column("ports", 5, 0),
    column("last port", 9, 0),
    column("seen", 4, 0),
    column("state", 11, 0),
];
const PORTS: [Column; 4] =
    [column("port", 0, 0), column("contacts", 8, 0), column("sources", 7, 0), column("seen", 4, 0)];
const BLOCKS: [Column; 7] = [
    column("source", 0, 0),
    column("at", 8, 0),
    column("port", 9, 0),
    column("kind", 8, 70),
    column("contacts", 8, 80),
    column("destination", 24, 110),
    column("state", 11, 0),
];

impl Picture<'_> {
    /// A table: what it is, its columns, and the rows around the chosen one.
    pub(super) fn lines(&self, table: Table, area: Rect) -> Vec<Line<'static>> {
        let (width, height) = (usize::from(area.width), usize::from(area.height).saturating_sub(ABOVE));
        let keys = table.keys(self.rows);
        let chosen = self.model.pane(table).place(&keys);
        let first = chosen.saturating_sub(height.div_euclid(2)).min(keys.len().saturating_sub(height));
        let (columns, cells): (&[Column], Vec<Cells>) = match table {
            Table::Sources => (&SOURCES, part(&self.rows.sources, first, height, |row| self.source(row))),
            Table::Ports => (&PORTS, part(&self.rows.ports, first, height, |row| self.port(row))),
            Table::Blocks => (&BLOCKS, part(&self.rows.blocks, first, height, |row| self.block(row))),
        };
        let heads = columns.iter().map(|column| column.head.to_owned()).collect::<Vec<_>>();
        let mut lines = vec![self.title(table, keys.len()), self.line(columns, &heads, (Tone::Quiet, false), width)];
        let focused = self.model.focus == table;
        lines.extend(
            cells
                .iter()
                .zip(first..)
                .map(|((cells, tone), at)| self.line(columns, cells, (*tone, focused && at == chosen), width)),
        );
        if keys.is_empty() {
            lines.push(Line::from(self.look.span(Tone::Quiet, nothing(table))));
        }
        lines
    }

    /// The names of all tables, the one in focus marked; where all are seen, its own.
    fn title(&self, table: Table, count: usize) -> Line<'static> {
        let mut spans = Vec::new();
        for (one, name) in [(Table::Sources, "1 sources"), (Table::Ports, "2 ports"), (Table::Blocks, "3 blocks")] {
            if self.all && one != table {
                continue;
            }
            let tone = if one == self.model.focus { Tone::Chosen } else { Tone::Title };
            spans.extend([self.look.span(tone, format!(" {name} ")), Span::raw(" ")]);
        }
        let order = match (self.model.pane(table).sort, table) {
            (Sort::Contacts, _) => "contacts",
            (Sort::LastSeen, Table::Blocks) => "latest",
            (Sort::LastSeen, _) => "last seen",
            (Sort::Address, Table::Ports) => "number",
            (Sort::Address, _) => "address",
        };
        let since = span(self.now.since(self.model.since));
        spans.push(self.look.span(Tone::Quiet, format!("{count} in {since}, by {order}")));
        Line::from(spans)
    }

    fn source(&self, row: &SourceRow) -> Cells {
        let (state, tone) = self.state(row.state);
        let cells = vec![
            row.source.to_string(),
            row.contacts.to_string(),
            distinct(row.ports, DISTINCT),
            row.last.map_or_else(|| "-".to_owned(), service),
            short(self.now.since(row.seen)),
            state,
        ];
        (cells, tone)
    }

    fn port(&self, row: &PortRow) -> Cells {
        let (contacts, sources) = (row.contacts.to_string(), distinct(row.sources, DISTINCT));
        (vec![service(row.service), contacts, sources, short(self.now.since(row.seen))], Tone::Normal)
    }

    fn block(&self, row: &BlockRow) -> Cells {
        let (state, tone) = self.state(row.state);
        let [port, kind, contacts, destination] = match &row.cause {
            Cause::Contacts(hits, asked) => [
                service((asked.protocol, asked.port)),
                asked.kind.to_string(),
                hits.to_string(),
                asked.destination.to_string(),
            ],
            Cause::Operator => ["-", "operator", "-", "-"].map(ToOwned::to_owned),
        };
        // Of a time as 2026-11-24T05:55:21.189Z, the time of day.
        let at = row.at.to_string().chars().skip(11).take(8).collect();
        (vec![event::plain(&row.who), at, port, kind, contacts, destination, state], tone)
    }

    fn state(&self, state: State) -> (String, Tone) {
        match state {
            State::Watched => ("watched".to_owned(), Tone::Normal),
            State::Blocked(None) => ("blocked".to_owned(), Tone::Bad),
            State::Blocked(Some(end)) if end > self.now => {
                (format!("blocked {}", short(end.since(self.now))), Tone::Bad)
            }
            State::Blocked(Some(_)) => ("block over".to_owned(), Tone::Normal),
            State::WouldBlock => ("would block".to_owned(), Tone::Warning),
            State::NotBlocked => ("NOT BLOCKED".to_owned(), Tone::Bad),
            State::LetGo => ("unblocked".to_owned(), Tone::Good),
        }
    }

    /// Cells in their columns: numbers to the right, words to the left; the last shows the state.
    fn line(&self, columns: &[Column], cells: &[String], (tone, chosen): (Tone, bool), width: usize) -> Line<'static> {
        let seen = |column: &&Column| column.from <= width && column.width > 0;
        let fixed = columns.iter().filter(seen).map(|column| column.width.saturating_add(BETWEEN));
        let rest = width.saturating_sub(fixed.fold(0, usize::saturating_add));
        let mut spans = Vec::new();
        for (column, cell) in columns.iter().zip(cells).filter(|(column, _)| column.from <= width) {
            let width = if column.width == 0 { rest } else { column.width };
            let cell = fit(cell, width);
            let right = matches!(column.head, "contacts" | "ports" | "sources" | "seen");
            let text = if right { format!("{cell:>width$} ") } else { format!("{cell:<width$} ") };
            let toned = tone == Tone::Quiet || column.head == "state";
            spans.push(self.look.span(if toned { tone } else { Tone::Normal }, text));
        }
        let line = Line::from(spans);
        if chosen { line.patch_style(self.look.of(Tone::Chosen)) } else { line }
    }
}

fn part<T>(rows: &[T], first: usize, height: usize, words: impl Fn(&T) -> Cells) -> Vec<Cells> {
    rows.iter().skip(first).take(height).map(words).collect()
}

/// As in `tcp/111`.
fn service((protocol, port): Service) -> String {
    format!("{protocol}/{port}")
}

const fn nothing(table: Table) -> &'static str {
    match table {
        Table::Sources | Table::Ports => "nobody has asked for what nobody serves",
        Table::Blocks => "nobody was blocked",
    }
}
