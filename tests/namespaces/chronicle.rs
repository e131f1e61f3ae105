//! Offences in the words of `PortSentry` 1.2: in the log, and in the files of history and of who is blocked; as those programs read
//! them that were written for it.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::lab::beside::Tools;
use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6};
use crate::lab::packet::udp;
use crate::lab::patience::wait_until;

/// What `[report]` asks for, with its two files beside the config.
fn config(desk: &Desk<'_>, rest: &str) -> (String, PathBuf, PathBuf) {
    let [history, blocked] = ["history", "blocked"].map(|name| desk.file.path().with_file_name(name));
    let report = format!(
        "{ONE_QUEUE}[report]\nlog = \"portsentry\"\nhistory = \"{}\"\nblocked = \"{}\"\n{rest}",
        history.display(),
        blocked.display()
    );
    (report, history, blocked)
}

/// The lines of a file, once there are so many; each without the times that it begins with.
fn lines(file: &Path, count: usize) -> Vec<String> {
    let read = || fs::read_to_string(file).unwrap_or_default();
    wait_until("the lines are written", || read().lines().count() >= count);
    let untimed = |line: &str| line.split(" Host: ").nth(1).unwrap_or(line).to_owned();
    read().lines().map(untimed).collect()
}

#[test]
fn the_log_and_both_files_have_portsentrys_lines() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let (report, history, blocked) = config(&desk, "");
    desk.file.write(&report);
    let mut daemon = desk.start();
    daemon.wait_for_line("Z adminalert: nftrap is now active and listening.");
    lab.probe(routed(2), SERVER, 111);
    let scan = "Z attackalert: TCP SYN/Normal scan from host: 10.1.0.2/10.1.0.2 to TCP port: 111";
    assert!(daemon.wait_for_line("attackalert: TCP").ends_with(scan));
    let command = "using command: \"nft add element inet nftrap block4 { 10.1.0.2 timeout 600s }\"";
    let done = format!("Z attackalert: Host 10.1.0.2 has been blocked via dropped route {command}");
    assert!(daemon.wait_for_line("has been blocked").ends_with(&done));
    lab.wire.send(&udp((routed(3), 40_000), (SERVER, 69), b""));
    daemon.wait_for_line("Z attackalert: UDP scan from host: 10.1.0.3/10.1.0.3 to UDP port: 69");
    lab.probe(routed6(1, 2), SERVER6, 79);
    daemon.wait_for_line("Z attackalert: TCP SYN/Normal scan from host: fd00:1::2/fd00:1::2 to TCP port: 79");
    daemon.wait_for_line("nft add element inet nftrap block6net { fd00:1:: timeout 600s }");
    assert_eq!(daemon.lines_with("blocked source="), 0, "one form of line is enough");
    let told = [
        "10.1.0.2/10.1.0.2 Port: 111 TCP Blocked",
        "10.1.0.3/10.1.0.3 Port: 69 UDP Blocked",
        "fd00:1::2/fd00:1::2 Port: 79 TCP Blocked",
    ];
    assert_eq!(
        (lines(&history, 3), lines(&blocked, 3)),
        (told.map(String::from).into(), told.map(String::from).into())
    );

    let renamed = history.with_extension("1");
    fs::rename(&history, &renamed).expect("rename the history");
    lab.probe(routed(4), SERVER, 111);
    assert_eq!(lines(&history, 1), ["10.1.0.4/10.1.0.4 Port: 111 TCP Blocked"]);
    assert_eq!(lines(&renamed, 3), told);
    daemon.end(Signal::TERM);
    for line in ["securityalert: nftrap is shutting down", "adminalert: nftrap is shutting down"] {
        assert_eq!(daemon.lines_with(line), 1, "{line}");
    }

    let daemon = desk.start();
    lab.probe(routed(5), SERVER, 111);
    daemon.wait_for_line("from host: 10.1.0.5/");
    let last = "10.1.0.5/10.1.0.5 Port: 111 TCP Blocked".to_owned();
    assert_eq!(lines(&blocked, 1), std::slice::from_ref(&last), "it is begun anew");
    assert_eq!(lines(&history, 2)[1], last, "it goes on");
}

#[test]
fn what_is_only_observed_is_ignored_in_portsentrys_words_and_in_no_file() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let (report, history, blocked) = config(&desk, "");
    desk.file.write(&format!("mode = \"observe\"\n{report}"));
    let mut daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("scan from host: 10.1.0.2/10.1.0.2 to TCP port: 111");
    daemon.wait_for_line("Z attackalert: Ignoring TCP response per configuration file setting.");
    daemon.end(Signal::TERM);
    assert_eq!(lines(&history, 0).len() + lines(&blocked, 0).len(), 0);
}

#[test]
fn names_of_sources_are_shown_where_they_are_harmless() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let (report, history, _) = config(&desk, "resolve = true\n");
    desk.file.write(&report);
    let hosts = desk.file.path().with_file_name("hosts");
    fs::write(&hosts, "10.1.0.2 scan.example\n10.1.0.3 10.2.0.1\n10.1.0.4 other.example\n").expect("write names");
    let mut daemon = Daemon::launch_naming(desk.host, &desk.file, &hosts);
    daemon.wait_for_line("now active");
    for host in [2, 3, 4, 5] {
        lab.probe(routed(host), SERVER, 111);
        // Nobody is waited for with a block.
        wait_until("it is blocked", || daemon.blocks(&routed(host).to_string()));
    }
    daemon.wait_for_line("attackalert: TCP SYN/Normal scan from host: scan.example/10.1.0.2 to TCP port: 111");
    daemon.wait_for_line("attackalert: TCP SYN/Normal scan from host: 10.1.0.3/10.1.0.3 to TCP port: 111");
    let told = [
        "scan.example/10.1.0.2 Port: 111 TCP Blocked",
        "10.1.0.3/10.1.0.3 Port: 111 TCP Blocked",
        "other.example/10.1.0.4 Port: 111 TCP Blocked",
        "10.1.0.5/10.1.0.5 Port: 111 TCP Blocked",
    ];
    assert_eq!(lines(&history, 4), told, "in the order in which it happened");
    daemon.end(Signal::TERM);
}

#[test]
fn fail2ban_finds_scanners_with_the_filters_that_it_has_for_portsentry() {
    let Some(lab) = Lab::on_one_link() else { return };
    let tools = Tools::on(&lab.server);
    let desk = Desk::at(&lab, "");
    let (report, history, _) = config(&desk, "");
    desk.file.write(&report);
    let daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    lab.probe(routed6(1, 2), SERVER6, 79);
    lab.wire.send(&udp((routed(3), 40_000), (SERVER, 69), b""));
    let log = ["10.1.0.2/", "fd00:1::2/", "10.1.0.3/"].map(|host| daemon.wait_for_line(&format!("from host: {host}")));
    let file = desk.file.path().with_file_name("log");
    fs::write(&file, log.join("\n") + "\n").expect("write the log");
    assert_eq!(lines(&history, 3).len(), 3);

    // The name in front of the address is the scanner's own to choose: a filter has to take the address.
    let filter = r"attackalert: .* from host: \S+/<HOST> to (?:TCP|UDP) port: \d+$";
    for (file, filter) in [(&file, filter), (&history, "/etc/fail2ban/filter.d/portsentry.conf")] {
        let said = tools.run(&format!("fail2ban-regex --print-all-matched '{}' '{filter}'", file.display()));
        assert!(said.contains("Lines: 3 lines, 0 ignored, 3 matched, 0 missed"), "{said}");
    }
}
