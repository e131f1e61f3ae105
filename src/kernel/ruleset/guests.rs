//! The part of the ruleset that knows guests: who becomes one, and whose packets go to the queue that is theirs alone. Pure.
//!
//! What it costs: each segment that a client sends over a flow that is there meets three comparisons more, and one that ends what the
//! client has to say (PSH) two more and the update of an element. Acknowledgements, answers to this host's own questions, and most
//! segments of a long upload bear no PSH or are not their flow's opener's. Only a suspicious packet is looked for among guests.

use super::queue_chain;
use crate::config::Config;

/// Who sends data over a connection that both ends have completed.
const REQUEST: &str =
    "ct direction original tcp flags & (fin | syn | rst | psh | ack) == (psh | ack) ct status assured";

/// The rule that knows a request, where that makes anybody a guest; `then` is what becomes of it.
pub(super) fn greet(config: &Config, then: &str) -> String {
    if config.detect.guest.is_zero() { String::new() } else { format!("        {REQUEST} {then}") }
}

/// Sends the packets whose `end` is a guest to the guests' queue.
pub(super) fn go_apart(config: &Config, end: &str) -> String {
    if config.detect.guest.is_zero() {
        return String::new();
    }
    let chain = queue_chain(config.queue.count);
    let known = [format!("ip {end} @guests4"), format!("ip6 {end} @guests6"), format!("ip6 {end} & %mask6% @guests6")];
    known.map(|known| format!("        {known} goto {chain}")).join("\n")
}

/// How long a guest is one after a request, as nft takes it.
pub(super) fn time(config: &Config) -> String {
    format!("{}s", config.detect.guest.as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::detect::prefixes::Prefixes;
    use crate::kernel::ruleset::{Decoys, Host, Sctp, arm, disarm, table};

    fn text(config: &Config) -> String {
        let (links, exempt) = (Prefixes::default(), Prefixes::default());
        let (ephemeral, decoys) = (32_768..=60_999, Decoys::default());
        table(config, &Host { ephemeral, links, exempt, listening: Vec::new(), sctp: Sctp::Unknown, decoys })
    }

    #[test]
    fn guests_are_known_at_both_hooks_and_have_the_last_queue() {
        let text = text(&Config::default());
        assert!(text.contains("chain queue2 { }") && text.contains("ip saddr @guests4 goto queue2\n"), "{text}");
        assert!(text.contains("ip6 saddr & ffff:ffff:ffff:ffff:: @guests6 goto queue2\n"), "{text}");
        assert!(text.contains("ip daddr @guests4 goto queue2\n"), "{text}");
        assert!(text.contains("update @guests4 { ip saddr timeout 3600s }"), "{text}");
        let greeting = |chain: &str| text.contains(&format!("    chain {chain} {{\n        {REQUEST} "));
        assert!(greeting("input") && greeting("forward"), "{text}");
        assert!(arm(&Config::default()).contains("add rule inet nftrap queue2 counter queue num 3102 bypass\n"));
        assert!(disarm(&Config::default()).contains("flush chain inet nftrap queue2\n"));
    }

    #[test]
    fn where_nobody_is_a_guest_all_are_strangers_and_the_queue_stays_for_a_reload() {
        let mut config = Config::default();
        config.detect.guest = Duration::ZERO;
        let text = text(&config);
        assert!(!text.contains("jump guests") && !text.contains("goto queue2"), "{text}");
        assert!(text.contains("chain queue2 { }") && !text.contains('%'), "{text}");
    }

    #[test]
    fn loading_the_table_again_forgets_no_guest() {
        let text = text(&Config::default());
        assert!(!text.contains("flush set inet nftrap guests"), "{text}");
    }
}
