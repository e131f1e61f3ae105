//! Tables of any length, in bounded memory: the first rows say how wide the columns are.

use std::io::{self, Write};

/// Rows that are waited for before the first is written. A wider one that comes later stands out.
const LOOKED_AT: usize = 256;
const GAP: &str = "  ";

/// Where a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A table that is written as its rows come.
pub(super) struct Table<'a, W: Write, const N: usize> {
    out: &'a mut W,
    columns: [(&'static str, Align); N],
    waiting: Vec<[String; N]>,
    widths: Option<[usize; N]>,
}

impl<'a, W: Write, const N: usize> Table<'a, W, N> {
    /// A table with these heads, that goes to `out`.
    pub(super) fn new(out: &'a mut W, columns: [(&'static str, Align); N]) -> Self {
        Self { out, columns, waiting: Vec::new(), widths: None }
    }

    /// One more row.
    pub(super) fn row(&mut self, row: [String; N]) -> io::Result<()> {
        if let Some(widths) = &self.widths {
            return write_row(self.out, &row, widths, &self.columns);
        }
        self.waiting.push(row);
        if self.waiting.len() < LOOKED_AT { Ok(()) } else { self.write_waiting() }
    }

    /// Writes what is left, and gives back where it went. A table without rows is nothing at all: its caller says so in words.
    pub(super) fn finish(mut self) -> io::Result<&'a mut W> {
        if !self.waiting.is_empty() {
            self.write_waiting()?;
        }
        Ok(self.out)
    }

    fn write_waiting(&mut self) -> io::Result<()> {
        let heads = self.columns.map(|(head, _)| head.to_owned());
        let mut widths = [0; N];
        for row in [&heads].into_iter().chain(&self.waiting) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.widths = Some(widths);
        write_row(self.out, &heads, &widths, &self.columns)?;
        std::mem::take(&mut self.waiting).iter().try_for_each(|row| write_row(self.out, row, &widths, &self.columns))
    }
}

fn write_row<const N: usize>(
    out: &mut impl Write,
    row: &[String; N],
    widths: &[usize; N],
    columns: &[(&'static str, Align); N],
) -> io::Result<()> {
    let mut line = String::new();
    for ((cell, width), (_, align)) in row.iter().zip(widths).zip(columns) {
        let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
        let cell = match align {
            Align::Left => [cell, blanks.as_str()],
            Align::Right => [blanks.as_str(), cell],
        };
        line.push_str(&cell.concat());
        line.push_str(GAP);
    }
    writeln!(out, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [(&str, Align); 3] = [("who", Align::Left), ("n", Align::Right), ("why", Align::Left)];

    fn table(rows: &[[&str; 3]]) -> String {
        let mut out = Vec::new();
        let mut table = Table::new(&mut out, COLUMNS);
        for row in rows {
            table.row(row.map(ToOwned::to_owned)).unwrap();
        }
        table.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let shown = table(&[["192.0.2.1", "7", ""], ["::1", "12345", "noise"]]);
        assert_eq!(shown, "who            n  why\n192.0.2.1      7\n::1        12345  noise\n");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn a_long_table_is_written_as_it_comes() {
        let mut out = Vec::new();
        let mut table = Table::new(&mut out, COLUMNS);
        for n in 0..100_000 {
            table.row(["a".into(), n.to_string(), "b".into()]).unwrap();
            assert!(table.waiting.len() < LOOKED_AT);
        }
        table.finish().unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(shown.lines().count(), 100_001);
        assert_eq!((shown.lines().nth(1), shown.lines().last()), (Some("a      0  b"), Some("a    99999  b")));
    }
}
