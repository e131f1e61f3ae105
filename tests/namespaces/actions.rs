//! What is done about an offender beside the kernel's block: the operator's commands, in their order, with their limits, and to their ends.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6};
use crate::lab::packet::{SYN, tcp, udp};
use crate::lab::patience::wait_until;

/// A desk whose commands leave a line each in one file.
struct Noted<'lab> {
    desk: Desk<'lab>,
    notes: PathBuf,
    config: String,
}

impl<'lab> Noted<'lab> {
    /// `more` are keys of [command] beside `run`, `block` and `unblock`, and other sections.
    fn at(lab: &'lab Lab, more: &str) -> Self {
        let desk = Desk::at(lab, "");
        let notes = desk.file.path().with_file_name("notes");
        let note =
            |event: &str| format!("{event} = [\"echo {event} $TARGET$ $PORT$ $MODE$ >> {}\"]\n", notes.display());
        let three = ["run", "block", "unblock"].map(note).concat();
        let config = format!("{ONE_QUEUE}[command]\nshell = true\n{three}{more}");
        desk.file.write(&config);
        Self { desk, notes, config }
    }

    fn start(&self) -> Daemon<'lab> {
        self.desk.start()
    }

    fn all(&self) -> Vec<String> {
        fs::read_to_string(&self.notes).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Waits until so many notes are there, and returns them.
    fn wait_for(&self, count: usize) -> Vec<String> {
        wait_until(&format!("{count} commands were run"), || self.all().len() >= count);
        self.all()
    }
}

#[test]
fn block_comes_before_run_and_unblock_when_the_block_ends() {
    let Some(lab) = Lab::on_one_link() else { return };
    let noted = Noted::at(&lab, "[block]\ntime = \"2s\"\n");
    let daemon = noted.start();
    lab.probe(routed(2), SERVER, 111);
    let block = ["block 10.1.0.2 111 stcp", "run 10.1.0.2 111 stcp"];
    assert_eq!(noted.wait_for(2), block);
    let all = noted.wait_for(3);
    assert_eq!(all, [block[0], block[1], "unblock 10.1.0.2 111 stcp"]);
    assert!(!daemon.blocks("10.1.0.2"), "not before the block has ended");
    let ledger = noted.desk.file.path().with_extension("acted");
    wait_until("nothing is left to be ended", || !ledger.exists());
}

#[test]
fn run_comes_first_where_the_config_says_so() {
    let Some(lab) = Lab::on_one_link() else { return };
    let noted = Noted::at(&lab, "first = true\n");
    let _daemon = noted.start();
    lab.probe(routed6(1, 2), SERVER6, 111);
    assert_eq!(noted.wait_for(2), ["run fd00:1::/64 111 stcp", "block fd00:1::/64 111 stcp"]);
}

#[test]
fn nothing_is_run_about_who_is_only_observed() {
    let Some(lab) = Lab::on_one_link() else { return };
    let noted = Noted::at(&lab, "[block]\nudp = \"observe\"\n");
    noted.desk.file.write(&format!("mode = \"observe\"\n{}", noted.config));
    let daemon = noted.start();
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("would block source=10.1.0.2");
    noted.desk.done("block 10.1.0.9");
    noted.desk.reload(&noted.config);
    lab.probe(routed(3), SERVER, 111);
    assert_eq!(noted.wait_for(2), ["block 10.1.0.3 111 stcp", "run 10.1.0.3 111 stcp"]);
}

#[test]
fn who_is_to_be_reported_by_a_command_is_not_blocked_and_the_command_is_run() {
    let Some(lab) = Lab::on_one_link() else { return };
    let noted = Noted::at(&lab, "[block]\ntcp = \"command\"\nudp = \"observe\"\n");
    let daemon = noted.start();
    lab.wire.send(&udp((routed(2), 4000), (SERVER, 69), b"?"));
    daemon.wait_for_line("would block source=10.1.0.2 ");
    lab.probe(routed(3), SERVER, 111);
    assert_eq!(noted.wait_for(1), ["run 10.1.0.3 111 stcp"]);
    lab.probe(routed(3), SERVER, 143);
    lab.probe(routed(4), SERVER, 111);
    assert_eq!(noted.wait_for(2), ["run 10.1.0.3 111 stcp", "run 10.1.0.4 111 stcp"]);
    assert!(!daemon.blocks("10.1.0.3") && !daemon.blocks("10.1.0.4"));
}

#[test]
fn a_reload_into_observing_ends_what_was_done() {
    let Some(lab) = Lab::on_one_link() else { return };
    let noted = Noted::at(&lab, "");
    let _daemon = noted.start();
    lab.probe(routed(2), SERVER, 111);
    noted.wait_for(2);
    noted.desk.reload(&format!("mode = \"observe\"\n{}", noted.config));
    assert_eq!(noted.wait_for(3)[2], "unblock 10.1.0.2 111 stcp");
}

#[test]
fn an_operators_blocks_are_told_to_the_firewall_elsewhere_and_so_are_their_ends() {
    let Some(lab) = Lab::on_one_link() else { return };
    let noted = Noted::at(&lab, "");
    let _daemon = noted.start();
    let desk = &noted.desk;
    desk.done("block 10.1.0.4 --for 1h");
    desk.done("block fd00:9::/48 --for forever");
    let mut all = noted.wait_for(2);
    all.sort();
    assert_eq!(all, ["block 10.1.0.4 0 operator", "block fd00:9::/48 0 operator"], "and `run` is for offenders");
    desk.done("unblock 10.1.0.4");
    assert_eq!(noted.wait_for(3)[2], "unblock 10.1.0.4 0 operator");
    lab.probe(routed(2), SERVER, 111);
    noted.wait_for(5);
    desk.done("allow add 10.1.0.0/24");
    assert_eq!(noted.wait_for(6)[5], "unblock 10.1.0.2 111 stcp");
    desk.done("unblock --all");
    assert_eq!(noted.wait_for(7)[6], "unblock fd00:9::/48 0 operator");
}

#[test]
fn who_is_allowed_by_a_reload_is_let_in_elsewhere_too() {
    let Some(lab) = Lab::on_one_link() else { return };
    let noted = Noted::at(&lab, "");
    let _daemon = noted.start();
    lab.probe(routed(2), SERVER, 111);
    noted.wait_for(2);
    noted.desk.reload(&format!("{}[allow]\nsources = [\"10.1.0.2\"]\n", noted.config));
    assert_eq!(noted.wait_for(3)[2], "unblock 10.1.0.2 111 stcp");
}

#[test]
fn who_is_put_into_an_allow_file_is_let_in_elsewhere_too() {
    let Some(lab) = Lab::on_one_link() else { return };
    let noted = Noted::at(&lab, "[allow]\nsources = [\"./friends\"]\n");
    let list = noted.desk.file.path().with_file_name("friends");
    fs::write(&list, "10.1.0.9\n").expect("write the list");
    let _daemon = noted.start();
    lab.probe(routed(2), SERVER, 111);
    noted.wait_for(2);
    fs::write(&list, "10.1.0.9\n10.1.0.2\n").expect("write the list");
    assert_eq!(noted.wait_for(3)[2], "unblock 10.1.0.2 111 stcp");
}

#[test]
fn another_config_is_in_force_with_the_next_event_also_where_there_was_none() {
    let Some(lab) = Lab::on_one_link() else { return };
    let noted = Noted::at(&lab, "");
    noted.desk.file.write(ONE_QUEUE);
    let _daemon = noted.start();
    noted.desk.reload(&noted.config);
    lab.probe(routed(2), SERVER, 111);
    assert_eq!(noted.wait_for(2).len(), 2);
    noted.desk.reload(&noted.config.replace("echo run", "echo RUN"));
    lab.probe(routed(3), SERVER, 111);
    assert_eq!(noted.wait_for(4)[3], "RUN 10.1.0.3 111 stcp");
}

#[test]
fn a_kill_leaves_nothing_to_be_done_twice_and_what_ended_meanwhile_is_ended() {
    let Some(lab) = Lab::on_one_link() else { return };
    let noted = Noted::at(&lab, "");
    let mut daemon = noted.start();
    noted.desk.done("block 10.1.0.4 --for 2s");
    lab.probe(routed(2), SERVER, 111);
    assert_eq!(noted.wait_for(3).len(), 3);
    daemon.end(Signal::KILL);
    wait_until("an operator's block has ended", || {
        !lab.server.nft(&["list", "set", "inet", "nftrap", "banned4"]).1.contains("10.1.0.4")
    });
    let mut daemon = noted.start();
    assert_eq!(noted.wait_for(4)[3], "unblock 10.1.0.4 0 operator");
    assert!(daemon.blocks("10.1.0.2"));
    let ledger = noted.desk.file.path().with_extension("acted");
    wait_until("that is noted", || !fs::read_to_string(&ledger).expect("the ledger").contains("10.1.0.4"));
    daemon.end(Signal::KILL);
    let _daemon = noted.start();
    noted.desk.done("unblock 10.1.0.2");
    let all = noted.wait_for(5);
    assert_eq!(all[4], "unblock 10.1.0.2 111 stcp");
    assert_eq!(all.iter().filter(|note| note.contains("10.1.0.2")).count(), 3, "{all:?}");
}

#[test]
fn a_command_that_hangs_holds_up_no_block_and_no_other_command_and_is_ended() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let [hung, done] = ["hung", "done"].map(|name| desk.file.path().with_file_name(name));
    let script = format!(
        "case $TARGET$ in 10.1.0.2) echo $$ > {0}.new; mv {0}.new {0}; sleep 1000 & wait;; *) echo $TARGET$ >> {1};; esac",
        hung.display(),
        done.display()
    );
    let command = format!("[command]\nshell = true\nat_once = 2\ntimeout = \"1h\"\nrun = ['''{script}''']\n");
    desk.file.write(&format!("{ONE_QUEUE}{command}"));
    let mut daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    wait_until("it hangs", || hung.exists());
    for host in 3..20 {
        lab.probe(routed(host), SERVER, 111);
        daemon.wait_for_line(&format!("blocked source=10.1.0.{host} "));
    }
    wait_until("all others are done", || fs::read_to_string(&done).is_ok_and(|text| text.lines().count() == 17));
    let number = fs::read_to_string(&hung).expect("its number").trim().parse().ok().and_then(Pid::from_raw);
    let number = number.expect("a process");
    test_kill_process(number).expect("it hangs on");
    daemon.end(Signal::TERM);
    daemon.wait_for_line("a command failed command=run source=10.1.0.2 problem=nftrap ends");
    wait_until("it is ended", || test_kill_process(number).is_err());
}

#[test]
fn a_command_that_takes_too_long_is_ended_and_named() {
    let Some(lab) = Lab::on_one_link() else { return };
    let command = "[command]\nrun = [\"/bin/sleep\", \"1000\"]\ntimeout = \"1s\"\n";
    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}{command}"));
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("it took longer than 1s, and was ended");
}

#[test]
fn a_command_that_fails_is_logged_with_its_status_and_with_what_it_said() {
    let Some(lab) = Lab::on_one_link() else { return };
    let command = "[command]\nshell = true\nrun = ['''printf 'no such \\033[31mhost\\nbye\\n' >&2; exit 3''']\n";
    let mut daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}{command}"));
    lab.probe(routed(2), SERVER, 111);
    let line = daemon.wait_for_line("a command failed");
    assert!(line.contains("exit status: 3") && line.contains("no such ") && line.contains("host; bye"), "{line}");
    assert!(!line.contains('\u{1b}'), "{line}");
    daemon.end(Signal::TERM);
    daemon.wait_for_line("commands started=1 failed=1 too_slow=0 dropped=0");
}

#[test]
fn a_program_that_is_not_there_is_logged() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, &format!("{ONE_QUEUE}[command]\nblock = [\"/does/not/exist\"]\n"));
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("cannot start /does/not/exist");
}

#[test]
fn a_command_has_no_socket_of_ours_and_knows_what_happened() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let seen = desk.file.path().with_file_name("seen");
    let script = format!("{{ readlink /proc/$$/fd/*; env; }} > {0}.new; mv {0}.new {0}", seen.display());
    desk.file.write(&format!("{ONE_QUEUE}[command]\nshell = true\nrun = [\"{script}\"]\n"));
    let _daemon = desk.start();
    lab.probe(routed(2), SERVER, 79);
    wait_until("it has looked", || seen.exists());
    let seen = fs::read_to_string(&seen).expect("what it saw");
    assert!(!seen.contains("socket:") && !seen.contains("nftrap.db"), "{seen}");
    for line in [
        "NFTRAP_EVENT=offence",
        "NFTRAP_SOURCE=10.1.0.2",
        "NFTRAP_PORT=79",
        "NFTRAP_MODE=stcp",
        "NFTRAP_PROTOCOL=tcp",
        "NFTRAP_KIND=syn",
        "NFTRAP_DESTINATION=10.2.0.1",
        "NFTRAP_HITS=1",
        "NFTRAP_REPEAT=1",
    ] {
        assert!(seen.lines().any(|seen| seen == line), "no {line} in\n{seen}");
    }
}

#[test]
fn an_unprivileged_daemon_runs_commands_as_its_own_user() {
    let Some(lab) = Lab::on_one_link() else { return };
    let command = "[command]\nshell = true\nrun = [\"id -un >&2; exit 1\"]\n[journal]\nfile = \"\"\n";
    let daemon = Daemon::launch_unprivileged(&lab.server, &format!("{ONE_QUEUE}{command}"));
    daemon.wait_for_line("ready");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("said=nobody");
}

#[test]
fn thousands_of_blocks_are_each_begun_once_and_ended_once() {
    const BLOCKS: usize = 2000;
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let notes = desk.file.path().with_file_name("notes");
    let note = |what| format!("{what} = [\"echo {what} $TARGET$ >> {}\"]\n", notes.display());
    let list = desk.file.path().with_file_name("hosts.deny");
    fs::write(&list, "# theirs\n").expect("make the file");
    desk.file.write(&format!(
        "{ONE_QUEUE}[command]\nshell = true\nat_once = 16\n{}{}[hosts_deny]\nline = \"ALL: $TARGET$\"\nfile = \"{}\"\n",
        note("block"),
        note("unblock"),
        list.display()
    ));
    let daemon = desk.start();
    flood(&lab, BLOCKS);
    let count = |what: &str| {
        let all = fs::read_to_string(&notes).unwrap_or_default();
        let mut sources: Vec<_> = all.lines().filter_map(|line| line.strip_prefix(what)).map(str::to_owned).collect();
        let all = sources.len();
        sources.sort();
        sources.dedup();
        (all, sources.len())
    };
    wait_until("each is blocked elsewhere", || count("block ").0 >= BLOCKS);
    assert_eq!(count("block "), (BLOCKS, BLOCKS));
    let lines = || fs::read_to_string(&list).expect("the list").lines().count();
    wait_until("each has its line", || lines() == BLOCKS + 1);
    desk.done("unblock --all");
    wait_until("each is let in elsewhere", || count("unblock ").0 >= BLOCKS);
    assert_eq!(count("unblock "), (BLOCKS, BLOCKS));
    wait_until("no line is left", || lines() == 1);
    assert_eq!(daemon.lines_with("do not keep up"), 0, "{}", daemon.log());
}

/// One SYN to a trigger port from each of so many sources.
fn flood(lab: &Lab, count: usize) {
    let first = Ipv4Addr::new(10, 64, 0, 0).to_bits();
    for source in (first..).take(count) {
        let packet = tcp((Ipv4Addr::from_bits(source).into(), 40_000), (SERVER, 111), SYN);
        wait_until("there is room for a packet", || match lab.wire.try_send(&packet) {
            Ok(_) => true,
            Err(Errno::NOBUFS | Errno::AGAIN) => false,
            Err(error) => panic!("could not send a packet: {error}"),
        });
    }
}

#[test]
fn killing_what_a_command_is_costs_no_other() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let number = desk.file.path().with_file_name("number");
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000", number.display());
    desk.file.write(&format!("{ONE_QUEUE}[command]\nshell = true\nat_once = 1\nrun = [\"{script}\"]\n"));
    let daemon = desk.start();
    for host in [2, 3] {
        lab.probe(routed(host), SERVER, 111);
        wait_until("it runs", || number.exists());
        let process = fs::read_to_string(&number).expect("its number").trim().parse().ok().and_then(Pid::from_raw);
        fs::remove_file(&number).expect("forget it");
        kill_process(process.expect("a process"), Signal::KILL).expect("end it");
        daemon.wait_for_line(&format!("source=10.1.0.{host} problem=signal: 9 (SIGKILL)"));
    }
}
