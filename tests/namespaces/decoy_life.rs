//! Decoys while the daemon starts, stops and is killed, and beside what others do to the ruleset.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustix::process::Signal;

use super::decoy::{DECOYS, hands_over, heard};
use crate::lab::daemon::{ConfigFile, Daemon, ONE_QUEUE, doctor, nftrap, rules};
use crate::lab::hosts::{GATEWAY, Lab, SERVER, routed, server};
use crate::lab::packet::{SYN, tcp};
use crate::lab::wire::Answer;

#[test]
fn the_thread_that_talks_with_strangers_has_no_rights_and_the_daemon_needs_but_one() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::launch_unprivileged(&lab.server, DECOYS);
    daemon.wait_for_line("ready");
    assert_eq!(heard(lab.attacker.connect(routed(2), server(8888))), "220 welcome");
    daemon.wait_for_line("blocked source=10.1.0.2 port=8888");
    let rights = |thread: &str| {
        let status = daemon.thread_status(thread);
        ["CapEff:", "CapPrm:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of rights");
            u64::from_str_radix(line.trim(), 16).expect("a number")
        })
    };
    assert_eq!(rights("decoy"), [0, 0]);
    assert_eq!(rights("proof"), [1 << 12; 2], "CAP_NET_ADMIN");
}

#[test]
fn a_stopped_daemon_leaves_closed_ports_and_its_removal_nothing() {
    let Some(lab) = Lab::on_one_link() else { return };
    let before = lab.server.ruleset();
    let mut daemon = Daemon::start(&lab.server, DECOYS);
    assert!(hands_over(&lab.server));
    daemon.end(Signal::TERM);
    assert!(!hands_over(&lab.server) && daemon.has_table());
    assert_eq!(lab.attacker.knock(routed(2), server(8888)), Answer::Refused);

    let mut daemon = Daemon::start(&lab.server, &format!("on_exit = \"remove\"\n{DECOYS}"));
    assert_eq!(lab.attacker.knock(routed(2), server(8888)), Answer::Open);
    daemon.end(Signal::TERM);
    assert_eq!(lab.server.ruleset(), before);
}

#[test]
fn decoys_come_and_go_with_a_restart_and_a_reload_says_that_they_wait_for_it() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = Arc::new(ConfigFile::new(&format!("{ONE_QUEUE}{DECOYS}")));
    let mut daemon = Daemon::launch_with(&lab.server, &config);
    daemon.wait_for_line("ready");
    config.write(ONE_QUEUE);
    let (done, said) = lab.server.feed(nftrap().arg("reload"), "");
    assert!(done && said.contains("`decoy` changes with the next restart"), "{said}");
    assert_eq!(lab.attacker.knock(routed(2), server(8888)), Answer::Open);
    daemon.end(Signal::TERM);

    let mut daemon = Daemon::launch_with(&lab.server, &config);
    daemon.wait_for_line("ready");
    assert!(!hands_over(&lab.server));
    assert_eq!(lab.attacker.knock(routed(3), server(8888)), Answer::Refused);
    daemon.end(Signal::KILL);

    config.write(&format!("{ONE_QUEUE}{DECOYS}"));
    let daemon = Daemon::launch_with(&lab.server, &config);
    daemon.wait_for_line("ready");
    assert_eq!(heard(lab.attacker.connect(routed(4), server(8888))), "220 welcome");
    daemon.wait_for_line("blocked source=10.1.0.4 port=8888");
}

#[test]
fn a_daemon_that_is_killed_leaves_closed_ports_to_whomever_its_own_belong_then() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut daemon = Daemon::start(&lab.server, DECOYS);
    let loaded = lab.server.ruleset();
    let port = loaded.split("meta l4proto tcp tproxy ip to ").nth(1).and_then(|rest| rest.split(' ').next());
    let listener: SocketAddr = port.and_then(|port| port.parse().ok()).expect("where it listens");
    daemon.end(Signal::KILL);
    let other = lab.server.serve(listener);
    assert!(hands_over(&lab.server));
    assert_eq!(lab.attacker.knock(routed(2), server(8888)), Answer::Refused);
    assert_eq!(other.clients(), Vec::<IpAddr>::new());

    let daemon = Daemon::start(&lab.server, DECOYS);
    assert_eq!(heard(lab.attacker.connect(routed(3), server(8888))), "220 welcome");
    daemon.wait_for_line("blocked source=10.1.0.3 port=8888");
}

#[test]
fn decoys_are_back_after_somebody_flushed_the_ruleset() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, DECOYS);
    lab.server.nft_load("flush ruleset");
    daemon.wait_for_line("it is back");
    assert_eq!(heard(lab.attacker.connect(routed(2), server(8888))), "220 welcome");
    daemon.wait_for_line("blocked source=10.1.0.2 port=8888");
}

#[test]
fn a_port_that_is_published_to_a_container_is_no_decoy() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    gateway.nft_load(
        "table ip theirs { chain prerouting { type nat hook prerouting priority dstnat;
            ip daddr 10.3.0.254 tcp dport 8888 dnat to 10.2.0.1:80
        }; }",
    );
    let container = lab.server.serve(server(80));
    let daemon = Daemon::start(gateway, &format!("{ONE_QUEUE}{DECOYS}"));
    assert_eq!(lab.attacker.knock(routed(2), SocketAddr::new(GATEWAY, 8888)), Answer::Open);
    assert_eq!(container.clients(), [routed(2)]);
    assert_eq!(heard(lab.attacker.connect(routed(3), SocketAddr::new(GATEWAY, 9000))), "220 welcome");
    daemon.wait_for_line("blocked source=10.1.0.3 port=9000 protocol=tcp kind=connect");
    // What is behind the gateway is answered by whoever lives there.
    lab.wire.send(&tcp((routed(4), 40_000), (SERVER, 8888), SYN));
    lab.settle(&daemon, GATEWAY);
    assert_eq!(daemon.lines_with("source=10.1.0.2 ") + daemon.lines_with("source=10.1.0.4 "), 0);
}

#[test]
fn where_nothing_can_be_answered_the_log_says_so_and_decoys_are_traps_as_ever() {
    let Some(lab) = Lab::on_one_link() else { return };
    lab.server.nft_load(
        "table inet theirs { chain output { type filter hook output priority 0; ip saddr 10.2.0.1 ip daddr 10.2.0.1 drop
        }; }",
    );
    let daemon = Daemon::launch(&lab.server, &format!("[trigger]\ntcp = [8888]\n{DECOYS}"));
    daemon.wait_for_line("no decoy answers: what nftrap sends is refused on this host: as a service it needs ");
    daemon.wait_for_line("ready");
    lab.probe(routed(2), SERVER, 8888);
    daemon.wait_for_line("blocked source=10.1.0.2 port=8888 protocol=tcp kind=syn hits=1");
    assert!(!hands_over(&lab.server));
}

#[test]
fn the_rules_that_are_shown_can_be_loaded_and_doctor_finds_them_well() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = ConfigFile::new(DECOYS);
    let path = config.path().display().to_string();
    let shown = rules(&lab.attacker, &["--no-queue", "--config", &path]);
    lab.attacker.nft_load(&shown);
    assert!(hands_over(&lab.attacker), "{shown}");

    let _daemon = Daemon::start(&lab.server, DECOYS);
    let (well, said) = doctor(&lab.server, DECOYS, &[]);
    assert!(well && said.contains("ruleset: kernel and nft take it"), "{said}");
}
