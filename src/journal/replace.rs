//! Puts a file in another's place, whole or not at all, and on the disk when it is done.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::place::give_to_owner_of_folder;

/// As the journal has it: ours to write, our group's to read.
const MODE: u32 = 0o640;

/// Has `text` at `path`, beside the journal and as the journal is: whose the folder is, its is the file.
pub(crate) fn replace_ours(path: &Path, text: &[u8]) -> io::Result<()> {
    let prepare = |file: &File, path: &Path| {
        file.set_permissions(Permissions::from_mode(MODE))?;
        give_to_owner_of_folder(file, path)
    };
    replace(path, text, prepare, || Ok(()))
}

/// Has `text` at `path`, in a new file that `prepare` may give its mode and owner; `check` has the last word before it is in place.
pub(crate) fn replace(
    path: &Path,
    text: &[u8],
    prepare: impl FnOnce(&File, &Path) -> io::Result<()>,
    check: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let write = |mut out: &File, fresh: &Path| {
        prepare(out, fresh)?;
        out.write_all(text)
    };
    put(path, write, check)
}

/// Has at `path` what `write` writes into a new file, which nobody else can read unless it says so; else as `replace`.
pub(crate) fn put(
    path: &Path,
    write: impl FnOnce(&File, &Path) -> io::Result<()>,
    check: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let fresh = beside(path);
    // What is left of an earlier try, or somebody's link, which is not followed.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let made = fill(&fresh, write).and_then(|()| check()).and_then(|()| fs::rename(&fresh, path));
    if let Err(error) = made {
        // It is no more than in the way.
        let (Ok(()) | Err(_)) = fs::remove_file(&fresh);
        return Err(error);
    }
    // The new name is to be on the disk as well; where a folder cannot be synced, it soon is by itself.
    let (Ok(()) | Err(_)) =
        path.parent().map_or(Ok(()), |folder| File::open(folder).and_then(|folder| folder.sync_all()));
    Ok(())
}

fn fill(fresh: &Path, write: impl FnOnce(&File, &Path) -> io::Result<()>) -> io::Result<()> {
    // Nobody else reads it before it has its mode.
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(fresh)?;
    write(&out, fresh)?;
    out.sync_all()
}

/// Its name while it is not complete.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.nftrap-new"))
}
