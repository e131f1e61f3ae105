//! A disk that is full: a small one, in a mount namespace of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::thread;

use nftrap::report::line_file::{self, Purpose};
use nix::sched::{CloneFlags, unshare};

use crate::lab::hosts::may_make_one;
use crate::lab::patience::wait_until;

/// Runs `work` where `folder` is a disk of so many KiB.
fn with_small_disk(name: &str, kib: u32, work: impl FnOnce(&Path) + Send) {
    let folder: PathBuf = std::env::temp_dir().join(format!("nftrap-disk-{}-{name}", process::id()));
    fs::create_dir(&folder).expect("make a folder");
    let mount = |arguments: &[&str]| {
        assert!(Command::new("mount").args(arguments).status().expect("start mount").success(), "mount {arguments:?}");
    };
    let inside = || {
        // Mounts belong to this thread, to those it starts, and to nobody else.
        unshare(CloneFlags::CLONE_NEWNS).expect("make a mount namespace");
        mount(&["--make-rprivate", "/"]);
        mount(&["-t", "tmpfs", "-o", &format!("size={kib}k"), "none", folder.to_str().expect("a readable path")]);
        work(&folder);
    };
    thread::scope(|scope| scope.spawn(inside).join()).expect("the work is done");
    fs::remove_dir(&folder).expect("remove the folder");
}

#[test]
fn a_full_disk_costs_counted_events_and_cuts_no_line() {
    if !may_make_one() {
        return;
    }
    with_small_disk("events", 64, |disk| {
        let (path, filler) = (disk.join("events"), disk.join("filler"));
        fs::write(&filler, vec![0; 24 << 10]).expect("fill some of the disk");
        let file = line_file::start(&path, Purpose::Events).expect("open the events file");
        let events = file.lines();
        let line = |n: u32| format!("{n} {}", "x".repeat(70));
        (0..1000).for_each(|n| events.tell(line(n)));
        wait_until("the disk is full", || events.unwritten() > 0);
        let cut = fs::read(&path).expect("read the events");
        assert_ne!(cut.last(), Some(&b'\n'), "the disk is full within a line, which is what is tried here");

        fs::remove_file(&filler).expect("make room");
        (1000..1100).for_each(|n| events.tell(line(n)));
        file.finish();
        // On a machine that has no time for it, `finish` waits no longer than a daemon may that ends.
        wait_until("the last line is written", || {
            fs::read(&path).is_ok_and(|text| text.ends_with(format!("{}\n", line(1099)).as_bytes()))
        });
        let text = fs::read_to_string(&path).expect("read the events");
        let number = |line: &str| line.split(' ').next().and_then(|number| number.parse::<u32>().ok());
        let numbers: Vec<u32> = text.lines().map(|line| number(line).expect("a number")).collect();
        let whole: String = numbers.iter().map(|n| line(*n) + "\n").collect();
        assert_eq!(text, whole, "each line is whole");
        assert!(numbers.is_sorted_by(|a, b| a < b), "in order, and none twice: {numbers:?}");
        let written = u64::try_from(numbers.len()).expect("few lines");
        assert_eq!(written + events.unwritten(), 1100, "each event is written or counted");
        assert_eq!(numbers.last(), Some(&1099), "it works again");
    });
}
