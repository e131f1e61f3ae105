//! Lines for TCP wrappers, and the text of a file with and without them. Pure. What others wrote stays, byte by byte.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::cases::{Change, Wish};
use super::facts::{Facts, Plain};

/// A line, and the file that it belongs into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) file: PathBuf,
    pub(super) text: String,
}

impl Line {
    /// `template` for a source.
    pub(super) fn of(file: &Path, template: &str, facts: &Facts) -> Self {
        let text = template
            .replace("$TARGET$", target(facts.prefix).as_str())
            .replace("$PORT$", facts.port().as_str())
            .replace("$MODE$", facts.mode().as_str());
        Self { file: file.to_owned(), text }
    }
}

/// A source as `hosts_access(5)` has it, which takes colons without brackets for the end of a list.
fn target(prefix: IpNet) -> Bracketed {
    let one = prefix.prefix_len() == prefix.max_prefix_len();
    Bracketed(match prefix {
        _ if one && prefix.addr().is_ipv4() => Plain::made(prefix.addr()).as_str().to_owned(),
        IpNet::V4(net) => format!("{}/{}", net.network(), net.netmask()),
        IpNet::V6(net) if one => format!("[{}]", net.addr()),
        IpNet::V6(net) => format!("[{}]/{}", net.network(), net.prefix_len()),
    })
}

struct Bracketed(String);

impl Bracketed {
    fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which of the lines to be added are in `text` already.
pub(super) fn there(text: &[u8], changes: &[Change]) -> BTreeSet<String> {
    let lines: BTreeSet<_> = text.split(|byte| *byte == b'\n').collect();
    let is_there = |change: &&Change| change.wish == Wish::Add && lines.contains(change.text.as_bytes());
    changes.iter().filter(is_there).map(|change| change.text.clone()).collect()
}

/// `text` with these changes; nothing, if it is so already.
pub(super) fn edited(text: &[u8], changes: &[Change]) -> Option<Vec<u8>> {
    let of = |wish| changes.iter().filter(move |change| change.wish == wish).map(|change| change.text.as_bytes());
    let mut unwanted: BTreeSet<_> = of(Wish::Remove).collect();
    let mut missing: Vec<_> = of(Wish::Add).chain(of(Wish::Keep)).collect();
    let present: BTreeSet<_> = text.split(|byte| *byte == b'\n').collect();
    missing.retain(|line| !present.contains(line));
    let mut new = Vec::with_capacity(text.len());
    // One line of each text: who wrote the same below keeps it.
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !unwanted.remove(line.strip_suffix(b"\n").unwrap_or(line)) {
            new.extend_from_slice(line);
        }
    }
    if !missing.is_empty() {
        end_last_line(&mut new);
    }
    for line in missing {
        new.extend_from_slice(line);
        new.push(b'\n');
    }
    (new != text).then_some(new)
}

/// What follows is to be a line of its own, also after one without an end, or one that goes on behind a backslash.
fn end_last_line(text: &mut Vec<u8>) {
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    if text.ends_with(b"\\\n") {
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::samples::change;
    use super::super::facts::samples::facts;
    use super::*;

    fn edit(text: &str, changes: &[Change]) -> String {
        edited(text.as_bytes(), changes).map_or_else(|| text.to_owned(), |new| String::from_utf8(new).unwrap())
    }

    #[test]
    fn a_source_is_written_as_tcp_wrappers_read_it() {
        for (source, line) in [
            ("192.0.2.1", "ALL: 192.0.2.1 : DENY"),
            ("2001:db8::/64", "ALL: [2001:db8::]/64 : DENY"),
            ("fe80::1", "ALL: [fe80::1] : DENY"),
        ] {
            let made = Line::of(Path::new("/etc/hosts.deny"), "ALL: $TARGET$ : DENY", &facts(source));
            assert_eq!(made.text, line);
        }
        let network = Facts::operators("192.0.2.128/25".parse().unwrap(), None);
        assert_eq!(Line::of(Path::new("/x"), "$TARGET$", &network).text, "192.0.2.128/255.255.255.128");
    }

    #[test]
    fn lines_come_at_the_end_and_go_and_all_else_stays() {
        let theirs = "# mine\r\nALL: PARANOID\n\n  sshd: bad.example\nlast\n";
        let both = [change("ALL: 192.0.2.1", Wish::Add), change("ALL: 192.0.2.2", Wish::Add)];
        let with = edit(theirs, &both);
        assert_eq!(with, format!("{theirs}ALL: 192.0.2.1\nALL: 192.0.2.2\n"));
        let gone = [change("ALL: 192.0.2.1", Wish::Remove), change("ALL: 192.0.2.2", Wish::Remove)];
        assert_eq!(edit(&with, &gone), theirs);
        assert_eq!(edited(theirs.as_bytes(), &gone), None, "nothing of ours is there");
    }

    #[test]
    fn a_line_that_is_there_is_not_written_again_and_only_one_is_taken_out() {
        let text = "ALL: 192.0.2.1\n";
        let add = [change("ALL: 192.0.2.1", Wish::Add)];
        assert_eq!(edited(text.as_bytes(), &add), None);
        assert_eq!(there(text.as_bytes(), &add).len(), 1);
        assert_eq!(there(b"ALL: 192.0.2.11\n", &add).len(), 0, "a longer line is another one");
        let remove = [change("ALL: 192.0.2.1", Wish::Remove)];
        assert_eq!(edit("ALL: 192.0.2.1\nx\nALL: 192.0.2.1\n", &remove), "x\nALL: 192.0.2.1\n");
    }

    #[test]
    fn a_line_of_ours_never_becomes_part_of_theirs() {
        let add = [change("ours", Wish::Add)];
        assert_eq!(edit("no end", &add), "no end\nours\n");
        assert_eq!(edit("goes on \\\n", &add), "goes on \\\n\nours\n");
        assert_eq!(edit("", &add), "ours\n");
        assert_eq!(edited(b"\xff\xfe\n", &add).unwrap(), b"\xff\xfe\nours\n", "whatever it is");
    }

    #[test]
    fn a_line_that_a_killed_daemon_was_about_to_write_is_there_once() {
        let keep = [change("ours", Wish::Keep)];
        assert_eq!(edit("x\n", &keep), "x\nours\n");
        assert_eq!(edited(b"x\nours\n", &keep), None);
    }
}
