//! Who is at the other end of the control socket, as the kernel says, and what it may.

use std::ffi::CString;
use std::io;
use std::os::unix::net::UnixStream;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use super::server::Refusal;
use crate::kernel::trust::{Credentials, credentials, is_our_user, is_trusted};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its process.
    pub pid: i32,
    /// Its user's name.
    pub name: Option<String>,
}

/// What somebody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Ask and change.
    All,
    /// Ask.
    Ask,
    /// Nothing.
    None,
}

impl Peer {
    /// Who is at the other end of `stream`.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let Credentials { uid, pid } = credentials(stream)?;
        Ok(Self { uid, pid, name: user(uid).map(|user| user.name) })
    }

    /// Why it may nothing, and what to do about it.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let name = self.name.as_deref().unwrap_or("this user");
        if is_our_user(self.uid) {
            let remedy = "ask from where nftrap runs, with CAP_NET_ADMIN: a container's root has not got it";
            return Refusal::new(
                format!("{name} may not ask nftrap anything without the right to change the ruleset"),
                remedy,
            );
        }
        let remedy =
            "ask as root or through sudo, or have the group that may ask named in section [control] of the config";
        Refusal::new(format!("{name} may not ask nftrap anything"), remedy)
    }

    /// What it may, where members of `group` may ask.
    #[must_use]
    pub fn rights(&self, group: Option<&str>) -> Rights {
        if is_trusted(Credentials { uid: self.uid, pid: self.pid }) {
            return Rights::All;
        }
        match group {
            Some(group) if self.is_in(group) => Rights::Ask,
            Some(_) | None => Rights::None,
        }
    }

    fn is_in(&self, group: &str) -> bool {
        let Ok(Some(group)) = Group::from_name(group) else { return false };
        groups_of(self.uid).contains(&group.gid)
    }
}

fn user(uid: u32) -> Option<User> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten()
}

/// As the system's database has it: a process cannot claim a group that its user is not in.
fn groups_of(uid: u32) -> Vec<Gid> {
    let Some(user) = user(uid) else { return Vec::new() };
    let Ok(name) = CString::new(user.name) else { return Vec::new() };
    getgrouplist(&name, user.gid).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rustix::process::getuid;

    use super::*;

    fn peer(uid: u32) -> Peer {
        Peer { uid, pid: i32::try_from(std::process::id()).unwrap(), name: None }
    }

    #[test]
    fn root_and_we_may_all_a_group_may_ask_and_others_nothing() {
        assert_eq!(peer(0).rights(None), Rights::All);
        assert_eq!(peer(getuid().as_raw()).rights(None), Rights::All);
        let nobody = User::from_name("nobody").unwrap().unwrap();
        let its_group = Group::from_gid(nobody.gid).unwrap().unwrap().name;
        assert_eq!(peer(nobody.uid.as_raw()).rights(None), Rights::None);
        assert_eq!(peer(nobody.uid.as_raw()).rights(Some(&its_group)), Rights::Ask);
        assert_eq!(peer(nobody.uid.as_raw()).rights(Some("root")), Rights::None);
        assert_eq!(peer(nobody.uid.as_raw()).rights(Some("no such group")), Rights::None);
        assert_eq!(peer(3_999_999_999).rights(Some(&its_group)), Rights::None, "a user whom nobody knows");
    }

    #[test]
    fn the_kernel_says_who_is_there() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&one).unwrap();
        assert_eq!((peer.uid, peer.pid), (getuid().as_raw(), i32::try_from(std::process::id()).unwrap()));
    }
}
