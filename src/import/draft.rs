//! The nftrap.toml while it is written: sections, keys, and the comments above them.

use std::collections::BTreeMap;

use super::lines::printable;
use crate::config::PortSet;

/// A comment is folded past this; a word longer than a line stands alone.
const WIDTH: usize = 118;

/// Sections of nftrap.toml, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Trigger,
    Unserved,
    Detect,
    Block,
    Decoy,
    Command,
    HostsDeny,
    Allow,
    Report,
}

impl Section {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Unserved => "unserved",
            Self::Detect => "detect",
            Self::Block => "block",
            Self::Decoy => "decoy",
            Self::Command => "command",
            Self::HostsDeny => "hosts_deny",
            Self::Allow => "allow",
            Self::Report => "report",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Draft {
    head: String,
    /// Keys above all sections.
    top: String,
    sections: BTreeMap<Section, String>,
    tail: String,
}

impl Draft {
    /// A comment above all sections.
    pub(super) fn preface(&mut self, text: &str) {
        comment(&mut self.head, text);
    }

    /// A key above all sections, below its comment.
    pub(super) fn set_top(&mut self, key: &str, value: &str, why: &str) {
        comment(&mut self.top, why);
        self.top.extend([key, " = ", value, "\n"]);
    }

    /// A comment, above what is set next in the section.
    pub(super) fn remark(&mut self, section: Section, text: &str) {
        comment(self.sections.entry(section).or_default(), text);
    }

    /// A line of another file, as it stands there.
    pub(super) fn quote(&mut self, section: Section, line: &str) {
        self.sections.entry(section).or_default().extend(["# ", printable(line).trim_end(), "\n"]);
    }

    /// A key; `value` is TOML.
    pub(super) fn set(&mut self, section: Section, key: &str, value: &str) {
        self.sections.entry(section).or_default().extend([key, " = ", value, "\n"]);
    }

    /// A line of a comment below all sections, to be copied.
    pub(super) fn epilogue_line(&mut self, line: &str) {
        self.tail.extend(["#   ", &printable(line), "\n"]);
    }

    /// A comment below all sections.
    pub(super) fn epilogue(&mut self, text: &str) {
        comment(&mut self.tail, text);
    }

    pub(super) fn finish(self) -> String {
        let mut text = self.head;
        if !self.top.is_empty() {
            text.extend(["\n", &self.top]);
        }
        for (section, written) in self.sections {
            text.extend(["\n[", section.name(), "]\n", &written]);
        }
        if !self.tail.is_empty() {
            text.extend(["\n", &self.tail]);
        }
        text
    }
}

/// Adds `text` as lines of a comment, indented as it begins. What is not printable does not get in: it could end the comment.
fn comment(to: &mut String, text: &str) {
    let text = printable(text);
    let words = text.trim_start_matches(' ');
    let begin = format!("#{}", " ".repeat(text.len().saturating_sub(words.len())));
    let mut line = begin.clone();
    for word in words.split(' ') {
        if line.len() > begin.len() && line.chars().count().saturating_add(word.chars().count()) >= WIDTH {
            to.extend([line.trim_end(), "\n"]);
            line.clone_from(&begin);
        }
        line.push(' ');
        line.push_str(word);
    }
    to.extend([line.trim_end(), "\n"]);
}

/// A text as TOML has it. What is not printable is written as a number: it could make a reader see another text.
pub(super) fn text(text: &str) -> String {
    if printable(text) == text {
        return toml::Value::String(text.to_owned()).to_string();
    }
    let mut written = String::from("\"");
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            written.extend(['\\', letter]);
        } else if printable(letter.encode_utf8(&mut [0; 4])).starts_with(letter) {
            written.push(letter);
        } else {
            written.extend(["\\U", &format!("{:08X}", u32::from(letter))]);
        }
    }
    written.push('"');
    written
}

/// Ports as TOML has them: numbers, and ranges as texts.
pub(super) fn ports(ports: &PortSet) -> String {
    let entries: Vec<_> = ports.ranges().iter().flat_map(|range| entries(*range.start(), *range.end())).collect();
    let one_line = format!("[{}]", entries.join(", "));
    if one_line.len() < 100 {
        return one_line;
    }
    let mut folded = String::from("[\n");
    let mut line = String::from(" ");
    for entry in entries {
        if line.len().saturating_add(entry.len()) > WIDTH.saturating_sub(4) {
            folded.push_str(&line);
            folded.push('\n');
            line = String::from(" ");
        }
        line.extend([" ", &entry, ","]);
    }
    folded.push_str(&line);
    folded.push_str("\n]");
    folded
}

/// Two ports are no range yet.
fn entries(first: u16, last: u16) -> Vec<String> {
    match last.saturating_sub(first) {
        0 => vec![first.to_string()],
        1 => vec![first.to_string(), last.to_string()],
        _ => vec![format!("\"{first}-{last}\"")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_folded_and_nothing_ends_it() {
        let mut draft = Draft::default();
        draft.remark(Section::Block, &format!("a\nmode = \"observe\"\r {}", "word ".repeat(60)));
        draft.set(Section::Block, "time", &text("10m"));
        let written = draft.finish();
        let body = written.strip_prefix("\n[block]\n").unwrap();
        assert!(body.lines().filter(|line| !line.starts_with('#')).eq(["time = \"10m\""]), "{body}");
        assert!(body.lines().all(|line| line.len() <= WIDTH), "{body}");
    }

    #[test]
    fn any_text_comes_back_from_toml_as_it_was() {
        for said in ["", "a \"b\" 'c'", "\\", "\u{1}\u{7f}\t\r\n", "'''", "\"\"\"", "ü\u{202e}", "$TARGET$"] {
            let line = format!("x = {}", text(said));
            let table: toml::Table = line.parse().unwrap();
            assert_eq!(table["x"].as_str(), Some(said), "{line}");
            assert_eq!(printable(&line), line);
        }
    }

    #[test]
    fn a_long_list_of_ports_is_folded() {
        let set: PortSet = (1..200).map(|port| port * 3).collect();
        let written = ports(&set);
        assert!(written.lines().count() > 5 && written.lines().all(|line| line.len() <= WIDTH), "{written}");
        assert_eq!(ports(&[1..=2, 5..=9].into_iter().collect()), "[1, 2, \"5-9\"]");
    }
}
