//! The daemon in network namespaces, with real packets and nothing mocked.
//!
//! Needs root, nftables and iproute2; nmap for the tests that are named after it, and for those of coexistence what
//! `scripts/setup test` brings. Each test makes its own hosts, so that they can run side by side. Set `NFTRAP_BIN` to test another binary than the one that cargo built.

#![expect(
    clippy::disallowed_methods,
    reason = "the laboratory starts processes, reads files and waits for them on a real clock"
)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on ends, and says why"
)]

#[path = "lab/lab.rs"]
mod lab;

#[path = "namespaces/actions.rs"]
mod actions;
#[path = "namespaces/allow_files.rs"]
mod allow_files;
#[path = "namespaces/cage.rs"]
mod cage;
#[path = "namespaces/chronicle.rs"]
mod chronicle;
#[path = "namespaces/clocks.rs"]
mod clocks;
#[path = "namespaces/coexist.rs"]
mod coexist;
#[path = "namespaces/coexist_iptables.rs"]
mod coexist_iptables;
#[path = "namespaces/coexist_nft.rs"]
mod coexist_nft;
#[path = "namespaces/coexist_portsentry.rs"]
mod coexist_portsentry;
#[path = "namespaces/coexist_queue.rs"]
mod coexist_queue;
#[path = "namespaces/commands.rs"]
mod commands;
#[path = "namespaces/conntrack_full.rs"]
mod conntrack_full;
#[path = "namespaces/crash.rs"]
mod crash;
#[path = "namespaces/decoy.rs"]
mod decoy;
#[path = "namespaces/decoy_life.rs"]
mod decoy_life;
#[path = "namespaces/distributed.rs"]
mod distributed;
#[path = "namespaces/doctor.rs"]
mod doctor;
#[path = "namespaces/everyday.rs"]
mod everyday;
#[path = "namespaces/fights.rs"]
mod fights;
#[path = "namespaces/flood.rs"]
mod flood;
#[path = "namespaces/flows.rs"]
mod flows;
#[path = "namespaces/frozen.rs"]
mod frozen;
#[path = "namespaces/full_disk.rs"]
mod full_disk;
#[path = "namespaces/full_set.rs"]
mod full_set;
#[path = "namespaces/gateway.rs"]
mod gateway;
#[path = "namespaces/guests.rs"]
mod guests;
#[path = "namespaces/honest.rs"]
mod honest;
#[path = "namespaces/hosts_deny.rs"]
mod hosts_deny;
#[path = "namespaces/import.rs"]
mod import;
#[path = "namespaces/journal.rs"]
mod journal;
#[path = "namespaces/kernel_sets.rs"]
mod kernel_sets;
#[path = "namespaces/life.rs"]
mod life;
#[path = "namespaces/links.rs"]
mod links;
#[path = "namespaces/neighbours.rs"]
mod neighbours;
#[path = "namespaces/nmap.rs"]
mod nmap;
#[path = "namespaces/noise.rs"]
mod noise;
#[path = "namespaces/operator_allow.rs"]
mod operator_allow;
#[path = "namespaces/operator_block.rs"]
mod operator_block;
#[path = "namespaces/operator_busy.rs"]
mod operator_busy;
#[path = "namespaces/operator_events.rs"]
mod operator_events;
#[path = "namespaces/operator_journal.rs"]
mod operator_journal;
#[path = "namespaces/operator_reload.rs"]
mod operator_reload;
#[path = "namespaces/operator_restart.rs"]
mod operator_restart;
#[path = "namespaces/operator_rights.rs"]
mod operator_rights;
#[path = "namespaces/operator_unblock.rs"]
mod operator_unblock;
#[path = "namespaces/probes.rs"]
mod probes;
#[path = "namespaces/readers.rs"]
mod readers;
#[path = "namespaces/rights.rs"]
mod rights;
#[path = "namespaces/slow.rs"]
mod slow;
#[path = "namespaces/soak.rs"]
mod soak;
#[path = "namespaces/sources.rs"]
mod sources;
#[path = "namespaces/state_files.rs"]
mod state_files;
#[path = "namespaces/strangers.rs"]
mod strangers;
#[path = "namespaces/tampering.rs"]
mod tampering;
#[path = "namespaces/trouble.rs"]
mod trouble;
#[path = "namespaces/unserved.rs"]
mod unserved;
#[path = "namespaces/upgrade.rs"]
mod upgrade;
#[path = "namespaces/want.rs"]
mod want;
#[path = "namespaces/widen.rs"]
mod widen;
