use super::super::facts::samples::facts;
use super::*;

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("nftrap-ledger-{}-{name}", std::process::id()))
}

fn row(source: &str, lines: &[&str]) -> Row {
    let line = |text: &&str| Line { file: "/etc/hosts.deny".into(), text: (*text).to_owned() };
    let until = Some(Wall::from_millis(1_795_499_721_189));
    Row { facts: facts(source), until, owed: true, lines: lines.iter().map(line).collect() }
}

#[test]
fn what_is_saved_is_read_again_and_nothing_leaves_no_file() {
    let path = place("again");
    let (mut ledger, rows) = Ledger::open(path.clone());
    assert_eq!(rows, []);
    let rows = [row("192.0.2.1", &["ALL: 192.0.2.1"]), Row { until: None, owed: false, ..row("2001:db8::/64", &[]) }];
    ledger.save(&rows);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
    assert_eq!(Ledger::open(path.clone()).1, rows);
    ledger.save(&[]);
    assert!(!path.exists());
}

#[test]
fn a_line_that_we_did_not_write_costs_no_other() {
    let path = place("damaged");
    let good = serde_json::to_string(&row("192.0.2.1", &[])).unwrap();
    let evil = serde_json::to_string(&row("192.0.2.2", &["ALL: 192.0.2.2\nALL: ALL"])).unwrap();
    fs::write(&path, format!("{{\"source\":\n{evil}\n\0\n{good}\n{{}}\n")).unwrap();
    assert_eq!(Ledger::open(path.clone()).1, [row("192.0.2.1", &[])]);
    fs::remove_file(path).unwrap();
}

#[test]
fn a_disk_that_takes_nothing_is_said_once_and_tried_again() {
    let folder = place("gone");
    let mut ledger = Ledger::open(folder.join("nftrap.acted")).0;
    ledger.save(&[row("192.0.2.1", &[])]);
    assert!(ledger.in_trouble);
    fs::create_dir(&folder).unwrap();
    ledger.save(&[row("192.0.2.1", &[])]);
    assert!(!ledger.in_trouble);
    fs::remove_dir_all(folder).unwrap();
}
