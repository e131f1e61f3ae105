//! Real files under a real stream of lines, renamed, removed, truncated and replaced meanwhile.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::sync::atomic::AtomicBool;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

/// A folder of this test's own, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nftrap-events-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read(self.path(name)).map(|text| String::from_utf8(text).unwrap()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Tells `line` once there is room, so that none is lost before it reaches the file.
fn tell(events: &Lines, line: String) {
    while events.lines.is_full() {
        thread::yield_now();
    }
    events.tell(line);
}

/// An open file, without the thread.
fn open(path: &Path) -> Appender {
    Appender::open(path, Purpose::Events).unwrap()
}

fn no_wait() {}

const WRITTEN: Appended = Appended { lost: 0, problem: None };

#[test]
fn lines_are_written_whole_in_order_and_for_our_group_only() {
    let folder = Folder::new("order");
    let file = start(&folder.path("events"), Purpose::Events).unwrap();
    let events = file.lines();
    for n in 0..3 {
        events.tell(format!("{{\"n\":{n}}}"));
    }
    file.finish();
    assert_eq!(folder.read("events"), "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n");
    assert_eq!(fs::metadata(folder.path("events")).unwrap().permissions().mode() & 0o137, 0);
    assert_eq!(events.unwritten(), 0);
    events.tell("too late".into());
    assert_eq!(events.unwritten(), 1);
}

/// What a program that renames does before it goes on.
#[derive(Clone, Copy)]
enum After {
    /// Nothing: we make the new file.
    Nothing,
    /// It makes the new file, as logrotate's `create` does.
    Creates,
}

const RENAMES: usize = 25;

/// Renames under a stream of lines that goes on until the last is done: what all files hold, in the order of the renames, and how many lines
/// there were.
fn stream_under_renames(folder: &Folder, after: After) -> (String, usize) {
    let path = folder.path("events");
    let file = start(&path, Purpose::Events).unwrap();
    let (events, enough) = (file.lines(), Arc::new(AtomicBool::new(false)));
    let until = Arc::clone(&enough);
    let stream = thread::spawn(move || {
        let lines = (0..).take_while(|_| !until.load(Ordering::Relaxed));
        lines.inspect(|n| tell(&events, format!("line {n}"))).count()
    });
    for n in 0..RENAMES {
        // Each file gets some lines, and then the next rename meets the stream wherever it is.
        while !fs::metadata(&path).is_ok_and(|found| found.len() > 1000) {
            thread::yield_now();
        }
        fs::rename(&path, folder.path(&format!("events.{n}"))).unwrap();
        match after {
            After::Nothing => {}
            After::Creates => drop(OpenOptions::new().append(true).create(true).open(&path).unwrap()),
        }
    }
    enough.store(true, Ordering::Relaxed);
    let lines = stream.join().unwrap();
    assert_eq!(file.lines().unwritten(), 0);
    // Not `finish`, which loses patience with a disk that is busy.
    let LineFile { lines: events, when_done, .. } = file;
    drop(events);
    when_done.recv().unwrap();
    let renamed = (0..RENAMES).map(|n| folder.read(&format!("events.{n}")));
    // The last rename may have taken the last line with it.
    (renamed.chain(path.exists().then(|| folder.read("events"))).collect(), lines)
}

/// Says where the first of `count` lines is missing, if one is.
fn assert_whole((written, count): (String, usize)) {
    let expected = (0..count).map(|n| format!("line {n}"));
    let wrong = written.lines().zip(expected).find(|(found, expected)| found != expected);
    assert_eq!((wrong, written.lines().count()), (None, count));
}

#[test]
fn no_line_is_lost_or_doubled_or_out_of_order_when_the_file_is_renamed() {
    let folder = Folder::new("rename");
    assert_whole(stream_under_renames(&folder, After::Nothing));
}

#[test]
fn nor_when_another_program_makes_the_new_file() {
    let folder = Folder::new("create");
    assert_whole(stream_under_renames(&folder, After::Creates));
}

#[test]
fn who_makes_the_new_file_has_time_for_it() {
    let folder = Folder::new("grace");
    let path = folder.path("events");
    let mut appender = open(&path);
    fs::rename(&path, folder.path("events.1")).unwrap();
    let theirs = || drop(OpenOptions::new().write(true).create_new(true).open(&path).unwrap());
    assert_eq!(appender.append("one", theirs), WRITTEN);
    assert_eq!(folder.read("events"), "one\n");
    assert_eq!(appender.append("two", || panic!("waited without need")), WRITTEN);
}

#[test]
fn nobody_is_waited_for_twice() {
    let folder = Folder::new("twice");
    let (inner, path) = (folder.path("inner"), folder.path("inner/events"));
    fs::create_dir(&inner).unwrap();
    let mut appender = open(&path);
    fs::remove_dir_all(&inner).unwrap();
    let mut waits = 0;
    for _ in 0..3 {
        let lost = appender.append("lost", || waits += 1);
        assert!(lost.lost == 1 && lost.problem.is_some_and(|problem| problem.contains("its folder does not exist")));
    }
    assert_eq!(waits, 1);
    fs::create_dir(&inner).unwrap();
    assert_eq!(appender.append("there", no_wait), WRITTEN);
}

#[test]
fn after_copytruncate_the_next_line_is_the_files_first() {
    let folder = Folder::new("truncate");
    let path = folder.path("events");
    let mut appender = open(&path);
    assert_eq!(appender.append("one", no_wait), WRITTEN);
    fs::copy(&path, folder.path("copy")).unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert_eq!(appender.append("two", no_wait), WRITTEN);
    assert_eq!((folder.read("copy"), folder.read("events")), ("one\n".into(), "two\n".into()));
}

#[test]
fn a_removed_file_is_made_anew() {
    let folder = Folder::new("remove");
    let mut appender = open(&folder.path("events"));
    assert_eq!(appender.append("one", no_wait), WRITTEN);
    fs::remove_file(folder.path("events")).unwrap();
    assert_eq!(appender.append("two", no_wait), WRITTEN);
    assert_eq!(folder.read("events"), "two\n");
}

#[test]
fn what_was_there_before_stays_and_a_line_without_end_gets_one() {
    let folder = Folder::new("before");
    fs::write(folder.path("events"), "whole\nhal").unwrap();
    assert_eq!(open(&folder.path("events")).append("next", no_wait), WRITTEN);
    assert_eq!(open(&folder.path("events")).append("last", no_wait), WRITTEN);
    assert_eq!(folder.read("events"), "whole\nhal\nnext\nlast\n");
}

#[test]
fn what_is_no_regular_file_is_refused_and_left_alone() {
    let folder = Folder::new("refused");
    let path = |name: &str| folder.path(name);
    fs::write(path("precious"), "precious").unwrap();
    symlink(path("precious"), path("link")).unwrap();
    symlink(path("nowhere"), path("dangling")).unwrap();
    mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    for (place, what) in [
        (path("link"), "a symbolic link is there"),
        (path("dangling"), "a symbolic link is there"),
        (path("pipe"), "a pipe is there"),
        (path("socket"), "a socket is there"),
        (folder.0.clone(), "a folder is there"),
        (PathBuf::from("/dev/null"), "a device is there"),
        (path("no/events"), "its folder does not exist"),
    ] {
        let refused = start(&place, Purpose::Events).unwrap_err().to_string();
        assert!(refused.contains(what) && refused.contains(&place.display().to_string()), "{refused}");
    }
    assert_eq!(folder.read("precious"), "precious");
    assert!(!path("nowhere").exists());
}

#[test]
fn a_list_of_blocks_is_begun_anew_and_what_is_none_is_refused_and_left_alone() {
    let folder = Folder::new("anew");
    let path = folder.path("blocked");
    for (before, after) in [
        ("1795444857 - 11/23/2026 14:40:57 Host: 10.9.0.2/10.9.0.2 Port: 11 TCP Blocked\n", "next\n"),
        ("1795444857 - 11/23/2026 14:40", "next\n"),
        ("", "next\n"),
        ("SQLite format 3", "SQLite format 3"),
        ("# my config\n", "# my config\n"),
        ("1795444857", "1795444857"),
    ] {
        fs::write(&path, before).unwrap();
        match start(&path, Purpose::Blocked) {
            Ok(file) => {
                file.lines().tell("next".into());
                file.finish();
            }
            Err(error) => assert!(error.to_string().contains("a file that is no list of blocks is there"), "{error}"),
        }
        assert_eq!(folder.read("blocked"), after, "{before}");
    }
}

#[test]
fn where_no_new_file_can_be_had_a_renamed_one_goes_on_and_a_removed_one_is_counted() {
    let folder = Folder::new("stubborn");
    let (path, old) = (folder.path("events"), folder.path("events.1"));
    let mut appender = open(&path);
    fs::rename(&path, &old).unwrap();
    symlink(folder.path("elsewhere"), &path).unwrap();
    let renamed = appender.append("one", no_wait);
    assert_eq!(renamed.lost, 0);
    assert!(renamed.problem.is_some_and(|problem| problem.contains("a symbolic link is there")));
    assert_eq!(folder.read("events.1"), "one\n");

    fs::remove_file(&old).unwrap();
    let removed = appender.append("two", no_wait);
    assert!(removed.lost == 1 && removed.problem.is_some(), "{removed:?}");

    fs::remove_file(&path).unwrap();
    assert_eq!(appender.append("three", no_wait), WRITTEN);
    assert_eq!(folder.read("events"), "three\n");
    assert!(!folder.path("elsewhere").exists());
}

#[test]
fn trouble_is_told_when_it_begins_and_when_it_is_over() {
    let mut state = State::Well;
    let mut after = |problem: Option<&str>| state.after(problem.map(String::from));
    assert_eq!(after(None), None);
    assert_eq!(after(Some("full")), Some(Word::Trouble("full".into())));
    assert_eq!(after(Some("full")), None);
    assert_eq!(after(None), Some(Word::WellAgain));
    assert_eq!(after(None), None);
}

#[test]
fn what_finds_no_room_in_the_channel_is_counted_and_nobody_waits() {
    let (lines, orders) = bounded(2);
    let events = Lines { lines, unwritten: Arc::new(AtomicU64::new(0)) };
    for n in 0..5 {
        events.tell(n.to_string());
    }
    assert_eq!((events.unwritten(), orders.len()), (3, 2));
}

#[test]
fn who_goes_without_a_word_loses_nothing_that_waits() {
    let folder = Folder::new("drop");
    let LineFile { lines: events, when_done, .. } = start(&folder.path("events"), Purpose::Events).unwrap();
    events.tell("one".into());
    drop(events);
    when_done.recv().unwrap();
    assert_eq!(folder.read("events"), "one\n");
    assert_eq!(fs::metadata(folder.path("events")).unwrap().nlink(), 1);
}
