//! The journal's folder, file and lock. Whoever may write there could have us write anywhere, or forge what we read back as blocks:
//! only root, our own user and the service's may. What root makes in the service's folder is the service's, so that it is no stranger to
//! it later.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::JournalError;
use crate::event::Wall;

/// Administrators of our group may look.
pub(super) const FOLDER_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;
/// A group, or anybody, may write.
pub(super) const OTHERS_WRITE: u32 = 0o022;
/// Anybody may: a group may have been trusted with it.
pub(super) const ANYBODY_WRITES: u32 = 0o002;
/// Whom the packaged daemon runs as; it has few rights, but to be trusted with its own journal is among them.
const SERVICE: &str = "nftrap";
pub(super) const ROOT: u32 = 0;
/// `SQLite` keeps these beside the file while it is in use.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];
/// So many damaged files of one second have a name.
const NAMES: u32 = 100;

/// The claim to a file; the system gives it up when we end, however that is.
pub(super) struct Lock {
    _held: File,
}

/// Makes the folder and the file where they are missing, refuses them where others may write them, and claims the file.
pub(super) fn claim(file: &Path) -> Result<Lock, JournalError> {
    let folder = folder(file);
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .map_err(|cause| JournalError::files("make the journal's folder", folder, cause))?;
    let found = fs::metadata(folder).map_err(|cause| JournalError::files("look at", folder, cause))?;
    refuse_folder(folder, &found)?;
    // Before the lock: beside what is not ours nothing of ours is left.
    inspect(file)?;
    let lock = lock(file)?;
    create(file)?;
    Ok(lock)
}

/// Where `file` is.
pub(crate) fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| *folder != Path::new("")).unwrap_or_else(|| Path::new("."))
}

/// Gives what we made at `path` to whom its folder belongs, if we are root and that is somebody else: who runs as that user later is to
/// find its own. Not a file that has another name elsewhere.
pub(super) fn give_to_owner_of_folder(made: &File, path: &Path) -> io::Result<()> {
    let (folder, made_as) = (fs::metadata(folder(path))?, made.metadata()?);
    let ours_alone = made_as.is_file() && made_as.nlink() == 1 && made_as.uid() == ROOT;
    if geteuid().is_root() && folder.uid() != ROOT && ours_alone {
        fchown(made, Some(folder.uid()), Some(folder.gid()))?;
    }
    Ok(())
}

/// Why what is `found` may be another's words, if it may: its owner is neither root nor we nor the service, or those may write there whom
/// these bits of its mode stand for.
pub(super) fn not_ours_alone(found: &Metadata, writers: u32) -> Option<String> {
    if found.mode() & writers != 0 {
        return Some("others may write there".to_owned());
    }
    stranger(found).map(|owner| format!("it belongs to {owner}"))
}

/// No advice to change its owner or mode: a folder like `/tmp` is as it is for others' sake.
fn refuse_folder(folder: &Path, found: &Metadata) -> Result<(), JournalError> {
    match not_ours_alone(found, OTHERS_WRITE) {
        Some(why) => Err(JournalError::Folder { folder: folder.to_owned(), why }),
        None => Ok(()),
    }
}

fn refuse_file(file: &Path, found: &Metadata) -> Result<(), JournalError> {
    let refuse = |problem: String| Err(JournalError::Place { path: file.to_owned(), problem });
    if let Some(owner) = stranger(found) {
        return refuse(format!("it belongs to {owner}: is it nftrap's? name another file"));
    }
    if found.mode() & OTHERS_WRITE != 0 {
        return refuse("others may write to it, and could have written what is in it; name another file".to_owned());
    }
    Ok(())
}

fn service() -> Option<u32> {
    User::from_name(SERVICE).ok().flatten().map(|user| user.uid.as_raw())
}

/// Whether `us` may use what `owner` has. Root may use the service's: who runs `nftrap run` by hand needs the same blocks.
fn is_trusted(owner: u32, us: u32, service: Option<u32>) -> bool {
    owner == ROOT || owner == us || (us == ROOT && service == Some(owner))
}

/// Whose it is, if neither root's nor ours.
fn stranger(found: &Metadata) -> Option<String> {
    let owner = found.uid();
    (!is_trusted(owner, geteuid().as_raw(), service())).then(|| {
        let user = User::from_uid(Uid::from_raw(owner)).ok().flatten();
        user.map_or_else(|| format!("user {owner}"), |user| user.name)
    })
}

/// A file of its own: `SQLite`'s locks are this process's, and closing any other handle of the database would lose them.
pub(super) fn lock(file: &Path) -> Result<Lock, JournalError> {
    let path = beside(file, ".lock");
    let failed = |cause| JournalError::files("lock", &path, cause);
    let mut held = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(&path)
        .map_err(failed)?;
    let found = held.metadata().map_err(failed)?;
    if !found.is_file() || found.nlink() > 1 {
        // It is emptied below, and might be anything.
        let problem = "it has another name elsewhere, or is no regular file; remove it".to_owned();
        return Err(JournalError::Place { path, problem });
    }
    give_to_owner_of_folder(&held, &path).map_err(failed)?;
    match flock(&held, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            // Only to name it: a lock without a number is a lock.
            let process = held.read_to_string(&mut holder).ok().and_then(|_| holder.trim().parse().ok());
            return Err(JournalError::InUse { file: file.to_owned(), process });
        }
        Err(errno) => return Err(failed(errno.into())),
    }
    held.set_len(0).and_then(|()| writeln!(held, "{}", std::process::id())).map_err(failed)?;
    Ok(Lock { _held: held })
}

/// Gives up the claim to a file that is not ours, and leaves nothing beside it. Only there: a lock that others may wait for must stay.
pub(super) fn withdraw(file: &Path, lock: Lock) {
    // What cannot be removed is an empty file, and the error to tell is another.
    let (Ok(()) | Err(_)) = fs::remove_file(beside(file, ".lock"));
    drop(lock);
}

/// Makes the file if it is not there; refuses what is no file of ours.
pub(super) fn create(file: &Path) -> Result<(), JournalError> {
    if inspect(file)? == Found::Ours {
        return Ok(());
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(file);
    made.and_then(|made| give_to_owner_of_folder(&made, file))
        .map_err(|cause| JournalError::files("make the journal", file, cause))
}

#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Ours,
}

fn inspect(file: &Path) -> Result<Found, JournalError> {
    let refuse = |problem: &str| Err(JournalError::Place { path: file.to_owned(), problem: problem.to_owned() });
    match fs::symlink_metadata(file) {
        Ok(found) if found.is_symlink() => refuse("it is a symbolic link; name the file that it leads to"),
        Ok(found) if !found.is_file() => refuse("it is no regular file; name another place"),
        Ok(found) => refuse_file(file, &found).map(|()| Found::Ours),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
        Err(cause) => Err(JournalError::files("look at", file, cause)),
    }
}

/// Which file a name leads to: another one when somebody has deleted or replaced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

pub(super) fn identity(file: &Path) -> Result<Identity, JournalError> {
    let found = fs::metadata(file).map_err(|cause| JournalError::files("look at", file, cause))?;
    Ok(Identity { device: found.dev(), inode: found.ino() })
}

/// Moves a damaged journal out of the way, and says where it is. It is never deleted: something may be saved from it.
pub(super) fn set_aside(file: &Path, now: Wall) -> Result<PathBuf, JournalError> {
    let date: String = now.to_string().chars().filter(|c| !"-:".contains(*c)).take_while(|c| *c != '.').collect();
    let names = (1..NAMES).map(|i| if i == 1 { date.clone() } else { format!("{date}-{i}") });
    let free = names.map(|name| beside(file, &format!(".corrupt-{name}"))).find(|path| !path.exists());
    let failed = |cause| JournalError::files("set aside the damaged journal", file, cause);
    let target = free.ok_or_else(|| failed(io::Error::from(ErrorKind::AlreadyExists)))?;
    // What waits in the log belongs to the file; the log first, for it must not be taken for the new file's.
    for companion in COMPANIONS {
        match fs::rename(beside(file, companion), beside(&target, companion)) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(failed(cause)),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(file, &target).map_err(failed)?;
    Ok(target)
}

/// `file` with more at the end of its name.
pub(super) fn beside(file: &Path, more: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(more);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_may_use_what_the_service_has_and_the_service_what_root_has_but_nobody_elses() {
        for (owner, us, trusted) in [
            (0, 0, true),
            (0, 77, true),
            (77, 77, true),
            (77, 0, true),
            (1000, 0, false),
            (1000, 77, false),
            (77, 1000, false),
        ] {
            assert_eq!(is_trusted(owner, us, Some(77)), trusted, "{owner} for {us}");
        }
        assert!(!is_trusted(77, 0, None), "where there is no such user");
    }
}
