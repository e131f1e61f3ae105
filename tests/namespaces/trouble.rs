//! When things go wrong, and when there are two of us.

use rustix::process::Signal;

use crate::lab::daemon::{Daemon, rules};
use crate::lab::hosts::{GATEWAY, Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

#[test]
fn without_a_daemon_traffic_passes() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let mut daemon = Daemon::start(&lab.server, "");
    daemon.end(Signal::KILL);
    assert_eq!(lab.attacker.knock(routed(2), server(111)), Answer::Refused);
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
}

#[test]
fn without_a_daemon_probes_are_dropped_where_the_operator_says_so() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let mut daemon = Daemon::start(&lab.server, "[fail]\nno_daemon = \"drop\"\n");
    daemon.end(Signal::KILL);
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(111)), Answer::Silence);
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
}

#[test]
fn a_wrong_configuration_changes_nothing() {
    let Some(lab) = Lab::on_one_link() else { return };
    lab.server.nft_load(SOMEBODY_ELSES);
    let mut running = Daemon::start(&lab.server, "");
    running.end(Signal::KILL);
    let before = lab.server.ruleset();
    for wrong in ["[detect]\nthreshold = 0\n", "[blok]\n", "table = \"a b\"\n", "[trigger]\ntcp = [65536]\n"] {
        let mut daemon = Daemon::launch(&lab.server, wrong);
        let (status, _) = daemon.wait_for_end();
        assert_eq!(status.code(), Some(1), "for {wrong}");
        daemon.wait_for_line(".toml:");
        assert_eq!(lab.server.ruleset(), before, "after {wrong}");
    }
}

#[test]
fn a_queue_number_in_use_is_a_clear_error() {
    let Some(lab) = Lab::on_one_link() else { return };
    let first = Daemon::start(&lab.server, "[queue]\nfirst = 3200\n");
    let mut second = Daemon::launch(&lab.server, "table = \"second\"\n[queue]\nfirst = 3201\n");
    let (status, _) = second.wait_for_end();
    assert_eq!(status.code(), Some(1));
    second.wait_for_line("3201");
    assert!(second.log().contains("queue"), "{}", second.log());

    lab.probe(routed(2), SERVER, 111);
    first.wait_for_line("blocked source=10.1.0.2 ");
}

#[test]
fn two_daemons_in_two_namespaces_do_not_meet() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    let (one, two) = (Daemon::start(gateway, ""), Daemon::start(&lab.server, ""));
    lab.probe(routed(2), GATEWAY, 111);
    one.wait_for_line("blocked source=10.1.0.2 ");
    lab.probe(routed(3), SERVER, 111);
    two.wait_for_line("blocked source=10.1.0.3 ");
    assert!(one.blocks("10.1.0.2") && !one.blocks("10.1.0.3"));
    assert!(two.blocks("10.1.0.3") && !two.blocks("10.1.0.2"));
}

#[test]
fn two_daemons_with_tables_and_queues_of_their_own_share_a_host() {
    let Some(lab) = Lab::on_one_link() else { return };
    let one = Daemon::start(&lab.server, "table = \"one\"\n[trigger]\ntcp = [111]\n");
    let two = Daemon::start(&lab.server, "table = \"two\"\n[trigger]\ntcp = [143]\n[queue]\nfirst = 3200\n");
    lab.probe(routed(2), SERVER, 111);
    one.wait_for_line("blocked source=10.1.0.2 ");
    lab.probe(routed(3), SERVER, 143);
    two.wait_for_line("blocked source=10.1.0.3 ");
    assert!(one.blocks("10.1.0.2") && !one.blocks("10.1.0.3"));
    assert!(two.blocks("10.1.0.3") && !two.blocks("10.1.0.2"));
}

#[test]
fn loading_the_rules_twice_changes_nothing_of_anybody() {
    let Some(lab) = Lab::on_one_link() else { return };
    lab.server.nft_load(SOMEBODY_ELSES);
    let theirs = lab.server.ruleset();
    // nft cannot load a queue rule where the kernel has no nft_queue.
    let arguments: &[&str] = if lab.server.has_nft_queue() { &[] } else { &["--no-queue"] };
    let rules = rules(&lab.server, arguments);
    lab.server.nft_load(&rules);
    let once = lab.server.ruleset();
    assert!(once.contains("table inet nftrap {"), "{once}");
    lab.server.nft_load(&rules);
    assert_eq!(lab.server.ruleset(), once);
    assert!(once.starts_with(&theirs), "{once}\nno longer begins with\n{theirs}");
}

const SOMEBODY_ELSES: &str = "\
table inet theirs {
    set friends { type ipv4_addr; elements = { 192.0.2.1 } }
    chain input { type filter hook input priority filter; policy accept; ip saddr @friends counter accept; }
}
";

#[test]
fn an_absent_daemons_drop_does_not_keep_probes_from_a_present_one() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "[fail]\nno_daemon = \"drop\"\n");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 port=111");
}

#[test]
fn a_second_daemon_with_the_same_table_is_refused_and_the_first_goes_on() {
    let Some(lab) = Lab::on_one_link() else { return };
    let first = Daemon::start(&lab.server, "");
    let before = lab.server.ruleset();
    let mut second = Daemon::launch(&lab.server, "[queue]\nfirst = 3200\n");
    second.wait_for_line("guards table inet nftrap in this namespace already (process ");
    assert_eq!(second.wait_for_end().0.code(), Some(1));
    assert_eq!(lab.server.ruleset(), before);
    lab.probe(routed(2), SERVER, 111);
    first.wait_for_line("blocked source=10.1.0.2 port=111");
}

#[test]
fn a_flushed_ruleset_is_back_with_its_blocks_and_somebody_elses_table_stays() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut daemon = Daemon::start(&lab.server, "on_exit = \"remove\"\n");
    lab.probe(routed(2), SERVER, 111);
    lab.probe(routed6(1, 2), SERVER6, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    daemon.wait_for_line("blocked source=fd00:1::");

    lab.server.nft_load("flush ruleset");
    daemon.wait_for_line("somebody removed our table: it is back, and so are the blocks blocks=2");
    assert!(daemon.blocks("10.1.0.2") && daemon.blocks("fd00:1::"));
    lab.probe(routed(3), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.3 ");

    lab.server.nft_load("flush ruleset; table inet nftrap { chain theirs { drop; }; }");
    daemon.wait_for_line("it cannot be put back: trying on error=table inet nftrap is not nftrap's");
    let (status, _) = daemon.end(Signal::TERM);
    assert_eq!(status.code(), Some(1), "its table could not be removed: it has none");
    assert!(lab.server.ruleset().contains("chain theirs"));
}

#[test]
fn a_log_that_nobody_reads_keeps_nobody_from_being_blocked() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut daemon = Daemon::start(&lab.server, "");
    daemon.stop_reading();
    for _ in 0..2000 {
        daemon.signal(Signal::USR1);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    lab.probe(routed(2), SERVER, 111);
    wait_until("the source is blocked", || daemon.blocks("10.1.0.2"));
    let (status, _) = daemon.end(Signal::TERM);
    assert!(status.success());
}
