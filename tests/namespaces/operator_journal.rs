//! A journal that cannot be written or read: blocking goes on, and status, doctor and log say so.

use std::fs;
use std::path::Path;

use super::journal::{mount, on_a_small_disk, text};
use crate::lab::daemon::Daemon;
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, may_make_one, routed};
use crate::lab::patience::wait_until;

/// A config whose journal is there.
fn config(file: &Path) -> String {
    format!("[journal]\nfile = \"{}\"\n", file.display())
}

/// A scanner is blocked, and an operator's block takes force; both are told that they are not kept.
fn goes_on_blocking(lab: &Lab, desk: &Desk<'_>, daemon: &Daemon<'_>) {
    lab.probe(routed(50), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.50 ");
    let said = desk.done("block 10.1.0.51 --for forever");
    assert!(said.contains("not in the journal: a reboot undoes it"), "{said}");
    assert_eq!(desk.listed(), ["10.1.0.50 nftrap", "10.1.0.51 operator"]);
}

/// Status and doctor name the trouble, and the log does once.
fn is_named(desk: &Desk<'_>, daemon: &Daemon<'_>, words: &str) {
    let problem = || desk.json("status")[0]["journal"]["problem"].as_str().unwrap_or_default().to_owned();
    wait_until("status names the problem", || problem().contains(words));
    let page = desk.done("status");
    assert!(page.contains(words), "{page}");
    let (_, doctor) = desk.says(&format!("doctor --config {}", desk.file.path().display()));
    let check = doctor.lines().find(|line| line.contains(" journal: ")).unwrap_or_default();
    assert!(check.starts_with("warning") && check.contains(words), "{doctor}");
    assert_eq!(daemon.lines_with("events are dropped and counted, and blocking goes on"), 1, "{}", daemon.log());
    assert!(desk.json("status")[0]["journal"]["dropped"].as_u64() >= Some(2));
}

#[test]
fn on_a_full_disk_blocking_goes_on_and_the_trouble_is_named() {
    if !may_make_one() {
        return;
    }
    on_a_small_disk(|folder| {
        let Some(lab) = Lab::on_one_link() else { return };
        let desk = Desk::at(&lab, &config(&folder.join("nftrap.db")));
        let daemon = desk.start();
        // What is left is taken at once, to the last page.
        drop(fs::write(folder.join("filler"), vec![1; 1 << 20]));
        for n in 0..200 {
            // Until the log's own room is full, too.
            let said = desk.done(&format!("allow add 10.9.9.{n} --reason {}", "x".repeat(200)));
            if said.contains("not in the journal") {
                break;
            }
        }
        goes_on_blocking(&lab, &desk, &daemon);
        is_named(&desk, &daemon, "make room");
    });
}

#[test]
fn on_a_read_only_disk_blocking_goes_on_and_the_trouble_is_named() {
    if !may_make_one() {
        return;
    }
    on_a_small_disk(|folder| {
        let Some(lab) = Lab::on_one_link() else { return };
        mount(&["-o", "remount,ro", text(folder)]);
        let desk = Desk::at(&lab, &config(&folder.join("nftrap.db")));
        let daemon = desk.start();
        goes_on_blocking(&lab, &desk, &daemon);
        is_named(&desk, &daemon, "nftrap.db");
    });
}

#[test]
fn without_a_folder_that_can_be_made_blocking_goes_on_and_the_trouble_is_named() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, &config(Path::new("/proc/nowhere/nftrap.db")));
    let daemon = desk.start();
    goes_on_blocking(&lab, &desk, &daemon);
    is_named(&desk, &daemon, "/proc/nowhere");
}

#[test]
fn a_damaged_journal_is_set_aside_and_another_begun() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    fs::write(desk.file.journal(), b"SQLite format 3\0 and then nothing of the kind".repeat(200)).expect("damage it");
    let daemon = desk.start();
    let said = daemon.wait_for_line("damaged");
    assert!(said.contains("nftrap.db"), "{said}");
    lab.probe(routed(2), SERVER, 111);
    wait_until("the new one has it", || desk.history("blocked").len() == 1);
    let names = fs::read_dir(desk.file.path().with_file_name(".")).expect("the folder");
    let names: Vec<_> = names.map(|entry| entry.expect("a file").file_name().into_string().expect("a name")).collect();
    assert!(names.iter().any(|name| name.starts_with("nftrap.db.corrupt-")), "{names:?}");
    assert_eq!(desk.json("status")[0]["journal"]["problem"], serde_json::Value::Null);
}

#[test]
fn a_journal_that_somebody_deletes_is_made_again_and_that_is_said() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = desk.start();
    for ending in ["db", "db-wal", "db-shm"] {
        fs::remove_file(desk.file.path().with_extension(ending)).expect("delete it");
    }
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    desk.done("block 10.1.0.3 --for forever");
    daemon.wait_for_line("somebody deleted or replaced the journal");
    wait_until("the new one has both", || desk.history("blocked,operator_blocked").len() == 2);
    assert_eq!(daemon.lines_with("somebody deleted or replaced the journal"), 1);
    assert_eq!(desk.json("status")[0]["journal"]["problem"], serde_json::Value::Null);
}
