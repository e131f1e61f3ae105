//! Who listens to which netlink queue, by name. The kernel's list has a netlink port only: of a program's first socket that is its
//! process id, of further ones any number; those are found among the open files of all processes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use super::queue::{self, QueueState};
use super::surroundings::read;
use crate::doctor::facts::Listener;

/// Nothing, where the kernel's list may not be read; nobody, where the kernel has none.
pub(super) fn listeners() -> Option<Vec<Listener>> {
    match File::open("/proc/self/net/netfilter/nfnetlink_queue") {
        Err(error) if error.kind() != ErrorKind::NotFound => return None,
        Ok(_) | Err(_) => {}
    }
    let states = queue::states();
    let ports: Vec<_> = states.iter().map(|state| state.port).filter(|port| process_of(*port).is_none()).collect();
    let others =
        if ports.is_empty() { HashMap::new() } else { owners(&inodes(&read("/proc/self/net/netlink"), &ports)) };
    Some(states.into_iter().map(|state| listener(state, &others)).collect())
}

fn listener(state: QueueState, others: &HashMap<u32, i32>) -> Listener {
    let process = process_of(state.port).or_else(|| others.get(&state.port).copied());
    let owner = process.map_or_else(
        || format!("another program (netlink port {})", state.port),
        |process| format!("process {process} ({})", read(&format!("/proc/{process}/comm")).trim_end()),
    );
    let lost = state.overrun.saturating_add(state.unsent);
    Listener { number: state.number, owner, process, waiting: state.waiting, lost }
}

fn process_of(port: u32) -> Option<i32> {
    i32::try_from(port).ok().filter(|process| Path::new(&format!("/proc/{process}")).exists())
}

/// The sockets that have these ports, by what a process's list of open files calls them. `/proc/net/netlink`: address, protocol,
/// port, six more, and the inode.
fn inodes(table: &str, ports: &[u32]) -> HashMap<String, u32> {
    const NETFILTER: &str = "12";
    let socket = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [_, NETFILTER, port, _, _, _, _, _, _, inode, ..] = columns[..] else { return None };
        let port = port.parse().ok().filter(|port| ports.contains(port))?;
        Some((format!("socket:[{inode}]"), port))
    };
    table.lines().filter_map(socket).collect()
}

/// Which process has which of these sockets open, as far as we may see.
fn owners(inodes: &HashMap<String, u32>) -> HashMap<u32, i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found = HashMap::new();
    for process in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        let links = files.filter_map(|file| fs::read_link(file.path()).ok());
        let ports = links.filter_map(|link| inodes.get(link.to_str()?).copied());
        found.extend(ports.map(|port| (port, process)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_its_protocol_and_port() {
        let table = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n\
            0000000000000000 12  4271363837 00000000 0        0        0     2        0        40522   \n\
            0000000000000000 0   4271363837 00000000 0        0        0     2        0        40523   \n\
            0000000000000000 12  7          00000000 0        0        0     2        0        40524   \n";
        let found = inodes(table, &[4_271_363_837]);
        assert_eq!(found, HashMap::from([(String::from("socket:[40522]"), 4_271_363_837)]));
        assert!(inodes("12\n\nx y z", &[12]).is_empty());
    }
}
