//! The text of one file while it is read: values go in, faults become problems at their place. Reads no file itself.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeValue};

use super::problem::{Fault, Problems};
use super::value::expected;

/// A value and the bytes it stands at.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// One file's text, and where its problems go.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) problems: &'a mut Problems,
}

impl<'a> Source<'a> {
    /// The file `path` that contains `content`; nothing, if that is no text.
    pub(super) fn new(path: &'a Path, content: &'a [u8], problems: &'a mut Problems) -> Option<Self> {
        match std::str::from_utf8(content) {
            // Some editors begin a file with a byte order mark: it says nothing, and columns are counted without it.
            Ok(text) => Some(Self { path, text: text.strip_prefix('\u{feff}').unwrap_or(text), problems }),
            Err(error) => {
                let start = error.valid_up_to();
                let byte = content.get(start).copied().unwrap_or_default();
                let fault = Fault::new(format!("byte 0x{byte:02x} is not UTF-8"), "save the file as UTF-8");
                let text = String::from_utf8_lossy(content);
                problems.refuse(path, &text, start..start.saturating_add(1), fault);
                None
            }
        }
    }

    /// Another file's text, whose problems go where ours do.
    pub(super) fn beside<'b>(&'b mut self, path: &'b Path, content: &'b [u8]) -> Option<Source<'b>> {
        Source::new(path, content, self.problems)
    }

    /// Notes that the bytes `span` are at fault.
    pub(super) fn refuse(&mut self, span: Range<usize>, fault: Fault) {
        self.problems.refuse(self.path, self.text, span, fault);
    }

    /// Puts what was read from `value` into `slot`, or notes why it cannot be read.
    pub(super) fn set<T>(&mut self, slot: &mut T, value: &Value<'_>, read: Result<T, Fault>) {
        match read {
            Ok(meant) => *slot = meant,
            Err(fault) => self.refuse(value.span(), fault),
        }
    }

    /// The entries of a list of `what`, or the note that there is none.
    pub(super) fn list<'v>(&mut self, value: &'v Value<'_>, what: &str, help: &str) -> Option<&'v DeArray<'v>> {
        let entries = value.get_ref().as_array();
        if entries.is_none() {
            self.refuse(value.span(), expected(what, value, help));
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_is_not_utf_8_is_named_with_its_place() {
        let mut problems = Problems::default();
        assert!(Source::new(Path::new("f"), b"a = 1\n# \xc3\xbc\xfc", &mut problems).is_none());
        let shown = "f:2:4: byte 0xfc is not UTF-8\n  # ü\u{fffd}\n     ^\n  help: save the file as UTF-8";
        assert_eq!(problems.to_string(), shown);
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_text() {
        let mut problems = Problems::default();
        let source = Source::new(Path::new("f"), b"\xef\xbb\xbfmode", &mut problems).unwrap();
        assert_eq!(source.text, "mode");
    }
}
