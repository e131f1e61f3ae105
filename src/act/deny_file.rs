//! The file for TCP wrappers, which is others' as well: its mode and owner stay, no link is followed, and what somebody changes meanwhile is
//! read again. Access control lists and labels beyond its mode are not kept.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::cases::Change;
use super::deny::{edited, there};
use super::others::{Writer, writer};
use crate::journal::replace;

#[cfg(test)]
mod tests;

/// TCP wrappers read it at each connection: no host has more.
const MAX_FILE: u64 = 4 << 20;
const MODE: u32 = 0o7777;
/// Who edits it again and again while we look waits for the next turn.
const TRIES: u32 = 3;

/// Why it has not what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum DenyError {
    #[error("{} is not there: create it, or set line = \"\" in [hosts_deny]", .0.display())]
    Missing(PathBuf),
    #[error("{} is a symbolic link: name the file that it leads to in [hosts_deny]", .0.display())]
    Link(PathBuf),
    #[error("{} is no regular file: name another one in [hosts_deny]", .0.display())]
    NotRegular(PathBuf),
    #[error(
        "others than its owner may write to {}: take that right away (chmod go-w), or name another file in [hosts_deny]",
        .0.display()
    )]
    OthersWrite(PathBuf),
    #[error(
        "{} belongs to user {owner}: give it to root or nftrap's user (chown), or name another file in [hosts_deny]",
        .path.display()
    )]
    Foreign { path: PathBuf, owner: u32 },
    #[error("{} is larger than 4 MiB: shorten it, or name another file in [hosts_deny]", .0.display())]
    TooLarge(PathBuf),
    #[error("somebody else is editing {}: it is tried again", .0.display())]
    Busy(PathBuf),
    #[error("cannot read {}: let nftrap's user read it, or name another file in [hosts_deny] ({source})", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "cannot replace {}: let nftrap's user own it and write to its folder, or name another file in [hosts_deny] ({source})",
        .path.display()
    )]
    NotReplaced { path: PathBuf, source: io::Error },
}

/// What it was when we looked.
struct Seen {
    text: Vec<u8>,
    found: Metadata,
}

/// Which of the lines to be added are there already.
pub(super) fn look(path: &Path, changes: &[Change]) -> Result<BTreeSet<String>, DenyError> {
    Ok(there(&read(path)?.text, changes))
}

/// Makes these changes.
pub(super) fn change(path: &Path, changes: &[Change]) -> Result<(), DenyError> {
    for _ in 0..TRIES {
        let seen = read(path)?;
        let Some(text) = edited(&seen.text, changes) else { return Ok(()) };
        let unchanged = || if is_unchanged(path, &seen.found) { Ok(()) } else { Err(ErrorKind::ResourceBusy.into()) };
        match replace(path, &text, |file, _| keep_rights(file, &seen.found), unchanged) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {}
            done => return done.map_err(|source| DenyError::NotReplaced { path: path.to_owned(), source }),
        }
    }
    Err(DenyError::Busy(path.to_owned()))
}

fn read(path: &Path) -> Result<Seen, DenyError> {
    let named = || path.to_owned();
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file =
        OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|source| match source.raw_os_error() {
            Some(libc::ENOENT) => DenyError::Missing(named()),
            Some(libc::ELOOP) => DenyError::Link(named()),
            Some(_) | None => DenyError::Unreadable { path: named(), source },
        })?;
    let unreadable = |source| DenyError::Unreadable { path: named(), source };
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return Err(DenyError::NotRegular(named()));
    }
    let folder = path.parent().unwrap_or(path);
    refuse_others(folder, &fs::metadata(folder).map_err(unreadable)?)?;
    refuse_others(path, &found)?;
    let mut text = Vec::new();
    // One byte more than is allowed tells a file that fits from one that does not, even while it grows.
    file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut text).map_err(unreadable)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(DenyError::TooLarge(named()));
    }
    Ok(Seen { text, found })
}

fn refuse_others(place: &Path, found: &Metadata) -> Result<(), DenyError> {
    let path = place.to_owned();
    match writer(found) {
        None => Ok(()),
        Some(Writer::GroupOrOthers) => Err(DenyError::OthersWrite(path)),
        Some(Writer::Owner(owner)) => Err(DenyError::Foreign { path, owner }),
    }
}

/// Whether it is as it was: the same file, and nobody has written to it.
fn is_unchanged(path: &Path, seen: &Metadata) -> bool {
    let marks =
        |of: &Metadata| (of.dev(), of.ino(), of.len(), of.mtime(), of.mtime_nsec(), of.mode(), of.uid(), of.gid());
    fs::symlink_metadata(path).is_ok_and(|now| marks(&now) == marks(seen))
}

/// The owner first: with another one some bits of the mode go.
fn keep_rights(file: &File, seen: &Metadata) -> io::Result<()> {
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (seen.uid(), seen.gid()) {
        fchown(file, Some(seen.uid()), Some(seen.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(seen.mode() & MODE))
}
