//! Whom operators allowed while the daemon runs, beside the config's list: until it ends, or for good, in a file of lines that the config
//! could read as well. **Bounded.**

use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::control::server::Refusal;
use crate::detect::prefixes::Prefixes;
use crate::event::plain;
use crate::journal::give_to_owner_of_folder;

/// More belong into the config.
const MAX_ENTRIES: usize = 4096;
/// Lines of reasons and all; what is longer we did not write.
const MAX_FILE: u64 = 4 << 20;

/// One whom an operator allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) prefix: IpNet,
    pub(super) reason: String,
    /// Whether it is in the file, too.
    pub(super) saved: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    entries: Vec<Entry>,
    file: Option<PathBuf>,
}

impl Allowed {
    /// What `file` has; nothing, if it is not there. What it has that cannot be read is an error: somebody may be blocked who must not be.
    pub(super) fn load(file: Option<PathBuf>) -> io::Result<Self> {
        let text = file.as_deref().map_or_else(|| Ok(String::new()), read)?;
        let entries: Result<Vec<_>, _> =
            text.lines().zip(1..).filter_map(|(line, number)| entry(line, number)).collect();
        Ok(Self { entries: entries?, file })
    }

    /// All of them.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Together with the config's list.
    pub(super) fn with(&self, config: &Prefixes) -> Prefixes {
        let ours = self.entries.iter().map(|entry| entry.prefix);
        Prefixes::new(&config.nets().chain(ours).collect::<Vec<_>>())
    }

    /// Adds one, or puts it in place of the same one, and says what is there now: who was saved stays so until removed.
    pub(super) fn add(&mut self, mut entry: Entry) -> Result<Entry, Refusal> {
        entry.saved |= self.entries.iter().any(|known| known.prefix == entry.prefix && known.saved);
        let mut entries: Vec<_> = self.entries.iter().filter(|known| known.prefix != entry.prefix).cloned().collect();
        if entries.len() >= MAX_ENTRIES {
            return Err(Refusal::new(
                format!("operators allowed {MAX_ENTRIES} already"),
                "put long lists into the config",
            ));
        }
        entries.push(entry.clone());
        self.replace(entries).map(|()| entry)
    }

    /// Takes one back.
    pub(super) fn remove(&mut self, prefix: IpNet) -> Result<Entry, Refusal> {
        let (mut gone, kept): (Vec<_>, Vec<_>) = self.entries.iter().cloned().partition(|known| known.prefix == prefix);
        let entry = gone.pop().ok_or_else(|| {
            Refusal::new(
                format!("no operator allowed {}", plain(&prefix)),
                "`nftrap allow list` shows who is allowed and by what; the config's list is changed in its file",
            )
        })?;
        self.replace(kept)?;
        Ok(entry)
    }

    /// Puts these in place of all. First the file: what is said to last must be there.
    pub(super) fn replace(&mut self, entries: Vec<Entry>) -> Result<(), Refusal> {
        let saved = |entries: &[Entry]| entries.iter().filter(|entry| entry.saved).cloned().collect::<Vec<_>>();
        let (before, after) = (saved(&self.entries), saved(&entries));
        if before != after {
            let file = self.file.as_deref().ok_or_else(|| {
                Refusal::new(
                    "there is no folder to keep it in",
                    "set [journal] file in the config, or put it into [allow] there",
                )
            })?;
            write(file, &after).map_err(|error| {
                Refusal::new(
                    format!("cannot write {}: {error}", file.display()),
                    "nothing was changed; check the folder",
                )
            })?;
        }
        self.entries = entries;
        Ok(())
    }
}

fn entry(line: &str, number: usize) -> Option<io::Result<Entry>> {
    let (prefix, reason) = line.split_once('#').unwrap_or((line, ""));
    let prefix = prefix.trim();
    if prefix.is_empty() {
        return None;
    }
    let read = prefix.parse::<IpNet>().or_else(|_| prefix.parse::<IpAddr>().map(IpNet::from));
    let wrong =
        |_| io::Error::new(io::ErrorKind::InvalidData, format!("line {number} is neither an address nor a prefix"));
    Some(read.map_err(wrong).map(|prefix| Entry {
        prefix: prefix.trunc(),
        reason: reason.trim().to_owned(),
        saved: true,
    }))
}

fn read(file: &Path) -> io::Result<String> {
    match fs::metadata(file) {
        Ok(found) if found.len() <= MAX_FILE => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large to be ours")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    }
    read_text(file)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads this file")]
fn read_text(file: &Path) -> io::Result<String> {
    fs::read_to_string(file)
}

/// Another file in its place, whole or not at all; never through a link that somebody put there.
fn write(file: &Path, entries: &[Entry]) -> io::Result<()> {
    let fresh = file.with_extension("allow.new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(&fresh)?;
    give_to_owner_of_folder(&out, &fresh)?;
    writeln!(out, "# Whom operators allowed for good: `nftrap allow add --save` and `allow remove` write this file.")?;
    for Entry { prefix, reason, .. } in entries {
        writeln!(out, "{}  # {reason}", plain(prefix))?;
    }
    out.sync_all()?;
    fs::rename(&fresh, file)?;
    // The new name is to be on the disk as well; where a folder cannot be synced, it soon is by itself.
    let (Ok(()) | Err(_)) =
        file.parent().map_or(Ok(()), |folder| fs::File::open(folder).and_then(|folder| folder.sync_all()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("nftrap-allowed-{name}-{}", std::process::id()));
        let (Ok(()) | Err(_)) = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        folder
    }

    fn allowed(prefix: &str, saved: bool) -> Entry {
        Entry { prefix: prefix.parse().unwrap(), reason: "ours".into(), saved }
    }

    #[test]
    fn what_is_saved_is_there_after_a_restart_and_the_rest_is_not() {
        let file = folder("saved").join("nftrap.allow");
        let mut list = Allowed::load(Some(file.clone())).unwrap();
        list.add(allowed("192.0.2.0/24", true)).unwrap();
        list.add(allowed("2001:db8::1/128", true)).unwrap();
        list.add(allowed("198.51.100.7/32", false)).unwrap();
        let again = Allowed::load(Some(file.clone())).unwrap();
        assert_eq!(again.entries(), [allowed("192.0.2.0/24", true), allowed("2001:db8::1/128", true)]);
        list.remove("192.0.2.0/24".parse().unwrap()).unwrap();
        assert!(list.remove("192.0.2.0/24".parse().unwrap()).unwrap_err().problem.contains("no operator allowed"));
        assert_eq!(Allowed::load(Some(file)).unwrap().entries(), [allowed("2001:db8::1/128", true)]);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_and_nothing_changes() {
        let mut list = Allowed::load(None).unwrap();
        assert!(list.add(allowed("192.0.2.1/32", true)).is_err());
        assert_eq!(list.entries(), []);
        list.add(allowed("192.0.2.1/32", false)).unwrap();
        let mut list = Allowed::load(Some("/proc/nothing/nftrap.allow".into())).unwrap();
        assert!(list.add(allowed("192.0.2.1/32", true)).unwrap_err().problem.contains("cannot write"));
        assert_eq!(list.entries(), []);
    }

    #[test]
    fn who_is_saved_stays_so_until_removed() {
        let file = folder("stays").join("nftrap.allow");
        let mut list = Allowed::load(Some(file.clone())).unwrap();
        list.add(allowed("192.0.2.1/32", true)).unwrap();
        assert!(list.add(allowed("192.0.2.1/32", false)).unwrap().saved);
        assert_eq!(Allowed::load(Some(file)).unwrap().entries().len(), 1);
    }

    #[test]
    fn what_root_saves_in_the_services_folder_is_the_services() {
        let folder = folder("owner");
        // Only root can give a folder away.
        if std::os::unix::fs::chown(&folder, Some(65_534), Some(65_534)).is_err() {
            return;
        }
        let file = folder.join("nftrap.allow");
        Allowed::load(Some(file.clone())).unwrap().add(allowed("192.0.2.1/32", true)).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&fs::metadata(file).unwrap()), 65_534);
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let folder = folder("link");
        let (file, other) = (folder.join("nftrap.allow"), folder.join("other"));
        fs::write(&other, "mine").unwrap();
        for name in ["nftrap.allow", "nftrap.allow.new"] {
            std::os::unix::fs::symlink(&other, folder.join(name)).unwrap();
        }
        let mut list = Allowed { entries: Vec::new(), file: Some(file.clone()) };
        list.add(allowed("192.0.2.1/32", true)).unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"mine");
        assert!(fs::symlink_metadata(file).unwrap().is_file());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_with_its_line() {
        let file = folder("nonsense").join("nftrap.allow");
        fs::write(&file, "# all well\n192.0.2.1 # one\nnonsense\n").unwrap();
        assert!(Allowed::load(Some(file)).unwrap_err().to_string().contains("line 3"));
    }

    #[test]
    fn the_configs_list_and_the_operators_are_one() {
        let mut list = Allowed::default();
        list.add(allowed("192.0.2.0/24", false)).unwrap();
        let both = list.with(&Prefixes::new(&["2001:db8::/32".parse().unwrap()]));
        assert!(both.contains("192.0.2.9".parse().unwrap()) && both.contains("2001:db8::9".parse().unwrap()));
    }
}
