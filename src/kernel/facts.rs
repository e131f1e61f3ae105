//! Looks at this host for `doctor`, and changes nothing that stays.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::Group;
use rustix::fs::{Access, access, statvfs};

use super::instance::Holder;
use super::listeners::listeners;
use super::surroundings::{self, read};
use super::{clock, instance, listing, rehearsal};
use crate::config::Config;
use crate::doctor::facts::{
    Claim, Conntrack, Daemon, Facts, Folder, Listener, Rehearsal, Served, Started, Unit, Units,
};

/// All that can be seen of this host and network namespace.
#[must_use]
pub fn collect(config: &Config) -> Facts {
    let version = listing::version();
    let on_link = surroundings::on_link_networks().unwrap_or_default();
    let rehearsal = match version {
        Some(_) => rehearsal::rehearse(config, &on_link),
        None => Rehearsal::NotTried(String::from("nft is not found")),
    };
    let queues = listeners();
    let served = surroundings::listening().into_iter();
    Facts {
        release: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        uptime: clock::uptime(),
        nft: version,
        status: read("/proc/self/status"),
        rehearsal,
        ruleset: listing::ruleset(),
        daemon: instance::holder_of(&config.table).and_then(|holder| daemon(holder, queues.as_deref())),
        queues,
        conntrack: conntrack(),
        served: served.map(|at| Served { protocol: at.protocol, port: at.port }).collect(),
        ip_vs: read("/proc/self/net/ip_vs"),
        forwards: ["ipv4/ip_forward", "ipv6/conf/all/forwarding"].map(|name| setting(name).map(|value| value != 0)),
        unfiltered_links: unfiltered_links(),
        legacy: legacy_tables(),
        programs: programs(),
        nftables_conf: [read("/etc/nftables.conf"), read("/etc/sysconfig/nftables.conf")].concat(),
        nftables_unit: unit_files("nftables.service")
            .map(|path| read(&path))
            .find(|text| !text.is_empty())
            .unwrap_or_default(),
        units: units(),
        session_peers: surroundings::session_peers(),
        timesync: Path::new("/run/systemd/timesync/synchronized").exists(),
        folder: config.state_folder().map_or(Folder::Absent, |path| folder(&path)),
        group_known: config.control.group.as_deref().and_then(knows_group),
        // The daemon says these, to who asks it.
        queue_numbers: None,
        guests_apart: None,
        untold: Vec::new(),
        journal_problem: None,
    }
}

/// Whether the system has a group of that name, if it tells.
#[must_use]
pub fn knows_group(name: &str) -> Option<bool> {
    Group::from_name(name).ok().map(|group| group.is_some())
}

/// Who only took the name is nobody, if that can be seen.
fn daemon(holder: Holder, queues: Option<&[Listener]>) -> Option<Daemon> {
    let (process, claim) = match holder {
        Holder::Trusted(process) => (process, Claim::Proven),
        Holder::Unseen => (0, Claim::Unproven),
        Holder::Anybody(process) => match queues {
            None => (process, Claim::Unproven),
            Some(queues) if queues.iter().any(|queue| queue.process == Some(process)) => (process, Claim::Proven),
            Some(_) => return None,
        },
    };
    let by_unit = read(&format!("/proc/{process}/cgroup")).lines().any(|line| line.ends_with("/nftrap.service"));
    Some(Daemon { process, claim, started: if by_unit { Started::ByUnit } else { Started::Otherwise } })
}

fn conntrack() -> Conntrack {
    let netfilter = |name: &str| setting(&format!("netfilter/nf_conntrack_{name}"));
    Conntrack {
        count: netfilter("count"),
        max: netfilter("max"),
        loose: netfilter("tcp_loose"),
        defragments: netfilter("frag6_timeout").is_some(),
    }
}

/// A number below `/proc/sys/net`.
fn setting(name: &str) -> Option<u64> {
    read(&format!("/proc/sys/net/{name}")).trim().parse().ok()
}

/// The kernel takes the stricter of a link's own setting and everybody's.
fn unfiltered_links() -> Vec<String> {
    let value = |link: &str| setting(&format!("ipv4/conf/{link}/rp_filter"));
    if value("all") != Some(0) {
        return Vec::new();
    }
    let links = fs::read_dir("/proc/sys/net/ipv4/conf").into_iter().flatten().flatten();
    let links = links.filter_map(|link| link.file_name().into_string().ok());
    let mut off: Vec<_> =
        links.filter(|link| !["all", "default", "lo"].contains(&link.as_str()) && value(link) == Some(0)).collect();
    off.sort_unstable();
    off
}

fn legacy_tables() -> Option<Vec<String>> {
    let mut names = Vec::new();
    for list in ["/proc/self/net/ip_tables_names", "/proc/self/net/ip6_tables_names"] {
        match File::open(list) {
            Ok(_) => names.extend(read(list).lines().map(str::to_owned)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// Of this network namespace, as far as that may be seen: who is in a container does not guard this host.
fn programs() -> Vec<String> {
    let ours = fs::read_link("/proc/self/ns/net").ok();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let elsewhere = fs::read_link(format!("/proc/{process}/ns/net")).is_ok_and(|theirs| Some(theirs) != ours);
        (!elsewhere).then(|| read(&format!("/proc/{process}/comm")).trim_end().to_owned())
    };
    let mut names: Vec<_> = processes.filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Where systemd looks for a unit, in its own order.
fn unit_files(unit: &str) -> impl Iterator<Item = String> {
    let folders = ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
    folders.into_iter().map(move |folder| format!("{folder}/{unit}"))
}

fn units() -> Units {
    let installed = |unit: &str| unit_files(unit).any(|file| Path::new(&file).exists());
    let enabled = |unit: &str| {
        let wants = fs::read_dir("/etc/systemd/system").into_iter().flatten().flatten();
        let wants =
            wants.filter(|entry| entry.path().extension().is_some_and(|end| end == "wants" || end == "requires"));
        // A link to the unit, which need not lead anywhere in a container.
        wants.map(|entry| entry.path().join(unit)).any(|link| link.symlink_metadata().is_ok())
    };
    let unit = |name: &str| match (enabled(name), installed(name)) {
        (true, _) => Unit::Enabled,
        (false, true) => Unit::Installed,
        (false, false) => Unit::Absent,
    };
    Units {
        systemd: Path::new("/run/systemd/system").exists(),
        nftrap: unit("nftrap.service"),
        nftables: unit("nftables.service"),
    }
}

fn folder(path: &Path) -> Folder {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Folder::Absent,
        Err(_) => return Folder::NotSeen,
    };
    let Ok(disk) = statvfs(path) else { return Folder::NotSeen };
    Folder::Present {
        mode: found.mode(),
        writable: access(path, Access::WRITE_OK).is_ok(),
        free: disk.f_bavail.saturating_mul(disk.f_frsize) >> 20,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_claims_a_table_is_believed_only_if_it_can_be_proven() {
        let listener = |process| Listener { number: 3100, owner: String::new(), process, waiting: 0, lost: 0 };
        let (ours, theirs) = ([listener(Some(7))], [listener(Some(8)), listener(None)]);
        let claim = |holder, queues| daemon(holder, queues).map(|daemon| daemon.claim);
        assert_eq!(claim(Holder::Trusted(7), None), Some(Claim::Proven));
        assert_eq!(claim(Holder::Anybody(7), Some(&ours)), Some(Claim::Proven));
        assert_eq!(claim(Holder::Anybody(7), Some(&theirs)), None);
        assert_eq!(claim(Holder::Anybody(7), None), Some(Claim::Unproven));
    }
}
