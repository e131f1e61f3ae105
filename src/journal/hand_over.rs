//! Whose the state folder is: the service's user's, when root has left it to that user, and root's again where root stays at work there.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::place::{FOLDER_MODE, OTHERS_WRITE, ROOT, beside, folder};

/// What is there beside the journal, and it.
const OURS: [&str; 7] = ["db", "db-wal", "db-shm", "db.lock", "allow", "acted", "served"];

/// Makes the folder of the journal `file` the service's own, with what root has left there, so that we need not be root to go on. What
/// belongs to anybody else stays as it is.
pub fn hand_over(file: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
    let folder = folder(file);
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    let open = File::open(folder)?;
    let owner = open.metadata()?.uid();
    let (uid, gid) = if owner == ROOT { (uid, gid) } else { (owner, open.metadata()?.gid()) };
    for (made, found) in ours(file)? {
        if is_alone(&found, ROOT) {
            fchown(&made, Some(uid), Some(gid))?;
        }
    }
    // Last: where a file could not be given, the folder stays root's.
    if owner == ROOT {
        fchown(&open, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// What became of a folder that the service's user may have had.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was root's, or somebody else's, or is in use.
    Nothing,
    /// It is root's, and what is kept there.
    Files,
    /// So it is, and what was to be ended one day has this name now.
    SetAside(PathBuf),
}

/// Makes the folder of the journal `file` root's again, if it is the user's with the number `service`, and what that user left there of
/// ours; but nobody believes its `ledger`. Not while a daemon is at work there.
pub fn take_back(file: &Path, ledger: &Path, service: u32) -> io::Result<Taken> {
    let flags = libc::O_NOFOLLOW | libc::O_DIRECTORY;
    let path = folder(file);
    let folder = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Taken::Nothing),
        opened => opened?,
    };
    let found = folder.metadata()?;
    let was_service = found.uid() == service;
    if !(was_service || found.uid() == ROOT) || is_in_use(path)? {
        return Ok(Taken::Nothing);
    }
    // First: from here on nobody else puts anything there.
    if was_service {
        fchown(&folder, Some(ROOT), None)?;
        folder.set_permissions(Permissions::from_mode(found.mode() & !OTHERS_WRITE))?;
    }
    let mut taken = if was_service { Taken::Files } else { Taken::Nothing };
    match fs::symlink_metadata(ledger) {
        // In that user's folder anything may be that user's doing, whosever it is.
        Ok(found) if was_service || found.uid() == service => {
            let aside = beside(ledger, ".not-believed");
            fs::rename(ledger, &aside)?;
            taken = Taken::SetAside(aside);
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    for (kept, found) in ours(file)? {
        if is_alone(&found, service) {
            fchown(&kept, Some(ROOT), None)?;
            kept.set_permissions(Permissions::from_mode(found.mode() & !OTHERS_WRITE))?;
        }
    }
    Ok(taken)
}

/// What is there of ours, whosever it is; nothing is followed or waited for.
fn ours(file: &Path) -> io::Result<Vec<(File, Metadata)>> {
    let mut all = Vec::new();
    for ending in OURS {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        match OpenOptions::new().read(true).custom_flags(flags).open(file.with_extension(ending)) {
            Ok(open) => {
                let found = open.metadata()?;
                all.push((open, found));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// Whether it is a file of that user's, and has no other name elsewhere.
fn is_alone(found: &Metadata, owner: u32) -> bool {
    found.is_file() && found.nlink() == 1 && found.uid() == owner
}

/// Whether a daemon, of whichever table, holds the claim to a journal in there.
fn is_in_use(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        if path.extension().is_some_and(|ending| ending == "lock")
            && let Ok(held) = OpenOptions::new().read(true).custom_flags(flags).open(&path)
            && flock(&held, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use rustix::process::geteuid;

    use super::super::place::lock;
    use super::*;

    #[test]
    fn what_root_left_in_the_state_folder_is_the_services_and_what_others_have_stays_theirs() {
        if !geteuid().is_root() {
            return;
        }
        let folder = std::env::temp_dir().join(format!("nftrap-handed-over-{}", std::process::id()));
        let journal = folder.join("t.db");
        hand_over(&journal, (77, 78)).unwrap();
        let owner =
            |name: &str| fs::symlink_metadata(folder.join(name)).map(|found| (found.uid(), found.gid())).unwrap();
        assert_eq!(owner(""), (77, 78), "made for it");
        for name in ["t.db", "t.acted", "t.allow", "other.db"] {
            fs::write(folder.join(name), "").unwrap();
        }
        std::os::unix::fs::chown(folder.join("t.allow"), Some(1000), Some(1000)).unwrap();
        fs::hard_link(folder.join("t.acted"), folder.join("elsewhere")).unwrap();
        hand_over(&journal, (77, 78)).unwrap();
        assert_eq!((owner("t.db"), owner("t.allow"), owner("t.acted")), ((77, 78), (1000, 1000), (0, 0)));
        assert_eq!(owner("other.db"), (0, 0), "another table's");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_the_service_had_is_roots_again_and_its_ledger_is_set_aside() {
        if !geteuid().is_root() {
            return;
        }
        let folder = std::env::temp_dir().join(format!("nftrap-taken-back-{}", std::process::id()));
        let (journal, ledger) = (folder.join("t.db"), folder.join("t.acted"));
        assert_eq!(take_back(&journal, &ledger, 77).unwrap(), Taken::Nothing);
        fs::create_dir(&folder).unwrap();
        for name in ["t.db", "t.acted", "t.allow", "t.db.lock"] {
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(take_back(&journal, &ledger, 77).unwrap(), Taken::Nothing, "root's");
        fs::hard_link(folder.join("t.allow"), folder.join("elsewhere")).unwrap();
        for name in ["", "t.db", "t.acted", "t.allow"] {
            std::os::unix::fs::chown(folder.join(name), Some(77), Some(78)).unwrap();
        }
        let held = lock(&folder.join("other.db")).unwrap();
        assert_eq!(take_back(&journal, &ledger, 77).unwrap(), Taken::Nothing, "a daemon is at work");
        drop(held);
        let aside = folder.join("t.acted.not-believed");
        assert_eq!(take_back(&journal, &ledger, 77).unwrap(), Taken::SetAside(aside.clone()));
        let owner = |name: &str| fs::symlink_metadata(folder.join(name)).unwrap().uid();
        assert_eq!((owner(""), owner("t.db"), owner("t.allow")), (0, 0, 77));
        assert!(aside.exists() && !ledger.exists());
        assert_eq!(take_back(&journal, &ledger, 77).unwrap(), Taken::Nothing, "once");
        fs::remove_dir_all(&folder).unwrap();
    }
}
