//! Who else has a hand in packets: other tables, other queues, firewall managers. In nftables a packet visits every base chain
//! of a hook, the lowest priority first: an `accept` in one of them ends that chain only, and only a `drop` is final.

use std::collections::BTreeSet;

use super::facts::{Facts, Unit, Unseen};
use super::ruleset::{Chain, Rule, Ruleset, Statement};
use super::{BE_ROOT, Check, few, without_ruleset};
use crate::config::Config;

/// Where we look at packets in `input` and `forward`: `filter - 10`.
const OUR_PRIORITY: i32 = -10;

/// Whether something drops packets before we see them. Scanners that are dropped there are never noticed.
pub(super) fn before_us(config: &Config, ruleset: Result<&Ruleset, &Unseen>) -> Check {
    const NAME: &str = "other tables";
    let ruleset = match ruleset {
        Ok(ruleset) => ruleset,
        Err(unseen) => return without_ruleset(NAME, unseen),
    };
    let earlier: Vec<_> = ruleset.chains.iter().filter(|chain| comes_before_us(chain, config)).collect();
    let drops_all = |chain: &Chain| {
        chain.policy.as_deref() == Some("drop") || ruleset.rules_of(chain).any(|rule| rule.always(Statement::Drop))
    };
    let all = few(earlier.iter().filter(|chain| drops_all(chain)).map(|chain| chain.full_name()));
    if !all.is_empty() {
        let finding =
            format!("whatever {all} does not accept is dropped before nftrap sees it: such scans go unnoticed");
        let remedy = "give that chain a priority above -10 (`filter` is 0), so that it comes after ours";
        return Check::warning(NAME, finding, remedy);
    }
    let drops_some = |chain: &Chain| ruleset.rules_of(chain).any(|rule| rule.does(Statement::Drop));
    let some = few(earlier.iter().filter(|chain| drops_some(chain)).map(|chain| chain.full_name()));
    if some.is_empty() {
        Check::ok(NAME, "none drops anything before nftrap sees it")
    } else {
        Check::ok(NAME, format!("some packets are dropped before nftrap sees them, by {some}"))
    }
}

/// Base chains that a packet visits before our traps. Bridges and ARP are another matter.
fn comes_before_us(chain: &Chain, config: &Config) -> bool {
    let ours = chain.family == "inet" && chain.table == config.table;
    let (Some(hook), Some(priority)) = (&chain.hook, chain.prio) else { return false };
    let guards_others = !config.protect.is_empty() || !config.dark.is_empty();
    let visited = match hook.as_str() {
        "ingress" | "prerouting" => true,
        "input" => priority <= OUR_PRIORITY,
        "forward" => guards_others && priority <= OUR_PRIORITY,
        _ => false,
    };
    !ours && visited && ["ip", "ip6", "inet", "netdev"].contains(&chain.family.as_str())
}

/// Whether flows are hidden from conntrack, and thus from us.
pub(super) fn untracked(config: &Config, ruleset: Result<&Ruleset, &Unseen>) -> Check {
    const NAME: &str = "notrack";
    let ruleset = match ruleset {
        Ok(ruleset) => ruleset,
        Err(unseen) => return without_ruleset(NAME, unseen),
    };
    let theirs = |family: &str, table: &str| !(family == "inet" && table == config.table);
    let base = ruleset.chains.iter().filter(|chain| chain.hook.is_some() && theirs(&chain.family, &chain.table));
    let all = base.filter(|chain| ruleset.rules_of(chain).any(|rule| rule.always(Statement::NoTrack)));
    let all = few(all.map(Chain::full_name));
    if !all.is_empty() {
        let finding = format!(
            "{all} hides every flow from conntrack: blocks hold for SYNs only, and answers to this host look like probes"
        );
        return Check::problem(NAME, finding, "give its `notrack` a condition: only ports that are served here");
    }
    let chains_that = |statement| {
        let rules = ruleset.rules.iter().filter(|rule| theirs(&rule.family, &rule.table) && rule.does(statement));
        few(rules.map(Rule::chain_name).collect::<BTreeSet<_>>())
    };
    let some = chains_that(Statement::NoTrack);
    if !some.is_empty() {
        let finding = format!("{some} hides some flows from conntrack: of those, blocks hold for SYNs only");
        return Check::warning(NAME, finding, "keep `notrack` to the loopback, and to ports that are served here");
    }
    let perhaps = chains_that(Statement::MaybeNoTrack);
    if !perhaps.is_empty() {
        let finding =
            format!("{perhaps} has iptables' target CT, which hides flows from conntrack if it says --notrack");
        return Check::warning(NAME, finding, "see `iptables -t raw -S`; keep --notrack to ports that are served here");
    }
    Check::ok(NAME, "no rule hides flows from conntrack")
}

/// Whether a reload of another service takes our table away.
pub(super) fn flush(facts: &Facts) -> Check {
    const NAME: &str = "nftables.service";
    let flushes = |line: &str| line.trim_start().starts_with("flush ruleset");
    if facts.units.nftables != Unit::Enabled {
        return Check::ok(NAME, "not enabled: no start or reload of it flushes the ruleset");
    }
    let by_unit = |line: &str| line.starts_with("ExecReload=") && line.contains("flush ruleset");
    let (who, remedy) = match (facts.nftables_conf.lines().any(flushes), facts.nftables_unit.lines().any(by_unit)) {
        (true, _) => ("config", "flush your own tables only there: `add table inet filter; flush table inet filter`"),
        (false, true) => ("unit", "with `systemctl edit nftables`, give it an ExecReload that only loads its config"),
        (false, false) => {
            return Check::ok(NAME, "enabled; its reload leaves our table alone, but to stop it may flush everything");
        }
    };
    let finding =
        format!("its {who} says `flush ruleset`: a reload takes our table away, for up to a second while nftrap runs");
    Check::warning(NAME, finding, remedy)
}

/// Other programs that judge packets.
pub(super) fn other_queues(facts: &Facts, config: &Config) -> Check {
    const NAME: &str = "other queues";
    let Some(listeners) = &facts.queues else {
        return Check::unknown(NAME, "who listens to netlink queues cannot be seen", BE_ROOT);
    };
    let ours = config.queue.numbers();
    let others = listeners.iter().filter(|listener| !ours.contains(&listener.number));
    let others = few(others.map(|listener| format!("{} by {}", listener.number, listener.owner)));
    if others.is_empty() {
        return Check::ok(NAME, "none");
    }
    Check::ok(NAME, format!("{others}: beside ours; a verdict `accept` there or here leaves the other its say"))
}

/// A firewall manager, how it is known, and how it gets on with us.
struct Manager {
    name: &'static str,
    program: &'static str,
    table: &'static str,
    chain: &'static str,
    how: &'static str,
}

const MANAGERS: [Manager; 5] = [
    Manager {
        name: "firewalld",
        program: "firewalld",
        table: "firewalld",
        chain: "",
        how: "it reloads its own table only",
    },
    Manager { name: "ufw", program: "", table: "", chain: "ufw-before-input", how: "its rules come after ours" },
    Manager {
        name: "Docker",
        program: "dockerd",
        table: "docker-bridges",
        chain: "DOCKER",
        how: "published ports count as served",
    },
    Manager {
        name: "fail2ban",
        program: "fail2ban-server",
        table: "f2b-table",
        chain: "",
        how: "its bans and our blocks do not meet",
    },
    Manager {
        name: "CrowdSec",
        program: "crowdsec-firewa",
        table: "crowdsec",
        chain: "",
        how: "its bans and our blocks do not meet",
    },
];

/// Firewalls beside us: good to know, and no trouble.
pub(super) fn firewalls(facts: &Facts, ruleset: Result<&Ruleset, &Unseen>) -> Check {
    const NAME: &str = "firewalls";
    let here = |manager: &&Manager| {
        let table = |ruleset: &Ruleset| ruleset.tables.iter().any(|table| table.name == manager.table);
        let chain = |ruleset: &Ruleset| ruleset.chains.iter().any(|chain| chain.name == manager.chain);
        facts.programs.iter().any(|program| program == manager.program)
            || ruleset.is_ok_and(|ruleset| table(ruleset) || chain(ruleset))
    };
    let mut found: Vec<_> =
        MANAGERS.iter().filter(here).map(|manager| format!("{} ({})", manager.name, manager.how)).collect();
    if let Some(tables) = facts.legacy.as_ref().filter(|tables| !tables.is_empty()) {
        found.push(format!("iptables-legacy ({}; nft does not list its rules)", tables.join(", ")));
    }
    if let Some(table) = ruleset.ok().and_then(|ruleset| ruleset.flowtables.first()) {
        let how = "flows in it pass no forward chain; their first packets pass ours";
        found.push(format!("flowtable {} ({how})", table.name));
    }
    if found.is_empty() { Check::ok(NAME, "none is known here") } else { Check::ok(NAME, found.join(", ")) }
}

#[cfg(test)]
mod tests;
