//! A config file, and the ruleset that it makes.
//!
//! Input: the file; behind a line `---` what every file contains that it names, and behind another one `/etc/services`.

use std::path::Path;

use nftrap::config::load::{Services, parse};
use nftrap::config::{Config, MAX_FACTOR, MAX_PACKETS, MAX_QUEUES};
use nftrap::detect::prefixes::Prefixes;
use nftrap::kernel::ruleset::{self, Decoys, Host, Sctp};

use super::commands_a_terminal;

const BETWEEN: &str = "\n---\n";

pub(super) fn target(input: &[u8]) {
    let mut parts = Parts(input);
    let (config, named, services) = (parts.next(), parts.next(), parts.next());
    let services = Services::parse(&String::from_utf8_lossy(services));
    let read = parse(config, Path::new("/etc/nftrap/nftrap.toml"), &services, &mut |_| Ok(named.to_owned()));
    match read {
        Ok(config) => {
            keeps_its_limits(&config);
            makes_no_rule_of_its_own(&config);
        }
        Err(problems) => {
            let text = problems.to_string();
            assert!(text.contains("help: "), "{text}");
            assert!(!commands_a_terminal(&text), "{text:?}");
            assert!(text.len() < 64 * 1024, "{} bytes of problems", text.len());
        }
    }
}

struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn next(&mut self) -> &'a [u8] {
        let between = self.0.windows(BETWEEN.len()).position(|window| window == BETWEEN.as_bytes());
        let part = between.map_or(self.0, |at| &self.0[..at]);
        self.0 = between.map_or(&[], |at| &self.0[at + BETWEEN.len()..]);
        part
    }
}

fn keeps_its_limits(config: &Config) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(config.table.starts_with(|c: char| c.is_ascii_alphabetic()));
    assert!(config.table.len() <= 31 && config.table.chars().all(is_word), "{:?}", config.table);
    assert!((1..=MAX_PACKETS).contains(&config.detect.threshold));
    assert!((48..=128).contains(&config.detect.ipv6_prefix));
    assert!((1..=MAX_FACTOR).contains(&config.block.factor));
    assert!((1..=MAX_QUEUES).contains(&config.queue.count));
    assert!(config.queue.first.checked_add(config.queue.count - 1).is_some());
    assert!(config.block.time.as_secs() >= 1 && config.block.time.subsec_nanos() == 0);
}

/// What an operator writes freely changes a name and lists of addresses and ports, and no other word of the ruleset.
fn makes_no_rule_of_its_own(config: &Config) {
    let mut plain = Config {
        mode: config.mode,
        queue: config.queue,
        fail: config.fail,
        detect: config.detect,
        block: config.block,
        ..Config::default()
    };
    plain.trigger.stealth = config.trigger.stealth;
    plain.decoy = config.decoy.clone();
    let host = Host {
        ephemeral: 32_768..=60_999,
        links: Prefixes::default(),
        exempt: Prefixes::default(),
        listening: Vec::new(),
        sctp: Sctp::Unknown,
        decoys: Decoys::assumed(config),
    };
    let whole =
        |config: &Config| skeleton(&[ruleset::table(config, &host), ruleset::arm(config)].concat(), &config.table);
    assert_eq!(whole(config), whole(&plain));
    for text in [ruleset::refresh(config, &host), ruleset::allow(&config.table, &config.allow), ruleset::idle(config)] {
        for line in text.lines().filter(|line| !is_list(line, &config.table)) {
            let words: Vec<_> = line.split(' ').collect();
            let [_, _, _, table, ..] = words[..] else { panic!("{line}") };
            assert!(words[0] == "flush" && table == config.table, "{line}");
        }
    }
}

/// Every line but those that fill a set, with `T` for the table's name.
fn skeleton(text: &str, table: &str) -> Vec<String> {
    let named = |line: &str| line.replace(&format!("inet {table}"), "inet T");
    text.lines().filter(|line| !is_list(line, table)).map(named).collect()
}

fn is_list(line: &str, table: &str) -> bool {
    let list = line.strip_prefix(&format!("add element inet {table} ")).and_then(|rest| rest.strip_suffix(" }"));
    list.and_then(|list| list.split_once(" { ")).is_some_and(|(set, elements)| {
        let is_element = |c: char| c.is_ascii_hexdigit() || ":./-, ".contains(c);
        set.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && elements.chars().all(is_element)
    })
}
