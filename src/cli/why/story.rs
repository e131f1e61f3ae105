//! The story in words: what is, for what, what was before, and what can be done.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use crate::cli::held::OPERATOR;
use crate::cli::plain::{counted, printable, span, time};
use crate::cli::services::Services;
use crate::cli::words;
use crate::control::wire::{Block, Shown};
use crate::detect::source::Source;
use crate::event::{Event, Seen, Wall, What};
use crate::kernel::block_set::set_of;

/// Why a block is longer than others.
const PROVEN: &str = "; longer, for a connection with a decoy proved its address";

/// One address's story.
pub(super) struct Story<'a> {
    /// Who was asked for.
    pub(super) who: IpAddr,
    /// What is known of it now.
    pub(super) shown: &'a Shown,
    /// Whether a daemon said so.
    pub(super) runs: bool,
    /// What happened to it, the latest first.
    pub(super) earlier: &'a [Event],
    /// Whether more happened than that.
    pub(super) more: bool,
    /// The daemon's table.
    pub(super) table: &'a str,
    /// What a command needs to reach the same daemon.
    pub(super) option: String,
    /// The time.
    pub(super) now: Wall,
}

impl Story<'_> {
    /// In words, with the names of ports that this host has.
    pub(super) fn text(&self) -> String {
        self.told(&Services::of_this_host())
    }

    fn told(&self, services: &Services) -> String {
        let mut lines = self.now();
        lines.extend(self.counted());
        lines.extend(self.asked_for(services));
        if !self.earlier.is_empty() {
            lines.push("what happened before, the latest first:".to_owned());
            let later = [None].into_iter().chain(self.earlier.iter().map(Some));
            lines.extend(self.earlier.iter().zip(later).map(|(event, later)| self.before(event, later)));
        }
        if self.more {
            lines.push(format!("more: nftrap history --source {}{}", printable(&self.shown.source), self.option));
        }
        lines.extend(self.what_to_do());
        lines.join("\n") + "\n"
    }

    /// An event, and its block's own end, which is no event: it came if nothing did before.
    fn before(&self, event: &Event, later: Option<&Event>) -> String {
        let next = later.map_or(self.now, |later| later.at);
        let ran_out = blocks(event) && event.what.until().is_some_and(|until| until <= next);
        format!("  {}{}", words::dated(event), if ran_out { "; it ended by itself" } else { "" })
    }

    fn now(&self) -> Vec<String> {
        let Shown { source, state, why, blocks, .. } = self.shown;
        let source = printable(source);
        let mut lines = Vec::new();
        if source != self.who.to_string() && blocks.is_empty() {
            lines.push(format!("{} belongs to {source}, which is one source to nftrap", self.who));
        }
        lines.extend(blocks.iter().map(|block| self.blocked(block)));
        let why = why.as_deref().map(|why| format!(": {}", printable(why))).unwrap_or_default();
        match state.as_str() {
            "blocked" if !blocks.is_empty() => {}
            "unknown" if self.earlier.is_empty() => {
                lines.push(format!("nftrap knows nothing of {source}: it is not blocked"));
            }
            "unknown" => lines.push(format!("{source} is not blocked, and did nothing lately that counts")),
            "watched" => lines.push(format!("{source} is not blocked yet, and watched")),
            "would be blocked" => {
                lines.push(format!("{source} would be blocked, but nftrap only observes (`mode` in its config)"));
            }
            "reported" => {
                lines
                    .push(format!("{source} was reported, and is not blocked ([block] `tcp` and `udp` in its config)"));
            }
            state => lines.push(format!("{source} is {}{why}", printable(state))),
        }
        lines
    }

    fn blocked(&self, block: &Block) -> String {
        let Block { source, by, until, left, repeat, packets, reason } = block;
        let holds = if *source == self.who.to_string() { "" } else { &format!(", which holds {},", self.who) };
        let end = match (until, left) {
            (Some(until), Some(left)) => {
                format!("until {} ({} left)", time(until), span(Duration::from_secs(*left)))
            }
            (Some(until), None) => format!("until {}", time(until)),
            (None, _) => "for ever".to_owned(),
        };
        let by = match by.as_str() {
            "nftrap" => ", by nftrap".to_owned(),
            "operator" => ", by an operator".to_owned(),
            "nft" => ", by somebody who added it with nft".to_owned(),
            _ => String::new(),
        };
        let reason = reason.iter().filter(|reason| !reason.is_empty()).map(|reason| format!(": {}", printable(reason)));
        let repeat = repeat.filter(|repeat| *repeat > 1).map(|repeat| format!("; its block {repeat} in a row"));
        let packets = packets.map(|n| format!("; {} dropped since", counted(n, "packet")));
        let longer = self.is_proven(block).then(|| PROVEN.to_owned());
        let more: String = reason.chain(repeat).chain(longer).chain(packets).collect();
        format!("{}{holds} is blocked {end}{by}{more}", printable(source))
    }

    /// Whether the offence that this block is for proved its source.
    fn is_proven(&self, block: &Block) -> bool {
        let offence = self.earlier.iter().find_map(|event| event.what.offence());
        block.by == "nftrap" && offence.is_some_and(|offence| offence.probe.kind.proves_its_source())
    }

    /// How much of what is enough.
    fn counted(&self) -> Option<String> {
        let Shown { contacts, enough: (triggers, others), window, last_seen, repeats, guest, .. } = self.shown;
        if !self.runs || *contacts == 0 {
            return None;
        }
        let window = span(Duration::from_secs(*window));
        let guest = if *guest { "it talks with a service here: " } else { "" };
        let seen = last_seen.as_deref().map(|at| format!(", last seen {}", time(at))).unwrap_or_default();
        let contacts = counted((*contacts).into(), "contact");
        let repeats = if *repeats > 0 && self.shown.blocks.is_empty() {
            format!(", {} in a row so far", counted((*repeats).into(), "block"))
        } else {
            String::new()
        };
        Some(format!(
            "{contacts} remembered{seen}{repeats}; {guest}within {window} enough are {triggers} with trigger ports, or {others} with other ports that nobody serves"
        ))
    }

    /// The evidence: the daemon's, or what the last block was set for.
    fn asked_for(&self, services: &Services) -> Vec<String> {
        let lately = self.shown.evidence.iter().filter_map(seen).collect::<Vec<_>>();
        let (head, evidence) = if lately.is_empty() {
            let offence = self.earlier.iter().find_map(|event| event.what.offence());
            ("it was blocked for these:", offence.map(|offence| offence.evidence.clone()).unwrap_or_default())
        } else {
            ("it asked for what nobody serves:", lately)
        };
        if evidence.is_empty() {
            return Vec::new();
        }
        let line = |seen: &Seen| {
            let place = services.place(seen.probe.protocol, seen.probe.port);
            format!("  {}  {place} of {}, {}", time(&seen.at.to_string()), seen.probe.destination, seen.probe.kind)
        };
        [head.to_owned()].into_iter().chain(evidence.iter().map(line)).collect()
    }

    /// Only a daemon can be told to unblock.
    fn way_out(&self, block: &Block) -> String {
        match element(block) {
            Some((set, key)) if !self.runs => {
                format!("nft delete element inet {} {set} '{{ {key} }}'", self.table)
            }
            Some(_) | None => format!("nftrap unblock {}{}", printable(&block.source), self.option),
        }
    }

    fn what_to_do(&self) -> Vec<String> {
        let Shown { source, state, blocks, .. } = self.shown;
        let (source, option) = (printable(source), &self.option);
        if state == "never blocked" {
            return vec![format!("who is never blocked, and why: nftrap allow list{option}")];
        }
        let mut lines: Vec<_> =
            blocks.iter().map(|block| format!("to end the block:  {}", self.way_out(block))).collect();
        if !self.runs && !blocks.is_empty() {
            lines.push(format!(
                "  (when nftrap starts, its journal sets it again: end it then with nftrap unblock{option})"
            ));
        }
        if blocks.is_empty() {
            lines.push(format!("to block it:       nftrap block {source}{option}"));
        }
        lines.push(format!("to never block it: nftrap allow add {source}{option}"));
        lines
    }
}

/// Whether it began a block.
pub(super) const fn blocks(event: &Event) -> bool {
    matches!(event.what, What::Blocked(_) | What::OperatorBlocked { .. })
}

/// The element that stands for a block in the kernel, as nft takes it: the set's name, and the key.
fn element(block: &Block) -> Option<(&'static str, String)> {
    if block.by == OPERATOR {
        let v6 = block.source.contains(':');
        return Some((if v6 { "banned6" } else { "banned4" }, printable(&block.source)));
    }
    let source: Source = block.source.parse().ok()?;
    Some((set_of(&source), source.address().to_string()))
}

/// As events show it; nothing, where a later daemon shows it otherwise.
fn seen(value: &Value) -> Option<Seen> {
    serde_json::from_value(value.clone()).ok()
}

#[cfg(test)]
mod tests;
