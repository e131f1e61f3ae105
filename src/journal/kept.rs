//! Reads what is kept beside the journal: never waiting for a pipe, never more than a file of ours has, and only what root, we or the service
//! can have written; what operators may edit by hand, also those of a group that they gave it to, and through a link.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::place::{ANYBODY_WRITES, OTHERS_WRITE, folder, not_ours_alone};

/// What `path` has, of at most so many octets; nothing, where there is no file.
pub(crate) fn read_ours(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    read(path, most, (libc::O_NOFOLLOW, OTHERS_WRITE))
}

/// The same of a file that operators keep as they like: only what everybody may write, or a stranger owns, is none of theirs.
pub(crate) fn read_operators(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    read(path, most, (0, ANYBODY_WRITES))
}

fn read(path: &Path, most: u64, (follow, writers): (i32, u32)) -> io::Result<Option<Vec<u8>>> {
    let flags = follow | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(unfit("it is a symbolic link: put the file itself there"));
        }
        opened => opened?,
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(unfit("it is no regular file: move it away"));
    }
    if let Some(why) = not_ours_alone(&found, writers) {
        return Err(unfit(&format!(
            "{why}, and could have written it: give it to root or nftrap's user alone (chown, chmod go-w)"
        )));
    }
    if let Some(why) = not_ours_alone(&fs::metadata(folder(path))?, writers) {
        return Err(unfit(&format!("of its folder, {why}: choose a folder that only nftrap may write, in [journal]")));
    }
    let mut content = Vec::new();
    // One byte more than is allowed tells a file that fits from one that does not, even while it grows.
    file.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= most) {
        Ok(Some(content))
    } else {
        Err(unfit("it is too large to be ours: move it away"))
    }
}

fn unfit(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    use std::path::PathBuf;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    /// A folder that is ours alone, with a file `kept`.
    fn kept(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("nftrap-kept-{test}-{}", std::process::id()));
        let (Ok(()) | Err(_)) = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
        let file = folder.join("kept");
        fs::write(&file, "ours").unwrap();
        file
    }

    fn refusal(file: &Path) -> String {
        read_ours(file, 4).unwrap_err().to_string()
    }

    #[test]
    fn what_is_ours_is_read_and_what_is_not_there_is_nothing() {
        let file = kept("ours");
        assert_eq!(read_ours(&file, 4).unwrap(), Some(b"ours".to_vec()));
        assert_eq!(read_ours(&file.with_extension("not"), 4).unwrap(), None);
        assert_eq!(read_ours(&file.join("below"), 4).unwrap_err().kind(), ErrorKind::NotADirectory);
        fs::write(&file, "ours?").unwrap();
        assert!(refusal(&file).contains("too large"));
    }

    #[test]
    fn a_link_a_pipe_a_folder_and_a_device_are_refused_at_once() {
        let file = kept("kinds");
        let beside = |name: &str| file.with_file_name(name);
        symlink(&file, beside("link")).unwrap();
        fs::create_dir(beside("folder")).unwrap();
        mknodat(CWD, beside("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(refusal(&beside("link")).contains("symbolic link"));
        for other in [beside("folder"), beside("pipe"), PathBuf::from("/dev/zero")] {
            assert!(refusal(&other).contains("no regular file"), "{}", other.display());
        }
    }

    #[test]
    fn what_others_may_have_written_is_not_read() {
        let file = kept("others");
        fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
        assert!(refusal(&file).contains("others may write there"), "{}", refusal(&file));
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        fs::set_permissions(folder(&file), Permissions::from_mode(0o1777)).unwrap();
        assert!(refusal(&file).contains("of its folder, others may write there"), "{}", refusal(&file));
        fs::set_permissions(folder(&file), Permissions::from_mode(0o750)).unwrap();
        // Only root can make a file another's.
        if chown(&file, Some(65_534), None).is_ok() {
            assert!(refusal(&file).contains("it belongs to nobody"), "{}", refusal(&file));
        }
    }
}
