//! What PortSentry was configured with, and the config that is made of it.
//!
//! Input: the first octet says how it is asked; then the conf, and behind lines `---` the ignore file, Debian's default file and a list of
//! blocked hosts.

use std::path::Path;

use nftrap::config::load::{Fault, Services, parse};
use nftrap::import::{Mode, Question, Version, portsentry};

use super::commands_a_terminal;

const BETWEEN: &[u8] = b"\n---\n";
const NAMES: [&str; 4] = ["conf", "ignore", "default", "blocked"];

pub(super) fn target(input: &[u8]) {
    let Some((how, files)) = input.split_first() else { return };
    let files = parts(files);
    let named = |index: usize, bit: u8| (how & bit != 0).then(|| NAMES[index].into());
    let question = Question {
        conf: NAMES[0].into(),
        ignore: named(1, 1),
        default: named(2, 2),
        blocked: named(3, 4).into_iter().collect(),
        version: [None, Some(Version::One), Some(Version::Two), None][usize::from(how >> 3) % 4],
        modes: if how & 32 != 0 { vec![Mode::Atcp, Mode::Audp] } else { Vec::new() },
        connect: how & 64 != 0,
        keep_log: how & 128 != 0,
    };
    let mut read = |path: &Path| {
        let at = NAMES.iter().position(|name| path == Path::new(name));
        at.map(|at| files[at].to_vec()).ok_or_else(|| Fault::new("there is no such file", "-"))
    };
    match portsentry(&question, &mut read) {
        Ok(imported) => {
            let mut nothing = |path: &Path| Err(Fault::new(format!("{} is not to be read", path.display()), "-"));
            let toml = imported.toml.as_bytes();
            let loaded = parse(toml, Path::new("/nftrap.toml"), &Services::parse(""), &mut nothing);
            assert!(loaded.is_ok(), "{}\n{}", loaded.unwrap_err(), imported.toml);
            assert!(!commands_a_terminal(&imported.toml), "{:?}", imported.toml);
            for note in imported.notes.listed() {
                assert!(!commands_a_terminal(&note.to_string()), "{note:?}");
            }
        }
        Err(refusal) => assert!(!commands_a_terminal(&refusal.to_string()), "{refusal:?}"),
    }
}

/// Four files; those that are not there are empty.
fn parts(mut rest: &[u8]) -> [&[u8]; 4] {
    let mut found: [&[u8]; 4] = [&[]; 4];
    for part in &mut found {
        let at = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN);
        (*part, rest) = at.map_or((rest, &[][..]), |at| (&rest[..at], &rest[at + BETWEEN.len()..]));
    }
    found
}
