//! Values that name a place of this host: files, an address to listen at, a group. Pure: whether the place is there shows later.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::problem::{Fault, quoted};
use super::source::Value;
use super::value::expected;
use crate::config::{JournalFile, MetricsAddress};

/// `useradd` allows no more.
const MAX_GROUP: usize = 32;

/// The journal's file.
pub(super) fn journal_file(value: &Value<'_>) -> Result<JournalFile, Fault> {
    let help = "write \"auto\", the whole path of a file, or \"\" for none";
    match word(value, "a file", help)? {
        "" => Ok(JournalFile::Nowhere),
        "auto" => Ok(JournalFile::InStateFolder),
        path => absolute(path, help).map(JournalFile::At),
    }
}

/// A file that we write to, or none.
pub(super) fn own_file(value: &Value<'_>) -> Result<Option<PathBuf>, Fault> {
    let help = "write the whole path of a file, or \"\" for none";
    match word(value, "a file", help)? {
        "" => Ok(None),
        path => absolute(path, help).map(Some),
    }
}

/// A group's name, or none.
pub(super) fn group(value: &Value<'_>) -> Result<Option<String>, Fault> {
    let help = "write the name of a group, or \"\" for none";
    let name = word(value, "the name of a group", help)?;
    let well_formed = name.len() <= MAX_GROUP && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    match name {
        "" => Ok(None),
        _ if well_formed => Ok(Some(name.to_owned())),
        _ => Err(Fault::new(format!("{} is no name for a group", quoted(name)), help)),
    }
}

/// An address of the loopback with a port, a Unix socket, or none. Not to be seen from outside: it would tell scanners how they do.
pub(super) fn metrics_address(value: &Value<'_>) -> Result<Option<MetricsAddress>, Fault> {
    let help = "write \"127.0.0.1:9530\", \"unix:/run/nftrap/metrics.sock\", or \"\" for none";
    let text = word(value, "an address", help)?;
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return absolute(path, help).map(|path| Some(MetricsAddress::Unix(path)));
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(Some(MetricsAddress::Tcp(address))),
        Ok(_) => {
            let help =
                "choose a loopback address; to be read from elsewhere, put a proxy with access control before it";
            Err(Fault::new(format!("{} can be reached from outside", quoted(text)), help))
        }
        Err(_) => Err(Fault::new(format!("{} is no address with a port", quoted(text)), help)),
    }
}

pub(super) fn word<'v>(value: &'v Value<'_>, what: &str, help: &str) -> Result<&'v str, Fault> {
    value.get_ref().as_str().ok_or_else(|| expected(what, value, help))
}

pub(super) fn absolute(path: &str, help: &str) -> Result<PathBuf, Fault> {
    if Path::new(path).is_absolute() && !path.contains('\0') && Path::new(path).file_name().is_some() {
        Ok(PathBuf::from(path))
    } else {
        Err(Fault::new(format!("{} is not the whole path of a file", quoted(path)), help))
    }
}
