//! The places that a config names, and what is done there: for the user who is to do it, and for the kernel, which then allows no others.

use std::path::{Path, PathBuf};

use crate::act::Owed;
use crate::config::{Config, JournalFile, MetricsAddress};
use crate::journal::folder;
use crate::kernel::cage::Places;
use crate::kernel::rights::Use;

/// What we and nft read of the system: programs, libraries, names, the kernel's own files, and what stands in for `/etc/resolv.conf`.
/// Folders that a system has not got are left out.
const SYSTEM: [&str; 13] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc",
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/nix/store",
    "/var/lib/sss",
];
/// What children are given to read.
const NOTHING: &str = "/dev/null";
/// Below, a port wants a right that is given up (`net.ipv4.ip_unprivileged_port_start`).
const FIRST_FREE_PORT: u16 = 1024;

/// A file that the config names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    path: PathBuf,
    way: Way,
    /// Whether it is in our own state folder, which we may give to whom we become.
    pub(super) is_ours_to_give: bool,
}

/// How a file is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Read, now and at each reload.
    Read,
    /// Made, written to and replaced.
    Kept,
    /// Made in its folder, whatever is there.
    Made,
    /// Read, and replaced by another.
    Replaced,
}

impl Wanted {
    /// What has to be possible where. A folder that is not there yet is to be made in the next above it.
    pub(super) fn uses(&self) -> Vec<(PathBuf, Use)> {
        let file = |used| self.path.exists().then(|| (self.path.clone(), used));
        let folder = || (existing(folder(&self.path)).to_owned(), Use::Fill);
        match self.way {
            Way::Read => vec![(self.path.clone(), Use::Read)],
            Way::Kept => [folder()].into_iter().chain(file(Use::Write)).collect(),
            Way::Made => vec![folder()],
            Way::Replaced => [folder()].into_iter().chain(file(Use::Read)).collect(),
        }
    }
}

/// The files that `config`, read from `path`, names, and those that an earlier daemon wrote to.
pub(super) fn wanted(config: &Config, path: Option<&Path>, owed: &Owed) -> Vec<Wanted> {
    let report = &config.report;
    let is_ours_to_give = config.journal.file == JournalFile::InStateFolder;
    let named = |way| move |path: PathBuf| Wanted { path, way, is_ours_to_give: false };
    let read = path.map(Path::to_owned).into_iter().chain(config.allow_sources.files.iter().cloned());
    let lines = [&report.events, &report.history, &report.blocked].into_iter().flatten().cloned();
    let socket = match &report.metrics {
        Some(MetricsAddress::Unix(path)) => Some(path.clone()),
        Some(MetricsAddress::Tcp(_)) | None => None,
    };
    let mut deny = owed.files();
    deny.extend(denied(config).map(|wanted| wanted.path));
    let state = [config.journal_file(), config.allow_file(), config.acted_file(), config.served_file()];
    let state = state.into_iter().flatten().map(|path| Wanted { path, way: Way::Kept, is_ours_to_give });
    read.map(named(Way::Read))
        .chain(lines.map(named(Way::Kept)))
        .chain(socket.map(named(Way::Made)))
        .chain(deny.into_iter().map(named(Way::Replaced)))
        .chain(state)
        .collect()
}

/// The file for TCP wrappers that `config` names, if it wants lines there.
pub(super) fn denied(config: &Config) -> Option<Wanted> {
    let path = config.hosts_deny.line.is_some().then(|| config.hosts_deny.file.clone())?;
    Some(Wanted { path, way: Way::Replaced, is_ours_to_give: false })
}

/// A port for metrics that only root may have.
pub(super) fn low_port(config: &Config) -> Option<String> {
    match config.report.metrics {
        Some(MetricsAddress::Tcp(address)) if address.port() < FIRST_FREE_PORT => {
            Some(format!("serve metrics at {address}, a port below {FIRST_FREE_PORT}"))
        }
        Some(MetricsAddress::Tcp(_) | MetricsAddress::Unix(_)) | None => None,
    }
}

/// Where we are held to. Folders, not files: what is renamed, rotated or edited is another file afterwards.
pub(super) fn places(wanted: Vec<Wanted>, programs: Vec<PathBuf>) -> Places {
    let system = SYSTEM.into_iter().map(PathBuf::from);
    let mut places = Places { read: system.chain(programs).collect(), write: vec![PathBuf::from(NOTHING)] };
    for Wanted { path, way, .. } in wanted {
        // A name may lead elsewhere, as an edited one of /etc/alternatives does.
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        let folders = [&path, &real].map(|path| existing(folder(path)).to_owned());
        match way {
            Way::Read => places.read.extend(folders),
            Way::Kept | Way::Made | Way::Replaced => places.write.extend(folders),
        }
    }
    for list in [&mut places.read, &mut places.write] {
        list.sort_unstable();
        list.dedup();
    }
    places
}

/// The folder, or the next above it that is there.
fn existing(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or_else(|| Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Journal, Report};

    #[test]
    fn what_is_named_is_wanted_and_the_folders_around_it_are_allowed() {
        let folder = std::env::temp_dir().canonicalize().unwrap();
        let report = Report { events: Some(folder.join("none/events.json")), ..Report::default() };
        let journal = Journal { file: JournalFile::At(folder.join("j.db")), ..Config::default().journal };
        let config = Config { journal, report, ..Config::default() };
        let wanted = wanted(&config, Some(Path::new("/etc/passwd")), &Owed::default());
        assert!(wanted.iter().all(|wanted| !wanted.is_ours_to_give));
        assert_eq!(wanted[0].uses(), [(PathBuf::from("/etc/passwd"), Use::Read)]);
        assert_eq!(wanted[1].uses(), [(folder.clone(), Use::Fill)]);
        let places = places(wanted, vec![PathBuf::from("/opt/bin")]);
        assert_eq!(places.write, [PathBuf::from("/dev/null"), folder]);
        for read in ["/etc", "/opt/bin", "/proc"] {
            assert!(places.read.contains(&PathBuf::from(read)), "{read}");
        }
    }

    #[test]
    fn a_file_that_an_earlier_daemon_wrote_lines_into_is_replaced_whatever_the_config_names() {
        let folder = std::env::temp_dir().canonicalize().unwrap().join(format!("nftrap-owed-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o750)).unwrap();
        let (ledger, deny) = (folder.join("t.acted"), folder.join("hosts.deny"));
        let row = |owed| {
            let line = format!(r#"{{"file":"{}","text":"ALL: 192.0.2.1"}}"#, deny.display());
            format!(r#"{{"source":"192.0.2.1","mode":"tcp","owed":{owed},"lines":[{line}]}}"#)
        };
        std::fs::write(&ledger, format!("{}\n{}\n", row(false), row(false))).unwrap();
        std::fs::set_permissions(&ledger, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        let owed = Owed::of(Some(&ledger));
        assert!(!owed.wants_command() && !owed.is_empty());
        let journal = Journal { file: JournalFile::Nowhere, ..Config::default().journal };
        let wanted = wanted(&Config { journal, ..Config::default() }, None, &owed);
        std::fs::write(&deny, "").unwrap();
        assert_eq!(wanted.len(), 1);
        assert_eq!(wanted[0].uses(), [(folder.clone(), Use::Fill), (deny.clone(), Use::Read)]);
        assert!(places(wanted, Vec::new()).write.contains(&folder));
        std::fs::write(&ledger, row(true)).unwrap();
        assert!(Owed::of(Some(&ledger)).wants_command());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn nobodys_hosts_deny_is_touched_and_the_state_folder_is_ours_to_give() {
        let wanted = wanted(&Config::default(), None, &Owed::default());
        assert!(wanted.iter().all(|wanted| wanted.is_ours_to_give && wanted.path.starts_with("/var/lib/nftrap")));
    }
}
