//! Whether a file or folder is nobody else's to write: who writes there may choose what root writes, or what it runs.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::geteuid;

/// Also in a folder where each may remove only their own files: whoever comes first may make ours there.
const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
const ROOT: u32 = 0;

/// Who may write there but root and us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// By its mode.
    GroupOrOthers,
    /// The user with this number, whose it is and who may change its mode.
    Owner(u32),
}

/// Somebody else who may write to what was `found`.
pub(super) fn writer(found: &Metadata) -> Option<Writer> {
    other(found.mode(), found.uid(), geteuid().as_raw())
}

/// The user of a packaged daemon is somebody else to root: it must not become root by what it wrote.
const fn other(mode: u32, owner: u32, us: u32) -> Option<Writer> {
    if owner != ROOT && owner != us {
        Some(Writer::Owner(owner))
    } else if mode & GROUP_OR_OTHERS_WRITE != 0 {
        Some(Writer::GroupOrOthers)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_we_ourselves_may_write_and_nobody_else() {
        for (mode, owner, us, found) in [
            (0o100_644, 0, 0, None),
            (0o100_644, 0, 77, None),
            (0o100_640, 77, 77, None),
            (0o100_640, 77, 0, Some(Writer::Owner(77))),
            (0o100_600, 1000, 77, Some(Writer::Owner(1000))),
            (0o100_664, 0, 0, Some(Writer::GroupOrOthers)),
            (0o100_646, 77, 77, Some(Writer::GroupOrOthers)),
            (0o041_777, 0, 0, Some(Writer::GroupOrOthers)),
            (0o040_755, 0, 77, None),
        ] {
            assert_eq!(other(mode, owner, us), found, "{mode:o} of {owner} for {us}");
        }
    }
}
