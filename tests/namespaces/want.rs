//! Something is wanting: memory, files to open, a place for the journal, somebody who takes the log. Either nothing is begun and the reason
//! is said, or the host is guarded all the same.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use crate::lab::daemon::Daemon;
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::patience::wait_until;
use crate::lab::strain::{Holdings, launch_by_shell};

/// As many sources as the config allows.
const MOST_SOURCES: &str = "[detect]\nmax_sources = 16777216\n";
const TOO_LITTLE: &str =
    "there is no memory for 16777216 sources: 1792 MiB are needed; lower `max_sources` in section [detect]";

/// A scanner that nobody knows yet is shut out.
fn guards(lab: &Lab, daemon: &Daemon<'_>, scanner: u8) {
    wait_until("a scanner is blocked", || {
        lab.probe(routed(scanner), SERVER, 111);
        daemon.blocks(&routed(scanner).to_string())
    });
}

#[test]
fn without_memory_for_its_table_it_says_how_much_is_needed_and_changes_nothing() {
    let Some(lab) = Lab::on_one_link() else { return };
    let before = lab.server.ruleset();
    let mut daemon = launch_by_shell(&Desk::at(&lab, MOST_SOURCES), "ulimit -v 1000000; exec \"$@\"");
    assert_eq!(daemon.wait_for_end().0.code(), Some(1));
    daemon.wait_for_line(TOO_LITTLE);
    assert_eq!(lab.server.ruleset(), before);
}

#[test]
fn a_reload_that_there_is_no_memory_for_leaves_the_old_config_in_force() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = launch_by_shell(&desk, "ulimit -v 1000000; exec \"$@\"");
    daemon.wait_for_line("ready mode=");
    guards(&lab, &daemon, 2);
    desk.file.write(&format!("[trigger]\ntcp = [79]\n{MOST_SOURCES}"));
    assert!(desk.refused("reload").contains(TOO_LITTLE));
    assert!(daemon.blocks("10.1.0.2"));
    guards(&lab, &daemon, 3);
    assert!(desk.json("status")[0]["max_sources"].as_u64() < Some(1 << 18), "its table is as it was");
}

#[test]
fn with_too_few_files_it_does_not_begin_or_it_guards() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let (mut refused, mut began) = (0, 0);
    for (files, scanner) in [6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 48].into_iter().zip(2..) {
        let mut daemon = launch_by_shell(&desk, &format!("ulimit -n {files}; exec \"$@\""));
        wait_until("it has begun or given up", || daemon.lines_with("ready mode=") > 0 || daemon.ended().is_some());
        if let Some(status) = daemon.ended() {
            assert_eq!(status.code(), Some(1), "with {files} files");
            wait_until("it says why", || daemon.log().contains("Too many open files"));
            refused += 1;
        } else {
            guards(&lab, &daemon, scanner);
            assert!(daemon.end(Signal::TERM).0.success(), "with {files} files");
            began += 1;
        }
    }
    assert!(refused > 0 && began > 0, "{refused} were refused, {began} began");
}

#[test]
fn who_runs_out_of_files_later_goes_on_judging_and_answers_when_there_are_some_again() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = desk.start();
    let allow = |files: String| {
        let mut prlimit = Command::new("prlimit");
        let limited = prlimit.args(["--pid", &daemon.number().to_string(), &format!("--nofile={files}:4096")]).status();
        assert!(limited.expect("start prlimit").success());
    };
    allow(Holdings::of(&daemon).files.to_string());
    guards(&lab, &daemon, 2);
    lab.server.nft_load("flush ruleset");
    daemon.wait_for_line("it cannot be put back: trying on");
    allow("1024".to_owned());
    daemon.wait_for_line("somebody removed our table: it is back, and so are the blocks blocks=1");
    guards(&lab, &daemon, 3);
    desk.done("status");
}

#[test]
fn a_log_that_nobody_can_take_keeps_nobody_from_being_blocked() {
    for line in ["exec \"$@\" 2>&-", "exec \"$@\" 2>/dev/full", "exec \"$@\" <&- >&- 2>&-"] {
        let Some(lab) = Lab::on_one_link() else { return };
        let desk = Desk::at(&lab, "");
        let mut daemon = launch_by_shell(&desk, line);
        guards(&lab, &daemon, 2);
        wait_until("the journal has it", || desk.history("blocked").len() == 1);
        assert!(daemon.end(Signal::TERM).0.success(), "{line}");
        assert!(daemon.blocks("10.1.0.2"), "{line}");
    }
}

#[test]
fn a_journal_that_cannot_be_had_is_named_and_keeps_nobody_from_being_blocked() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "[journal]\nfile = \"/dev/null/nftrap/nftrap.db\"\n");
    let mut daemon = desk.start();
    daemon.wait_for_line("/dev/null/nftrap");
    guards(&lab, &daemon, 2);
    assert!(desk.done("status").contains("! journal: cannot make the journal's folder /dev/null/nftrap"));
    daemon.end(Signal::KILL);
    let daemon = desk.start();
    assert!(daemon.wait_for_line("ready mode=").contains("blocks=1 "), "from the kernel");
    // A folder that belongs to somebody else, to a daemon without root's rights.
    drop(daemon);
    let daemon = Daemon::launch_unprivileged(&lab.server, "");
    daemon.wait_for_line("ready mode=");
    daemon.wait_for_line("nftrap.db");
    guards(&lab, &daemon, 3);
}

#[test]
fn a_journal_of_garbage_is_set_aside_and_a_new_one_begun() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    fs::write(desk.file.journal(), "no database ".repeat(10_000)).expect("write garbage");
    let daemon = desk.start();
    guards(&lab, &daemon, 2);
    wait_until("the new one has it", || desk.history("blocked").len() == 1);
    let folder = fs::read_dir(desk.file.path().parent().expect("its folder")).expect("list it");
    let names: Vec<_> = folder.map(|entry| entry.expect("a file").file_name()).collect();
    assert!(names.iter().any(|name| name.to_string_lossy().contains(".corrupt-")), "{names:?}");
}
