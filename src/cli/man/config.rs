//! nftrap.toml(5), from the shipped config: a comment stands above the keys that it explains. Pure.

use clap_mangen::roff::{Roff, bold, roman};

/// The page for the file `shipped`.
pub(super) fn page(shipped: &str) -> String {
    let mut page = super::title("NFTRAP.TOML", "5");
    page.control("SH", ["NAME"]);
    page.text([roman("nftrap.toml - what nftrap guards, and when it blocks whom")]);
    page.control("SH", ["DESCRIPTION"]);
    let mut entry = Entry { below_heading: true, ..Entry::default() };
    let mut lines = shipped.lines();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix('#') {
            if !entry.keys.is_empty() {
                entry.write(&mut page);
            }
            entry.comment.push(text.trim());
        } else if let Some((key, value)) = line.split_once('=') {
            entry.keys.push((key.trim(), whole_value(value, &mut lines)));
        } else {
            entry.write(&mut page);
            if line.starts_with('[') {
                page.control("SS", [line.trim()]);
                entry.below_heading = true;
            }
        }
    }
    entry.write(&mut page);
    page.control("SH", ["FILES"]);
    page.control("TP", []);
    page.text([bold("/etc/nftrap/nftrap.toml")]);
    page.text([roman("What the service reads. As installed it holds the defaults that are shown here.")]);
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("nftrap"), roman("(8), "), bold("nft"), roman("(8)")]);
    page.render()
}

/// A value to its end: a list may go on over several lines.
fn whole_value<'a>(first: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> String {
    let mut value = first.trim().to_owned();
    while value.starts_with('[') && !value.ends_with(']') {
        let Some(line) = rest.next() else { break };
        value = [&value, line.trim()].join(if value.ends_with('[') { "" } else { " " });
    }
    value.replace(",]", "]").replace(", ]", "]")
}

/// Comment lines, and the keys below them.
#[derive(Default)]
struct Entry<'a> {
    comment: Vec<&'a str>,
    keys: Vec<(&'a str, String)>,
    /// Nothing stands between it and the heading: what comes first needs no paragraph mark.
    below_heading: bool,
}

impl Entry<'_> {
    /// Writes what it holds, and holds nothing any more.
    fn write(&mut self, page: &mut Roff) {
        if self.keys.is_empty() && !self.comment.is_empty() && !self.below_heading {
            page.control("PP", []);
        }
        self.below_heading &= self.keys.is_empty() && self.comment.is_empty();
        for (i, (key, value)) in self.keys.drain(..).enumerate() {
            // Keys under one comment share its text.
            page.control(if i == 0 { "TP" } else { "TQ" }, []);
            page.text([bold(key), roman(format!(" = {value}"))]);
        }
        for line in self.comment.drain(..) {
            page.text([roman(line)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_with_its_default_and_its_comment() {
        let page = page(
            "# All of it.\n\n# More.\n\n# Above.\nfirst = 1\n\n[part]\n# One.\n# Two.\nlist = [\n  1, 2,\n  3,\n]\nother = [\"x\"]\n",
        );
        assert!(
            page.contains(".SH DESCRIPTION\nAll of it.\n.PP\nMore.\n.TP\n\\fBfirst\\fR = 1\nAbove.\n.SS [part]\n"),
            "{page}"
        );
        let both = ".TP\n\\fBlist\\fR = [1, 2, 3]\n.TQ\n\\fBother\\fR = [\"x\"]\nOne.\nTwo.\n.SH FILES";
        assert!(page.contains(both), "{page}");
    }

    #[test]
    fn a_comment_that_begins_like_markup_stays_text() {
        let page = page("# .SH and 'this' and \\fB\nkey = \".x\"\n");
        assert!(page.contains("\n\\&.SH and \\*(Aqthis\\*(Aq and \\\\fB\n"), "{page}");
    }

    #[test]
    fn a_list_without_an_end_ends_with_the_file() {
        assert!(page("key = [\n 1,\n").contains("\\fBkey\\fR = [1,\n"));
    }

    #[test]
    fn every_key_of_the_shipped_file_is_on_the_page() {
        let page = page(super::super::SHIPPED_CONFIG);
        let config: toml::Table = super::super::SHIPPED_CONFIG.parse().unwrap();
        let mut found = 0;
        for (name, value) in &config {
            let table = value.as_table();
            assert_eq!(table.is_some(), page.contains(&format!("\n.SS [{name}]\n")), "{name}");
            let keys = table.map_or_else(|| vec![name], |table| table.keys().collect());
            for key in keys {
                assert!(page.contains(&format!("\n\\fB{key}\\fR = ")), "{key}");
                found += 1;
            }
        }
        assert!(found > 25, "{found}");
    }
}
