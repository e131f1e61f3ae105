//! What is possible alone but not together. Pure.

use std::ops::Range;
use std::path::Path;

use super::problem::{Fault, quoted};
use crate::config::{Config, Count, MAX_THRESHOLD, MAX_UDP_DECOYS};

/// Where keys stand that must fit to others, which may stand further down.
#[derive(Debug, Default)]
pub(super) struct Spans {
    pub(super) stealth: Option<Range<usize>>,
    pub(super) queues: Option<Range<usize>>,
    pub(super) threshold: Option<Range<usize>>,
    pub(super) udp_decoys: Option<Range<usize>>,
    /// The last of those that name a file for lines.
    pub(super) line_file: Option<Range<usize>>,
    pub(super) commands: Vec<(&'static str, Range<usize>)>,
}

impl Spans {
    /// What is wrong, and where.
    pub(super) fn faults(&self, config: &Config) -> Vec<(Range<usize>, Fault)> {
        let at = |span: &Option<Range<usize>>, fault: Option<Fault>| span.clone().zip(fault);
        let alone = [
            at(&self.stealth, nothing_to_trap(config)),
            at(&self.threshold, too_many_places(config)),
            at(&self.udp_decoys, too_many_decoys(config)),
            at(&self.queues, queues_past_the_last(config)),
            at(&self.line_file, one_file_for_two(config)),
        ];
        let commands = self.commands.iter().filter_map(|(key, span)| Some((span.clone(), no_program(config, key)?)));
        alone.into_iter().flatten().chain(commands).collect()
    }
}

fn nothing_to_trap(config: &Config) -> Option<Fault> {
    let ports = !config.watched_tcp().is_empty() || !config.watched_udp().is_empty();
    let decoys = !config.decoy.tcp.is_empty() || !config.decoy.udp.is_empty();
    let help = "name ports in tcp or udp, here or below [decoy], or set stealth = true";
    (!ports && !decoys && !config.trigger.stealth)
        .then(|| Fault::new("nothing to trap: no ports, and no stealth packets", help))
}

fn too_many_places(config: &Config) -> Option<Fault> {
    let detect = &config.detect;
    let help = format!("write a number from 1 to {MAX_THRESHOLD}, or count = \"packets\"");
    (detect.count == Count::Places && detect.threshold > MAX_THRESHOLD)
        .then(|| Fault::new(format!("{} places are more than we remember", detect.threshold), help))
}

fn too_many_decoys(config: &Config) -> Option<Fault> {
    let count = config.decoy.udp.count();
    let help = format!("name {MAX_UDP_DECOYS} ports at most: each has a socket");
    (count > MAX_UDP_DECOYS).then(|| Fault::new(format!("{count} decoys of UDP are too many"), help))
}

fn queues_past_the_last(config: &Config) -> Option<Fault> {
    let queue = &config.queue;
    let first = u16::MAX.saturating_sub(queue.count.saturating_sub(1));
    let reason = format!("{} queues from {} on go past number 65535", queue.count, queue.first);
    (queue.first > first).then(|| Fault::new(reason, format!("let the first be {first} or less")))
}

/// One of them is begun anew with each start, and would take the other with it.
fn one_file_for_two(config: &Config) -> Option<Fault> {
    let report = &config.report;
    let [events, history, blocked] = [&report.events, &report.history, &report.blocked];
    let twice = [
        ("events", events, "history", history),
        ("events", events, "blocked", blocked),
        ("history", history, "blocked", blocked),
    ]
    .into_iter()
    .find(|(_, one, _, other)| one.is_some() && one == other);
    twice.map(|(one, _, other, _)| {
        Fault::new(format!("`{one}` and `{other}` are the same file"), "give each a file of its own")
    })
}

/// Nothing is looked for in a PATH that somebody else may have set.
fn no_program(config: &Config, key: &str) -> Option<Fault> {
    let command = &config.command;
    let arguments = match key {
        "run" => &command.run,
        "block" => &command.block,
        _ => &command.unblock,
    };
    let program = arguments.first()?;
    if command.shell && arguments.len() > 1 {
        let help = "write the whole line as one text, or shell = false";
        return Some(Fault::new("the shell reads one line, and these are several texts", help));
    }
    (!command.shell && !Path::new(program).is_absolute()).then(|| {
        let help = "write the program's whole path, or shell = true";
        Fault::new(format!("{} is not the whole path of a program", quoted(program)), help)
    })
}
