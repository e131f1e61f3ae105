//! Appends lines to a file that others may take away. Each is one write; a reader sees whole lines, but for the last one of a full disk,
//! which is completed when there is room again.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::mem;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{LineFileError, Purpose};

/// Our user writes, our group reads: events name people's addresses.
const MODE: u32 = 0o640;

/// What came of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Appended {
    /// Lines that will never be in a file: it, or an earlier one that was to be completed.
    pub(super) lost: u64,
    /// What an operator has to look at.
    pub(super) problem: Option<String>,
}

/// The open file.
#[derive(Debug)]
pub(super) struct Appender {
    path: PathBuf,
    purpose: Purpose,
    file: File,
    /// The file's, at `path` as long as nobody renames it.
    identity: Identity,
    owed: Owed,
    gone: Gone,
}

/// Whether our path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// It did not at the last look.
    No,
    /// It does, and whoever renamed our file has had its time to make the next one.
    AndNobodyCame,
}

/// Device and inode: a file by any name.
type Identity = (u64, u64);

/// What a full disk did not take of a line that has begun.
#[derive(Debug, Default)]
struct Owed {
    text: Vec<u8>,
    /// Where it belongs; a file that is shorter was truncated, and the line's beginning is gone with the rest.
    at: u64,
}

impl Appender {
    /// Opens or makes the file; follows no link, and waits for no reader of a pipe.
    pub(super) fn open(path: &Path, purpose: Purpose) -> Result<Self, LineFileError> {
        let explain = |source| explain(path, purpose, source);
        if let Ok(found) = fs::symlink_metadata(path) {
            refuse(path, purpose, found.file_type())?;
        }
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(MODE).custom_flags(flags);
        let file = options.open(path).map_err(explain)?;
        let found = file.metadata().map_err(explain)?;
        // It may have changed since.
        refuse(path, purpose, found.file_type())?;
        let owed = unended(&file, found.len()).map_err(explain)?;
        Ok(Self { path: path.to_owned(), purpose, file, identity: identity(&found), owed, gone: Gone::No })
    }

    /// Forgets what the file holds, which somebody told who is no more: lines of blocks. Anything else was named by mistake, and stays.
    pub(super) fn begin_anew(&mut self) -> Result<(), LineFileError> {
        let explain = |source| explain(&self.path, self.purpose, source);
        let mut begin = [0; 32];
        let length = self.file.read_at(&mut begin, 0).map_err(explain)?;
        if !begins_with_a_time(begin.get(..length).unwrap_or_default()) {
            let what = "a file that is no list of blocks";
            return Err(LineFileError::NotRegular { path: self.path.clone(), purpose: self.purpose, what });
        }
        self.file.set_len(0).map_err(explain)?;
        self.owed = Owed::default();
        Ok(())
    }

    /// Appends `line`, to a new file if ours is no longer at its path. If none is there, it first does `wait`, for logrotate's `create` would
    /// stumble over one that we make between its rename and its own.
    pub(super) fn append(&mut self, line: &str, wait: impl FnOnce()) -> Appended {
        let (before, trouble) = match self.follow(wait) {
            Ok(lost) => (lost, None),
            // It was only renamed: nothing is lost by going on in it.
            Err(error) if self.is_linked() => (0, Some(chain(&error))),
            Err(error) => return Appended { lost: 1, problem: Some(chain(&error)) },
        };
        let before = before.saturating_add(self.forget_truncated());
        let mut file = &self.file;
        let Appended { lost, problem } = put(&mut self.owed.text, line, |text| file.write(text));
        if !self.owed.text.is_empty() {
            self.owed.at = self.file.metadata().map_or(0, |found| found.len());
        }
        Appended { lost: lost.saturating_add(before), problem: problem.or(trouble) }
    }

    /// Writes what is owed, for the last time; how many lines are lost if that fails.
    pub(super) fn complete(&mut self) -> u64 {
        let before = self.forget_truncated();
        let owed = mem::take(&mut self.owed.text);
        let done = owed.is_empty() || matches!((&self.file).write(&owed), Ok(length) if length == owed.len());
        before.saturating_add(u64::from(!done))
    }

    /// Goes on to the file at our path if that is another one, or none; how many lines were lost by it.
    fn follow(&mut self, wait: impl FnOnce()) -> Result<u64, LineFileError> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if identity(&found) == self.identity => return Ok(0),
            Err(_) if self.gone == Gone::No => {
                wait();
                self.gone = Gone::AndNobodyCame;
            }
            Ok(_) | Err(_) => {}
        }
        let next = Self::open(&self.path, self.purpose)?;
        let lost = self.complete();
        *self = next;
        Ok(lost)
    }

    fn is_linked(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.nlink() > 0)
    }

    fn forget_truncated(&mut self) -> u64 {
        let Owed { text, at } = &mut self.owed;
        if text.is_empty() || self.file.metadata().is_ok_and(|found| found.len() >= *at) {
            return 0;
        }
        text.clear();
        1
    }
}

/// Writes what is owed and `line` at once, and notes what is owed then: the rest of a line that has begun, and nothing of one that has not.
fn put(owed: &mut Vec<u8>, line: &str, write: impl FnOnce(&[u8]) -> io::Result<usize>) -> Appended {
    let begun = owed.len();
    let mut text = mem::take(owed);
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
    let (length, problem) = match write(&text) {
        Ok(length) if length == text.len() => return Appended { lost: 0, problem: None },
        // The next write would say so; no other reason is known for a regular file.
        Ok(length) => (length, io::ErrorKind::StorageFull.to_string()),
        Err(error) => (0, error.to_string()),
    };
    let lost = u64::from(length <= begun);
    if length <= begun {
        text.truncate(begun);
    }
    *owed = text.split_off(length);
    Appended { lost, problem: Some(problem) }
}

/// An end of line, if the file does not end with one: who wrote the last line did not come to its end.
fn unended(file: &File, length: u64) -> io::Result<Owed> {
    let Some(last) = length.checked_sub(1) else { return Ok(Owed::default()) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    let text = if byte == *b"\n" { Vec::new() } else { b"\n".to_vec() };
    Ok(Owed { text, at: length })
}

/// As such a line does: seconds, and ` - `. So does a file without a line.
fn begins_with_a_time(begin: &[u8]) -> bool {
    let digits = begin.iter().take_while(|byte| byte.is_ascii_digit()).count();
    begin.is_empty() || (digits > 0 && begin.get(digits..).is_some_and(|rest| rest.starts_with(b" - ")))
}

fn identity(found: &Metadata) -> Identity {
    (found.dev(), found.ino())
}

fn refuse(path: &Path, purpose: Purpose, kind: FileType) -> Result<(), LineFileError> {
    let what = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_symlink() => "a symbolic link",
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(LineFileError::NotRegular { path: path.to_owned(), purpose, what })
}

fn explain(path: &Path, purpose: Purpose, source: io::Error) -> LineFileError {
    let path = path.to_owned();
    match source.raw_os_error() {
        Some(libc::ENOENT) => LineFileError::NoFolder { path, purpose },
        Some(libc::ELOOP) => LineFileError::NotRegular { path, purpose, what: "a symbolic link" },
        Some(_) | None => LineFileError::Open { path, purpose, source },
    }
}

/// An error and its reason, in one line.
fn chain(error: &LineFileError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends to a disk that takes so many bytes of each write, or none.
    fn onto(disk: &mut Vec<u8>, owed: &mut Vec<u8>, line: &str, takes: Option<usize>) -> Appended {
        put(owed, line, |text| {
            let length = takes.ok_or(io::ErrorKind::StorageFull)?.min(text.len());
            disk.extend_from_slice(&text[..length]);
            Ok(length)
        })
    }

    #[test]
    fn a_line_that_a_full_disk_cut_is_completed_by_the_next_write() {
        let (mut disk, mut owed) = (Vec::new(), Vec::new());
        let full = |lost| Appended { lost, problem: Some("no storage space".into()) };
        assert_eq!(onto(&mut disk, &mut owed, "first", Some(3)), full(0));
        assert_eq!(onto(&mut disk, &mut owed, "second", None), full(1));
        assert_eq!(onto(&mut disk, &mut owed, "third", Some(1)), full(1));
        assert_eq!(onto(&mut disk, &mut owed, "fourth", Some(2)), full(1), "no place for its first byte");
        assert_eq!(onto(&mut disk, &mut owed, "fifth", Some(1)), full(0));
        assert_eq!(onto(&mut disk, &mut owed, "sixth", Some(99)), Appended { lost: 0, problem: None });
        assert_eq!(String::from_utf8(disk).unwrap(), "first\nfifth\nsixth\n");
        assert!(owed.is_empty());
    }

    #[test]
    fn a_line_of_which_nothing_was_written_is_lost_and_leaves_nothing() {
        let (mut disk, mut owed) = (Vec::new(), Vec::new());
        for takes in [None, Some(0)] {
            assert_eq!(onto(&mut disk, &mut owed, "lost", takes).lost, 1);
        }
        assert_eq!(onto(&mut disk, &mut owed, "there", Some(99)).lost, 0);
        assert_eq!(disk, b"there\n");
    }
}
