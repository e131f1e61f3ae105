//! Turns a configuration file into a `Config`, or into a list of all that is wrong with it. The one file here that reads
//! files; `parse` and everything below it is pure, total, and answers to any bytes.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use toml::de::DeTable;

mod act;
mod grammar;
mod place;
mod ports;
mod prefix;
mod prefixes;
mod problem;
mod services;
mod source;
#[cfg(test)]
mod tests;
mod together;
mod value;

use grammar::Reader;
use problem::quoted;
pub use problem::{Fault, Problems};
pub use services::Services;
use source::Source;

use crate::config::{Config, Sources};
use crate::detect::prefixes::Prefixes;

/// Hundreds of thousands of prefixes fit; what is larger was named by mistake, and is not read into memory.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Reads a file that the configuration names; the path is complete.
pub type ReadFile<'a> = dyn FnMut(&Path) -> Result<Vec<u8>, Fault> + 'a;

/// The configuration in the file `path`, with the files that it names and the host's names of ports.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let content = read_file(path).map_err(|fault| {
        let mut problems = Problems::default();
        problems.refuse_file(path, fault);
        problems
    })?;
    let services = match read_file(Path::new("/etc/services")) {
        Ok(text) => Services::parse(&String::from_utf8_lossy(&text)),
        Err(fault) => Services::missing(fault.reason()),
    };
    parse(&content, path, &services, &mut read_file)
}

/// The allow list whose files may have changed since it was read.
pub fn allow_again(sources: &Sources) -> Result<Prefixes, Problems> {
    let mut problems = Problems::default();
    prefixes::read_again(sources, &mut problems, &mut read_file).ok_or(problems)
}

/// Whether the file has neither key nor section: an editor that has just emptied it to write it anew, perhaps.
#[must_use]
pub fn says_nothing(path: &Path) -> bool {
    let blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    read_file(path).is_ok_and(|content| String::from_utf8_lossy(&content).lines().all(blank))
}

/// The configuration that `content`, which is what the file `path` contains, asks for. What it leaves out is as in
/// `Config::default`. A file of prefixes is read through `read_file`; a relative name starts at the folder of `path`.
pub fn parse(
    content: &[u8],
    path: &Path,
    services: &Services,
    read_file: &mut ReadFile<'_>,
) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let config = Source::new(path, content, &mut problems).and_then(|mut source| {
        let document = syntax(&mut source)?;
        Some(Reader::new(source, services, read_file).read(&document))
    });
    config.filter(|_| problems.is_empty()).ok_or(problems)
}

/// The file's keys and values, or the note on the first thing that is not TOML.
fn syntax<'a>(source: &mut Source<'a>) -> Option<DeTable<'a>> {
    let error = match DeTable::parse(source.text) {
        Ok(document) => return Some(document.into_inner()),
        Err(error) => error,
    };
    let span = error.span().unwrap_or_default();
    let said = source.text.get(span.clone()).unwrap_or_default();
    let message = error.message().trim_end_matches(", expected nothing");
    let fault = if message == "duplicate key" {
        Fault::new(format!("{} is here for the second time", quoted(said)), "keep one of the two")
    } else if message.starts_with("string values must be quoted") && said.is_empty() {
        Fault::new("there is no value", "write one, or leave out the whole line")
    } else if message.starts_with("string values must be quoted") {
        let help = "text and durations need \"quotes\", the entries of a list a comma between them";
        Fault::new(format!("{} is not a value", quoted(said)), help)
    } else if message.contains("recurs") {
        Fault::new("nested too deeply", "a key stands in a [section], and sections do not nest")
    } else {
        Fault::new(message, "the file is TOML (toml.io): key = value, text in \"quotes\", lists in [brackets]")
    };
    source.refuse(span, fault);
    None
}

/// The content of a regular file of bounded size. Never waits, as opening a FIFO would.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| unreadable(&error))?;
    if !file.metadata().map_err(|error| unreadable(&error))?.is_file() {
        return Err(Fault::new("this is not a regular file", "name a file, not a directory, a pipe or a device"));
    }
    let mut content = Vec::new();
    // One byte more than is allowed tells a file that fits from one that does not, even while it grows.
    let read = file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut content).map_err(|error| unreadable(&error))?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_FILE) {
        Ok(content)
    } else {
        Err(Fault::new("the file is larger than 16 MiB", "name another file, or a shorter list of prefixes"))
    }
}

fn unreadable(error: &io::Error) -> Fault {
    if error.kind() == ErrorKind::NotFound {
        Fault::new("there is no such file", "check its name, or create it")
    } else if error.kind() == ErrorKind::PermissionDenied {
        Fault::new("we may not read it", "run as root, or check the permissions of the file and its folders")
    } else {
        let text = error.to_string().to_lowercase();
        Fault::new(format!("it cannot be read: {text}"), "check its name and its file system")
    }
}
