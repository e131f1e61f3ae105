//! A Unix socket with a file: made for our group, left to nobody else, removed at the end. What is there already is replaced only if it is
//! a socket of our own user that nobody listens to, as a daemon that was killed leaves one.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen as start, socket_with,
};
use rustix::process::geteuid;

use super::ExporterError;

/// Scrapers that wait; there is one, most often.
const BACKLOG: i32 = 16;
/// Our user and our group may connect, for which a socket must be written to.
const MODE: u32 = 0o660;

/// A socket's file; removed when dropped, if it is still that one.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

/// Listens at `path`.
pub(super) fn listen(path: &Path) -> Result<(OwnedFd, SocketFile), ExporterError> {
    make_room(path)?;
    listen_at(path).map_err(|source| explain(path, source))
}

fn explain(path: &Path, source: io::Error) -> ExporterError {
    match source.raw_os_error() {
        Some(libc::ENOENT) => ExporterError::NoFolder(path.to_owned()),
        Some(libc::EADDRINUSE) => ExporterError::InUse(path.display().to_string()),
        Some(_) | None => ExporterError::Listen { address: path.display().to_string(), source },
    }
}

/// Removes what we left there; refuses what is anything else.
fn make_room(path: &Path) -> Result<(), ExporterError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(explain(path, error)),
    };
    if let Some(what) = not_ours(&found) {
        return Err(ExporterError::Taken { path: path.to_owned(), what });
    }
    if is_listened_to(path) {
        return Err(ExporterError::InUse(path.display().to_string()));
    }
    fs::remove_file(path).map_err(|error| explain(path, error))
}

/// What it is, if it is no socket of ours.
fn not_ours(found: &Metadata) -> Option<String> {
    let kind = found.file_type();
    if kind.is_symlink() {
        return Some("a symbolic link".to_owned());
    }
    if kind.is_dir() {
        return Some("a folder".to_owned());
    }
    if !kind.is_socket() {
        return Some("a file that is no socket".to_owned());
    }
    (found.uid() != geteuid().as_raw()).then(|| format!("a socket of user {}", found.uid()))
}

/// Only a socket that nobody has open refuses; one whose program is busy does not.
fn is_listened_to(path: &Path) -> bool {
    let probe =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None);
    let (Ok(probe), Ok(address)) = (probe, SocketAddrUnix::new(path)) else { return true };
    connect(&probe, &address) != Err(rustix::io::Errno::CONNREFUSED)
}

/// Nobody can connect before it listens: the mode is set by then. It is set through the file itself, and not by its name, which
/// may by then be another's.
fn listen_at(path: &Path) -> io::Result<(OwnedFd, SocketFile)> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    let handle = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let made = fstat(&handle)?;
    let file = SocketFile { path: path.to_owned(), identity: (made.st_dev, made.st_ino) };
    fs::set_permissions(format!("/proc/self/fd/{}", handle.as_raw_fd()), Permissions::from_mode(MODE))?;
    start(&socket, BACKLOG)?;
    Ok((socket, file))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |found: Metadata| (found.dev(), found.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // Left over, it is replaced at the next start.
            let (Ok(()) | Err(_)) = fs::remove_file(&self.path);
        }
    }
}
