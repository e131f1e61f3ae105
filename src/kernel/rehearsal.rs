//! Loads our ruleset where it hurts nobody: in a network namespace of a thread of our own, which ends with the thread.
//!
//! `nft --check` would not do: the kernel hooks base chains and conntrack in before it finds that it was only asked, and taking
//! them out again drops every packet that waits in any queue of the namespace.

use std::thread;

use ipnet::Ipv6Net;
use nix::sched::{CloneFlags, unshare};

use super::nft::{self, NftError};
use super::ruleset::{Decoys, Host, Method};
use crate::config::Config;
use crate::doctor::facts::Rehearsal;

/// What our ruleset needs of a kernel, each with a table that needs nothing else.
const NEEDS: [(&str, &str); 6] = [
    ("sets with timeouts (nf_tables)", "set s { type ipv4_addr; flags timeout; size 8; };"),
    ("`ct` (nft_ct, nf_conntrack)", "chain c { type filter hook input priority 0; ct state new return; };"),
    ("`socket` (nft_socket)", "chain c { type filter hook input priority 0; socket wildcard { 0, 1 } return; };"),
    ("`fib` (nft_fib_inet)", "chain c { type filter hook input priority 0; fib daddr type local return; };"),
    ("`jhash` (nft_hash)", "chain c { meta nfproto ipv4 jhash ip saddr mod 2 vmap { 0 : return, 1 : return }; };"),
    (
        "sets that packets add to (nf_tables)",
        "set s { type ipv4_addr; flags dynamic,timeout; timeout 1d; size 8; }; chain c { update @s { ip saddr }; };",
    ),
];

/// What decoys need beside it.
const DECOYS_NEED: (&str, &str) = (
    "`tproxy` (nft_tproxy)",
    "chain c { type filter hook prerouting priority 0; meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:1; };",
);

/// Whether kernel and nft take the ruleset of `config`, and how packets are queued then.
pub(super) fn rehearse(config: &Config, on_link: &[Ipv6Net]) -> Rehearsal {
    let host = Host { decoys: Decoys::assumed(config), ..nft::host(on_link) };
    thread::scope(|scope| {
        let thread = scope.spawn(|| match unshare(CloneFlags::CLONE_NEWNET) {
            Ok(()) => load(config, &host),
            Err(error) => Rehearsal::NotTried(format!("no network namespace of our own can be had ({})", error.desc())),
        });
        thread.join().unwrap_or_else(|_| Rehearsal::NotTried(String::from("the thread for it ended early")))
    })
}

fn load(config: &Config, host: &Host) -> Rehearsal {
    match nft::load(config, host, &[]).and_then(|()| nft::arm(config)) {
        Ok(Method::Native) => Rehearsal::Works("nft queue"),
        Ok(Method::Xt) => Rehearsal::Works("xt NFQUEUE, for this kernel has no nft_queue"),
        Err(NftError::NotRun(_)) => Rehearsal::NotTried(String::from("nft is not found")),
        Err(error) => Rehearsal::Fails { reason: error.to_string(), missing: missing(config) },
    }
}

fn missing(config: &Config) -> Vec<&'static str> {
    let lacks =
        |content: &str| nft::run(&format!("table inet needs {{ {content} }}; delete table inet needs\n")).is_err();
    let needs = NEEDS.into_iter().chain((!config.decoy.is_none()).then_some(DECOYS_NEED));
    needs.filter(|(_, content)| lacks(content)).map(|(name, _)| name).collect()
}
