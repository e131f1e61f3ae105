//! What we shall have to end one day, in a file beside the journal, so that a daemon which starts knows it: a line of JSON for each source.
//! Replaced as a whole, and **bounded** by what `Cases` holds; where nothing is to be ended there is no file.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use log::warn;
use serde::{Deserialize, Serialize};

use super::deny::Line;
use super::facts::Facts;
use super::others::{Writer, writer};
use crate::event::Wall;
use crate::journal::{read_ours, replace_ours};

#[cfg(test)]
mod tests;

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

/// Why it was not read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    /// Who may write it could have us run commands, and change lines of any file.
    #[error(
        "others may write to {}: remove what is there, and take that right away (chmod go-w)",
        .0.display()
    )]
    OthersWrite(PathBuf),
    #[error(
        "{} belongs to user {owner}: run nftrap as that user, as its service does, or name a file in a folder of ours in [journal]",
        .path.display()
    )]
    Foreign { path: PathBuf, owner: u32 },
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// The file.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    /// Whether the last try to write it failed, which was said.
    in_trouble: bool,
}

impl Ledger {
    /// What `path` has. What cannot be read is said, and not ended by us; none, where somebody else may write: it stays as it is.
    pub(super) fn open(path: PathBuf) -> Option<(Self, Vec<Row>)> {
        let file = path.display();
        let rows = match read(&path) {
            Ok(rows) => rows,
            Err(Unread::Failed(error)) => {
                warn!(file:%, error:%; "cannot read what an earlier daemon left to be ended (`unblock` commands, lines for TCP wrappers)");
                Vec::new()
            }
            Err(error @ (Unread::OthersWrite(_) | Unread::Foreign { .. })) => {
                warn!(file:%, error:%; "what is to be ended one day (`unblock` commands, lines for TCP wrappers) is neither read nor kept there");
                return None;
            }
        };
        Some((Self { path, in_trouble: false }, rows))
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

/// What a daemon would begin with, of what it may believe; said by nobody.
pub(super) fn peek(path: &Path) -> Vec<Row> {
    read(path).unwrap_or_default()
}

pub(super) fn write(path: &Path, rows: &[Row]) -> io::Result<()> {
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
    replace_ours(path, &text)
}

fn read(path: &Path) -> Result<Vec<Row>, Unread> {
    let folder = path.parent().unwrap_or(path);
    match fs::metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        found => refuse_others(folder, writer(&found?))?,
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(found) if found.is_file() => refuse_others(path, writer(&found))?,
        Err(error) => return Err(error.into()),
        // What it is instead is said below.
        Ok(_) => {}
    }
    let text = read_ours(path, MAX_FILE)?.unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let rows = lines.map(|line| serde_json::from_slice::<Row>(line).ok().filter(is_sound));
    let (sound, bad): (Vec<_>, Vec<_>) = rows.partition(Option::is_some);
    if !bad.is_empty() {
        let file = path.display();
        warn!(file:%, lines = bad.len(); "lines that say nothing of what is to be ended: passed over");
    }
    Ok(sound.into_iter().flatten().collect())
}

fn refuse_others(place: &Path, writer: Option<Writer>) -> Result<(), Unread> {
    let path = place.to_owned();
    match writer {
        None => Ok(()),
        Some(Writer::GroupOrOthers) => Err(Unread::OthersWrite(path)),
        Some(Writer::Owner(owner)) => Err(Unread::Foreign { path, owner }),
    }
}

/// A line of several lines would take out what others wrote.
fn is_sound(row: &Row) -> bool {
    row.lines
        .iter()
        .all(|line| line.file.is_absolute() && !line.text.is_empty() && !line.text.contains(char::is_control))
}
