//! A reload: each key that can change does, at once; what waits for a restart is said; a bad config changes nothing.

use rustix::process::Signal;

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

/// Only what a test names is watched.
const NO_UNSERVED: &str = "[unserved]\ntcp = []\nudp = []\n";

/// Whether a source is blocked by these probes alone.
fn is_blocked_by(lab: &Lab, daemon: &Daemon<'_>, host: u8, ports: &[u16]) -> bool {
    for port in ports {
        lab.probe(routed(host), SERVER, *port);
    }
    lab.settle(daemon, SERVER);
    daemon.blocks(&routed(host).to_string())
}

#[test]
fn what_makes_an_offender_changes_and_evidence_stays() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = |rest: &str| format!("[queue]\ncount = 1\n{rest}");
    let desk = Desk::at(&lab, &config(NO_UNSERVED));
    let daemon = desk.start();
    assert!(!is_blocked_by(&lab, &daemon, 2, &[5900]));
    desk.reload(&config(&format!("[trigger]\ntcp = [1, 11, 15, 5900]\n{NO_UNSERVED}")));
    assert!(is_blocked_by(&lab, &daemon, 2, &[5900]), "a new trigger");
    assert!(!is_blocked_by(&lab, &daemon, 3, &[111]), "an old one");

    desk.reload(&config(&format!("[detect]\nthreshold = 3\n{NO_UNSERVED}")));
    assert!(!is_blocked_by(&lab, &daemon, 4, &[111, 79]), "two of three");
    desk.reload(&config(&format!("[detect]\nthreshold = 3\nmax_sources = 2048\n{NO_UNSERVED}")));
    assert_eq!(desk.json("status")[0]["max_sources"], 2048);
    assert!(is_blocked_by(&lab, &daemon, 4, &[119]), "the two are remembered in the smaller table");
    assert!(desk.listed().contains(&"10.1.0.2 nftrap".to_owned()), "and so are blocks");

    let medium = config("[unserved]\nafter_boot = \"1s\"\n");
    desk.reload(&medium);
    assert!(!is_blocked_by(&lab, &daemon, 5, &[8001, 8002, 8003]), "three of four");
    desk.reload(&format!("{medium}[detect]\nsensitivity = \"high\"\n"));
    assert!(is_blocked_by(&lab, &daemon, 6, &[8001, 8002, 8003]), "three of three");
}

#[test]
fn blocks_get_the_new_length_and_the_new_factor() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = desk.start();
    desk.reload("[block]\ntime = \"1s\"\nfactor = 60\nlongest = \"1h\"\n");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("repeat=1");
    wait_until("the block ends", || !daemon.blocks("10.1.0.2"));
    wait_until("a longer one follows", || {
        lab.probe(routed(2), SERVER, 111);
        daemon.blocks("10.1.0.2")
    });
    let left = daemon.time_left("10.1.0.2").as_secs();
    assert!((30..=60).contains(&left), "{left} s");
}

#[test]
fn observing_frees_everybody_and_enforcing_blocks_them_again() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let desk = Desk::at(&lab, ONE_QUEUE);
    let daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    desk.done("block 10.1.0.3 --for forever");

    desk.reload(&format!("mode = \"observe\"\n{ONE_QUEUE}"));
    assert_eq!(desk.json("status")[0]["mode"], "observe");
    for host in [2, 3] {
        assert_eq!(lab.attacker.knock(routed(host), server(22)), Answer::Open, "10.1.0.{host} while observing");
    }
    lab.probe(routed(4), SERVER, 111);
    daemon.wait_for_line("would block source=10.1.0.4 ");
    assert!(!daemon.blocks("10.1.0.4"));
    let said = desk.done("block 10.1.0.5");
    assert!(said.contains("nothing is dropped until its mode is enforce"), "{said}");

    desk.reload(ONE_QUEUE);
    for host in [2, 3, 5] {
        assert_eq!(lab.attacker.knock_briefly(routed(host), server(22)), Answer::Silence, "10.1.0.{host} is blocked");
    }
    assert_eq!(lab.attacker.knock(routed(4), server(22)), Answer::Open, "it did nothing since");
    wait_until("who goes on scanning is blocked", || {
        lab.probe(routed(4), SERVER, 79);
        daemon.blocks("10.1.0.4")
    });
}

#[test]
fn an_allow_file_is_read_again() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let list = desk.file.path().with_file_name("friends");
    std::fs::write(&list, "10.1.0.2\n").expect("write the list");
    let config = format!("{ONE_QUEUE}[allow]\nsources = [\"./friends\"]\n");
    desk.file.write(&config);
    let daemon = desk.start();
    assert!(!is_blocked_by(&lab, &daemon, 2, &[111]));
    assert!(is_blocked_by(&lab, &daemon, 3, &[111]));
    std::fs::write(&list, "10.1.0.3\n").expect("write the list");
    daemon.signal(Signal::HUP);
    daemon.wait_for_line("reloaded");
    assert!(is_blocked_by(&lab, &daemon, 2, &[111]));
    assert!(desk.done("why 10.1.0.3").contains("never blocked"));
    assert!(!desk.listed().contains(&"10.1.0.3 nftrap".to_owned()), "who is allowed is blocked no more");
}

#[test]
fn networks_stay_blocked_when_the_length_of_their_prefix_changes() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve("[::]:22".parse().expect("an address"));
    let desk = Desk::at(&lab, "");
    let mut daemon = desk.start();
    lab.probe(routed6(1, 2), SERVER6, 111);
    daemon.wait_for_line("blocked source=fd00:1::/64");
    wait_until("the journal has it", || desk.history("blocked").len() == 1);
    let at = std::net::SocketAddr::new(SERVER6, 22);
    let holds = |when: &str| {
        assert_eq!(lab.attacker.knock_briefly(routed6(1, 3), at), Answer::Silence, "{when}");
        assert_eq!(lab.attacker.knock(routed6(2, 2), at), Answer::Open, "{when}");
        let listed = desk.listed();
        assert!(listed.len() == 1 && listed[0].starts_with("fd00:1::/64 "), "{listed:?} {when}");
    };
    desk.reload("[detect]\nipv6_prefix = 48\n");
    holds("after the reload");
    lab.server.nft_load("flush ruleset");
    daemon.wait_for_line("it is back");
    holds("after a flush");
    daemon.end(Signal::KILL);
    daemon = desk.start();
    holds("after a restart");
    daemon.end(Signal::KILL);
    lab.server.nft_load("delete table inet nftrap");
    let daemon = desk.start();
    holds("after a reboot");
    lab.probe(routed6(2, 2), SERVER6, 111);
    daemon.wait_for_line("blocked source=fd00:2::/48");
    assert_eq!(lab.attacker.knock_briefly(routed6(2, 3), at), Answer::Silence);
    desk.done("unblock fd00:1::/64");
    assert_eq!(lab.attacker.knock(routed6(1, 3), at), Answer::Open);
}

#[test]
fn networks_stay_blocked_and_no_others_when_the_length_of_their_prefix_changes_over_a_restart() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve("[::]:22".parse().expect("an address"));
    let neighbour: std::net::IpAddr = "fd00:1:0:7::2".parse().expect("an address");
    lab.attacker.ip("addr add fd00:1:0:7::2/128 dev lo nodad");
    let at = std::net::SocketAddr::new(SERVER6, 22);
    for journal in ["", "[journal]\nfile = \"\"\n"] {
        let desk = Desk::at(&lab, journal);
        let mut daemon = desk.start();
        lab.probe(routed6(1, 2), SERVER6, 111);
        daemon.wait_for_line("blocked source=fd00:1::/64");
        daemon.end(Signal::TERM);
        desk.file.write(&format!("[detect]\nipv6_prefix = 48\n{journal}"));
        let daemon = desk.start();
        assert_eq!(lab.attacker.knock_briefly(routed6(1, 3), at), Answer::Silence, "{journal}");
        assert_eq!(lab.attacker.knock(neighbour, at), Answer::Open, "{journal}");
        let listed = desk.listed();
        assert!(listed.len() == 1 && listed[0].starts_with("fd00:1::/64 "), "{listed:?} {journal}");
        desk.done("unblock fd00:1::/64");
        assert_eq!(lab.attacker.knock(routed6(1, 3), at), Answer::Open, "{journal}");
        drop(daemon);
        lab.server.nft_load("delete table inet nftrap");
    }
}

#[test]
fn a_queue_gets_another_length_and_what_does_not_fit_another_fate() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let config = |length: u64, full: &str| {
        format!("[queue]\ncount = 1\nlength = {length}\n[detect]\nthreshold = 7\n[fail]\nqueue_full = \"{full}\"\n")
    };
    let desk = Desk::at(&lab, &config(8192, "open"));
    let daemon = desk.start();
    for (length, full, answer) in [(32, "closed", Answer::Silence), (16, "open", Answer::Refused)] {
        desk.reload(&config(length, full));
        // A worker hears of it when it looks up the next time.
        wait_until("the queue has its new length", || {
            daemon.freeze();
            for host in 100..140 {
                lab.probe(routed(host), SERVER, 111);
            }
            // Who comes later on the same wire has come: so have they.
            assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
            let is_new = lab.server.queue_counts().0 == length;
            if is_new {
                assert_eq!(lab.attacker.knock_briefly(routed(2), server(111)), answer);
            }
            daemon.signal(Signal::CONT);
            wait_until("none waits", || lab.server.queue_counts().0 == 0);
            is_new
        });
    }
}

#[test]
fn the_fate_of_packets_without_a_daemon_changes() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "[fail]\nno_daemon = \"pass\"\n");
    let mut daemon = desk.start();
    let said = desk.reload("[fail]\nno_daemon = \"drop\"\n");
    assert!(said.contains("in force"), "{said}");
    daemon.end(Signal::KILL);
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(111)), Answer::Silence);
    desk.file.write("[fail]\nno_daemon = \"drop\"\n");
    let mut daemon = desk.start();
    desk.reload("[fail]\nno_daemon = \"pass\"\n");
    daemon.end(Signal::KILL);
    assert_eq!(lab.attacker.knock(routed(3), server(111)), Answer::Refused);
}

#[test]
fn a_gateway_protects_other_networks() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("there is one");
    let desk = Desk::of(gateway, ONE_QUEUE);
    let daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    lab.settle(&daemon, crate::lab::hosts::GATEWAY);
    assert!(!daemon.blocks("10.1.0.2"), "it guards itself alone");
    desk.reload(&format!("{ONE_QUEUE}[protect]\ndestinations = [\"10.2.0.0/24\"]\n"));
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    let dark = "[unserved]\nafter_boot = \"1s\"\n[protect]\ndark = [\"10.2.0.128/25\"]\n";
    desk.reload(&format!("{ONE_QUEUE}{dark}"));
    for host in 200..205 {
        let nobody: std::net::Ipv4Addr = [10, 2, 0, host].into();
        lab.probe(routed(3), nobody.into(), 443);
    }
    daemon.wait_for_line("blocked source=10.1.0.3 ");
    desk.reload(ONE_QUEUE);
    lab.probe(routed(4), SERVER, 111);
    lab.settle(&daemon, crate::lab::hosts::GATEWAY);
    assert!(!daemon.blocks("10.1.0.4"), "it guards itself alone again");
}

#[test]
fn what_waits_for_a_restart_is_said_and_stays_as_it_was() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, ONE_QUEUE);
    let daemon = desk.start();
    let said = desk
        .reload("[queue]\ncount = 4\nfirst = 3200\n[journal]\nfile = \"\"\n[report]\nmetrics = \"127.0.0.1:9530\"\n");
    for key in ["queue.first", "queue.count", "journal.file", "report.metrics"] {
        assert!(said.contains(&format!("`{key}` changes with the next restart")), "{said}");
    }
    daemon.wait_for_line("reloaded waiting=queue.first,queue.count,journal.file,report.metrics");
    assert_eq!(desk.json("status")[0]["queue_numbers"], serde_json::json!([3100, 1]));
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    desk.file.write(ONE_QUEUE);
    assert_eq!(desk.history("reloaded")[0]["waiting"][1], "queue.count");
}

#[test]
fn a_bad_config_changes_nothing_and_is_explained() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    let rules = lab.server.ruleset();
    for (config, words) in [
        ("[detect]\nthreshold = 9\n", "threshold"),
        ("[trigger]\ntcp = [70000]\n", "70000"),
        ("mode = enforce\n", ":1:8: `enforce` is not a value\n  mode = enforce\n"),
        ("[allow]\nsources = [\"./nowhere\"]\n", "nowhere"),
    ] {
        desk.file.write(config);
        let said = desk.refused("reload");
        assert!(said.contains(words) && said.contains("the old config stays in force"), "{said}");
        assert!(said.contains("nftrap check "), "{said}");
    }
    std::fs::remove_file(desk.file.path()).expect("remove the config");
    daemon.signal(Signal::HUP);
    wait_until("the signal is answered", || daemon.lines_with("not reloaded") == 5);
    assert_eq!(daemon.lines_with("INFO  reloaded"), 0);
    assert_eq!(lab.server.ruleset(), rules);
    desk.file.write("");
    wait_until("the journal has each", || desk.history("reload_refused").len() == 5);
    lab.probe(routed(3), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.3 ");
    assert!(desk.done("reload").contains("in force"));
}
