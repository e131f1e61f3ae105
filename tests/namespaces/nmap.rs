//! The scanner that everybody has.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::unserved::AT_ONCE;
use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::hosts::{GATEWAY, Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::wire::Answer;

#[test]
fn every_nmap_scan_blocks_its_source() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _open = lab.server.serve(server(22));
    let daemon = Daemon::start(&lab.server, "");
    let scans = ["-sS", "-sT", "-sF", "-sN", "-sX", "-sA", "-sM", "-sW", "-sU"];
    for (host, scan) in (10..).zip(scans) {
        let ports = if scan == "-sU" { "53,161,162" } else { "22,111,119,143" };
        let source = routed(host).to_string();
        nmap(&lab, &[scan, "-p", ports, "-S", &source, &SERVER.to_string()]);
        daemon.wait_for_line(&format!("blocked source={source} "));
        assert!(daemon.blocks(&source), "after {scan}");
    }
}

#[test]
fn an_nmap_scan_over_ipv6_blocks_its_source() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    nmap(&lab, &["-6", "-sS", "-p", "22,111,143", "-S", &routed6(1, 2).to_string(), &SERVER6.to_string()]);
    daemon.wait_for_line("blocked source=fd00:1::");
    assert!(daemon.blocks("fd00:1::"));
}

#[test]
fn decoys_get_a_first_block_as_the_real_scanner_does_and_a_bystander_none() {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    let daemon = Daemon::start(&lab.server, AT_ONCE);
    let scan = ["-sS", "-p", "22,111,119,143,8081-8084", "-D", "10.1.0.60,10.1.0.61,ME", "-S", "10.1.0.10", "10.2.0.1"];
    nmap(&lab, &scan);
    for source in ["10.1.0.10", "10.1.0.60", "10.1.0.61"] {
        let line = daemon.wait_for_line(&format!("blocked source={source} "));
        assert!(line.ends_with(" repeat=1"), "{line}");
        assert!(daemon.time_left(source) <= Duration::from_secs(600), "{source}");
        assert_eq!(daemon.lines_with(&format!("blocked source={source} ")), 1, "in:\n{}", daemon.log());
    }
    assert_eq!(lab.attacker.knock(routed(70), server(22)), Answer::Open);
    assert_eq!(daemon.lines_with("blocked source="), 3, "in:\n{}", daemon.log());
    assert!(service.clients().contains(&routed(70)));
}

#[test]
fn a_protocol_scan_and_one_of_sctp_block_their_sources() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &[ONE_QUEUE, AT_ONCE].concat());
    nmap(&lab, &["-sO", "-p", "3,9,77,200,250", "-S", "10.1.0.10", "10.2.0.1"]);
    daemon.wait_for_line("blocked source=10.1.0.10 port=0 protocol=");
    assert!(daemon.blocks("10.1.0.10"));

    nmap(&lab, &["-sY", "-p", "2904,2905,3868,9899,36412", "-S", "10.1.0.11", "10.2.0.1"]);
    let sctp_is_spoken = lab.server.run(|| Path::new("/proc/thread-self/net/sctp").exists());
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("blocked source=10.1.0.11 ") == 0, sctp_is_spoken, "in:\n{}", daemon.log());
}

#[test]
fn a_scan_of_one_port_across_the_hosts_behind_a_gateway_blocks_its_source() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    for host in 11..=15 {
        lab.server.ip(&format!("addr add 10.2.0.{host}/24 dev lan\n"));
    }
    let protect = "[protect]\ndestinations = [\"10.2.0.0/24\"]\n";
    let daemon = Daemon::start(gateway, &[ONE_QUEUE, AT_ONCE, protect].concat());
    nmap(&lab, &["-sS", "-p", "8081", "--min-hostgroup", "8", "-S", "10.1.0.10", "10.2.0.11-15"]);
    let line = daemon.wait_for_line("blocked source=10.1.0.10 port=8081 protocol=tcp kind=syn hits=4");
    assert!(line.contains(" destination=10.2.0.1"), "{line}");
    assert!(daemon.blocks("10.1.0.10"));
}

#[test]
fn a_ping_sweep_of_addresses_where_nobody_lives_blocks_its_source() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    let dark = "[protect]\ndestinations = [\"10.2.0.0/24\"]\ndark = [\"10.2.0.32/27\"]\n";
    let daemon = Daemon::start(gateway, &[ONE_QUEUE, AT_ONCE, dark].concat());
    nmap(&lab, &["-sn", "-PE", "-S", "10.1.0.10", "10.2.0.1", "10.2.0.33-44"]);
    daemon.wait_for_line("blocked source=10.1.0.10 port=0 protocol=icmp kind=echo hits=4");
    assert!(daemon.blocks("10.1.0.10"));
    nmap(&lab, &["-sn", "-PE", "-S", "10.1.0.11", "10.2.0.1"]);
    lab.settle(&daemon, GATEWAY);
    assert!(!daemon.blocks("10.1.0.11"), "a ping of a host that is there");
}

/// Scans from the attacker, and returns what nmap found.
pub(crate) fn nmap(lab: &Lab, arguments: &[&str]) -> String {
    let mut nmap = Command::new("nmap");
    nmap.args(["-n", "--disable-arp-ping", "--send-ip", "-e", if lab.gateway.is_some() { "wan" } else { "lan" }]);
    nmap.args(["--max-retries", "0", "--max-rtt-timeout", "300ms", "--host-timeout", "60s"]);
    if !arguments.contains(&"-sn") {
        nmap.arg("-Pn");
    }
    let (done, output) = lab.attacker.feed(nmap.args(arguments), "");
    assert!(done, "nmap failed: {output}");
    output
}
