//! Lines for TCP wrappers while a source is blocked: what TCP wrappers make of them, and whose the rest of the file is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::lab::beside::tcp_wrappers;
use crate::lab::daemon::ONE_QUEUE;
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6};
use crate::lab::patience::wait_until;

/// A desk with a file for TCP wrappers in the folder of its config.
struct Denied<'lab> {
    desk: Desk<'lab>,
    folder: PathBuf,
    file: PathBuf,
}

impl<'lab> Denied<'lab> {
    fn at(lab: &'lab Lab, line: &str, text: &str) -> Self {
        let desk = Desk::at(lab, "");
        let folder = desk.file.path().parent().expect("its folder").to_owned();
        let file = folder.join("hosts.deny");
        fs::write(&file, text).expect("make the file");
        let denied = Self { desk, folder, file };
        denied.desk.file.write(&denied.config(line, ""));
        denied
    }

    fn config(&self, line: &str, more: &str) -> String {
        format!("{ONE_QUEUE}[hosts_deny]\nline = \"{line}\"\nfile = \"{}\"\n{more}", self.file.display())
    }

    /// Waits until the file has that text.
    fn has(&self, text: &str) {
        let mut last = String::new();
        let mut same = || {
            last = fs::read_to_string(&self.file).expect("read the file");
            last == text
        };
        wait_until(&format!("the file is `{text}`"), &mut same);
    }
}

const ALL: &str = "ALL: $TARGET$";

#[test]
fn tcp_wrappers_deny_who_is_blocked_and_nobody_else() {
    let Some(lab) = Lab::on_one_link() else { return };
    let denied = Denied::at(&lab, ALL, "");
    let _daemon = denied.desk.start();
    lab.probe(routed(2), SERVER, 111);
    lab.probe(routed6(1, 2), SERVER6, 111);
    wait_until("both have a line", || fs::read_to_string(&denied.file).is_ok_and(|text| text.lines().count() == 2));
    denied.desk.done("block 10.9.0.0/25");
    denied.desk.done("block fe80::5");
    wait_until("all have a line", || fs::read_to_string(&denied.file).is_ok_and(|text| text.lines().count() == 4));
    meets(&denied.folder);
}

#[test]
fn a_list_that_hosts_deny_names_works_alike() {
    let Some(lab) = Lab::on_one_link() else { return };
    let denied = Denied::at(&lab, "$TARGET$", "");
    let list = denied.folder.join("list");
    fs::rename(&denied.file, &list).expect("make the list");
    fs::write(&denied.file, format!("ALL: {}\n", list.display())).expect("name the list");
    let config = denied.config("$TARGET$", "").replace("hosts.deny\"", "list\"");
    denied.desk.file.write(&config);
    let _daemon = denied.desk.start();
    lab.probe(routed(2), SERVER, 111);
    lab.probe(routed6(1, 2), SERVER6, 111);
    denied.desk.done("block 10.9.0.0/25");
    denied.desk.done("block fe80::5");
    wait_until("all have a line", || fs::read_to_string(&list).is_ok_and(|text| text.lines().count() == 4));
    meets(&denied.folder);
}

fn meets(folder: &Path) {
    let address = |text: &str| text.parse().expect("an address");
    for (client, access) in [
        (routed(2), "denied"),
        (routed(3), "granted"),
        (routed(20), "granted"),
        (routed6(1, 2), "denied"),
        (routed6(1, 9), "denied"),
        (routed6(2, 2), "granted"),
        (address("10.9.0.127"), "denied"),
        (address("10.9.0.128"), "granted"),
        (address("fe80::5"), "denied"),
        (address("fe80::6"), "granted"),
    ] {
        assert_eq!(tcp_wrappers(folder, client), access, "{client}");
    }
}

#[test]
fn a_line_comes_once_and_goes_with_its_block_and_the_file_is_as_it_was() {
    let Some(lab) = Lab::on_one_link() else { return };
    let theirs = "# mine\nALL: 10.1.0.3\nsshd: .example.org\n";
    let denied = Denied::at(&lab, ALL, theirs);
    fs::set_permissions(&denied.file, Permissions::from_mode(0o640)).expect("a mode");
    chown(&denied.file, None, Some(65_534)).expect("a group");
    let daemon = denied.desk.start();
    for host in [2, 3] {
        lab.probe(routed(host), SERVER, 111);
        daemon.wait_for_line(&format!("blocked source=10.1.0.{host} "));
    }
    denied.has(&format!("{theirs}ALL: 10.1.0.2\n"));
    let found = fs::metadata(&denied.file).expect("look at it");
    assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (0o640, 0, 65_534));
    denied.desk.done("unblock --all");
    denied.has(theirs);
    lab.probe(routed(4), SERVER, 111);
    denied.has(&format!("{theirs}ALL: 10.1.0.4\n"));
    let found = fs::metadata(&denied.file).expect("look at it");
    assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (0o640, 0, 65_534));
}

#[test]
fn a_killed_daemons_lines_are_known_to_the_next_and_go_with_their_blocks() {
    let Some(lab) = Lab::on_one_link() else { return };
    let denied = Denied::at(&lab, ALL, "# theirs\n");
    let mut daemon = denied.desk.start();
    for host in [2, 3] {
        lab.probe(routed(host), SERVER, 111);
    }
    denied.has("# theirs\nALL: 10.1.0.2\nALL: 10.1.0.3\n");
    daemon.end(Signal::KILL);
    // An administrator is at work, and wants nothing written any more.
    fs::write(&denied.file, "ALL: 10.1.0.2\n# theirs, too\nALL: 10.1.0.3\nALL: 10.1.0.3\n").expect("edit it");
    denied.desk.file.write(ONE_QUEUE);
    let _daemon = denied.desk.start();
    denied.desk.done("unblock 10.1.0.2");
    denied.has("# theirs, too\nALL: 10.1.0.3\nALL: 10.1.0.3\n");
    denied.desk.done("unblock 10.1.0.3");
    denied.has("# theirs, too\nALL: 10.1.0.3\n");
    let ledger = denied.desk.file.path().with_extension("acted");
    wait_until("nothing is left to be ended", || !ledger.exists());
}

#[test]
fn a_daemon_that_lifts_its_blocks_at_the_end_takes_its_lines_with_it() {
    let Some(lab) = Lab::on_one_link() else { return };
    let denied = Denied::at(&lab, ALL, "# theirs\n");
    denied.desk.file.write(&format!("on_exit = \"remove\"\n{}", denied.config(ALL, "")));
    let mut daemon = denied.desk.start();
    lab.probe(routed(2), SERVER, 111);
    denied.has("# theirs\nALL: 10.1.0.2\n");
    daemon.end(Signal::TERM);
    assert_eq!(fs::read_to_string(&denied.file).expect("read it"), "# theirs\n");
}

#[test]
fn where_nothing_is_kept_of_them_the_lines_go_with_the_daemon_and_the_blocks_stay() {
    let Some(lab) = Lab::on_one_link() else { return };
    let denied = Denied::at(&lab, ALL, "# theirs\nALL: 10.1.0.3\n");
    denied.desk.file.write(&denied.config(ALL, "[journal]\nfile = \"\"\n"));
    let mut daemon = denied.desk.start();
    for host in [2, 3] {
        lab.probe(routed(host), SERVER, 111);
        daemon.wait_for_line(&format!("blocked source=10.1.0.{host} "));
    }
    denied.has("# theirs\nALL: 10.1.0.3\nALL: 10.1.0.2\n");
    daemon.end(Signal::TERM);
    assert_eq!(fs::read_to_string(&denied.file).expect("read it"), "# theirs\nALL: 10.1.0.3\n");
    assert!(daemon.blocks("10.1.0.2"));
}

/// A ledger by which a line would be written into this file.
fn forge(ledger: &Path, file: &Path) {
    let line = format!("{{\"file\":\"{}\",\"text\":\"evil\"}}", file.display());
    let row = format!("{{\"source\":\"192.0.2.1\",\"mode\":\"operator\",\"owed\":false,\"lines\":[{line}]}}\n");
    fs::write(ledger, row).expect("write a ledger");
    fs::set_permissions(ledger, Permissions::from_mode(0o640)).expect("a mode");
}

#[test]
fn what_another_user_left_to_be_ended_is_not_read_by_root_and_that_is_said_once() {
    let Some(lab) = Lab::on_one_link() else { return };
    let denied = Denied::at(&lab, ALL, "# theirs\n");
    let ledger = denied.desk.file.path().with_extension("acted");
    forge(&ledger, &denied.file);
    chown(&ledger, Some(65_534), None).expect("an owner");
    let mut daemon = denied.desk.start();
    let line = daemon.wait_for_line("is neither read nor kept there");
    assert!(line.contains("nftrap.acted belongs to user 65534: run nftrap as that user"), "{line}");
    lab.probe(routed(2), SERVER, 111);
    denied.has("# theirs\nALL: 10.1.0.2\n");
    daemon.end(Signal::TERM);
    denied.has("# theirs\n");
    assert_eq!(daemon.lines_with("is neither read nor kept there"), 1);
    assert!(fs::read_to_string(&ledger).expect("it is as it was").contains("evil"));
}

#[test]
fn a_line_that_is_missing_is_written_again_where_the_config_has_it_and_nowhere_else() {
    let Some(lab) = Lab::on_one_link() else { return };
    let denied = Denied::at(&lab, ALL, "# theirs\n");
    let (ledger, elsewhere) = (denied.desk.file.path().with_extension("acted"), denied.folder.join("elsewhere"));
    fs::write(&elsewhere, "precious\n").expect("make another file");
    forge(&ledger, &elsewhere);
    let mut daemon = denied.desk.start();
    lab.probe(routed(2), SERVER, 111);
    denied.has("# theirs\nALL: 10.1.0.2\n");
    daemon.end(Signal::TERM);
    assert_eq!(fs::read_to_string(&elsewhere).expect("read it"), "precious\n");
    fs::write(&denied.file, "# theirs\n").expect("take it out");
    let _daemon = denied.desk.start();
    denied.has("# theirs\nALL: 10.1.0.2\n");
}

#[test]
fn a_link_in_the_files_place_is_refused_once_in_the_log_and_holds_up_no_command() {
    let Some(lab) = Lab::on_one_link() else { return };
    let denied = Denied::at(&lab, ALL, "# theirs\n");
    let elsewhere = denied.folder.join("elsewhere");
    fs::rename(&denied.file, &elsewhere).expect("move it");
    symlink(&elsewhere, &denied.file).expect("make a link");
    let done = denied.folder.join("done");
    let command = format!("[command]\nshell = true\nblock = [\"echo $TARGET$ >> {}\"]\n", done.display());
    denied.desk.file.write(&denied.config(ALL, &command));
    let daemon = denied.desk.start();
    for host in [2, 3] {
        lab.probe(routed(host), SERVER, 111);
        wait_until("it is blocked elsewhere", || {
            fs::read_to_string(&done).is_ok_and(|text| text.contains(&format!("10.1.0.{host}")))
        });
    }
    let line = daemon.wait_for_line("no lines for TCP wrappers are written");
    assert!(line.contains("is a symbolic link"), "{line}");
    assert_eq!(daemon.lines_with("no lines for TCP wrappers are written"), 1);
    let status = denied.desk.json("status").remove(0);
    assert!(status["untold"][0].as_str().is_some_and(|said| said.contains("is a symbolic link")), "{status}");
    assert_eq!(fs::read_to_string(&elsewhere).expect("read it"), "# theirs\n");
}
