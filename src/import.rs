//! What PortSentry was configured with → an nftrap.toml that does the same. Pure: files come through the caller's hand.
//!
//! ```text
//!  portsentry.conf ─► conf: of 1.2 or of 2.x? ─► conf::one, conf::two ─┐
//!  default/portsentry, --mode, --connect ─► modes ─────────────────────┼─► convert ─► draft ─► nftrap.toml
//!  portsentry.ignore ─► ignore ────────────────────────────────────────┤
//!  portsentry.blocked ─► blocked ──────────────────────────────────────┘   notes ─► what was lost, changed or odd
//! ```
//!
//! A file is read as its own PortSentry reads it, slips included: what it never honoured is not honoured here by accident. Nothing
//! that was written is lost in silence; each line is quoted beside what it became, or stands in the notes.

use std::path::{Path, PathBuf};

use crate::config::load::ReadFile;

mod address;
mod blocked;
mod conf;
mod convert;
mod draft;
mod firewall;
mod ignore;
mod key;
mod lines;
mod modes;
mod notes;
mod ports;

pub use modes::Mode;
pub use notes::{Note, Notes, Refusal};

use conf::Conf;
use convert::Convert;
use key::Key;

/// Whose configuration it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// PortSentry 1.2, and 1.1 and 1.0 before it.
    One,
    /// PortSentry 2.
    Two,
}

impl Version {
    const fn name(self) -> &'static str {
        match self {
            Self::One => "PortSentry 1.2",
            Self::Two => "PortSentry 2",
        }
    }
}

/// What is to be read, and what the files cannot say themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// `portsentry.conf`.
    pub conf: PathBuf,
    /// The ignore file, where it is not where the conf says.
    pub ignore: Option<PathBuf>,
    /// The variables that Debian's start script read.
    pub default: Option<PathBuf>,
    /// Lists of whom it blocked.
    pub blocked: Vec<PathBuf>,
    /// Whose conf it is, where that is known.
    pub version: Option<Version>,
    /// What 1.2 was started with, where that is known.
    pub modes: Vec<Mode>,
    /// Whether 2.x was started with `--connect`.
    pub connect: bool,
    /// Whether the log is to be as PortSentry's.
    pub keep_log: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Imported {
    /// An nftrap.toml, which `config::load` reads without complaint.
    pub toml: String,
    /// What is different now.
    pub notes: Notes,
}

/// PortSentry reads its ignore file for each packet, and its configuration is a page: what is larger was named by mistake.
const MAX_TEXT: usize = 1024 * 1024;

/// A file that was read.
struct File {
    /// As its reader named it.
    path: String,
    /// Without its folder.
    name: String,
    content: Vec<u8>,
}

/// The configuration that `question` asks for.
pub fn portsentry(question: &Question, read: &mut ReadFile<'_>) -> Result<Imported, Refusal> {
    let mut notes = Notes::default();
    let file = short(&question.conf, read).map_err(|refusal| {
        refusal.helped("name PortSentry's configuration with --conf FILE, and run as root if need be")
    })?;
    let conf = Conf::read(&file, question, &mut notes)?;
    let modes = modes::modes(&conf, question, read, &mut notes)?;
    let ignore = ignore_file(&conf, question, read, &mut notes)?;
    let mut convert = Convert::new(&conf, modes, question, notes);
    convert.conf();
    if let Some(ignore) = &ignore {
        convert.allow(ignore)?;
    }
    for path in &question.blocked {
        convert.blocked(&taken(path, read)?);
    }
    let (toml, notes) = convert.finish();
    Ok(Imported { toml, notes })
}

fn taken(path: &Path, read: &mut ReadFile<'_>) -> Result<File, Refusal> {
    let shown = lines::printable(&path.display().to_string());
    match read(path) {
        Ok(content) => {
            let name = path.file_name().map_or_else(|| shown.clone(), |name| lines::printable(&name.to_string_lossy()));
            Ok(File { path: shown, name, content })
        }
        Err(fault) => Err(Refusal::new(&shown, None, fault.reason(), fault.help())),
    }
}

/// A file that people write.
fn short(path: &Path, read: &mut ReadFile<'_>) -> Result<File, Refusal> {
    let file = taken(path, read)?;
    if file.content.len() > MAX_TEXT {
        return Err(Refusal::new(&file.path, None, "the file is larger than 1 MiB", "name another file"));
    }
    Ok(file)
}

/// The file of those that were never blocked. Debian's 1.2 makes it from another one whenever it starts.
fn ignore_file(
    conf: &Conf,
    question: &Question,
    read: &mut ReadFile<'_>,
    notes: &mut Notes,
) -> Result<Option<File>, Refusal> {
    if let Some(path) = &question.ignore {
        return short(path, read).map(Some);
    }
    let Some(entry) = conf.filled(Key::IgnoreFile) else {
        return Ok(None);
    };
    let help = "say where it is with --ignore FILE; an empty file will do if nobody was to be ignored";
    if !entry.value.starts_with('/') {
        let reason = format!("{} is not a whole path", entry.shown(Key::IgnoreFile));
        return Err(Refusal::new(&conf.path, Some(entry.line), &reason, help));
    }
    let refused = match short(Path::new(&entry.value), read) {
        Ok(file) => return Ok(Some(file)),
        Err(refused) => refused,
    };
    let made_from = format!("{}.static", entry.value);
    if let Ok(file) = short(Path::new(&made_from), read) {
        let why = format!("{}; read in its place: {}", refused.reason(), file.path);
        notes.add(&conf.path, Some(entry.line), &entry.shown(Key::IgnoreFile), &why);
        return Ok(Some(file));
    }
    let reason = format!("{}: {}", entry.shown(Key::IgnoreFile), refused.reason());
    Err(Refusal::new(&conf.path, Some(entry.line), &reason, help))
}
