//! Lists of addresses: whom PortSentry ignored, and whom it blocked.

use super::{Convert, in_lines};
use crate::event::plain;
use crate::import::draft::{Section, text};
use crate::import::ignore::{Meaning, are_everybody, said};
use crate::import::{File, Refusal, blocked};

/// A line of addresses that is easily copied.
const WIDTH: usize = 90;
const READ_NO_MORE: &str = "nftrap does not read this file: edit `sources` of [allow] and reload; or move the list to a file such as \
                            /etc/nftrap/allow.list and name that one there: then what changes in it is taken up by itself";

impl Convert<'_> {
    /// The allow list.
    pub(in crate::import) fn allow(&mut self, file: &File) -> Result<(), Refusal> {
        let mut nets = Vec::new();
        let mut list = String::from("[\n");
        for said in said(file, self.conf.version) {
            let place = format!("{}:{}: {}", file.name, said.line, said.text);
            let (entry, note) = match said.meaning {
                Meaning::Allowed(net, notes) => {
                    nets.push(net);
                    (format!("{}, ", text(&plain(&net))), notes.join("; "))
                }
                Meaning::Left(why) => (String::new(), why.to_owned()),
            };
            list.extend(["  ", &entry, "# ", &place]);
            if !note.is_empty() {
                list.extend([" (", &note, ")"]);
                self.notes.add(&file.path, Some(said.line), &said.text, &note);
            }
            list.push('\n');
        }
        if are_everybody(&nets) {
            let help = "leave out the widest of them; to watch without blocking, import without them and set mode = \"observe\"";
            return Err(Refusal::new(
                &file.path,
                None,
                "its networks together allow everybody: nobody would be blocked",
                help,
            ));
        }
        self.notes.add(&file.path, None, "", READ_NO_MORE);
        list.push(']');
        let list = if list == "[\n]" { "[]" } else { &list };
        self.draft.remark(
            Section::Allow,
            "Own addresses, gateways, resolvers, time servers and administrators' sessions are allowed by themselves.",
        );
        self.draft.set(Section::Allow, "sources", list);
        Ok(())
    }

    /// Whom PortSentry blocked, as commands that nobody runs unread.
    pub(in crate::import) fn blocked(&mut self, file: &File) {
        let found = blocked::addresses(file, &mut self.notes);
        if found.is_empty() {
            self.draft.epilogue(&format!("{} names nobody.", file.name));
            return;
        }
        let words: Vec<String> = found.iter().map(ToString::to_string).collect();
        self.draft.epilogue(&format!(
            "PortSentry blocked these {} for ever ({}). Addresses change hands, so they are not in this file. To block them here as well, once nftrap runs:",
            words.len(),
            file.name
        ));
        for line in in_lines(&words, WIDTH) {
            self.draft.epilogue_line(&format!("nftrap block --for 7days {line}"));
        }
    }
}
