//! What stands in the place of a file of ours, and whose it is: nothing is followed, nothing is waited for, and nobody else's words are taken.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed};

/// In a file's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placed {
    Link,
    Pipe,
    Folder,
    Anothers,
    Writable,
}

const ALL: [Placed; 5] = [Placed::Link, Placed::Pipe, Placed::Folder, Placed::Anothers, Placed::Writable];

impl Placed {
    fn at(self, file: &Path, target: &Path) {
        match self {
            Self::Link => symlink(target, file).expect("make a link"),
            Self::Folder => fs::create_dir(file).expect("make a folder"),
            Self::Pipe => mknodat(CWD, file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("make a pipe"),
            Self::Anothers => {
                fs::write(file, "10.1.0.2\n").expect("make a file");
                chown(file, Some(65_534), None).expect("give it away");
            }
            Self::Writable => {
                fs::write(file, "10.1.0.2\n").expect("make a file");
                fs::set_permissions(file, Permissions::from_mode(0o666)).expect("let others write");
            }
        }
    }

    /// What the log says of it.
    const fn problem(self) -> &'static str {
        match self {
            Self::Link => "symbolic link",
            Self::Pipe | Self::Folder => "no regular file",
            Self::Anothers => "belongs to",
            Self::Writable => "others may write",
        }
    }
}

/// A desk with that in the place of the file that ends so, and a file that nobody may touch.
fn desk<'lab>(lab: &'lab Lab, placed: Placed, ending: &str) -> (Desk<'lab>, PathBuf, PathBuf) {
    let desk = Desk::at(lab, ONE_QUEUE);
    let (file, target) = (desk.file.path().with_extension(ending), desk.file.path().with_file_name("precious"));
    fs::write(&target, "10.1.0.2\n").expect("make a file");
    placed.at(&file, &target);
    (desk, file, target)
}

/// Starts, with a word on the file, and guards as ever; what the file might lead to stays as it is.
fn is_said_and_costs_nothing(ending: &str, placed: Placed, says: impl Fn(&Daemon<'_>, &str)) {
    let Some(lab) = Lab::on_one_link() else { return };
    let (desk, file, target) = desk(&lab, placed, ending);
    let mut daemon = desk.start();
    says(&daemon, &file.display().to_string());
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    daemon.end(Signal::TERM);
    assert_eq!(fs::read_to_string(target).expect("read it"), "10.1.0.2\n", "{placed:?} {ending}");
}

/// A line that names the file and the problem.
fn names(daemon: &Daemon<'_>, file: &str, problem: &str) {
    let line = daemon.wait_for_line(file);
    assert!(line.contains(problem), "{line}");
}

#[test]
fn an_allow_list_that_is_not_ours_allows_nobody_and_we_guard() {
    for placed in [Placed::Pipe, Placed::Folder, Placed::Anothers, Placed::Writable] {
        is_said_and_costs_nothing("allow", placed, |daemon, file| names(daemon, file, placed.problem()));
    }
}

#[test]
fn an_allow_list_that_operators_keep_elsewhere_or_share_with_a_group_is_theirs() {
    let Some(lab) = Lab::on_one_link() else { return };
    let (desk, file, target) = desk(&lab, Placed::Link, "allow");
    fs::set_permissions(&target, Permissions::from_mode(0o660)).expect("let a group write");
    let daemon = desk.start();
    assert!(desk.done("allow list").contains("10.1.0.2"), "{}", file.display());
    lab.probe(routed(2), SERVER, 111);
    lab.probe(routed(3), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.3 ");
    assert!(!daemon.blocks("10.1.0.2"));
}

#[test]
fn a_journal_that_is_not_ours_is_not_used_and_we_guard_without_it() {
    for placed in ALL {
        is_said_and_costs_nothing("db", placed, |daemon, file| names(daemon, file, placed.problem()));
    }
}

#[test]
fn a_list_of_served_ports_that_is_not_ours_is_not_believed() {
    for placed in ALL {
        is_said_and_costs_nothing("served", placed, |daemon, file| names(daemon, file, placed.problem()));
    }
}

#[test]
fn what_is_to_be_ended_is_not_read_from_what_is_not_ours() {
    for placed in ALL {
        let acts = "[hosts_deny]\nline = \"ALL: $TARGET$\"\nfile = \"/nowhere/hosts.deny\"\n";
        let Some(lab) = Lab::on_one_link() else { return };
        let (desk, file, target) = desk(&lab, placed, "acted");
        desk.file.write(&format!("{ONE_QUEUE}{acts}"));
        let daemon = desk.start();
        names(&daemon, &file.display().to_string(), placed.problem());
        lab.probe(routed(2), SERVER, 111);
        daemon.wait_for_line("blocked source=10.1.0.2 ");
        assert_eq!(fs::read_to_string(target).expect("read it"), "10.1.0.2\n", "{placed:?}");
    }
}
