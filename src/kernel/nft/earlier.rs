//! A table that an earlier version of ours left, or an earlier config: its sets of blocks are replaced where they are not as we make
//! them, and the blocks go on. Kernel 6.1 refuses a table whose sets are to change their kind; 5.10 keeps the old ones without a word.

use super::{DumpError, dump, ruleset};
use crate::config::Config;
use crate::kernel::block_set::SETS;

/// Whether our sets in nft's `listing` are as this config wants them: they count, and have the room.
pub(super) fn fits(listing: &str, config: &Config) -> bool {
    let size = format!("size {}", ruleset::set_size(config));
    SETS.iter().all(|set| {
        definition(listing, set).is_some_and(|lines| lines.contains(&"counter") && lines.contains(&size.as_str()))
    })
}

/// What empties the table of rules and takes the sets of blocks out of it, before it is loaded anew in the same transaction, and what then
/// puts back the blocks. All other sets stay, with what the operator and the hosts' services put there.
pub(super) fn clear(config: &Config, listing: &str) -> Result<(String, String), DumpError> {
    let table = &config.table;
    let (mut clear, mut blocks) = (format!("flush table inet {table}\n"), Vec::new());
    for set in SETS.into_iter().filter(|set| definition(listing, set).is_some()) {
        blocks.append(&mut dump::dump_set(table, set, config.detect.ipv6_prefix)?);
        clear.extend(["delete set inet ", table, " ", set, "\n"]);
    }
    Ok((clear, ruleset::blocks(table, &blocks)))
}

/// What takes the rules out of chains that an earlier config needed, and this one does not: the chains themselves stay, for with a base chain
/// the kernel would drop what waits in any queue.
pub(super) fn retire(config: &Config, listing: &str) -> String {
    let needless = config.decoy.is_none() && listing.lines().any(|line| line.trim() == "chain decoy {");
    if needless { ruleset::flush_decoys(&config.table) } else { String::new() }
}

/// The lines of one set's definition.
fn definition<'a>(listing: &'a str, set: &str) -> Option<Vec<&'a str>> {
    let head = format!("set {set} {{");
    let mut lines = listing.lines().map(str::trim).skip_while(|line| *line != head);
    lines.next()?;
    Some(lines.take_while(|line| *line != "}").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "\tset NAME {\n\t\ttype ipv4_addr\n\t\tsize 196608\n\t\tflags timeout\n\t\tcounter\n\t}\n\n";

    #[test]
    fn sets_that_do_not_count_or_lack_the_room_do_not_fit() {
        let listing = format!("table inet nftrap {{\n{}}}\n", SETS.map(|set| SET.replace("NAME", set)).concat());
        let config = Config::default();
        assert!(fits(&listing, &config));
        assert!(!fits(&listing.replacen("\t\tcounter\n", "", 1), &config));
        assert!(!fits(&listing.replacen("size 196608", "size 1966080", 1), &config));
        assert!(!fits(&listing.replace("block6net", "other"), &config));
    }

    #[test]
    fn chains_of_decoys_are_emptied_where_there_are_no_decoys_any_more() {
        let (with, without) = ("\tchain decoy {\n\t\tiif lo return\n\t}\n", "\tchain decoyed {\n\t}\n");
        let mut config = Config::default();
        assert!(retire(&config, with).contains("flush chain inet nftrap decoy\n"));
        assert_eq!(retire(&config, without), "", "nft takes no chain that is not there");
        config.decoy.tcp = [111].into_iter().collect();
        assert_eq!(retire(&config, with), "", "they are loaded anew");
    }
}
