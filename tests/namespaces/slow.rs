//! Who takes what nftrap tells, and does not take it: a client that never reads, thousands of them, a pipe without a reader, a disk that
//! stands still. Packets are judged meanwhile.

use std::fs;
use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use rustix::process::Signal;

use crate::lab::daemon::Daemon;
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::patience::wait_until;
use crate::lab::strain::{Holdings, forge};

/// A scanner is shut out before anything else happens.
fn judges(lab: &Lab, daemon: &Daemon<'_>, scanner: u8) {
    lab.probe(routed(scanner), SERVER, 111);
    wait_until("the scanner is blocked", || daemon.blocks(&routed(scanner).to_string()));
}

/// A connection to the daemon's control socket, or why there is none.
fn client(lab: &Lab) -> std::io::Result<UnixStream> {
    lab.server.run(|| UnixStream::connect_addr(&SocketAddr::from_abstract_name("nftrap/nftrap")?))
}

#[test]
fn clients_that_never_read_hold_up_nobody() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = desk.start();
    let followers: Vec<_> = (0..5).map(|_| client(&lab).expect("a connection")).collect();
    for mut follower in &followers {
        follower.write_all(b"{\"ask\":\"events\",\"watched\":true}\n").expect("ask for events");
    }
    for n in 0..5000 {
        forge(&lab, n);
        if n % 100 == 0 {
            wait_until("none waits", || lab.server.queue_counts().0 == 0);
        }
    }
    judges(&lab, &daemon, 2);
    desk.done("block 10.9.0.1");
    assert!(desk.done("status").contains("guarding"));
}

#[test]
fn thousands_of_clients_are_refused_and_take_nothing_with_them() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = desk.start();
    let before = Holdings::of(&daemon);
    // Some are let in and say nothing; the others are refused, and hold on to their ends.
    let mut silent = Vec::new();
    for _ in 0..700 {
        silent.extend(client(&lab));
    }
    let during = Holdings::of(&daemon);
    assert!(during.files < before.files + 100 && during.threads < before.threads + 64, "{before:?}, {during:?}");
    judges(&lab, &daemon, 2);
    for _ in 0..3 {
        drop(std::mem::take(&mut silent));
        (0..700).for_each(|_| drop(client(&lab)));
    }
    judges(&lab, &daemon, 3);
    wait_until("operators are answered again", || desk.says("status").0);
    wait_until("it has what it had", || {
        let after = Holdings::of(&daemon);
        after.files <= before.files + 1 && after.threads <= before.threads + 1
    });
}

#[test]
fn a_pipe_without_a_reader_in_the_place_of_a_file_keeps_nobody_waiting() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let lines = ["events", "history", "blocked"].map(|key| {
        let pipe = desk.file.path().with_file_name(key);
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("start mkfifo").success());
        format!("{key} = \"{}\"\n", pipe.display())
    });
    desk.file.write(&format!("[report]\n{}", lines.concat()));
    let mut daemon = desk.start();
    assert_eq!(daemon.lines_with("choose the path of a regular file"), 3);
    judges(&lab, &daemon, 2);
    assert!(daemon.end(Signal::TERM).0.success());
}

#[test]
fn a_disk_that_stands_still_holds_up_no_block_and_no_end() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let [image, mounted] = ["image", "mounted"].map(|name| desk.file.path().with_file_name(name));
    fs::create_dir(&mounted).expect("make a folder");
    let on_it = || {
        // Mounts belong to this thread, to those it starts, and to nobody else.
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS).expect("make a mount namespace");
        let Some(volume) = Disk::make(&image, &mounted) else { return };
        let at = mounted.display();
        desk.file.write(&format!("[journal]\nfile = \"{at}/nftrap.db\"\n[report]\nevents = \"{at}/events\"\n"));
        let daemon = desk.start();
        judges(&lab, &daemon, 2);
        wait_until("the journal has it", || desk.history("blocked").len() == 1);
        let standstill = volume.freeze();
        (3..60).for_each(|scanner| judges(&lab, &daemon, scanner));
        assert!(desk.says("list").1.contains("10.1.0.59"));
        drop(standstill);
        wait_until("the journal has all", || desk.history("blocked").len() == 58);
        let events = fs::read_to_string(mounted.join("events")).expect("read the events");
        assert_eq!(events.lines().filter(|line| line.contains("\"blocked\"")).count(), 58);
    };
    thread::scope(|scope| scope.spawn(on_it).join()).expect("the work is done");
}

/// A file system of its own, in a file.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// Nothing, where this machine has no loop devices; that is said.
    fn make(image: &Path, at: &'a Path) -> Option<Self> {
        let script =
            "mount --make-rprivate / && truncate -s 32M \"$1\" && mkfs.ext4 -q \"$1\" && mount -o loop \"$1\" \"$2\"";
        let made = Command::new("sh").args(["-c", script, "sh"]).args([image, at]).status().expect("start sh");
        if !made.success() {
            eprintln!("NOT TRIED: this machine mounts no file");
        }
        made.success().then_some(Self(at))
    }

    /// Has it stand still. Whoever writes there waits, and cannot be ended meanwhile.
    fn freeze(&self) -> Standstill<'a> {
        assert!(fsfreeze("--freeze", self.0), "it stands still");
        Standstill(self.0)
    }
}

/// Over when dropped.
struct Standstill<'a>(&'a Path);

impl Drop for Standstill<'_> {
    fn drop(&mut self) {
        assert!(fsfreeze("--unfreeze", self.0), "it goes on");
    }
}

fn fsfreeze(what: &str, disk: &Path) -> bool {
    Command::new("fsfreeze").arg(what).arg(disk).status().expect("start fsfreeze").success()
}
