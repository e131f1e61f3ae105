//! What we shall have to end one day, in a file beside the journal, so that a daemon which starts knows it: a line of JSON for each source.
//! Replaced as a whole, and **bounded** by what `Cases` holds; where nothing is to be ended there is no file.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use log::warn;
use serde::{Deserialize, Serialize};

use super::deny::Line;
use super::facts::Facts;
use super::replace::replace;
use crate::event::Wall;
use crate::journal::give_to_owner_of_folder;
use crate::kernel::trust::is_our_user;

#[cfg(test)]
mod tests;

/// Our user writes, our group reads, as the journal.
const MODE: u32 = 0o640;
/// Who may write it could have us run commands, and take lines out of any file.
const OTHERS_WRITE: u32 = 0o022;
/// More we did not write.
const MAX_FILE: u64 = 64 << 20;

/// What is to be ended for one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) facts: Facts,
    /// When, on the wall's clock; never without.
    #[serde(rename = "ends", default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Wall>,
    /// Whether `unblock` has to be run.
    pub(super) owed: bool,
    /// Lines of ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lines: Vec<Line>,
}

/// The file.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    /// Whether the last try to write it failed, which was said.
    in_trouble: bool,
}

impl Ledger {
    /// What `path` has. What cannot be read is said, and not ended by us.
    pub(super) fn open(path: PathBuf) -> (Self, Vec<Row>) {
        let rows = read(&path).unwrap_or_else(|error| {
            let file = path.display();
            warn!(file:%, error:%; "cannot read what an earlier daemon left to be ended (`unblock` commands, lines for TCP wrappers)");
            Vec::new()
        });
        (Self { path, in_trouble: false }, rows)
    }

    /// Has these rows there.
    pub(super) fn save(&mut self, rows: &[Row]) {
        let failed = write(&self.path, rows).err();
        if let Some(error) = failed.as_ref().filter(|_| !self.in_trouble) {
            let file = self.path.display();
            warn!(file:%, error:%; "cannot write what is to be ended one day: after a restart it may not be ended; trying on");
        }
        self.in_trouble = failed.is_some();
    }
}

fn write(path: &Path, rows: &[Row]) -> io::Result<()> {
    if rows.is_empty() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
    }
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row)?;
        text.push(b'\n');
    }
    let prepare = |file: &File, path: &Path| {
        file.set_permissions(Permissions::from_mode(MODE))?;
        give_to_owner_of_folder(file, path)
    };
    replace(path, &text, prepare, || Ok(()))
}

fn read(path: &Path) -> io::Result<Vec<Row>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    for found in [file.metadata()?, fs::metadata(path.parent().unwrap_or(path))?] {
        if found.mode() & OTHERS_WRITE != 0 || !is_our_user(found.uid()) {
            return Err(io::Error::other(
                "somebody else may write to it or its folder: remove it, and take that right away",
            ));
        }
    }
    let mut text = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut text)?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let rows = lines.map(|line| serde_json::from_slice::<Row>(line).ok().filter(is_sound));
    let (sound, bad): (Vec<_>, Vec<_>) = rows.partition(Option::is_some);
    if !bad.is_empty() {
        let file = path.display();
        warn!(file:%, lines = bad.len(); "lines that say nothing of what is to be ended: passed over");
    }
    Ok(sound.into_iter().flatten().collect())
}

/// A line of several lines would take out what others wrote.
fn is_sound(row: &Row) -> bool {
    row.lines
        .iter()
        .all(|line| line.file.is_absolute() && !line.text.is_empty() && !line.text.contains(char::is_control))
}
