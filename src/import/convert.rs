//! What PortSentry's settings become: keys of nftrap.toml, each below the line that it comes from, and notes on what is different now.

use super::conf::{Conf, Entry};
use super::draft::{Draft, Section};
use super::key::Key;
use super::modes::{Modes, Protocol, Watch};
use super::notes::Notes;
use super::{Question, Version};

mod act;
mod command;
mod decoy;
mod lists;
mod report;
mod watch;

pub(super) struct Convert<'a> {
    conf: &'a Conf,
    modes: Modes,
    question: &'a Question,
    draft: Draft,
    notes: Notes,
    /// Whether anybody is blocked at all.
    blocks: bool,
    /// Whether there are decoys.
    answers: bool,
    low: Low,
}

/// What has been told of all ports below a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Low {
    New,
    Explained,
}

impl<'a> Convert<'a> {
    pub(super) fn new(conf: &'a Conf, modes: Modes, question: &'a Question, notes: Notes) -> Self {
        let draft = Draft::default();
        Self { conf, modes, question, draft, notes, blocks: false, answers: false, low: Low::New }
    }

    /// Everything that the conf says.
    pub(super) fn conf(&mut self) {
        self.preface();
        self.watch();
        self.detect();
        self.block();
        self.decoy();
        self.command();
        self.hosts_deny();
        self.report();
    }

    pub(super) fn finish(mut self) -> (String, Notes) {
        self.notes.sort();
        (self.draft.finish(), self.notes)
    }

    fn preface(&mut self) {
        let Conf { name, version, because, .. } = self.conf;
        self.draft.preface(&format!(
            "Made by `nftrap import portsentry` of {name}, read as a file of {}: {because}.",
            version.name()
        ));
        self.draft.preface(
            "What is not here is as it is without: nftrap.toml(5). Look it through, then try `nftrap check` on it.",
        );
        if *version == Version::Two {
            self.draft.preface(
                "What stood on PortSentry's command line beside --connect (interfaces, method, log) is not needed: nftrap \
                 looks at what arrives by any interface, and logs to where it is started.",
            );
        }
    }

    /// Shows the line of a key above what comes of it.
    fn quote(&mut self, section: Section, key: Key, entry: &Entry) {
        let line = format!("{}:{}: {}", self.conf.name, entry.line, entry.shown(key));
        self.draft.quote(section, &line);
    }

    /// Tells what is different with a key now.
    fn note(&mut self, key: Key, entry: &Entry, why: &str) {
        self.notes.add(&self.conf.path, Some(entry.line), &entry.shown(key), why);
    }

    /// Tells what follows from a key that is not there.
    fn note_absence(&mut self, key: Key, why: &str) {
        self.notes.add(&self.conf.path, None, key.name(), why);
    }

    /// Whether one of the protocols is watched in this way.
    fn any(&self, watch: Watch) -> bool {
        [&self.modes.tcp, &self.modes.udp].iter().any(|watched| watched.watch == watch)
    }
}

/// The keys of a protocol.
struct Keys {
    list: Key,
    below: Key,
    except: Key,
    block: Key,
}

const fn keys(protocol: Protocol) -> Keys {
    match protocol {
        Protocol::Tcp => Keys {
            list: Key::TcpPorts,
            below: Key::AdvancedPortsTcp,
            except: Key::AdvancedExcludeTcp,
            block: Key::BlockTcp,
        },
        Protocol::Udp => Keys {
            list: Key::UdpPorts,
            below: Key::AdvancedPortsUdp,
            except: Key::AdvancedExcludeUdp,
            block: Key::BlockUdp,
        },
    }
}

const BOTH: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

/// The words in lines of about that width.
fn in_lines(words: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut().filter(|line| line.len().saturating_add(word.len()) < width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.clone()),
        }
    }
    lines
}
