//! Whether this system can carry nftrap: kernel, nft, rights, connection tracking.

use super::facts::{Facts, Rehearsal};
use super::{BE_ROOT, Check};

/// The oldest kernel that we are tested with.
const KERNEL: [u32; 2] = [5, 10];
/// Older ones write rules of ours another way, or not at all.
const NFT: [u32; 3] = [1, 0, 6];
/// Bit of `CAP_NET_ADMIN` in a mask of capabilities (`linux/capability.h`).
const NET_ADMIN: u32 = 12;

/// Whether we may see what there is to see.
pub(super) fn right(facts: &Facts) -> Check {
    const NAME: &str = "right";
    let mask = facts.status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    match mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()) {
        None => Check::unknown(NAME, "our own capabilities cannot be read", BE_ROOT),
        Some(mask) if mask & (1 << NET_ADMIN) == 0 => {
            let finding = "this command lacks CAP_NET_ADMIN: what the kernel tells nobody else stays unknown below";
            Check::warning(NAME, finding, BE_ROOT)
        }
        Some(_) => Check::ok(NAME, "CAP_NET_ADMIN is there"),
    }
}

pub(super) fn kernel(facts: &Facts) -> Check {
    const NAME: &str = "kernel";
    let release = &facts.release;
    match numbers(release) {
        Some(found) if found >= KERNEL => Check::ok(NAME, format!("Linux {release}")),
        Some(_) => {
            let finding = format!("Linux {release} is older than 5.10: rules or sets of ours may not work");
            Check::problem(NAME, finding, "use a kernel of 5.10 or later")
        }
        None => Check::unknown(NAME, format!("Linux `{release}` has no number that is known here"), "it wants 5.10"),
    }
}

pub(super) fn nft(facts: &Facts) -> Check {
    const NAME: &str = "nft";
    let Some(version) = &facts.nft else {
        return Check::problem(NAME, "nft is not found, and without it no rule is loaded", "install package nftables");
    };
    let number = version.split_whitespace().find_map(|word| word.strip_prefix('v')).unwrap_or_default();
    match numbers(number) {
        Some(found) if found >= NFT => Check::ok(NAME, format!("nft {number}")),
        Some(_) => {
            let finding = format!("nft {number} is older than 1.0.6: it may refuse our rules");
            Check::problem(NAME, finding, "install nftables 1.0.6 or later")
        }
        None => Check::unknown(NAME, "nft does not say its version", "it wants 1.0.6 or later"),
    }
}

/// The first `N` numbers of a version; those not there are 0, but for the first.
fn numbers<const N: usize>(version: &str) -> Option<[u32; N]> {
    let mut found = [0; N];
    for (place, (i, part)) in found.iter_mut().zip(version.split(['.', '-', '+', '~']).enumerate()) {
        match part.parse() {
            Ok(number) => *place = number,
            Err(_) if i == 0 => return None,
            Err(_) => break,
        }
    }
    Some(found)
}

/// Whether kernel and nft take our whole ruleset.
pub(super) fn rehearsal(facts: &Facts) -> Check {
    const NAME: &str = "ruleset";
    match &facts.rehearsal {
        Rehearsal::Works(way) => {
            Check::ok(NAME, format!("kernel and nft take it (tried in a namespace of its own); queued by {way}"))
        }
        Rehearsal::NotTried(reason) => {
            Check::unknown(NAME, format!("whether kernel and nft take it was not tried: {reason}"), BE_ROOT)
        }
        Rehearsal::Fails { reason, missing } if missing.is_empty() => {
            let remedy = "`unshare --net sh -c 'nftrap rules --no-queue | nft -f -'` shows where, and touches nothing";
            Check::problem(NAME, format!("it does not load: {reason}"), remedy)
        }
        Rehearsal::Fails { reason, missing } => {
            let finding = format!("it does not load ({reason}): this kernel lacks {}", missing.join(", "));
            Check::problem(NAME, finding, "load the modules in brackets, or use a kernel that was built with them")
        }
    }
}

/// Whether there is room for new flows. A host without it drops honest clients.
pub(super) fn conntrack(facts: &Facts) -> Check {
    const NAME: &str = "conntrack";
    const FULL: u64 = 95;
    const FILLING: u64 = 75;
    let (Some(count), Some(max)) = (facts.conntrack.count, facts.conntrack.max) else {
        let works = matches!(facts.rehearsal, Rehearsal::Works(_));
        let unseen = "the table of flows cannot be seen: is conntrack loaded?";
        return if works {
            Check::ok(NAME, "not in use yet: it comes with our ruleset")
        } else {
            Check::unknown(NAME, unseen, "`modprobe nf_conntrack` loads it")
        };
    };
    let percent = count.saturating_mul(100).checked_div(max).unwrap_or(0);
    let finding = format!("{count} of {max} flows ({percent} %)");
    let remedy = "raise net.netfilter.nf_conntrack_max, and look who opens so many: `conntrack -L`";
    if percent >= FULL {
        return Check::problem(NAME, format!("{finding}: new flows of anybody are dropped"), remedy);
    }
    if percent >= FILLING {
        return Check::warning(NAME, format!("{finding}: when it is full, new flows of anybody are dropped"), remedy);
    }
    let fragments = if facts.conntrack.defragments { ", fragments are put together" } else { "" };
    Check::ok(NAME, format!("{finding}{fragments}"))
}

/// Whether a flow that conntrack forgot is picked up again.
pub(super) fn late_flows(facts: &Facts) -> Check {
    const NAME: &str = "tcp_loose";
    match facts.conntrack.loose {
        Some(0) => Check::warning(
            NAME,
            "nf_conntrack_tcp_loose is 0: an ACK scan of a blocked source learns which ports are filtered",
            "sysctl net.netfilter.nf_conntrack_tcp_loose=1, unless SYNPROXY needs it so",
        ),
        Some(_) => Check::ok(NAME, "conntrack picks up flows in the middle"),
        None => Check::ok(NAME, "not in use yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::facts::Conntrack;
    use super::*;

    #[test]
    fn kernels_are_told_apart_as_distributions_number_them() {
        for (release, state) in [
            ("6.1.0-56-amd64", State::Ok),
            ("5.10.0-35-cloud-amd64", State::Ok),
            ("5.14.0-427.13.1.el9_4.x86_64", State::Ok),
            ("6.12-rc1+", State::Ok),
            ("7.0", State::Ok),
            ("5.4.0-216-generic", State::Problem),
            ("4.18.0-553.el8_10.x86_64", State::Problem),
            ("", State::Unknown),
        ] {
            let facts = Facts { release: release.to_owned(), ..Facts::default() };
            assert_eq!(kernel(&facts).state, state, "{release}");
        }
    }

    #[test]
    fn nfts_are_told_apart_by_what_they_print() {
        for (version, state) in [
            ("nftables v1.0.6 (Lester Gooch #5)\n", State::Ok),
            ("nftables v1.1.3 (Commodore Bullmoose #4)\n", State::Ok),
            ("nftables v1.0.2 (Lester Gooch)\n", State::Problem),
            ("nftables v0.9.8 (E.D.S.)\n", State::Problem),
            ("what?", State::Unknown),
        ] {
            let facts = Facts { nft: Some(version.to_owned()), ..Facts::default() };
            assert_eq!(nft(&facts).state, state, "{version}");
        }
        assert_eq!(nft(&Facts::default()).state, State::Problem);
    }

    #[test]
    fn the_right_is_read_from_the_kernels_mask() {
        for (status, state) in [
            ("Name:\tnftrap\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n", State::Ok),
            ("CapEff:\t0000000000001000\n", State::Ok),
            ("CapEff:\t0000000000000000\n", State::Warning),
            ("CapEff:\t0000000000002000\n", State::Warning),
            ("CapEff:\tx\n", State::Unknown),
        ] {
            let facts = Facts { status: status.to_owned(), ..Facts::default() };
            assert_eq!(right(&facts).state, state, "{status}");
        }
    }

    #[test]
    fn a_ruleset_that_does_not_load_names_what_the_kernel_lacks() {
        let missing = vec!["`socket` (nft_socket)"];
        let fails = Rehearsal::Fails { reason: String::from("nft refuses the ruleset: No such file"), missing };
        let check = rehearsal(&Facts { rehearsal: fails, ..Facts::default() });
        assert_eq!(check.state, State::Problem);
        assert!(check.finding.contains("nft_socket"), "{check:?}");
        assert_eq!(rehearsal(&Facts::default()).state, State::Unknown);
        let works = Facts { rehearsal: Rehearsal::Works("nft queue"), ..Facts::default() };
        assert_eq!(rehearsal(&works).state, State::Ok);
    }

    #[test]
    fn a_table_of_flows_that_fills_up_is_told_before_it_is_full() {
        for (count, state) in [(0, State::Ok), (749, State::Ok), (750, State::Warning), (950, State::Problem)] {
            let flows = Conntrack { count: Some(count), max: Some(1000), ..Conntrack::default() };
            assert_eq!(conntrack(&Facts { conntrack: flows, ..Facts::default() }).state, state, "{count}");
        }
        assert_eq!(conntrack(&Facts::default()).state, State::Unknown);
        let limitless = Conntrack { count: Some(9), max: Some(0), ..Conntrack::default() };
        assert_eq!(conntrack(&Facts { conntrack: limitless, ..Facts::default() }).state, State::Ok);
    }

    #[test]
    fn strict_tracking_of_tcp_is_worth_a_warning() {
        for (loose, state) in [(Some(0), State::Warning), (Some(1), State::Ok), (None, State::Ok)] {
            let conntrack = Conntrack { loose, ..Conntrack::default() };
            assert_eq!(late_flows(&Facts { conntrack, ..Facts::default() }).state, state);
        }
    }
}
