//! Values that say what is done about an offender: commands, lines, what a decoy says. Pure.

use std::path::PathBuf;

use super::place::{absolute, word};
use super::problem::{Fault, quoted};
use super::source::{Source, Value};
use super::value::expected;

/// What stands for the source.
const TARGET: &str = "$TARGET$";
/// One packet of UDP, and one of TCP.
const MAX_BANNER: usize = 1024;
/// TCP wrappers read no longer line.
const MAX_LINE: usize = 1024;

/// A command's arguments; the first is the whole path of a program, or a line for the shell.
pub(super) fn command(source: &mut Source<'_>, value: &Value<'_>) -> Option<Vec<String>> {
    let help = "write it as [\"/usr/local/bin/tell\", \"$TARGET$\", \"$PORT$\"], or [] for none";
    let entries = source.list(value, "a list of arguments", help)?;
    let mut arguments = Vec::with_capacity(entries.len());
    for entry in entries {
        match argument(entry, help) {
            Ok(argument) => arguments.push(argument),
            Err(fault) => {
                source.refuse(entry.span(), fault);
                return None;
            }
        }
    }
    Some(arguments)
}

fn argument(entry: &Value<'_>, help: &str) -> Result<String, Fault> {
    let text = word(entry, "an argument", help)?;
    if text.contains('\0') {
        return Err(Fault::new("an argument contains a NUL", "no program takes that: leave it out"));
    }
    Ok(text.to_owned())
}

/// What a decoy says.
pub(super) fn banner(value: &Value<'_>) -> Result<String, Fault> {
    let text = word(value, "a text", "write what a decoy says, or \"\" for nothing")?;
    if text.len() > MAX_BANNER {
        let reason = format!("a banner of {} bytes is too long", text.len());
        return Err(Fault::new(reason, format!("write at most {MAX_BANNER} bytes")));
    }
    Ok(text.to_owned())
}

/// A line for TCP wrappers, or none.
pub(super) fn deny_line(value: &Value<'_>) -> Result<Option<String>, Fault> {
    let help = "write a line such as \"ALL: $TARGET$\", or \"\" for none";
    let text = word(value, "a line", help)?;
    if text.is_empty() {
        return Ok(None);
    }
    if !text.contains(TARGET) {
        return Err(Fault::new(format!("{} has no {TARGET}", quoted(text)), help));
    }
    if text.chars().any(char::is_control) || text.len() > MAX_LINE {
        return Err(Fault::new(format!("{} is not one line of at most {MAX_LINE} bytes", quoted(text)), help));
    }
    Ok(Some(text.to_owned()))
}

/// The file for it.
pub(super) fn deny_file(value: &Value<'_>) -> Result<PathBuf, Fault> {
    let help = "write the whole path of a file";
    match word(value, "a file", help)? {
        "" => Err(expected("the whole path of a file", value, "to write no line, set line = \"\"")),
        path => absolute(path, help),
    }
}
