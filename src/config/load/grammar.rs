//! Every key that the configuration has: where it stands, what it may say, what it sets. Pure.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable};

use super::ReadFile;
use super::act::{banner, command, deny_file, deny_line};
use super::place::{group, journal_file, metrics_address, own_file};
use super::ports::ports;
use super::prefixes::{Role, prefixes};
use super::problem::{Fault, nearest, quoted};
use super::services::{Protocol, Services};
use super::source::{Source, Value};
use super::together::Spans;
use super::value::{Grain, choice, duration, duration_or_none, expected, number, switch, table};
use crate::config::{
    Act, Cage, Config, Count, Distributed, Exempt, LogFormat, MAX_FACTOR, MAX_PACKETS, MAX_QUEUES, Mode, NoDaemon,
    OnExit, QueueFull, Reader as QueueReader, RunAs, Sensitivity,
};
use crate::detect::prefixes::Prefixes;

/// The keys of each section; those of `""` stand before the first one.
pub(super) const KEYS: [(&str, &[&str]); 16] = [
    ("", &["mode", "table", "on_exit"]),
    ("trigger", &["tcp", "udp", "stealth"]),
    ("unserved", &["tcp", "udp", "except_tcp", "except_udp", "after_boot"]),
    ("detect", &["count", "threshold", "sensitivity", "window", "max_sources", "ipv6_prefix", "guest", "distributed"]),
    ("block", &["time", "factor", "longest", "proven_time", "proven_longest", "memory", "max", "tcp", "udp", "widen6"]),
    ("decoy", &["tcp", "udp", "banner", "hold", "max"]),
    ("command", &["run", "first", "block", "unblock", "shell", "timeout", "at_once"]),
    ("hosts_deny", &["line", "file"]),
    ("allow", &["sources", "automatic"]),
    ("protect", &["destinations", "dark"]),
    ("queue", &["first", "count", "length", "reader"]),
    ("fail", &["queue_full", "no_daemon"]),
    ("rights", &["user", "cage"]),
    ("control", &["group"]),
    ("journal", &["file", "keep", "max_mib"]),
    ("report", &["log", "history", "blocked", "resolve", "events", "metrics"]),
];

const DAY: Duration = Duration::from_secs(86_400);
/// A scan slower than this cannot be told from chance.
const MAX_WINDOW: Duration = DAY.saturating_mul(30);
/// An address changes hands: what its holder did longer ago than this says nothing of the next one.
const MAX_BLOCK: Duration = DAY.saturating_mul(365);

/// What happened longer ago helps nobody.
const MAX_KEEP: Duration = DAY.saturating_mul(3650);
/// Below, a busy hour does not fit; above, a command takes minutes to read it.
const MAX_MIB: RangeInclusive<u64> = 1..=65_536;

/// A scanner that is held longer has given up.
const MAX_HOLD: Duration = DAY;
/// Each is an open file.
const MAX_HELD: RangeInclusive<u32> = 1..=65_536;
/// Blocks wait for it.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);
/// Each is a process.
const MAX_AT_ONCE: RangeInclusive<u32> = 1..=64;

/// Below, a handful of forged addresses makes us forget; above, the table takes gigabytes.
const MAX_SOURCES: RangeInclusive<u32> = 1024..=16_777_216;
/// Below, a handful of forged addresses fills it; above, the kernel set takes gigabytes.
const MAX_BLOCKS: RangeInclusive<u32> = 1024..=4_194_304;
/// Nobody is given more than a /48 as one site (RFC 6177): a shorter prefix would block neighbours.
const IPV6_PREFIX: RangeInclusive<u8> = 48..=128;
/// A burst of a few packets must fit; the kernel holds no more than 65,536 a queue, whatever it is asked for.
const QUEUE_LENGTH: RangeInclusive<u32> = 16..=65_536;

const MODES: [(&str, Mode); 2] = [("enforce", Mode::Enforce), ("observe", Mode::Observe)];
const SENSITIVITY: [(&str, Sensitivity); 3] =
    [("low", Sensitivity::Low), ("medium", Sensitivity::Medium), ("high", Sensitivity::High)];
const COUNT: [(&str, Count); 2] = [("places", Count::Places), ("packets", Count::Packets)];
const DISTRIBUTED: [(&str, Distributed); 3] =
    [("report", Distributed::Report), ("block", Distributed::Block), ("off", Distributed::Off)];
const ACTS: [(&str, Act); 3] = [("block", Act::Block), ("observe", Act::Observe), ("command", Act::Command)];
const ON_EXIT: [(&str, OnExit); 2] = [("keep", OnExit::Keep), ("remove", OnExit::Remove)];
const READERS: [(&str, QueueReader); 2] = [("batch", QueueReader::Batch), ("plain", QueueReader::Plain)];
const QUEUE_FULL: [(&str, QueueFull); 2] = [("open", QueueFull::Open), ("closed", QueueFull::Closed)];
const USERS: [(&str, RunAs); 3] = [("auto", RunAs::Automatic), ("nftrap", RunAs::Nftrap), ("root", RunAs::Root)];
const NO_DAEMON: [(&str, NoDaemon); 2] = [("pass", NoDaemon::Pass), ("drop", NoDaemon::Drop)];

/// Reads one document into a configuration; what it cannot read keeps its default and is noted.
pub(super) struct Reader<'a> {
    source: Source<'a>,
    services: &'a Services,
    read_file: &'a mut ReadFile<'a>,
    config: Config,
    spans: Spans,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: Source<'a>, services: &'a Services, read_file: &'a mut ReadFile<'a>) -> Self {
        Self { source, services, read_file, config: Config::default(), spans: Spans::default() }
    }

    /// What the document asks for; worth nothing, if problems were noted.
    pub(super) fn read(mut self, document: &DeTable<'_>) -> Config {
        for (key, value) in in_file_order(document) {
            let name: &str = key.get_ref();
            if name.is_empty() || !KEYS.iter().any(|(section, _)| *section == name) {
                self.read_key("", key, value);
            } else if let Some(section) = value.get_ref().as_table() {
                self.read_section(name, section);
            } else {
                let help = format!("write [{name}] on a line of its own, and its keys below it");
                self.source.refuse(value.span(), expected("a section", value, help));
            }
        }
        for (span, fault) in self.spans.faults(&self.config) {
            self.source.refuse(span, fault);
        }
        self.config
    }

    fn read_section(&mut self, section: &str, table: &DeTable<'_>) {
        for (key, value) in in_file_order(table) {
            self.read_key(section, key, value);
        }
    }

    fn read_key(&mut self, section: &str, key: &Spanned<DeString<'_>>, value: &Value<'_>) {
        let (config, source) = (&mut self.config, &mut self.source);
        let Config { trigger, unserved, detect, block, queue, fail, .. } = config;
        let v = value;
        match (section, key.get_ref().as_ref()) {
            ("", "mode") => source.set(&mut config.mode, v, choice(v, MODES)),
            ("", "table") => source.set(&mut config.table, v, table(v)),
            ("", "on_exit") => source.set(&mut config.on_exit, v, choice(v, ON_EXIT)),
            ("trigger", "tcp") => put(&mut trigger.tcp, ports(source, v, Protocol::Tcp, self.services)),
            ("trigger", "udp") => put(&mut trigger.udp, ports(source, v, Protocol::Udp, self.services)),
            ("trigger", "stealth") => {
                self.spans.stealth = Some(v.span());
                source.set(&mut trigger.stealth, v, switch(v));
            }
            ("unserved", "tcp") => put(&mut unserved.tcp, ports(source, v, Protocol::Tcp, self.services)),
            ("unserved", "udp") => put(&mut unserved.udp, ports(source, v, Protocol::Udp, self.services)),
            ("unserved", "except_tcp") => put(&mut unserved.except_tcp, ports(source, v, Protocol::Tcp, self.services)),
            ("unserved", "except_udp") => put(&mut unserved.except_udp, ports(source, v, Protocol::Udp, self.services)),
            ("unserved", "after_boot") => source.set(&mut unserved.after_boot, v, duration(v, DAY, Grain::Any)),
            ("detect", "sensitivity") => source.set(&mut detect.sensitivity, v, choice(v, SENSITIVITY)),
            ("detect", "count") => source.set(&mut detect.count, v, choice(v, COUNT)),
            ("detect", "threshold") => {
                self.spans.threshold = Some(v.span());
                source.set(&mut detect.threshold, v, number(v, 1..=MAX_PACKETS));
            }
            ("detect", "window") => source.set(&mut detect.window, v, duration(v, MAX_WINDOW, Grain::Any)),
            ("detect", "max_sources") => source.set(&mut detect.max_sources, v, number(v, MAX_SOURCES)),
            ("detect", "ipv6_prefix") => source.set(&mut detect.ipv6_prefix, v, number(v, IPV6_PREFIX)),
            ("detect", "guest") => source.set(&mut detect.guest, v, duration_or_none(v, MAX_WINDOW)),
            ("detect", "distributed") => source.set(&mut detect.distributed, v, choice(v, DISTRIBUTED)),
            ("block", "time") => source.set(&mut block.time, v, block_length(v)),
            ("block", "factor") => source.set(&mut block.factor, v, number(v, 1..=MAX_FACTOR)),
            ("block", "longest") => source.set(&mut block.longest, v, block_length(v)),
            ("block", "proven_time") => source.set(&mut block.proven_time, v, block_length(v)),
            ("block", "proven_longest") => source.set(&mut block.proven_longest, v, block_length(v)),
            ("block", "memory") => source.set(&mut block.memory, v, duration(v, MAX_BLOCK, Grain::Any)),
            ("block", "max") => source.set(&mut block.max, v, number(v, MAX_BLOCKS)),
            ("allow", "sources") => {
                if let Some(listed) = prefixes(source, v, Role::Allow, self.read_file) {
                    (config.allow, config.allow_sources) = (listed.prefixes, listed.sources);
                }
            }
            ("allow", "automatic") => source.set(&mut config.exempt, v, switch(v).map(exempt)),
            ("protect", "destinations") => put(&mut config.protect, protected(source, v, self.read_file)),
            ("protect", "dark") => put(&mut config.dark, protected(source, v, self.read_file)),
            ("queue", "first") => {
                self.spans.queues = Some(v.span());
                source.set(&mut queue.first, v, number(v, 0..=u16::MAX));
            }
            ("queue", "count") => {
                self.spans.queues.get_or_insert_with(|| v.span());
                source.set(&mut queue.count, v, number(v, 1..=MAX_QUEUES));
            }
            ("queue", "length") => source.set(&mut queue.length, v, number(v, QUEUE_LENGTH)),
            ("queue", "reader") => source.set(&mut queue.reader, v, choice(v, READERS)),
            ("fail", "queue_full") => source.set(&mut fail.queue_full, v, choice(v, QUEUE_FULL)),
            ("fail", "no_daemon") => source.set(&mut fail.no_daemon, v, choice(v, NO_DAEMON)),
            _ => self.read_action(section, key, value),
        }
    }

    /// What is done about an offender, and who is told.
    fn read_action(&mut self, section: &str, key: &Spanned<DeString<'_>>, v: &Value<'_>) {
        let (config, source) = (&mut self.config, &mut self.source);
        let Config { block, decoy, command: commands, hosts_deny, control, journal, report, .. } = config;
        match (section, key.get_ref().as_ref()) {
            ("block", "tcp") => source.set(&mut block.tcp, v, choice(v, ACTS)),
            ("block", "udp") => source.set(&mut block.udp, v, choice(v, ACTS)),
            ("block", "widen6") => source.set(&mut block.widen6, v, switch(v)),
            ("decoy", "tcp") => put(&mut decoy.tcp, ports(source, v, Protocol::Tcp, self.services)),
            ("decoy", "udp") => {
                self.spans.udp_decoys = Some(v.span());
                put(&mut decoy.udp, ports(source, v, Protocol::Udp, self.services));
            }
            ("decoy", "banner") => source.set(&mut decoy.banner, v, banner(v)),
            ("decoy", "hold") => source.set(&mut decoy.hold, v, duration_or_none(v, MAX_HOLD)),
            ("decoy", "max") => source.set(&mut decoy.max, v, number(v, MAX_HELD)),
            ("command", "run") => {
                self.spans.commands.push(("run", v.span()));
                put(&mut commands.run, command(source, v));
            }
            ("command", "first") => source.set(&mut commands.first, v, switch(v)),
            ("command", "block") => {
                self.spans.commands.push(("block", v.span()));
                put(&mut commands.block, command(source, v));
            }
            ("command", "unblock") => {
                self.spans.commands.push(("unblock", v.span()));
                put(&mut commands.unblock, command(source, v));
            }
            ("command", "shell") => source.set(&mut commands.shell, v, switch(v)),
            ("command", "timeout") => source.set(&mut commands.timeout, v, duration(v, MAX_TIMEOUT, Grain::Any)),
            ("command", "at_once") => source.set(&mut commands.at_once, v, number(v, MAX_AT_ONCE)),
            ("hosts_deny", "line") => source.set(&mut hosts_deny.line, v, deny_line(v)),
            ("hosts_deny", "file") => source.set(&mut hosts_deny.file, v, deny_file(v)),
            ("rights", "user") => source.set(&mut config.rights.user, v, choice(v, USERS)),
            ("rights", "cage") => source.set(&mut config.rights.cage, v, switch(v).map(cage)),
            ("control", "group") => source.set(&mut control.group, v, group(v)),
            ("journal", "file") => source.set(&mut journal.file, v, journal_file(v)),
            ("journal", "keep") => source.set(&mut journal.keep, v, duration(v, MAX_KEEP, Grain::Any)),
            ("journal", "max_mib") => {
                let mebibytes = number(v, MAX_MIB);
                source.set(&mut journal.max_bytes, v, mebibytes.map(|size| size << 20));
            }
            ("report", "log") => source.set(&mut report.log, v, choice(v, LogFormat::ALL)),
            ("report", "history") => {
                self.spans.line_file = Some(v.span());
                source.set(&mut report.history, v, own_file(v));
            }
            ("report", "blocked") => {
                self.spans.line_file = Some(v.span());
                source.set(&mut report.blocked, v, own_file(v));
            }
            ("report", "resolve") => source.set(&mut report.resolve, v, switch(v)),
            ("report", "events") => {
                self.spans.line_file = Some(v.span());
                source.set(&mut report.events, v, own_file(v));
            }
            ("report", "metrics") => source.set(&mut report.metrics, v, metrics_address(v)),
            (section, name) => source.refuse(key.span(), unknown(section, name, v)),
        }
    }
}

fn protected(source: &mut Source<'_>, value: &Value<'_>, read: &mut ReadFile<'_>) -> Option<Prefixes> {
    prefixes(source, value, Role::Protect, read).map(|listed| listed.prefixes)
}

fn block_length(value: &Value<'_>) -> Result<Duration, Fault> {
    duration(value, MAX_BLOCK, Grain::WholeSeconds)
}

fn exempt(automatic: bool) -> Exempt {
    if automatic { Exempt::Automatic } else { Exempt::AllowListOnly }
}

fn cage(closed: bool) -> Cage {
    if closed { Cage::Closed } else { Cage::Open }
}

fn put<T>(slot: &mut T, read: Option<T>) {
    if let Some(meant) = read {
        *slot = meant;
    }
}

/// Problems are told from the top of the file to its end.
fn in_file_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Spanned<DeString<'i>>, &'t Value<'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| key.span().start);
    entries
}

/// Refuses a key or a section that does not exist, or not here.
fn unknown(section: &str, name: &str, value: &Value<'_>) -> Fault {
    if section.is_empty() && value.get_ref().is_table() {
        let sections = || KEYS.iter().map(|(section, _)| *section).filter(|section| !section.is_empty());
        let help = match nearest(name, sections()) {
            Some(near) => format!("did you mean [{near}]?"),
            None => format!("the sections are {}", sections().collect::<Vec<_>>().join(", ")),
        };
        return Fault::new(format!("there is no section {}", quoted(name)), help);
    }
    let keys = KEYS.iter().find(|(known, _)| *known == section).map_or(&[][..], |(_, keys)| keys);
    let help = match (KEYS.iter().find(|(_, keys)| keys.contains(&name)), nearest(name, keys.iter().copied())) {
        // TOML gives every key below a [section] to that section.
        (Some(("", _)), _) => "it belongs at the top of the file, before the first [section]".to_owned(),
        (Some((home, _)), _) => format!("it belongs below [{home}]"),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("the keys here are {}", keys.join(", ")),
    };
    let whither = if section.is_empty() { "outside the sections".to_owned() } else { format!("in [{section}]") };
    Fault::new(format!("there is no key {} {whither}", quoted(name)), help)
}
