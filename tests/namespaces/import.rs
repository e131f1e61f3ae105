//! From PortSentry's files to a host that is guarded: imported, checked, run, scanned.

use std::fs;

use crate::lab::daemon::{ConfigFile, Daemon, nftrap};
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

/// As an administrator has it who lets `PortSentry` watch all ports below 1024 and tell somebody.
const CONF: &str = r#"
TCP_PORTS="1,11,15,79"
UDP_PORTS="1,7,9,69"
ADVANCED_PORTS_TCP="1024"
ADVANCED_PORTS_UDP="1024"
ADVANCED_EXCLUDE_TCP="113,139"
ADVANCED_EXCLUDE_UDP="520,138,137,67"
IGNORE_FILE="FOLDER/ignore"
HISTORY_FILE="FOLDER/history"
BLOCKED_FILE="FOLDER/blocked"
RESOLVE_HOST="0"
BLOCK_UDP="1"
BLOCK_TCP="1"
KILL_ROUTE="/sbin/iptables -I INPUT -s $TARGET$ -j DROP"
KILL_RUN_CMD="echo $TARGET$ $PORT$ $MODE$ >> FOLDER/told"
SCAN_TRIGGER="2"
"#;

#[test]
fn what_portsentry_was_told_is_done() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = ConfigFile::new("");
    let folder = config.path().parent().unwrap().to_owned();
    let file = |name: &str| folder.join(name);
    fs::write(file("conf"), CONF.replace("FOLDER", folder.to_str().unwrap())).unwrap();
    fs::write(file("ignore"), "127.0.0.1/32\n10.1.0.9/32 # monitoring\n").unwrap();
    let import = nftrap()
        .args(["import", "portsentry", "--mode", "atcp", "--mode", "audp", "--conf"])
        .arg(file("conf"))
        .output()
        .unwrap();
    let toml = String::from_utf8(import.stdout).unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));

    let _service = lab.server.serve(server(80));
    let daemon = Daemon::start(&lab.server, &toml);
    assert_eq!(lab.attacker.knock(routed(2), server(80)), Answer::Open);
    for port in [113, 139, 5000, 5001, 5002, 5003] {
        assert_eq!(lab.attacker.knock(routed(2), server(port)), Answer::Refused, "port {port}");
    }
    lab.probe(routed(9), SERVER, 600);
    lab.probe(routed(9), SERVER, 601);
    lab.probe(routed(3), SERVER, 600);
    lab.probe(routed(3), SERVER, 600);
    daemon.wait_for_line("blocked source=10.1.0.3 port=600 protocol=tcp kind=syn hits=2 ");
    assert_eq!(lab.attacker.knock_briefly(routed(3), server(80)), Answer::Silence);
    let said = |name: &str| fs::read_to_string(file(name)).unwrap_or_default();
    wait_until("the command was run", || said("told") == "10.1.0.3 600 stcp\n");
    wait_until("the history has it", || said("history").ends_with(" Host: 10.1.0.3/10.1.0.3 Port: 600 TCP Blocked\n"));
    assert_eq!(daemon.lines_with("blocked source="), 1, "in:\n{}", daemon.log());
}
