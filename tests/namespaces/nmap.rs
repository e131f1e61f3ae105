//! The scanner that everybody has.

use std::process::Command;

use crate::lab::daemon::Daemon;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};

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

/// Scans from the attacker, and returns what nmap found.
pub(crate) fn nmap(lab: &Lab, arguments: &[&str]) -> String {
    let mut nmap = Command::new("nmap");
    nmap.args(["-n", "-Pn", "--disable-arp-ping", "--send-ip", "-e", "lan"]);
    nmap.args(["--max-retries", "0", "--max-rtt-timeout", "300ms", "--host-timeout", "60s"]);
    let (done, output) = lab.attacker.feed(nmap.args(arguments), "");
    assert!(done, "nmap failed: {output}");
    output
}
