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
    let (mut ledger, rows) = Ledger::open(folder.file());
    assert_eq!(rows, []);
    let rows = [row("192.0.2.1", &["ALL: 192.0.2.1"]), Row { until: None, owed: false, ..row("2001:db8::/64", &[]) }];
    ledger.save(&rows);
    assert_eq!(fs::metadata(folder.file()).unwrap().mode() & 0o777, MODE);
    assert_eq!(Ledger::open(folder.file()).1, rows);
    ledger.save(&[]);
    assert!(!folder.file().exists());
}

#[test]
fn a_line_that_we_did_not_write_costs_no_other() {
    let folder = Folder::new("damaged");
    let good = serde_json::to_string(&row("192.0.2.1", &[])).unwrap();
    let evil = serde_json::to_string(&row("192.0.2.2", &["ALL: 192.0.2.2\nALL: ALL"])).unwrap();
    fs::write(folder.file(), format!("{{\"source\":\n{evil}\n\0\n{good}\n{{}}\n")).unwrap();
    fs::set_permissions(folder.file(), Permissions::from_mode(MODE)).unwrap();
    assert_eq!(Ledger::open(folder.file()).1, [row("192.0.2.1", &[])]);
}

#[test]
fn what_somebody_else_may_have_written_is_not_read() {
    let folder = Folder::new("open");
    Ledger::open(folder.file()).0.save(&[row("192.0.2.1", &[])]);
    fs::set_permissions(folder.file(), Permissions::from_mode(0o660)).unwrap();
    assert_eq!(Ledger::open(folder.file()).1, []);
    fs::set_permissions(folder.file(), Permissions::from_mode(MODE)).unwrap();
    assert_eq!(Ledger::open(folder.file()).1.len(), 1);
    fs::set_permissions(&folder.0, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(Ledger::open(folder.file()).1, []);
}

#[test]
fn a_disk_that_takes_nothing_is_said_once_and_tried_again() {
    let folder = Folder::new("gone");
    let mut ledger = Ledger::open(folder.0.join("later/nftrap.acted")).0;
    ledger.save(&[row("192.0.2.1", &[])]);
    assert!(ledger.in_trouble);
    fs::create_dir(folder.0.join("later")).unwrap();
    ledger.save(&[row("192.0.2.1", &[])]);
    assert!(!ledger.in_trouble);
}
