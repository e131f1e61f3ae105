//! What a command said when it failed, as a log line can bear it. **Bounded.** Pure.

/// As much as tells why; the rest is read and forgotten, so that nobody waits in vain to be read.
const KEPT: usize = 1024;

/// The beginning of what was said.
#[derive(Debug, Default)]
pub(super) struct Said(Vec<u8>);

impl Said {
    /// More was said.
    pub(super) fn hear(&mut self, more: &[u8]) {
        let room = KEPT.saturating_sub(self.0.len());
        self.0.extend(more.iter().take(room));
    }

    /// On one line, without what a terminal obeys or what would look like a line of ours.
    pub(super) fn line(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines
            .collect::<Vec<_>>()
            .join("; ")
            .chars()
            .map(|c| if obeyed(c) { char::REPLACEMENT_CHARACTER } else { c })
            .collect()
    }
}

fn obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_kept_and_a_terminal_obeys_nothing_of_it() {
        let mut said = Said::default();
        said.hear(b"cannot open /x\n\n  \x1b[2J\xff no\r\n");
        assert_eq!(said.line(), "cannot open /x; \u{fffd}[2J\u{fffd} no");
        for _ in 0..100 {
            said.hear(&[b'x'; 100]);
        }
        assert_eq!(said.0.len(), KEPT);
    }
}
