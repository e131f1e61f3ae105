//! The daemon that root starts by hand: whom it becomes, what it is held to, and that it guards all the same.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::lab::daemon::{ConfigFile, Daemon, binary, nftrap_where};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

/// The user `nftrap` of these hosts.
const USER: u32 = 64_999;
const ITS_RIGHTS: &str = "0000000000001000";
const NONE: &str = "0000000000000000";
const AS_NFTRAP: &str = "[rights]\nuser = \"nftrap\"\n[decoy]\ntcp = [9999]\n";

/// The list of a host's users; in the folder of a config, and gone with it.
fn users(desk: &Desk<'_>, with_nftrap: bool) -> PathBuf {
    let all = fs::read_to_string("/etc/passwd").expect("this machine's users");
    let mut users: Vec<_> = all.lines().filter(|user| !user.starts_with("nftrap:")).map(str::to_owned).collect();
    if with_nftrap {
        users.push(format!("nftrap:x:{USER}:{USER}::/nonexistent:/usr/sbin/nologin"));
    }
    let file = desk.file.path().with_file_name("passwd");
    fs::write(&file, users.join("\n") + "\n").expect("write a list of users");
    file
}

/// Lets the user make files where config and journal are.
fn give_folder(desk: &Desk<'_>) {
    chown(desk.file.path().parent().expect("its folder"), Some(USER), Some(USER)).expect("give a folder away");
}

/// What stands behind a name in a status.
fn entry<'status>(status: &'status str, name: &str) -> Vec<&'status str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).split_whitespace().collect()
}

#[test]
fn started_by_root_it_becomes_its_user_in_every_thread_and_guards() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(22));
    let desk = Desk::at(&lab, AS_NFTRAP);
    let users = users(&desk, true);
    give_folder(&desk);
    let mut daemon = Daemon::launch_among(desk.host, &desk.file, &users);
    daemon.wait_for_line("root's rights are given up, all but CAP_NET_ADMIN user=nftrap");
    daemon.wait_for_line("ready");
    for status in daemon.thread_statuses() {
        let user = USER.to_string();
        assert_eq!(entry(&status, "Uid"), [user.as_str(); 4], "{status}");
        assert_eq!(entry(&status, "Gid"), [user.as_str(); 4], "{status}");
        assert_eq!(entry(&status, "Groups"), [user.as_str()], "{status}");
        assert_eq!((entry(&status, "NoNewPrivs"), entry(&status, "Seccomp")), (vec!["1"], vec!["2"]), "{status}");
        let rights = if status.starts_with("Name:\tdecoy\n") { NONE } else { ITS_RIGHTS };
        for set in ["CapEff", "CapPrm"] {
            assert_eq!(entry(&status, set), [rights], "{set}: {status}");
        }
        assert_eq!(entry(&status, "CapBnd"), [ITS_RIGHTS], "{status}");
        if ["worker0", "worker1", "worker2", "proof", "decoy"].contains(&entry(&status, "Name")[0]) {
            assert_eq!((entry(&status, "CapInh"), entry(&status, "CapAmb")), (vec![NONE], vec![NONE]), "{status}");
        }
    }
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    assert_eq!(lab.attacker.knock_briefly(routed(2), server(22)), Answer::Silence);

    let says = |command: &str| desk.host.feed(nftrap_where(&users, "/etc/passwd").args(command.split(' ')), "");
    let (done, status) = says("status");
    assert!(done && status.contains("rights    user nftrap; files"), "{status}");
    assert!(status.contains("5 threads held to short lists of calls"), "{status}");
    desk.file.write(&format!("{AS_NFTRAP}[detect]\nthreshold = 2\n"));
    let (done, said) = says("reload");
    assert!(done, "{said}");
    lab.server.nft_load("flush ruleset");
    daemon.wait_for_line("somebody removed our table: it is back");
    assert!(daemon.blocks("10.1.0.2"));
    let (done, said) = says("unblock 10.1.0.2");
    assert!(done && !daemon.blocks("10.1.0.2"), "{said}");
    assert!(daemon.end(Signal::TERM).0.success());
    assert_eq!(desk.history("blocked").len(), 1);
}

#[test]
fn where_its_user_could_not_do_what_the_config_asks_for_it_stays_root_or_refuses_as_it_was_told() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let users = users(&desk, true);
    let folder = desk.file.path().parent().expect("its folder").display().to_string();
    let short = format!("as the user `nftrap` it could not make files in {folder}");
    let daemon = Daemon::launch_among(desk.host, &desk.file, &users);
    daemon.wait_for_line(&format!("stays root: {short}"));
    daemon.wait_for_line("ready");
    drop(daemon);
    lab.server.nft_load("flush ruleset");
    desk.file.write(AS_NFTRAP);
    let mut daemon = Daemon::launch_among(desk.host, &desk.file, &users);
    daemon.wait_for_line(&short);
    assert!(!daemon.wait_for_end().0.success());
    assert!(!daemon.has_table(), "nothing has changed");
}

#[test]
fn a_user_that_is_not_there_is_asked_for_where_the_config_wants_it() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, AS_NFTRAP);
    let mut daemon = Daemon::launch_among(desk.host, &desk.file, &users(&desk, false));
    daemon.wait_for_line("create it (useradd --system nftrap)");
    assert!(!daemon.wait_for_end().0.success());
}

#[test]
fn a_file_outside_the_named_places_is_not_read_until_a_restart() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = desk.start();
    if !desk.done("status").contains("files held") {
        return; // this kernel has no landlock
    }
    let elsewhere = ConfigFile::new("");
    let list = elsewhere.path().with_file_name("friends");
    fs::write(&list, "10.1.0.2\n").expect("write a list");
    desk.file.write(&format!("[allow]\nsources = [\"{}\"]\n", list.display()));
    let said = desk.refused("reload");
    assert!(said.contains("a file in a folder that was not named at the start needs a restart"), "{said}");
    drop(daemon);
    let daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    lab.probe(routed(3), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.3 ");
    assert!(!daemon.blocks("10.1.0.2"), "who is on that list");
}

#[test]
fn a_file_for_tcp_wrappers_that_it_cannot_reach_is_said_at_the_reload() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let _daemon = desk.start();
    if !desk.done("status").contains("files held") {
        return; // this kernel has no landlock
    }
    let elsewhere = ConfigFile::new("");
    let reloaded = |beside: &ConfigFile| {
        let file = beside.path().with_file_name("hosts.deny");
        fs::write(&file, "").expect("make the file");
        desk.file.write(&format!("[hosts_deny]\nline = \"ALL: $TARGET$\"\nfile = \"{}\"\n", file.display()));
        desk.done("reload")
    };
    let near = reloaded(&desk.file);
    assert!(!near.contains("cannot be written to"), "{near}");
    let far = reloaded(&elsewhere);
    assert!(far.contains("of [hosts_deny] cannot be written to, until it is restarted"), "{far}");
}

#[test]
fn with_commands_only_threads_are_held_and_without_a_cage_nobody() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "[command]\nrun = [\"/bin/true\"]\n");
    let daemon = desk.start();
    let status = desk.done("status");
    assert!(
        status.contains("not held: programs of [command] would be held to what nftrap needs; 3 threads"),
        "{status}"
    );
    drop(daemon);
    desk.file.write("[rights]\ncage = false\n");
    let daemon = desk.start();
    let status = desk.done("status");
    assert!(status.contains("not held: cage = false; 0 threads"), "{status}");
    assert!(daemon.thread_statuses().iter().all(|status| entry(status, "Seccomp") == ["0"]));
}

/// The daemon of a host whose users are those of this file, and whose own state folder is in that folder.
fn launch_with_state<'lab>(desk: &Desk<'lab>, users: &Path, state: &Path) -> Daemon<'lab> {
    let mut command = Command::new("unshare");
    let binds = "mount --bind \"$1\" /etc/passwd; mount --bind \"$2\" /var/lib; shift 2; exec \"$@\"";
    command.args(["--mount", "sh", "-ec", binds, "sh"]).arg(users).arg(state).arg(binary());
    Daemon::launch_by(command, desk.host, &desk.file)
}

#[test]
fn lines_that_root_wrote_go_though_the_config_names_their_file_no_more() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let (users, elsewhere) = (users(&desk, true), ConfigFile::new(""));
    let state = desk.file.path().with_file_name("lib");
    fs::create_dir(&state).expect("make a folder");
    let deny = elsewhere.path().with_file_name("hosts.deny");
    fs::write(&deny, "theirs\n").expect("make the file");
    let is = |text: &str| fs::read_to_string(&deny).is_ok_and(|now| now == text);
    desk.file.write(&format!("[journal]\n[hosts_deny]\nline = \"ALL: $TARGET$\"\nfile = \"{}\"\n", deny.display()));
    let mut daemon = launch_with_state(&desk, &users, &state);
    daemon.wait_for_line("stays root: ");
    daemon.wait_for_line("ready");
    lab.probe(routed(2), SERVER, 111);
    wait_until("its line is there", || is("theirs\nALL: 10.1.0.2\n"));
    assert!(daemon.end(Signal::TERM).0.success());
    drop(daemon);
    desk.file.write("[journal]\n");
    let mut daemon = launch_with_state(&desk, &users, &state);
    let folder = elsewhere.path().parent().expect("its folder").display().to_string();
    daemon.wait_for_line(&format!("stays root: as the user `nftrap` it could not make files in {folder}"));
    daemon.wait_for_line("ready");
    desk.done("unblock 10.1.0.2");
    wait_until("its line is gone", || is("theirs\n"));
    assert!(daemon.end(Signal::TERM).0.success());
}

#[test]
fn what_its_user_left_in_the_state_folder_is_roots_again_where_it_stays_root() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "[journal]\n");
    let (users, state) = (users(&desk, true), desk.file.path().with_file_name("lib"));
    fs::create_dir(&state).expect("make a folder");
    let own = state.join("nftrap");
    let owner = |name: &str| fs::metadata(own.join(name)).map(|found| found.uid()).ok();
    // It reads its config as that user, who may look into the folder.
    let mut daemon = launch_with_state(&desk, &users, &state);
    daemon.wait_for_line("root's rights are given up");
    daemon.wait_for_line("ready");
    assert!(daemon.end(Signal::TERM).0.success());
    drop(daemon);
    assert_eq!((owner(""), owner("nftrap.db")), (Some(USER), Some(USER)));
    fs::write(own.join("nftrap.acted"), "{}\n").expect("write a ledger");
    let commands = "[journal]\n[command]\nblock = [\"/bin/true\"]\nunblock = [\"/bin/true\"]\n";
    desk.file.write(commands);
    let mut daemon = launch_with_state(&desk, &users, &state);
    daemon.wait_for_line("was the user nftrap's, and is root's again; root does not believe");
    daemon.wait_for_line("ready");
    assert_eq!((owner(""), owner("nftrap.db")), (Some(0), Some(0)));
    lab.probe(routed(2), SERVER, 111);
    wait_until("the ledger is kept", || owner("nftrap.acted") == Some(0));
    assert_eq!(daemon.lines_with("neither read nor kept"), 0);
    assert!(daemon.end(Signal::TERM).0.success());
}
