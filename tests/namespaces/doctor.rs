//! What `nftrap doctor` finds in a host's network, well and unwell.

use rustix::process::Signal;

use crate::lab::daemon::{Daemon, ONE_QUEUE, doctor, doctor_through};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::patience::wait_until;

/// Asserts that a problem was found, by its name and words of it.
fn problem(found: &(bool, String), name: &str, words: &str) {
    let (well, said) = found;
    let start = format!("PROBLEM  {name}: ");
    assert!(said.lines().any(|line| line.starts_with(&start) && line.contains(words)), "no {name} ({words}):\n{said}");
    assert!(!well, "it found no problem:\n{said}");
}

/// Asserts that nothing is worse than a warning.
fn no_problem(found: &(bool, String)) {
    let (well, said) = found;
    assert!(*well && said.contains("\n0 problems, "), "{said}");
}

#[test]
fn a_guarded_host_is_found_well_and_left_as_it_is() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    let before = lab.server.ruleset();
    let found = doctor(&lab.server, "", &[]);
    no_problem(&found);
    for line in ["daemon: process ", "table: table inet nftrap is whole", "queues: nftrap listens to queue 3100-3102"] {
        assert!(found.1.contains(&format!("ok       {line}")), "no `{line}`:\n{}", found.1);
    }
    assert!(found.1.contains("ruleset: kernel and nft take it"), "{}", found.1);
    assert_eq!(lab.server.ruleset(), before);
    assert_eq!(daemon.lines_with("somebody removed our table"), 0);
}

#[test]
fn looking_loses_no_packet_that_waits() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, ONE_QUEUE);
    daemon.freeze();
    lab.probe(routed(2), SERVER, 111);
    wait_until("the probe waits", || lab.server.queue_counts().0 == 1);
    no_problem(&doctor(&lab.server, ONE_QUEUE, &[]));
    assert_eq!(lab.server.queue_counts().0, 1);
    daemon.signal(Signal::CONT);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
}

#[test]
fn a_daemon_that_was_stopped_is_missed() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut daemon = Daemon::start(&lab.server, "");
    daemon.end(Signal::TERM);
    let found = doctor(&lab.server, "", &[]);
    problem(&found, "daemon", "nftrap does not run here");
    assert!(found.1.contains("ok       table: table inet nftrap is there from an earlier run"), "{}", found.1);
}

#[test]
fn a_table_that_a_killed_daemon_left_armed_is_found() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut daemon = Daemon::start(&lab.server, "");
    daemon.end(Signal::KILL);
    problem(&doctor(&lab.server, "", &[]), "table", "sends probes to nobody");
    let dropping = "[fail]\nno_daemon = \"drop\"\n";
    problem(&doctor(&lab.server, dropping, &[]), "table", "is dropped");
}

#[test]
fn rules_that_somebody_took_out_of_our_table_are_missed() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _daemon = Daemon::start(&lab.server, "");
    // The daemon puts them back, ever more seldom: the doctor has to come before it.
    for (chain, what) in [("queue1", "sends nothing to the queues"), ("input", "took rules out")] {
        wait_until("the doctor comes first", || {
            lab.server.nft_load(&format!("flush chain inet nftrap {chain}"));
            let (_, said) = doctor(&lab.server, "", &[]);
            said.lines().any(|line| line.starts_with("PROBLEM  table: ") && line.contains(what))
        });
    }
}

#[test]
fn a_queue_number_that_somebody_else_listens_to_is_named_with_its_owner() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = "table = \"second\"\n[queue]\nfirst = 3100\n";
    let _other = Daemon::start(&lab.server, config);
    let found = doctor(&lab.server, "", &[]);
    for number in [3100, 3101, 3102] {
        problem(&found, "queues", &format!("queue {number} by process "));
    }
    no_problem(&doctor(&lab.server, config, &[]));
}

#[test]
fn a_table_of_our_name_that_is_somebody_elses_is_found() {
    let Some(lab) = Lab::on_one_link() else { return };
    lab.server.nft_load("table inet nftrap { chain theirs { drop; }; }");
    problem(&doctor(&lab.server, "", &[]), "table", "is not nftrap's");
}

#[test]
fn a_rule_that_hides_every_flow_from_conntrack_is_found() {
    let Some(lab) = Lab::on_one_link() else { return };
    lab.server.nft_load("table ip t { chain c { type filter hook prerouting priority raw; counter; }; }");
    let _daemon = Daemon::start(&lab.server, "");
    no_problem(&doctor(&lab.server, "", &[]));
    lab.server.nft_load("add rule ip t c udp dport 53 notrack");
    let some = doctor(&lab.server, "", &[]);
    no_problem(&some);
    assert!(some.1.contains("warning  notrack: ip t c"), "{}", some.1);
    lab.server.nft_load("add rule ip t c counter notrack");
    problem(&doctor(&lab.server, "", &[]), "notrack", "ip t c");
}

#[test]
fn a_firewall_that_drops_before_us_is_worth_a_warning_and_one_after_us_is_not() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _daemon = Daemon::start(&lab.server, "");
    let firewall = "table inet t { chain c { type filter hook input priority PRIORITY; policy drop; accept; }; }";
    lab.server.nft_load(&firewall.replace("PRIORITY", "filter"));
    let after = doctor(&lab.server, "", &[]);
    assert!(!after.1.contains("other tables: whatever"), "{}", after.1);
    lab.server.nft_load(&firewall.replace("inet t", "inet before").replace("PRIORITY", "-50"));
    let before = doctor(&lab.server, "", &[]);
    no_problem(&before);
    assert!(before.1.contains("warning  other tables: whatever inet before c does not accept"), "{}", before.1);
}

#[test]
fn a_service_that_flushes_the_whole_ruleset_is_worth_a_warning() {
    const ENABLE: &str = "mount -t tmpfs none /etc && mkdir -p /etc/systemd/system/sysinit.target.wants && \
        ln -s /lib/systemd/system/nftables.service /etc/systemd/system/sysinit.target.wants/ && \
        echo 'flush ruleset' >/etc/nftables.conf && exec \"$@\"";
    let Some(lab) = Lab::on_one_link() else { return };
    let _daemon = Daemon::start(&lab.server, "");
    let found = doctor_through(&lab.server, &["unshare", "--mount", "sh", "-c", ENABLE, "sh"]);
    no_problem(&found);
    assert!(found.1.contains("warning  nftables.service: its config says `flush ruleset`"), "{}", found.1);
}

#[test]
fn who_lacks_the_right_is_told_what_cannot_be_seen() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _daemon = Daemon::start(&lab.server, "");
    let (_, said) = doctor_through(&lab.server, &["setpriv", "--bounding-set=-all", "--inh-caps=-all"]);
    for line in
        ["warning  right: ", "unknown  table: ", "unknown  ruleset: ", "unknown  notrack: ", "ok       daemon: "]
    {
        assert!(said.contains(line), "no `{line}`:\n{said}");
    }
}

#[test]
fn a_gateway_that_does_not_forward_is_found() {
    let Some(lab) = Lab::on_one_link() else { return };
    let protecting = "[protect]\ndestinations = [\"192.0.2.0/24\"]\n";
    let _daemon = Daemon::start(&lab.server, protecting);
    problem(&doctor(&lab.server, protecting, &[]), "forwarding", "net.ipv4.ip_forward is 0");
    lab.server.sysctl("ipv4/ip_forward", "1");
    no_problem(&doctor(&lab.server, protecting, &[]));
}

#[test]
fn programs_read_the_same_as_one_json_object() {
    let Some(lab) = Lab::on_one_link() else { return };
    let (well, said) = doctor(&lab.server, "", &["--json"]);
    assert!(!well, "no daemon runs: {said}");
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(report["checks"][0]["name"], "daemon");
    assert_eq!(report["checks"][0]["state"], "problem");
    assert_eq!(report["problems"], 1);
}

#[test]
fn a_config_that_run_would_refuse_is_refused() {
    let Some(lab) = Lab::on_one_link() else { return };
    let (well, said) = doctor(&lab.server, "[blok]\n", &[]);
    assert!(!well && said.contains(".toml:") && !said.contains("PROBLEM"), "{said}");
}

#[test]
fn what_waits_for_a_restart_or_cannot_be_had_is_a_warning_with_a_remedy() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let folder = desk.file.path().with_extension("events");
    let told = format!(
        "[control]\ngroup = \"no-such-group\"\n[report]\nevents = \"{0}/events\"\nmetrics = \"unix:{0}/socket\"\n",
        folder.display()
    );
    desk.file.write(&format!("[queue]\ncount = 1\n{told}"));
    let daemon = desk.start();
    daemon.wait_for_line("there is no group `no-such-group`");
    let said = desk.reload(&format!("[queue]\ncount = 3\n{told}"));
    assert!(said.contains("there is no group `no-such-group`"), "{said}");
    let found = desk.says(&format!("doctor --config {}", desk.file.path().display()));
    no_problem(&found);
    for (name, words) in [
        ("queues", "the config's queue.count waits for a restart"),
        ("group that may ask", "there is no group `no-such-group`"),
        ("files, commands and metrics", "no events are written"),
        ("files, commands and metrics", "no metrics are served"),
    ] {
        let is_it = |line: &&str| line.starts_with(&format!("warning  {name}: ")) && line.contains(words);
        assert!(found.1.lines().any(|line| is_it(&line)), "no {name} ({words}):\n{}", found.1);
    }
    std::fs::create_dir(&folder).expect("make the folder");
    desk.done("reload"); // it tries by itself as well, twice a minute
    daemon.wait_for_line("events are written from now on");
    desk.done("block 10.8.1.1");
    wait_until("the event is in the file", || {
        std::fs::read_to_string(folder.join("events")).is_ok_and(|text| text.contains("10.8.1.1"))
    });
}
