//! Files that are new, damaged, somebody else's, in the way, locked or full.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

use rusqlite::ErrorCode;

use super::super::place::give_to_owner_of_folder;
use super::*;

fn refusal(settings: Settings) -> String {
    Journal::open(settings, home("boot/1"), at(0)).err().unwrap().to_string()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn folder_and_file_are_made_and_are_no_business_of_others() {
    let folder = Folder::new();
    let file = folder.path().join("lib/nftrap/nftrap.db");
    let (mut journal, opened) =
        Journal::open(Settings { file: file.clone(), ..folder.settings() }, home("boot/1"), at(0)).unwrap();
    journal.append(&[blocked(1, "192.0.2.1", 600, 1)]).unwrap();
    assert_eq!(opened, Opened::default());
    assert_eq!(mode(file.parent().unwrap()) & 0o027, 0);
    for file in fs::read_dir(file.parent().unwrap()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()) & 0o027, 0);
    }
}

#[test]
fn what_others_may_write_is_refused_with_another_place_and_nothing_is_left_there() {
    let folder = Folder::new();
    let file = folder.settings().file;
    set_mode(folder.path(), 0o777);
    let refused = refusal(folder.settings());
    let told = format!("the journal cannot be in {}: others may write there; choose a folder", folder.path().display());
    assert!(refused.contains(&told) && !refused.contains("chmod"), "{refused}");
    assert!(!file.exists());
    set_mode(folder.path(), 0o755);
    fs::write(&file, "").unwrap();
    set_mode(&file, 0o660);
    let refused = refusal(folder.settings());
    assert!(refused.contains("others may write to it") && !refused.contains("chmod"), "{refused}");
    assert!(!place::beside(&file, ".lock").exists());
}

/// Only root can make a file another's.
#[test]
fn a_file_of_somebody_else_is_refused_by_his_name_and_nothing_is_left_beside_it() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let file = folder.settings().file;
    fs::write(&file, "mine").unwrap();
    chown(&file, Some(65_534), None).unwrap();
    let refused = refusal(folder.settings());
    assert!(refused.ends_with("it belongs to nobody: is it nftrap's? name another file"), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert!(!place::beside(&file, ".lock").exists());
}

#[test]
fn what_root_makes_in_the_folder_of_somebody_else_is_theirs_and_not_what_has_another_name() {
    let folder = Folder::new();
    // Only root can give a folder away.
    if chown(folder.path(), Some(65_534), Some(65_533)).is_err() {
        return;
    }
    let (ours, linked) = (folder.path().join("ours"), folder.path().join("linked"));
    for path in [&ours, &linked] {
        fs::write(path, "").unwrap();
    }
    fs::hard_link(&linked, folder.path().join("other")).unwrap();
    let owner = |path: &Path| {
        give_to_owner_of_folder(&fs::File::open(path).unwrap(), path).unwrap();
        let found = fs::metadata(path).unwrap();
        (found.uid(), found.gid())
    };
    assert_eq!(owner(&ours), (65_534, 65_533));
    assert_eq!(owner(&linked), (0, 0));
    place::create(&folder.path().join("nftrap.db")).unwrap();
    assert_eq!(fs::metadata(folder.path().join("nftrap.db")).unwrap().uid(), 65_534);
}

#[test]
fn a_link_or_a_folder_in_the_place_of_the_file_is_refused() {
    let folder = Folder::new();
    let (file, target) = (folder.settings().file, folder.path().join("target"));
    fs::write(&target, "mine").unwrap();
    symlink(&target, &file).unwrap();
    assert!(refusal(folder.settings()).contains("symbolic link"));
    assert_eq!(fs::read(&target).unwrap(), b"mine");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(refusal(folder.settings()).contains("no regular file"));
}

#[test]
fn links_in_place_of_what_stands_beside_the_file_lead_nowhere() {
    for companion in ["-wal", "-shm", "-journal", ".lock"] {
        let folder = Folder::new();
        let (file, target) = (folder.settings().file, folder.path().join("target"));
        fs::write(&target, "mine").unwrap();
        symlink(&target, place::beside(&file, companion)).unwrap();
        if let Ok((mut journal, _)) = Journal::open(folder.settings(), home("boot/1"), at(0)) {
            journal.append(&[blocked(1, "192.0.2.1", 600, 1)]).unwrap();
        }
        assert_eq!(fs::read(&target).unwrap(), b"mine", "{companion}");
    }
}

#[test]
fn a_lock_that_is_another_files_second_name_is_not_emptied() {
    let folder = Folder::new();
    let (file, target) = (folder.settings().file, folder.path().join("target"));
    fs::write(&target, "mine").unwrap();
    fs::hard_link(&target, place::beside(&file, ".lock")).unwrap();
    assert!(refusal(folder.settings()).contains("it has another name elsewhere"));
    assert_eq!(fs::read(&target).unwrap(), b"mine");
}

#[test]
fn one_file_has_one_daemon_and_the_error_names_it() {
    let folder = Folder::new();
    let first = folder.open();
    let refused = refusal(folder.settings());
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    drop(first);
    folder.open();
}

#[test]
fn a_file_with_a_damaged_head_is_set_aside_and_a_new_one_begun() {
    let folder = Folder::new();
    let file = folder.settings().file;
    folder.open().append(&[blocked(1, "192.0.2.1", 600, 1)]).unwrap();
    let mut content = fs::read(&file).unwrap();
    content[..16].copy_from_slice(b"SQLite format 4\0");
    fs::write(&file, &content).unwrap();
    let (mut journal, opened) = Journal::open(folder.settings(), home("boot/1"), at(0)).unwrap();
    let aside = opened.set_aside.unwrap();
    assert_eq!(aside.file_name().unwrap(), "nftrap.db.corrupt-20261124T000000");
    assert_eq!(fs::read(&aside).unwrap(), content);
    journal.append(&[blocked(2, "192.0.2.2", 600, 1)]).unwrap();
    assert_eq!(all(&folder.reader()), [blocked(2, "192.0.2.2", 600, 1)]);
}

/// Writes nonsense over the middle of the file.
pub(in crate::journal) fn damage_the_middle(file: &Path) {
    let mut content = fs::read(file).unwrap();
    let third = content.len() / 3;
    content.iter_mut().skip(third).take(third).for_each(|octet| *octet = 0xa5);
    fs::write(file, content).unwrap();
}

#[test]
fn a_file_with_a_damaged_middle_is_set_aside_each_time_under_a_name_of_its_own() {
    let folder = Folder::new();
    let many: Vec<_> = (0..500).map(|i| blocked(i, "192.0.2.1", 600, 1)).collect();
    let mut names = Vec::new();
    for _ in 0..2 {
        folder.open().append(&many).unwrap();
        damage_the_middle(&folder.settings().file);
        let opened = Journal::open(folder.settings(), home("boot/1"), at(0)).unwrap().1;
        names.push(opened.set_aside.unwrap());
    }
    assert_ne!(names[0], names[1]);
    assert!(names.iter().all(|name| name.exists()));
    assert_eq!(all(&folder.reader()), []);
}

#[test]
fn damage_that_is_met_while_writing_is_told_and_a_new_file_can_be_begun() {
    let folder = Folder::new();
    let file = folder.settings().file;
    let mut journal = folder.open();
    journal.append(&(0..500).map(|i| blocked(i, "192.0.2.1", 600, 1)).collect::<Vec<_>>()).unwrap();
    // What the journal has in memory is good until another connection writes.
    let other = Connection::open(&file).unwrap();
    other.execute("DELETE FROM events WHERE id = 1", []).unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    damage_the_middle(&file);
    let error = journal.append(&[blocked(501, "192.0.2.2", 600, 1)]).unwrap_err();
    assert!(error.is_damage(), "{error}");
    let (mut journal, opened) = journal.begin_anew(at(501)).unwrap();
    assert!(opened.set_aside.unwrap().exists());
    journal.append(&[blocked(501, "192.0.2.2", 600, 1)]).unwrap();
    drop(other);
    assert_eq!(all(&folder.reader()), [blocked(501, "192.0.2.2", 600, 1)]);
}

#[test]
fn a_file_that_is_no_database_is_moved_only_if_it_is_named_as_one() {
    let folder = Folder::new();
    let file = folder.path().join("hosts");
    fs::write(&file, "127.0.0.1 localhost\n".repeat(100)).unwrap();
    let refused = refusal(Settings { file: file.clone(), ..folder.settings() });
    assert!(refused.contains("name a file that ends in .db"), "{refused}");
    assert!(fs::read(&file).unwrap().starts_with(b"127.0.0.1"));
    assert!(Reader::open(&file).is_err());
}

#[test]
fn a_later_form_and_another_programs_database_are_refused_and_not_touched() {
    let folder = Folder::new();
    let file = folder.settings().file;
    drop(folder.open());
    for (change, reason) in [
        ("PRAGMA user_version = 99", "written by a later nftrap (form 99"),
        ("PRAGMA application_id = 7", "is no journal of nftrap"),
    ] {
        Connection::open(&file).unwrap().execute_batch(change).unwrap();
        let before = fs::read(&file).unwrap();
        let refused = refusal(folder.settings());
        assert!(refused.contains(reason), "{refused}");
        assert!(Reader::open(&file).err().unwrap().to_string().contains(reason));
        assert_eq!(fs::read(&file).unwrap(), before);
    }
}

#[test]
fn beside_what_is_no_journal_of_ours_no_lock_is_left() {
    let folder = Folder::new();
    let database = folder.path().join("theirs.db");
    Connection::open(&database).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let letter = folder.path().join("letter.txt");
    fs::write(&letter, "no database, and long enough to be seen as none\n".repeat(9)).unwrap();
    for (file, reason) in [(database, "is no journal of nftrap"), (letter, "it is damaged, or no database")] {
        set_mode(&file, 0o640);
        let refused = refusal(Settings { file: file.clone(), ..folder.settings() });
        assert!(refused.contains(reason), "{refused}");
        assert!(file.exists() && !place::beside(&file, ".lock").exists(), "{refused}");
    }
}

#[test]
fn a_file_of_an_earlier_form_is_brought_to_ours() {
    let folder = Folder::new();
    let file = folder.settings().file;
    fs::write(&file, "").unwrap(); // form 0
    set_mode(&file, 0o640);
    folder.open().append(&[blocked(1, "192.0.2.1", 600, 1)]).unwrap();
    let form: i32 = Connection::open(&file).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(form, 1);
    assert_eq!(all(&folder.reader()).len(), 1);
}

#[test]
fn what_is_stored_is_on_the_disk_before_we_say_so() {
    let folder = Folder::new();
    let journal = folder.open();
    let mode: String = journal.database.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    let synchronous: i64 = journal.database.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!((mode.as_str(), synchronous), ("wal", 2), "2 is FULL: each transaction waits for the disk");
}

#[test]
fn a_full_disk_stores_nothing_by_halves_and_says_so() {
    let folder = Folder::new();
    let mut journal = folder.open();
    journal.append(&[blocked(1, "192.0.2.1", 600, 1)]).unwrap();
    let pages: i64 = journal.database.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let limit = |journal: &Journal, pages: i64| {
        journal.database.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(&journal, pages + 2);
    let many: Vec<_> = (2..1000).map(|i| blocked(i, "192.0.2.2", 600, 1)).collect();
    let refused = journal.append(&many).unwrap_err().to_string();
    assert!(refused.contains("full") && refused.contains("make room"), "{refused}");
    assert_eq!(all(&folder.reader()).len(), 1);
    limit(&journal, 1_000_000);
    journal.append(&many).unwrap();
    assert_eq!(all(&folder.reader()).len(), 999);
}

#[test]
fn a_locked_or_unwritable_file_is_an_error_with_a_remedy() {
    let folder = Folder::new();
    let mut journal = folder.open();
    journal.database.busy_timeout(Duration::ZERO).unwrap();
    let other = Connection::open(folder.settings().file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = journal.append(&[blocked(1, "192.0.2.1", 600, 1)]).unwrap_err().to_string();
    assert!(refused.contains("locked") && refused.contains("fuser"), "{refused}");
    other.execute_batch("COMMIT").unwrap();
    journal.append(&[blocked(1, "192.0.2.1", 600, 1)]).unwrap();
    journal.database.pragma_update(None, "query_only", true).unwrap();
    let JournalError::Database { cause, .. } = journal.append(&[blocked(1, "192.0.2.1", 600, 1)]).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(cause.sqlite_error_code(), Some(ErrorCode::ReadOnly));
}

#[test]
fn a_journal_is_read_without_its_log_and_while_it_is_written() {
    let folder = Folder::new();
    let file = folder.settings().file;
    let mut journal = folder.open();
    journal.append(&[blocked(1, "192.0.2.1", 600, 1)]).unwrap();
    assert!(place::beside(&file, "-wal").exists());
    assert_eq!(all(&folder.reader()).len(), 1);
    drop(journal);
    assert!(!place::beside(&file, "-wal").exists());
    assert_eq!(all(&folder.reader()).len(), 1);
}

#[test]
fn a_journal_that_is_not_there_is_an_error_and_is_not_made() {
    let folder = Folder::new();
    let refused = Reader::open(&folder.settings().file).err().unwrap().to_string();
    assert!(refused.starts_with("there is no journal "), "{refused}");
    assert!(!folder.settings().file.exists());
}
