//! The journal on disks that are full or read-only, and read by somebody without rights.

use std::fs;
use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nftrap::detect::source::Source;
use nftrap::event::{Event, Wall, What};
use nftrap::journal::keeper::{Keeper, Stored};
use nftrap::journal::{Filter, Home, Journal, JournalError, Reader, Settings};
use nftrap::kernel::home;
use nix::sched::{CloneFlags, unshare};

use crate::lab::daemon::nftrap;
use crate::lab::hosts::may_make_one;
use crate::lab::netns::Namespace;

const NOBODY: u32 = 65_534;

/// A folder of its own, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("nftrap-disk-{}-{number}", id()));
        fs::create_dir(&path).expect("make a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("remove the folder");
    }
}

/// Does `work` on a disk of half a megabyte that nobody else sees, and that goes with the work.
pub(crate) fn on_a_small_disk(work: impl FnOnce(&Path) + Send) {
    let folder = Folder::new();
    let inside = || {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS).expect("make a mount namespace");
        mount(&["--make-rprivate", "/"]);
        mount(&["-t", "tmpfs", "-o", "size=512k,mode=0755", "small", text(&folder.0)]);
        work(&folder.0);
    };
    thread::scope(|scope| scope.spawn(inside).join()).expect("the work");
}

pub(crate) fn mount(arguments: &[&str]) {
    assert!(Command::new("mount").args(arguments).status().expect("start mount").success(), "{arguments:?}");
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a plain name")
}

fn settings(folder: &Path) -> Settings {
    Settings { file: folder.join("nftrap.db"), keep: Duration::from_secs(86_400), max_bytes: 1 << 30 }
}

fn now() -> Wall {
    Wall::from_millis(1_000_000)
}

fn open(folder: &Path) -> Result<Journal, JournalError> {
    Journal::open(settings(folder), Home(home::read()), now()).map(|(journal, _)| journal)
}

fn event(number: u32) -> Event {
    let source = Source::host(Ipv4Addr::from_bits(number).into());
    Event { at: now(), what: What::NotBlocked { source, reason: "x".repeat(1000) } }
}

fn stored(folder: &Path) -> u64 {
    let reader = Reader::open(&folder.join("nftrap.db")).expect("open the journal");
    reader.history(&Filter::default(), |_| ControlFlow::Continue(())).expect("read the journal").events
}

#[test]
fn a_full_disk_costs_events_and_no_more_and_is_named() {
    if !may_make_one() {
        return;
    }
    on_a_small_disk(|folder| {
        let keeper = Keeper::start(settings(folder), Home(home::read()), open(folder), now).expect("a thread");
        let orders = keeper.orders();
        let told = |number| orders.store_and_tell(event(number)).recv().expect("an answer");
        let full = (0..1000).map(|number| (number, told(number))).find(|(_, told)| *told != Stored::Durably);
        let Some((number, Stored::Dropped(reason))) = full else { panic!("half a megabyte held it all") };
        assert!(reason.contains("make room"), "{reason}");
        assert!(number > 10, "{number}");
        assert_eq!(keeper.health().problem(), Some(reason));
        assert_eq!(stored(folder), u64::from(number));
        keeper.stop();
        mount(&["-o", "remount,size=4m", text(folder)]);
        open(folder).expect("open it again").append(&[event(number)]).expect("store with room");
        assert_eq!(stored(folder), u64::from(number) + 1);
    });
}

#[test]
fn a_read_only_disk_is_named_and_its_journal_can_be_read() {
    if !may_make_one() {
        return;
    }
    on_a_small_disk(|folder| {
        open(folder).expect("open").append(&[event(1)]).expect("store");
        mount(&["-o", "remount,ro", text(folder)]);
        let refused = open(folder).err().expect("a refusal").to_string();
        assert!(refused.contains("nftrap.db") && refused.to_lowercase().contains("read-only"), "{refused}");
        assert_eq!(stored(folder), 1);
    });
}

/// What `nftrap history` says to nobody.
fn history_for_nobody(program: &Path, folder: &Path) -> Output {
    let file = folder.join("nftrap.db");
    let mut command = Command::new(program);
    command.args(["history", "--json", "--journal"]).arg(file).uid(NOBODY).gid(NOBODY);
    command.output().expect("start nftrap")
}

#[test]
fn whoever_is_in_the_files_group_can_read_it_while_it_is_written_and_afterwards() {
    if !may_make_one() {
        return;
    }
    let parent = Folder::new();
    fs::set_permissions(&parent.0, fs::Permissions::from_mode(0o755)).expect("open the folder to all");
    let program = parent.0.join("nftrap");
    fs::copy(nftrap().get_program(), &program).expect("copy the program to where nobody may run it");
    let folder = parent.0.join("lib");
    drop(open(&folder).expect("open"));
    let refused = history_for_nobody(&program, &folder);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("cannot read the journal") && said.contains("check its permissions"), "{said}");
    for path in [folder.clone(), folder.join("nftrap.db")] {
        chown(path, None, Some(NOBODY)).expect("give it to the group");
    }
    let mut journal = open(&folder).expect("open");
    journal.append(&[event(1)]).expect("store");
    let check = |when: &str| {
        let read = history_for_nobody(&program, &folder);
        let said = String::from_utf8_lossy(&read.stderr).into_owned();
        assert!(read.status.success(), "{when}: {said}");
        assert_eq!(String::from_utf8_lossy(&read.stdout).lines().count(), 1, "{when}");
    };
    check("while it is written");
    drop(journal);
    check("afterwards, without a log");
}

#[test]
fn another_namespace_of_this_boot_is_another_home() {
    if !may_make_one() {
        return;
    }
    let here = home::read();
    let there = Namespace::new().run(home::read);
    assert_ne!(here, there);
    assert_eq!(here.split('/').next(), there.split('/').next(), "the same boot");
}
