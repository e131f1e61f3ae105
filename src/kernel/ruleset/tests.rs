//! What the text of a ruleset says.

use super::*;
use crate::detect::source::Source;

fn host() -> Host {
    Host {
        ephemeral: 32_768..=60_999,
        links: Prefixes::new(&["fe80::/10".parse().unwrap()]),
        exempt: Prefixes::new(&["192.0.2.1/32".parse().unwrap()]),
        listening: vec![Listening { protocol: "tcp", port: 143 }],
        sctp: Sctp::Unknown,
        decoys: Decoys::default(),
    }
}

#[test]
fn every_variable_of_the_template_is_filled_in() {
    let text = table(&Config::default(), &host());
    assert!(!text.contains('%'), "{text}");
    assert!(text.contains("add element inet nftrap tcp_triggers { 1, 11, 15, 79, 111, "));
    assert!(text.contains("mod 2 vmap { 0 : goto queue0, 1 : goto queue1 }"));
    assert!(text.contains("ip6 saddr != @links6 ip6 saddr & ffff:ffff:ffff:ffff:: @block6net counter drop"));
}

#[test]
fn observing_drops_nothing() {
    let config = Config { mode: Mode::Observe, ..Config::default() };
    let dropping = |line: &&str| line.contains(" drop") && !line.trim_start().starts_with('#');
    assert_eq!(table(&config, &host()).lines().find(dropping), None);
    assert!(table(&Config::default(), &host()).lines().any(|line| dropping(&line)));
}

#[test]
fn observing_drops_nothing_without_a_daemon_either() {
    let mut config = Config { mode: Mode::Observe, ..Config::default() };
    config.fail.no_daemon = NoDaemon::Drop;
    assert!(arm(&config).contains("bypass") && !disarm(&config).contains("drop"));
}

#[test]
fn no_base_chain_and_no_table_is_ever_deleted() {
    let config = Config::default();
    for text in [table(&config, &host()), arm(&config), disarm(&config)] {
        for words in ["delete chain", "delete table", "destroy "] {
            assert!(!text.contains(words), "{words} in {text}");
        }
    }
}

#[test]
fn an_idle_table_has_no_rule_that_a_packet_meets_and_no_block() {
    let text = idle(&Config::default());
    let base = |line: &&str| line.contains(" hook ");
    for chain in TEMPLATE.lines().filter(base).filter_map(|line| line.split_whitespace().nth(1)) {
        assert!(text.contains(&format!("flush chain inet nftrap {chain}\n")), "{chain} in {text}");
    }
    for set in ["block4", "block6net", "banned4", "banned6"] {
        assert!(text.contains(&format!("flush set inet nftrap {set}\n")), "{set} in {text}");
    }
    assert!(!text.contains("own_port"));
}

#[test]
fn the_fail_mode_decides_what_happens_without_a_daemon() {
    let mut config = Config::default();
    assert!(arm(&config).contains("queue num 3101 bypass"));
    config.fail.no_daemon = NoDaemon::Drop;
    assert!(arm(&config).lines().all(|line| !line.contains("bypass")));
    assert!(disarm(&config).contains("drop"));
}

#[test]
fn blocks_go_to_their_familys_set_with_their_time_or_without_end() {
    let host = |address: &str| Source::host(address.parse().unwrap());
    let network = Source::network("2001:db8:1:2::".parse().unwrap(), 64);
    let sources = [host("192.0.2.1"), network, host("2001:db8:1:2::")];
    let left = Some(std::time::Duration::from_millis(61_900));
    let mut elements = sources.map(|source| Element { source, left, packets: None });
    elements[2].left = None;
    let text = blocks("nftrap", &elements);
    let lines = [
        "add element inet nftrap block4 { 192.0.2.1 timeout 61s }",
        "add element inet nftrap block6net { 2001:db8:1:2:: timeout 61s }",
        "add element inet nftrap block6 { 2001:db8:1:2:: }",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn any_prefix_length_has_its_mask() {
    let mut config = Config::default();
    for (prefix, mask) in [(128, "& ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff @"), (48, "& ffff:ffff:ffff:: @")] {
        config.detect.ipv6_prefix = prefix;
        assert!(table(&config, &host()).contains(mask), "{mask}");
    }
}

#[test]
fn the_exempt_are_told_at_once_and_when_they_change() {
    for text in [table(&Config::default(), &host()), refresh(&Config::default(), &host())] {
        assert!(
            text.contains("flush set inet nftrap exempt4\n") && text.contains("exempt4 { 192.0.2.1/32 }"),
            "{text}"
        );
        assert!(
            text.contains("flush set inet nftrap exempt6\n") && !text.contains("element inet nftrap exempt6"),
            "{text}"
        );
    }
}

#[test]
fn an_allow_list_replaces_the_one_before_also_by_none() {
    let allow = Prefixes::new(&["192.0.2.0/24".parse().unwrap()]);
    let text = "flush set inet t allow4\nflush set inet t allow6\nadd element inet t allow4 { 192.0.2.0/24 }\n";
    assert_eq!(super::allow("t", &allow), text);
    assert_eq!(super::allow("t", &Prefixes::default()).lines().count(), 2);
}

#[test]
fn loading_the_table_again_keeps_the_operators_blocks_and_the_queues() {
    let text = table(&Config::default(), &host());
    for kept in ["banned4", "banned6", "block4", "served", "queue0"] {
        let flushes = |line: &str| line.starts_with("flush") && line.ends_with(&format!(" {kept}"));
        assert!(text.contains(kept) && !text.lines().any(flushes), "{kept}");
    }
}

fn with_decoys() -> (Config, Host) {
    let mut config = Config::default();
    (config.decoy.tcp, config.decoy.udp) = ([111].into_iter().collect(), [7].into_iter().collect());
    let host = Host { decoys: Decoys::assumed(&config), ..host() };
    (config, host)
}

#[test]
fn decoys_have_chains_only_where_the_config_names_some() {
    let (config, host) = with_decoys();
    let text = table(&config, &host);
    assert!(text.contains("chain decoy {") && text.contains("tproxy ip to 127.0.0.1:50000"), "{text}");
    assert!(text.contains("add element inet nftrap tcp_decoys { 111 }"), "{text}");
    assert!(text.contains("tcp dport != @tcp_decoys iif != lo jump guests"), "{text}");
    assert!(!text.contains('%'), "{text}");
    let text = table(&Config::default(), &host);
    assert!(!text.contains("chain decoy") && !text.contains("@tcp_decoys"), "{text}");
}

#[test]
fn observing_drops_nothing_of_what_decoys_are_asked() {
    let (config, host) = with_decoys();
    let text = table(&Config { mode: Mode::Observe, ..config }, &host);
    let dropping = |line: &&str| line.contains(" drop") && !line.trim_start().starts_with('#');
    assert_eq!(text.lines().find(dropping), None);
}

#[test]
fn a_table_that_is_idle_or_whose_daemon_ends_hands_nothing_to_decoys() {
    let (config, _) = with_decoys();
    for text in [idle(&config), silence(&config)] {
        for chain in ["decoy", "decoy_says"] {
            assert!(text.contains(&format!("flush chain inet nftrap {chain}\n")), "{chain} in {text}");
        }
    }
    assert_eq!(silence(&Config::default()), "", "nft takes no chain that is not there");
}
