//! What the kernel's sets say and take: lists, single blocks, many at once, the exempt, the operator's own.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nftrap::config::{Config, NoDaemon};
use nftrap::detect::prefixes::Prefixes;
use nftrap::detect::source::Source;
use nftrap::kernel::block_set::{BlockError, BlockSet};
use nftrap::kernel::dump::{self, Element};
use nftrap::kernel::ruleset::Banned;
use nftrap::kernel::{bulk, nft};

use crate::lab::daemon::Daemon;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::netns::Namespace;
use crate::lab::packet::{SYN, tcp};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn dump_of(namespace: &Namespace) -> Vec<Element> {
    namespace.run(|| dump::dump("nftrap", 64)).expect("list the sets")
}

fn one_of(namespace: &Namespace, source: &Source) -> Option<Element> {
    namespace.run(|| dump::one("nftrap", 64, source)).expect("ask for one source")
}

fn has_about_ten_minutes(element: &Element) -> bool {
    element.left.is_some_and(|left| left <= TEN_MINUTES && left > TEN_MINUTES / 2)
}

/// IPv4 addresses from 10.64.0.0 on.
fn many(count: u32) -> Vec<(Source, Duration)> {
    let source = |n| Source::host(std::net::Ipv4Addr::from_bits(0x0a40_0000 + n).into());
    (0..count).map(|n| (source(n), TEN_MINUTES)).collect()
}

#[test]
fn each_block_is_listed_with_the_time_left_and_the_packets_that_it_dropped() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    lab.probe(routed(2), SERVER, 111);
    lab.probe(routed6(1, 2), SERVER6, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    daemon.wait_for_line("blocked source=fd00:1::");
    let network = Source::network("fd00:1::".parse().unwrap(), 64);
    let sources = [Source::host(routed(2)), network];

    for _ in 0..3 {
        lab.probe(routed(2), SERVER, 22);
    }
    lab.probe(routed6(1, 3), SERVER6, 22);
    let packets = || sources.map(|source| one_of(&lab.server, &source).expect("a block").packets);
    wait_until("what was dropped is counted", || packets() == [Some(3), Some(1)]);

    let mut listed = dump_of(&lab.server);
    listed.sort_by_key(|element| element.source.is_host());
    assert_eq!(listed.iter().map(|element| element.source).collect::<Vec<_>>(), [network, sources[0]]);
    assert!(listed.iter().all(has_about_ten_minutes), "{listed:?}");
    assert_eq!(one_of(&lab.server, &Source::host(routed(3))), None);
}

#[test]
fn packets_of_a_flow_that_we_opened_to_a_blocked_source_are_not_counted() {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.attacker.serve(SocketAddr::new(routed(2), 80));
    let daemon = Daemon::start(&lab.server, "");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    let ours = lab.server.connect(SERVER, SocketAddr::new(routed(2), 80));
    crate::lab::wire::talk(&ours, &service.accept());
    assert_eq!(one_of(&lab.server, &Source::host(routed(2))).expect("a block").packets, Some(0));
}

#[test]
fn an_element_that_an_administrator_added_without_an_end_has_none() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = Config::default();
    lab.server.run(|| nft::load(&config, &nft::host(&[]), &[])).expect("load");
    lab.server.nft_load(
        "add element inet nftrap block4 { 192.0.2.9 }; add element inet nftrap block6 { fd00:9::9 timeout 5m }",
    );
    let blocks = lab.server.run(|| nft::blocks(&config)).expect("list");
    assert_eq!(blocks.lasting, [Source::host("192.0.2.9".parse().unwrap())]);
    assert_eq!(blocks.blocks.len(), 1);
    assert_eq!(one_of(&lab.server, &blocks.lasting[0]).expect("a block").left, None);
}

#[test]
fn sets_that_are_not_there_are_a_clear_error_and_no_empty_list() {
    let Some(lab) = Lab::on_one_link() else { return };
    let source = Source::host(routed(2));
    let listed = lab.server.run(|| dump::dump("nftrap", 64)).expect_err("there is none");
    let one = lab.server.run(|| dump::one("nftrap", 64, &source)).expect_err("there is none");
    for error in [listed.to_string(), one.to_string()] {
        assert!(error.contains("no set block4") && error.contains("nftrap running"), "{error}");
    }
    assert_eq!(lab.server.run(|| bulk::add_all("nftrap", &[(source, TEN_MINUTES)])), Err(BlockError::SetGone));
}

#[test]
fn many_blocks_at_once_are_all_there_each_in_its_set() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut blocks = many(20_000);
    blocks.push((Source::host(SERVER6), Duration::from_secs(300)));
    blocks.push((Source::network("2001:db8:1:2::".parse().unwrap(), 64), TEN_MINUTES));
    lab.server.run(|| {
        nft::load(&Config::default(), &nft::host(&[]), &[]).expect("load");
        bulk::add_all("nftrap", &blocks).expect("add all");
        // Those that are there already are no error.
        bulk::add_all("nftrap", &blocks).expect("add all again");
        let mut set = BlockSet::open("nftrap").expect("open the sets");
        set.add(&blocks[0].0, Duration::from_secs(30)).expect("one more");
    });
    let listed = dump_of(&lab.server);
    let sources: HashSet<_> = listed.iter().map(|element| element.source).collect();
    assert_eq!((listed.len(), sources.len()), (blocks.len(), blocks.len()));
    assert!(blocks.iter().all(|(source, _)| sources.contains(source)));
    assert!(listed.iter().all(|element| element.packets == Some(0) && element.left.is_some()));
    assert!(one_of(&lab.server, &blocks[0].0).is_some_and(|element| element.left <= Some(Duration::from_secs(30))));
}

#[test]
fn a_list_that_changes_while_it_is_read_has_what_was_there_all_along() {
    let Some(lab) = Lab::on_one_link() else { return };
    let blocks = many(5000);
    let stop = AtomicBool::new(false);
    lab.server.run(|| {
        nft::load(&Config::default(), &nft::host(&[]), &[]).expect("load");
        bulk::add_all("nftrap", &blocks).expect("add all");
    });
    let keep_adding = || {
        let mut set = BlockSet::open("nftrap").expect("open the sets");
        for n in (0..u8::MAX).cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
            set.add(&Source::host(routed(n)), TEN_MINUTES).expect("a block");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| lab.server.run(keep_adding));
        let listed: HashSet<_> = dump_of(&lab.server).into_iter().map(|one| one.source).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(blocks.iter().all(|(source, _)| listed.contains(source)));
    });
}

#[test]
fn who_is_exempt_goes_on_although_the_network_around_is_blocked() {
    let Some(lab) = Lab::on_one_link() else { return };
    let ssh = SocketAddr::new(SERVER6, 22);
    let _service = lab.server.serve(ssh);
    let daemon = Daemon::start(&lab.server, "");
    lab.probe(routed6(1, 2), SERVER6, 111);
    daemon.wait_for_line("blocked source=fd00:1::");
    assert_eq!(lab.attacker.knock_briefly(routed6(1, 3), ssh), Answer::Silence);
    assert!(lab.server.nft(&["list", "set", "inet", "nftrap", "exempt6"]).1.contains("fd00:f::fe"));

    // It becomes a default gateway: nobody goes through it, for it comes last.
    lab.server.ip("route add default via fd00:f::fe metric 1\nroute add fd00:1::3/128 via fd00:f::fe");
    lab.server.ip("route add default via fd00:1::3 metric 9000 dev lan onlink");
    let exempt = || lab.server.nft(&["list", "set", "inet", "nftrap", "exempt6"]).1;
    wait_until("the new gateway is exempt", || exempt().contains("fd00:1::3"));
    assert_eq!(lab.attacker.knock(routed6(1, 3), ssh), Answer::Open);
    assert_eq!(lab.attacker.knock_briefly(routed6(1, 2), ssh), Answer::Silence);
    assert!(daemon.blocks("fd00:1::"));
}

#[test]
fn the_operators_own_blocks_shut_networks_out_and_outlive_a_reload() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let config = Config::default();
    let banned = |prefix: &str, left| Banned { prefix: prefix.parse().unwrap(), left };
    let list = [banned("10.1.0.0/25", Some(TEN_MINUTES)), banned("10.1.0.9/32", None), banned("fd00:1::/48", None)];
    lab.server.run(|| {
        nft::load(&config, &nft::host(&[]), &[]).expect("load");
        nft::ban("nftrap", &list).expect("ban");
        nft::load(&config, &nft::host(&[]), &[]).expect("load again");
    });
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);
    assert_eq!(lab.attacker.knock(routed(130), server(22)), Answer::Open);

    let allow = Prefixes::new(&["10.1.0.2/32".parse().unwrap()]);
    lab.server.run(|| nft::allow("nftrap", &allow)).expect("allow");
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
    assert_eq!(lab.attacker.knock_briefly(routed(9), server(22)), Answer::Silence);

    lab.server.run(|| nft::ban("nftrap", &list[1..])).expect("ban fewer");
    assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
    assert_eq!(lab.attacker.knock_briefly(routed(9), server(22)), Answer::Silence);
}

#[test]
fn another_maximum_gives_the_sets_another_size_and_loses_nothing() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut config = Config::default();
    let ban = [Banned { prefix: "192.0.2.0/24".parse().unwrap(), left: None }];
    lab.server.run(|| {
        nft::load(&config, &nft::host(&[]), &many(100)).expect("load");
        nft::ban("nftrap", &ban).expect("ban");
    });
    config.block.max = 1000;
    let room = lab.server.run(|| {
        nft::load(&config, &nft::host(&[]), &[]).expect("load again");
        dump::room("nftrap").expect("the size")
    });
    assert_eq!(room, Some(1000 + 65_536));
    assert_eq!(dump_of(&lab.server).len(), 100);
    assert!(lab.server.ruleset().contains("192.0.2.0/24"));
}

#[test]
fn a_table_of_an_earlier_version_gets_our_sets_and_keeps_its_blocks() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = Config::default();
    lab.server.nft_load(EARLIER);
    lab.server.nft_load("add element inet nftrap block4 { 192.0.2.1 timeout 10m, 192.0.2.9 }");
    lab.server.nft_load("add element inet nftrap block6net { fd00:1:: timeout 10m }");
    lab.server.run(|| nft::load(&config, &nft::host(&[]), &[])).expect("load over the earlier table");
    let mut listed = dump_of(&lab.server);
    listed.sort_by_key(|element| element.source.to_string());
    let sources: Vec<_> = listed.iter().map(|element| element.source.to_string()).collect();
    assert_eq!(sources, ["192.0.2.1", "192.0.2.9", "fd00:1::/64"]);
    assert!(listed.iter().all(|element| element.packets == Some(0)), "{listed:?}");
    assert!(has_about_ten_minutes(&listed[0]) && listed[1].left.is_none() && has_about_ten_minutes(&listed[2]));
}

/// What matters of a table of 0.1: sets that do not count, and a rule that uses them.
const EARLIER: &str = "\
table inet nftrap {
    set block4 { type ipv4_addr; flags timeout; size 196608; }
    set block6 { type ipv6_addr; flags timeout; size 196608; }
    set block6net { type ipv6_addr; flags timeout; size 196608; }
    set of_old { type ipv6_addr; flags interval; }
    chain early {
        type filter hook prerouting priority raw; policy accept;
        ip saddr @block4 drop
        ip6 saddr @block6net ip6 saddr != @of_old drop
    }
}
";

#[test]
fn a_reload_changes_rules_and_lists_and_keeps_queues_blocks_and_bans() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut config = Config::default();
    let ban = [Banned { prefix: "192.0.2.0/24".parse().unwrap(), left: None }];
    lab.server.run(|| {
        nft::load(&config, &nft::host(&[]), &many(3)).expect("load");
        nft::arm(&config).expect("arm");
        nft::ban("nftrap", &ban).expect("ban");
    });
    let queues = || lab.server.nft(&["-s", "-a", "list", "chain", "inet", "nftrap", "queue0"]).1;
    let before = queues();

    config.trigger.tcp = [5900].into_iter().collect();
    config.block.max = 1000;
    let allow = Prefixes::new(&["10.1.0.77/32".parse().unwrap()]);
    lab.server.run(|| nft::reload(&config, &nft::host(&[]), &allow)).expect("reload");
    let rules = lab.server.ruleset();
    assert!(rules.contains("elements = { 5900 }") && rules.contains("10.1.0.77"), "{rules}");
    assert!(rules.contains("192.0.2.0/24"), "{rules}");
    assert_eq!(queues(), before);
    assert_eq!(dump_of(&lab.server).len(), 3);
}

#[test]
fn while_rules_are_loaded_and_queues_armed_anew_probes_are_queued() {
    let Some(lab) = Lab::on_one_link() else { return };
    // It listens to the queue of the table below; its own table asks for nothing that comes here.
    let daemon = Daemon::start(&lab.server, ONLY_LISTENS);
    let mut config = Config { table: String::from("other"), ..Config::default() };
    config.queue.count = 1;
    let method = lab.server.run(|| {
        nft::load(&config, &nft::host(&[]), &[]).expect("load");
        nft::arm(&config).expect("arm")
    });
    let stop = AtomicBool::new(false);
    let probes = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let rounds = (1..).take_while(|_| !stop.load(Ordering::Relaxed));
            rounds.inspect(|sent| probe_at_a_pace(&lab, *sent)).last().unwrap_or(0)
        });
        for no_daemon in [NoDaemon::Pass, NoDaemon::Drop].into_iter().cycle().take(6) {
            config.fail.no_daemon = no_daemon;
            lab.server.run(|| {
                nft::reload(&config, &nft::host(&[]), &Prefixes::default()).expect("reload");
                nft::rearm(&config, method).expect("rearm");
            });
        }
        stop.store(true, Ordering::Relaxed);
        sender.join().expect("the sender")
    });
    assert!(probes > 20 * CHANGES, "{probes} probes");
    wait_until("all but a few were queued, and each of these has its verdict", || {
        let (waiting, queued) = lab.server.queue_counts();
        waiting == 0 && probes - queued <= CHANGES
    });
    assert_eq!(daemon.lines_with("blocked source"), 0);
    let chain = lab.server.nft(&["list", "chain", "inet", "other", "queue0"]).1;
    assert!(chain.contains("queue ") && !chain.contains("bypass"), "{chain}");
}

/// Sends the next probe, in a flow of its own: a SYN of one that was answered just now is part of that. More at once than a device's
/// backlog holds would be lost by it.
fn probe_at_a_pace(lab: &Lab, sent: u64) {
    const PORTS: u64 = 60_000;
    let source = routed(u8::try_from(2 + sent / PORTS).expect("a source"));
    let port = 1024 + u16::try_from(sent % PORTS).expect("a port");
    lab.wire.send(&tcp((source, port), (SERVER, 111), SYN));
    if sent.is_multiple_of(64) {
        wait_until("most are queued", || sent - lab.server.queue_counts().1 < 256);
    }
}

/// A packet that is among the old rules at the very moment of a change may find their anonymous maps empty; a gap between two changes
/// would be as long as a run of nft, and let hundreds go.
const CHANGES: u64 = 12;

/// Judges and lets go: one place is never enough for this threshold.
const ONLY_LISTENS: &str = "\
[detect]\nthreshold = 7\n[trigger]\ntcp = [9]\nudp = [9]\n[unserved]\ntcp = []\nudp = []\n\
[queue]\ncount = 1\nlength = 65536\n";
