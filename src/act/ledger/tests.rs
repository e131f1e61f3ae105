//! What the ledger keeps over a crash, and whose it must be.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use super::super::facts::samples::facts;
use super::*;

/// A folder of its own, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("nftrap-ledger-{}-{name}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("nftrap.acted")
    }

    /// What is read; nothing, where somebody else may write.
    fn rows(&self) -> Option<Vec<Row>> {
        Ledger::open(self.file()).map(|(_, rows)| rows)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn row(source: &str, lines: &[&str]) -> Row {
    let line = |text: &&str| Line { file: "/etc/hosts.deny".into(), text: (*text).to_owned() };
    let until = Some(Wall::from_millis(1_795_499_721_189));
    Row { facts: facts(source), until, owed: true, lines: lines.iter().map(line).collect() }
}

#[test]
fn what_is_saved_is_read_again_and_nothing_leaves_no_file() {
    let folder = Folder::new("again");
    let (mut ledger, rows) = Ledger::open(folder.file()).unwrap();
    assert_eq!(rows, []);
    let rows = [row("192.0.2.1", &["ALL: 192.0.2.1"]), Row { until: None, owed: false, ..row("2001:db8::/64", &[]) }];
    ledger.save(&rows);
    assert_eq!(fs::metadata(folder.file()).unwrap().mode() & 0o777, 0o640);
    assert_eq!(folder.rows(), Some(rows.to_vec()));
    ledger.save(&[]);
    assert!(!folder.file().exists());
}

#[test]
fn a_line_that_we_did_not_write_costs_no_other() {
    let folder = Folder::new("damaged");
    let good = serde_json::to_string(&row("192.0.2.1", &[])).unwrap();
    let evil = serde_json::to_string(&row("192.0.2.2", &["ALL: 192.0.2.2\nALL: ALL"])).unwrap();
    fs::write(folder.file(), format!("{{\"source\":\n{evil}\n\0\n{good}\n{{}}\n")).unwrap();
    fs::set_permissions(folder.file(), Permissions::from_mode(0o640)).unwrap();
    assert_eq!(folder.rows(), Some(vec![row("192.0.2.1", &[])]));
}

#[test]
fn what_somebody_else_may_have_written_is_not_read() {
    let folder = Folder::new("open");
    let (mut ledger, _) = Ledger::open(folder.file()).unwrap();
    ledger.save(&[row("192.0.2.1", &[])]);
    fs::set_permissions(folder.file(), Permissions::from_mode(0o660)).unwrap();
    assert_eq!(folder.rows(), None);
    fs::set_permissions(folder.file(), Permissions::from_mode(0o640)).unwrap();
    assert_eq!(folder.rows().map(|rows| rows.len()), Some(1));
    for mode in [0o777, 0o770, 0o1777] {
        fs::set_permissions(&folder.0, Permissions::from_mode(mode)).unwrap();
        assert_eq!(folder.rows(), None, "{mode:o}");
    }
    assert!(folder.file().exists(), "it is as it was");
}

#[test]
fn what_another_user_wrote_or_may_put_there_is_not_read_by_root() {
    if !rustix::process::geteuid().is_root() {
        // Only root gives files away.
        return;
    }
    let folder = Folder::new("foreign");
    let (mut ledger, _) = Ledger::open(folder.file()).unwrap();
    ledger.save(&[row("192.0.2.1", &[])]);
    chown(folder.file(), Some(65_533), None).unwrap();
    assert_eq!(folder.rows(), None);
    chown(folder.file(), Some(0), None).unwrap();
    chown(&folder.0, Some(65_533), None).unwrap();
    assert_eq!(folder.rows(), None);
    fs::remove_file(folder.file()).unwrap();
    assert_eq!(folder.rows(), None, "nor is anything kept there");
}

#[test]
fn a_disk_that_takes_nothing_is_said_once_and_tried_again() {
    let folder = Folder::new("gone");
    let mut ledger = Ledger::open(folder.0.join("later/nftrap.acted")).unwrap().0;
    ledger.save(&[row("192.0.2.1", &[])]);
    assert!(ledger.in_trouble);
    fs::create_dir(folder.0.join("later")).unwrap();
    ledger.save(&[row("192.0.2.1", &[])]);
    assert!(!ledger.in_trouble);
}
