//! Who is at the other end of a Unix socket, and whether it could change the ruleset itself: only then may it have us do so.
//!
//! A user's number alone does not tell: root in a container that shares our network namespace has it, too, and none of root's rights.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::User;
use rustix::process::geteuid;

/// The user that a packaged daemon runs as.
const OUR_USER: &str = "nftrap";
/// `CAP_NET_ADMIN` (`linux/capability.h`).
const NET_ADMIN: u32 = 12;

/// A process at the other end of a socket, when it connected or listened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Its user.
    pub uid: u32,
    /// Its process; 0, if that is in a process namespace that we do not see.
    pub pid: i32,
}

/// Who is there.
pub fn credentials(socket: &impl AsFd) -> io::Result<Credentials> {
    let peer = getsockopt(socket, PeerCredentials)?;
    Ok(Credentials { uid: peer.uid(), pid: peer.pid() })
}

/// Whether `peer` is to be trusted with the ruleset: its user is root, ours, or the one that a packaged daemon runs as; and it has
/// the right to change the ruleset by itself. Who has not that right either cannot tell.
#[must_use]
pub fn is_trusted(peer: Credentials) -> bool {
    let theirs = || match (net_admin(peer.pid), net_admin(1)) {
        (Some(right), _) => right,
        // It has gone.
        (None, Some(_)) => false,
        // The processes of others are hidden from us: then the user has to do.
        (None, None) => peer.pid != 0,
    };
    is_our_user(peer.uid) && (!we_have_it() || theirs())
}

/// Whether it is root, our own user, or the one that a packaged daemon runs as.
#[must_use]
pub fn is_our_user(uid: u32) -> bool {
    static PACKAGED: OnceLock<Option<u32>> = OnceLock::new();
    let packaged = || *PACKAGED.get_or_init(|| User::from_name(OUR_USER).ok().flatten().map(|user| user.uid.as_raw()));
    uid == 0 || uid == geteuid().as_raw() || packaged() == Some(uid)
}

fn we_have_it() -> bool {
    capabilities("/proc/self/status").is_some_and(has_net_admin)
}

/// Whether a process has the right; nothing, if that cannot be seen.
fn net_admin(pid: i32) -> Option<bool> {
    (pid > 0).then(|| capabilities(&format!("/proc/{pid}/status")))?.map(has_net_admin)
}

#[expect(clippy::disallowed_methods, reason = "the kernel tells of processes in files")]
fn capabilities(file: &str) -> Option<u64> {
    parse(&fs::read_to_string(file).ok()?)
}

fn parse(status: &str) -> Option<u64> {
    let digits = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(digits.trim(), 16).ok()
}

const fn has_net_admin(capabilities: u64) -> bool {
    capabilities >> NET_ADMIN & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_is_read_from_the_kernels_text() {
        let status =
            |digits| format!("Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t{digits}\nCapBnd:\t000001ffffffffff\n");
        assert_eq!(parse(&status("0000000000001000")).map(has_net_admin), Some(true));
        assert_eq!(parse(&status("00000000a80405fb")).map(has_net_admin), Some(false), "a container's root");
        assert_eq!(parse(&status("000001ffffffffff")).map(has_net_admin), Some(true));
        assert_eq!(parse("Name:\tx\n"), None);
    }

    #[test]
    fn we_trust_ourselves_and_no_other_user_and_nobody_who_has_gone() {
        let (uid, pid) = (geteuid().as_raw(), i32::try_from(std::process::id()).unwrap());
        assert!(is_trusted(Credentials { uid, pid }));
        assert!(!is_trusted(Credentials { uid: 3_999_999_999, pid }));
        if we_have_it() {
            assert!(!is_trusted(Credentials { uid, pid: i32::MAX }), "there is no such process");
            assert!(!is_trusted(Credentials { uid, pid: 0 }), "one that we do not see");
        }
    }
}
