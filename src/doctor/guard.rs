//! Whether this host is guarded now: the daemon, its table, its queues.

use super::facts::{Claim, Facts, Listener, Started, Unseen};
use super::ruleset::{Ruleset, Statement};
use super::{BE_ROOT, Check, State, few, without_ruleset};
use crate::config::{Config, GuestQueue, Mode, NoDaemon};

/// Whoever has these sets in a table of our name is us.
const OUR_SETS: [&str; 2] = ["block4", "block6"];

/// Whether it runs.
pub(super) fn daemon(facts: &Facts, config: &Config) -> Check {
    let Some(daemon) = facts.daemon else {
        let remedy = "start it: `systemctl start nftrap` or `nftrap run`; its log says why it ended";
        return Check::problem("daemon", "nftrap does not run here: no scan is noticed", remedy);
    };
    if daemon.claim == Claim::Unproven {
        let finding = format!("process {} says that it guards table inet {}", daemon.process, config.table);
        return Check::unknown("daemon", format!("{finding}, and whether it does cannot be seen"), BE_ROOT);
    }
    let mode = match config.mode_in_effect() {
        Mode::Enforce => "",
        Mode::Observe => ", and only observes: nobody is blocked",
    };
    let how = match daemon.started {
        Started::ByUnit => " as nftrap.service",
        Started::Otherwise => "",
    };
    let waits = match config.unserved.after_boot.checked_sub(facts.uptime) {
        Some(left) if !left.is_zero() => {
            format!("; unserved ports count in {} s, for services still start", left.as_secs())
        }
        Some(_) | None => String::new(),
    };
    Check::ok("daemon", format!("process {} guards table inet {}{how}{mode}{waits}", daemon.process, config.table))
}

/// What is in the kernel of our table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Absent,
    Foreign,
    /// Some rule of it is gone that must be there.
    Emptied,
    Disarmed,
    /// Every worker's chain leads to its queue.
    Armed,
}

fn state(ruleset: &Ruleset, config: &Config) -> Table {
    let ours = |family: &str, table: &str| family == "inet" && table == config.table;
    if !ruleset.tables.iter().any(|table| ours(&table.family, &table.name)) {
        return Table::Absent;
    }
    let has = |name: &str| ruleset.sets.iter().any(|set| ours(&set.family, &set.table) && set.name == name);
    if !OUR_SETS.into_iter().all(has) {
        return Table::Foreign;
    }
    let filled = |name: &str| ruleset.rules.iter().any(|rule| ours(&rule.family, &rule.table) && rule.chain == name);
    if !["early", "blocked", "input", "forward", "spread", "strangers"].into_iter().all(filled) {
        return Table::Emptied;
    }
    let queues = |i: u16| {
        let chain = format!("queue{i}");
        let mut rules = ruleset.rules.iter().filter(|rule| ours(&rule.family, &rule.table) && rule.chain == chain);
        rules.any(|rule| rule.does(Statement::Queue) || rule.does(Statement::Compatible))
    };
    if (0..).zip(config.queue.numbers()).all(|(i, _)| queues(i)) { Table::Armed } else { Table::Disarmed }
}

/// Whether our table is whole, and sends packets to somebody.
pub(super) fn table(facts: &Facts, config: &Config, ruleset: Result<&Ruleset, &Unseen>) -> Check {
    const NAME: &str = "table";
    let ruleset = match ruleset {
        Ok(ruleset) => ruleset,
        Err(unseen) => return without_ruleset(NAME, unseen),
    };
    let table = format!("table inet {}", config.table);
    let restart = "restart nftrap: that loads the table again, and blocks stay";
    match (state(ruleset, config), facts.daemon) {
        (Table::Foreign, _) => Check::problem(
            NAME,
            format!("{table} is not nftrap's: it has no sets {}", OUR_SETS.join(" and ")),
            "choose another name with `table` in the config, or remove that table",
        ),
        (Table::Armed, Some(_)) => Check::ok(NAME, format!("{table} is whole and sends probes to the queues")),
        (Table::Armed, None) => {
            let finding = format!("{table} sends probes to nobody, for nftrap was killed: {}", fate(config));
            Check::problem(NAME, finding, "start nftrap; `nftrap run` takes over the blocks that are there")
        }
        (Table::Absent, Some(_)) => Check::problem(
            NAME,
            format!("{table} is gone: somebody flushed the ruleset, or another config's table is meant"),
            "it should be back within a second: ask again, and if it is not, read nftrap's log and restart it",
        ),
        (Table::Emptied, Some(_)) => Check::problem(NAME, format!("somebody took rules out of {table}"), restart),
        (Table::Disarmed, Some(_)) => {
            Check::problem(NAME, format!("{table} sends nothing to the queues of nftrap, which runs"), restart)
        }
        (Table::Absent, None) => Check::ok(NAME, format!("there is no {table}: it comes with nftrap")),
        (Table::Emptied, None) => Check::ok(NAME, format!("{table} is empty: its rules come with nftrap")),
        (Table::Disarmed, None) => Check::ok(
            NAME,
            format!("{table} is there from an earlier run: its blocks hold until they end; {}", fate(config)),
        ),
    }
}

/// What becomes of probes when nobody judges them.
fn fate(config: &Config) -> &'static str {
    match config.fail_mode().no_daemon {
        NoDaemon::Pass => "probes pass unjudged",
        NoDaemon::Drop => "whatever would have been judged is dropped",
    }
}

/// The config with the queues that the daemon has: other numbers in its file wait for a restart.
pub(super) fn in_force(facts: &Facts, config: &Config) -> Config {
    let mut running = config.clone();
    if let Some((first, count)) = facts.queue_numbers {
        (running.queue.first, running.queue.count) = (first, count);
    }
    if facts.guests_apart == Some(false) {
        running.queue.guests = GuestQueue::None;
    }
    running
}

/// What was found of the queues, with what of the config waits for a restart.
pub(super) fn waiting(found: Check, config: &Config, running: &Config) -> Check {
    let keys = [
        ("queue.first", config.queue.first != running.queue.first),
        ("queue.count", config.queue.count != running.queue.count),
    ];
    let keys: Vec<_> = keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect();
    if keys.is_empty() || found.state != State::Ok {
        return found;
    }
    let waits = if keys.len() == 1 { "waits" } else { "wait" };
    let finding = format!("{}; the config's {} {waits} for a restart", found.finding, keys.join(" and "));
    Check::warning(found.name, finding, "restart nftrap; if it runs with another config, name that one by --config")
}

/// Whether our queue numbers are ours.
pub(super) fn queues(facts: &Facts, config: &Config) -> Check {
    const NAME: &str = "queues";
    let Some(listeners) = &facts.queues else {
        return Check::unknown(NAME, "who listens to netlink queues cannot be seen", BE_ROOT);
    };
    let numbers = || config.queue.numbers();
    let ours: Vec<_> = listeners.iter().filter(|listener| numbers().contains(&listener.number)).collect();
    let strange = ours.iter().filter(|listener| is_strange(listener, facts));
    let strange = few(strange.map(|listener| format!("queue {} by {}", listener.number, listener.owner)));
    if !strange.is_empty() {
        let remedy = "stop that program, or choose other numbers with `first` in section [queue]";
        return Check::problem(NAME, format!("in use by another program: {strange}"), remedy);
    }
    if facts.daemon.is_none() {
        return Check::ok(NAME, format!("{} is free", range(config)));
    }
    let silent = numbers().filter(|number| ours.iter().all(|listener| listener.number != *number));
    let silent = few(silent.map(|number| number.to_string()));
    if !silent.is_empty() {
        let remedy = "name the config that nftrap runs with by --config; if it is this one, restart nftrap";
        return Check::problem(NAME, format!("nftrap runs, and nobody listens to queue {silent}"), remedy);
    }
    fullness(&ours, config)
}

/// Without a daemon any listener is strange; beside one, a process that is seen to be another program's.
fn is_strange(listener: &Listener, facts: &Facts) -> bool {
    match (facts.daemon, listener.process) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(daemon), Some(process)) => process != daemon.process,
    }
}

fn fullness(ours: &[&Listener], config: &Config) -> Check {
    const NAME: &str = "queues";
    let waiting = ours.iter().map(|listener| listener.waiting).max().unwrap_or(0);
    let lost = ours.iter().fold(0_u32, |sum, listener| sum.saturating_add(listener.lost));
    if waiting > config.queue.length / 2 {
        let remedy =
            "a flood, or too few workers: more of them with `count` in section [queue], if there are processors";
        return Check::warning(NAME, format!("{waiting} packets wait in one queue of {}", config.queue.length), remedy);
    }
    if lost > 0 {
        let remedy = "raise `length` or `count` in section [queue], if that happens outside floods";
        return Check::warning(NAME, format!("{lost} packets found a queue full since nftrap started"), remedy);
    }
    Check::ok(NAME, format!("nftrap listens to {}; {waiting} packets wait at most", range(config)))
}

fn range(config: &Config) -> String {
    let numbers = config.queue.numbers();
    format!("queue {}-{}", numbers.start(), numbers.end())
}

#[cfg(test)]
mod tests;
