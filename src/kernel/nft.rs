//! Runs `nft`: to load the ruleset at start and on reload, to put the queues in and out of force, to read the blocks that are there.
//! Takes milliseconds; never on a packet's way.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::ruleset::{self, Host, Method, Sctp};
use super::{block_set, queue, xt_queue};
use crate::config::Config;
use crate::detect::source::Source;

/// Why the ruleset is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// `nft` cannot be started.
    #[error("cannot run nft: is the package nftables installed?")]
    NotRun(#[source] io::Error),
    /// We lack the right.
    #[error("no right to change the ruleset: root or CAP_NET_ADMIN is needed")]
    Forbidden,
    /// The table is there, and it is not ours.
    #[error("table inet {0} is not nftrap's, and stays as it is: choose another name with `table`")]
    Foreign(String),
    /// `nft` refused, and says why.
    #[error("nft refuses the ruleset: {0}")]
    Refused(String),
    /// Neither way to a queue works.
    #[error("this kernel can queue neither by nft_queue ({native}) nor by xt_NFQUEUE ({xt})")]
    NoQueue {
        /// What nft says.
        native: String,
        /// What the kernel says.
        xt: io::Error,
    },
    /// `nft` answered something else than it should.
    #[error("cannot read what nft lists of set {0}")]
    Listing(&'static str),
}

/// Loads the whole table, with nothing queued: one transaction, all or nothing.
pub fn load(config: &Config) -> Result<(), NftError> {
    refuse_foreign_table(&config.table)?;
    run(&[ruleset::table(config, &host()), ruleset::disarm(config)].concat()).map(|_output| ())
}

/// Loads the whole table together with blocks, each with the time left to it: one transaction, so that none is ever missing.
pub fn restore(config: &Config, blocks: &[(Source, Duration)]) -> Result<(), NftError> {
    let texts = [ruleset::table(config, &host()), ruleset::disarm(config), ruleset::blocks(config, blocks)];
    run(&texts.concat()).map(|_output| ())
}

/// Whoever has a table of our name, but not our sets in it, has something of its own there.
fn refuse_foreign_table(table: &str) -> Result<(), NftError> {
    let listing = match run_with(&["-t", "list", "table", "inet", table], "") {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(NftError::Refused(_)) => return Ok(()), // there is none
        Err(error) => return Err(error),
    };
    let ours = [block_set::SET_V4, block_set::SET_V6].iter().all(|set| listing.contains(&format!("set {set} {{")));
    if ours { Ok(()) } else { Err(NftError::Foreign(table.to_owned())) }
}

/// Sends packets to the queues, by the way that this kernel has.
pub fn arm(config: &Config) -> Result<Method, NftError> {
    let native = match run(&ruleset::arm(config)) {
        Ok(_) => return Ok(Method::Native),
        Err(NftError::Refused(reason)) => reason,
        Err(error) => return Err(error),
    };
    run(&ruleset::disarm(config))?;
    for i in 0..config.queue.count {
        let number = config.queue.first.saturating_add(i);
        xt_queue::append_rule(&config.table, &ruleset::queue_chain(i), number, config.fail_mode().no_daemon)
            .map_err(|xt| NftError::NoQueue { native: native.clone(), xt })?;
    }
    Ok(Method::Xt)
}

/// Sends nothing to the queues any more; what waits there still gets its verdict.
pub fn disarm(config: &Config) -> Result<(), NftError> {
    run(&ruleset::disarm(config)).map(|_output| ())
}

/// Removes what is ours. The table itself goes only if nobody in this namespace has packets queued: with its base chains the
/// kernel would drop them, whoever they belong to.
pub fn remove(config: &Config) -> Result<(), NftError> {
    let table = format!("inet {}", config.table);
    let text = if queue::states().is_empty() {
        format!("delete table {table}\n")
    } else {
        let sets = [block_set::SET_V4, block_set::SET_V6].map(|set| format!("flush set {table} {set}\n"));
        format!("flush table {table}\n{}", sets.concat())
    };
    run(&text).map(|_output| ())
}

/// The blocks that the kernel has, with the time left to each. Elements without an end are the operator's, and left out.
pub fn blocks(config: &Config) -> Result<Vec<(IpAddr, Duration)>, NftError> {
    let mut found = Vec::new();
    for set in [block_set::SET_V4, block_set::SET_V6] {
        let output = run_with(&["-j", "list", "set", "inet", &config.table, set], "")?;
        found.extend(parse_elements(&output.stdout).ok_or(NftError::Listing(set))?);
    }
    Ok(found)
}

fn parse_elements(json: &[u8]) -> Option<Vec<(IpAddr, Duration)>> {
    let listing: Value = serde_json::from_slice(json).ok()?;
    let set = listing.get("nftables")?.as_array()?.iter().find_map(|object| object.get("set"))?;
    let elements = set.get("elem").and_then(Value::as_array);
    Some(elements.into_iter().flatten().filter_map(|element| parse_element(element.get("elem")?)).collect())
}

fn parse_element(element: &Value) -> Option<(IpAddr, Duration)> {
    let left = Duration::from_secs(element.get("expires")?.as_u64()?);
    Some((element.get("val")?.as_str()?.parse().ok()?, left))
}

/// What the ruleset must know of this namespace.
#[must_use]
pub fn host() -> Host {
    let spoken = Path::new("/proc/self/net/sctp").exists();
    Host { ephemeral: ephemeral_ports(), sctp: if spoken { Sctp::Spoken } else { Sctp::Unknown } }
}

/// The ports that this namespace's own flows leave from; Linux's default where it cannot be read.
#[expect(clippy::disallowed_methods, reason = "a kernel setting is a file")]
fn ephemeral_ports() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ports = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (ports.next(), ports.next()) {
        (Some(low), Some(high)) if low <= high => low..=high,
        _ => 32_768..=60_999,
    }
}

fn run(ruleset: &str) -> Result<Output, NftError> {
    run_with(&["-f", "-"], ruleset)
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts nft")]
fn run_with(arguments: &[&str], input: &str) -> Result<Output, NftError> {
    // Debian keeps nft where an ordinary user's PATH does not look.
    let start = |program| {
        let mut command = Command::new(program);
        command.args(arguments).env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn()
    };
    let mut nft = start("nft").or_else(|_| start("/usr/sbin/nft")).map_err(NftError::NotRun)?;
    if let Some(mut stdin) = nft.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(NftError::NotRun)?;
    }
    let output = nft.wait_with_output().map_err(NftError::NotRun)?;
    if output.status.success() {
        return Ok(output);
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    if reason.contains("Operation not permitted") {
        return Err(NftError::Forbidden);
    }
    let first = reason.lines().find(|line| line.contains("Error")).unwrap_or(&reason);
    Err(NftError::Refused(first.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_with_the_time_left_and_the_operators_own_are_not() {
        let json = br#"{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"set": {"family": "inet", "name": "block4",
            "elem": [{"elem": {"val": "192.0.2.1", "timeout": 600, "expires": 42}}, "192.0.2.9"]}}]}"#;
        let blocks = parse_elements(json).unwrap();
        assert_eq!(blocks, vec![("192.0.2.1".parse().unwrap(), Duration::from_secs(42))]);
    }

    #[test]
    fn an_empty_set_has_no_blocks_and_nonsense_is_an_error() {
        assert_eq!(parse_elements(br#"{"nftables": [{"set": {"name": "block4"}}]}"#), Some(Vec::new()));
        assert_eq!(parse_elements(b"nothing"), None);
    }
}
