//! IPv6 networks that the kernel blocks by another prefix length than the config's. The set has their first addresses alone: under
//! another mask the kernel would find neighbours of theirs by them, or nobody.

use std::net::Ipv6Addr;

use super::{NftError, Owner, owner, run};
use crate::config::Config;
use crate::kernel::block_set::SET_V6_NETWORKS;
use crate::kernel::dump::{Element, dump_set};

/// Takes them out of the table that an earlier daemon left, before it is loaded anew, and returns them with the time left to each.
pub fn forget_networks(config: &Config) -> Result<Vec<Element>, NftError> {
    let Owner::We(listing) = owner(&config.table)? else { return Ok(Vec::new()) };
    let Some(earlier) = length(&listing).filter(|length| *length != config.detect.ipv6_prefix) else {
        return Ok(Vec::new());
    };
    let found = dump_set(&config.table, SET_V6_NETWORKS, earlier)?;
    run(&format!("flush set inet {} {SET_V6_NETWORKS}\n", config.table))?;
    Ok(found)
}

/// The prefix length that the rules in nft's `listing` look networks up by: `ip6 saddr & MASK == @block6net`; some versions of nft leave
/// out the sign.
fn length(listing: &str) -> Option<u8> {
    let set = format!(" @{SET_V6_NETWORKS} ");
    let lookup = listing.lines().find_map(|line| line.split_once(&set))?.0;
    let mask = lookup.rsplit_once("ip6 saddr & ")?.1.split_whitespace().next()?;
    u8::try_from(mask.parse::<Ipv6Addr>().ok()?.to_bits().leading_ones()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_read_from_the_rule_that_looks_networks_up() {
        let rule = |mask: &str| {
            format!(
                "\tip saddr @block4 drop\n\tip6 saddr != @links6 ip6 saddr & {mask} @block6net counter packets 0 bytes 0 drop\n"
            )
        };
        for (mask, expected) in [
            ("ffff:ffff:ffff:ffff:: ==", Some(64)),
            ("ffff:ffff:ffff:ffff::", Some(64)),
            ("ffff:ffff:ffff::", Some(48)),
            ("ffff:ffff:ffff:ff00::", Some(56)),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some(128)),
            ("nonsense", None),
        ] {
            assert_eq!(length(&rule(mask)), expected, "{mask}");
        }
        assert_eq!(length("table inet nftrap {\n\tset block6net {\n\t}\n}\n"), None, "a table without rules");
    }
}
