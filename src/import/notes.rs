//! What is told beside the result: what was lost, changed or odd, and where; or why there is no result.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// Who has more lines of a kind to look at than these looks at these first: a large file of rubbish makes no large complaint, and
/// hides nothing else.
const MOST_OF_A_KIND: usize = 20;

/// One thing to know: where, what, and why it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    file: String,
    line: Option<usize>,
    what: String,
    why: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.what.is_empty() {
            write!(f, ": {}", self.what)?;
        }
        write!(f, ": {}", self.why)
    }
}

/// All that is to be known, in the order in which it was found; of one kind no more than somebody reads.
#[derive(Debug, Default)]
pub struct Notes {
    listed: Vec<Note>,
    /// How many there are of a file and a reason.
    of_kind: BTreeMap<(String, String), usize>,
}

impl Notes {
    /// What is listed.
    #[must_use]
    pub fn listed(&self) -> &[Note] {
        &self.listed
    }

    /// By files, as they were first met, and by their lines.
    pub(super) fn sort(&mut self) {
        let mut files: Vec<String> = Vec::new();
        for note in &self.listed {
            if !files.contains(&note.file) {
                files.push(note.file.clone());
            }
        }
        self.listed.sort_by_key(|note| (files.iter().position(|file| *file == note.file), note.line));
    }

    /// `what` may be empty; all three are printable.
    pub(super) fn add(&mut self, file: &str, line: Option<usize>, what: &str, why: &str) {
        let count = self.of_kind.entry((file.to_owned(), why.to_owned())).or_default();
        *count = count.saturating_add(1);
        if *count <= MOST_OF_A_KIND {
            self.listed.push(Note { file: file.to_owned(), line, what: what.to_owned(), why: why.to_owned() });
        }
    }
}

impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.listed {
            writeln!(f, "{note}")?;
        }
        for ((file, why), count) in &self.of_kind {
            if let Some(more) = count.checked_sub(MOST_OF_A_KIND).filter(|more| *more > 0) {
                writeln!(f, "{file}: {more} times more: {why}")?;
            }
        }
        Ok(())
    }
}

/// Why nothing can be made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    place: String,
    reason: String,
    help: String,
}

impl Refusal {
    pub(super) fn new(file: &str, line: Option<usize>, reason: &str, help: &str) -> Self {
        let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
        Self { place, reason: reason.to_owned(), help: help.to_owned() }
    }

    /// The same, to be mended otherwise.
    pub(super) fn helped(self, help: &str) -> Self {
        Self { help: help.to_owned(), ..self }
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }
}

impl Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  help: {}", self.place, self.reason, self.help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_of_rubbish_only_the_first_notes_are_told_and_those_of_another_kind_still_are() {
        let mut notes = Notes::default();
        for line in 1..=1000 {
            notes.add("a", Some(line), "x", "y");
        }
        notes.add("a", Some(1001), "x", "z");
        let told = notes.to_string();
        assert_eq!(told.lines().count(), 22);
        assert!(told.ends_with("a:20: x: y\na:1001: x: z\na: 980 times more: y\n"), "{told}");
    }
}
