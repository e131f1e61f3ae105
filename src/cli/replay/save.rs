//! The offenders' probes as a file: a new one, whole or not there, and tried out once it is.

use std::collections::HashSet;
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::detect::prefixes::Prefixes;
use crate::detect::probe::Contact;
use crate::detect::source::Source;
use crate::journal;
use crate::replay::sides::Basis;
use crate::replay::tally::Offender;
use crate::replay::{Outcome, Progress, excerpt, replay};

/// A capture is not to be written over by a slip, be it only a link to one.
pub(super) fn refuse_what_is_there(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(ErrorKind::AlreadyExists, "it is there already; remove it, or name another file")),
    }
}

/// Writes it; says how many of the offenders it does not show by itself.
pub(super) fn save(
    path: &Path,
    files: &[PathBuf],
    config: &Config,
    outcome: &Outcome,
    tell: &mut dyn FnMut(Progress),
) -> io::Result<u64> {
    let write = |file: &std::fs::File, _: &Path| {
        let mut out = BufWriter::new(file);
        excerpt::write(files, config, outcome, &mut out, tell)?;
        out.flush()
    };
    journal::put(path, write, || refuse_what_is_there(path))?;
    let protect = match outcome.sides.basis {
        Basis::Named => outcome.sides.protected.clone(),
        Basis::Guessed => Prefixes::default(), // as the whole was read: outbound packets count then
    };
    let alone = replay(&[path.to_owned()], config, &protect, &mut |_| ());
    let shown: HashSet<_> = alone.tally.offenders().iter().map(identity).collect();
    let missing = outcome.tally.offenders().iter().filter(|offender| !shown.contains(&identity(offender))).count();
    Ok(u64::try_from(missing).unwrap_or(u64::MAX))
}

/// Who was found out, and by what.
fn identity(offender: &Offender) -> (Source, Contact, u64) {
    (offender.source, offender.probe.contact, offender.probes)
}
