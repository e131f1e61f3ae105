//! Why the journal cannot be had, written or read, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// What goes wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder is not as it must be.
    #[error("the journal cannot be in {}: {why}; choose a folder that only nftrap may write, such as /var/lib/nftrap", .folder.display())]
    Folder {
        /// Where it was to be.
        folder: PathBuf,
        /// What is wrong there.
        why: String,
    },
    /// The file is not one that we may trust.
    #[error("the journal cannot be {}: {problem}", .path.display())]
    Place {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// There is none.
    #[error("there is no journal {}: `nftrap run` makes one; is it another file?", .file.display())]
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// It was there, and is not any more.
    #[error("somebody deleted or replaced the journal {} while it was written: what it had is lost", .file.display())]
    Gone {
        /// The file.
        file: PathBuf,
    },
    /// Another daemon has it.
    #[error(
        "the journal {} is in use by another nftrap{}: give each daemon its own [journal] file", .file.display(),
        .process.map(|process| format!(" (process {process})")).unwrap_or_default()
    )]
    InUse {
        /// The journal.
        file: PathBuf,
        /// Whose it is.
        process: Option<i32>,
    },
    /// A later nftrap wrote it.
    #[error(
        "the journal {} was written by a later nftrap (form {found}, and this one knows {known}): \
         upgrade nftrap, or name another file; it was not touched", .file.display()
    )]
    Newer {
        /// The journal.
        file: PathBuf,
        /// The form that it has.
        found: i32,
        /// The latest form that we know.
        known: i32,
    },
    /// It is something else.
    #[error("{} is no journal of nftrap: name another file; it was not touched", .file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// The file system does not let us.
    #[error("cannot {tried} {}: {cause}; check its permissions and its file system", .path.display())]
    Files {
        /// What we tried.
        tried: &'static str,
        /// With what.
        path: PathBuf,
        /// What it says.
        cause: io::Error,
    },
    /// The database does not.
    #[error("cannot {tried} the journal {}: {cause}; {}", .file.display(), remedy(.cause))]
    Database {
        /// What we tried.
        tried: &'static str,
        /// The journal.
        file: PathBuf,
        /// What `SQLite` says.
        cause: rusqlite::Error,
    },
}

impl JournalError {
    pub(super) fn files(tried: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Files { tried, path: path.to_owned(), cause }
    }

    /// Makes an error of what the database says.
    pub(super) fn database<'a>(tried: &'static str, file: &'a Path) -> impl Fn(rusqlite::Error) -> Self + use<'a> {
        move |cause| Self::Database { tried, file: file.to_owned(), cause }
    }

    /// Whether the file is damaged, so that it will not do for writing any more.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }

    /// Whether somebody took the file away from under us.
    pub(super) const fn is_loss(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }

    /// Whether the file could not be opened as it is; it may be readable in another way.
    pub(super) fn is_unopenable(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied))
    }

    fn code(&self) -> Option<ErrorCode> {
        if let Self::Database { cause, .. } = self { cause.sqlite_error_code() } else { None }
    }
}

/// What to do about it.
fn remedy(cause: &rusqlite::Error) -> &'static str {
    const DISK: &[ErrorCode] = &[ErrorCode::SystemIoFailure];
    const RIGHTS: &[ErrorCode] = &[ErrorCode::ReadOnly, ErrorCode::PermissionDenied, ErrorCode::CannotOpen];
    const LOCKED: &[ErrorCode] = &[ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked];
    const DAMAGED: &[ErrorCode] = &[ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase];
    let Some(code) = cause.sqlite_error_code() else { return "this is a fault of nftrap's: please report it" };
    for (codes, remedy) in [
        (&[ErrorCode::DiskFull][..], "make room on its file system"),
        (DISK, "look for errors of the disk in the kernel's log (dmesg)"),
        (
            RIGHTS,
            "check whether it is there, who may write it and its folder, and whether the file system is read-only",
        ),
        (LOCKED, "another program keeps it locked: find it with `fuser`, and end it"),
        (DAMAGED, "the file is damaged: `sqlite3 FILE .recover` saves what can be saved"),
    ] {
        if codes.contains(&code) {
            return remedy;
        }
    }
    "this is unexpected: please report it"
}
