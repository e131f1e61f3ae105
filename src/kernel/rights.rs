//! Root's rights given up for good: another user, `CAP_NET_ADMIN` alone, and no way back. The kernel keeps rights by thread: all of this is
//! done before there is a second one, and who starts later has no more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use nix::unistd::{Gid, Uid, User, getgrouplist, setgroups, setresgid, setresuid};
use rustix::fs::{Access, access};
use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

/// All that we need, and nft as well, which we run.
const NEEDED: CapabilitySet = CapabilitySet::NET_ADMIN;

/// A user of this system, with its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

/// What a user may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// To read a file.
    Read,
    /// To write to a file.
    Write,
    /// To make, replace and remove files in a folder.
    Fill,
}

/// Why rights cannot be given up.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}; start nftrap with CAP_SETUID, CAP_SETGID and CAP_SETPCAP, or as that user with CAP_NET_ADMIN")]
pub struct RightsError {
    step: &'static str,
    source: io::Error,
}

/// Whether we are root, and have rights to give up.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The user of that name, if there is one.
#[must_use]
pub fn account(name: &str) -> Option<Account> {
    let user = User::from_name(name).ok().flatten()?;
    let name_for_groups = std::ffi::CString::new(name).ok()?;
    let groups = getgrouplist(&name_for_groups, user.gid).unwrap_or_else(|_| vec![user.gid]);
    Some(Account { name: user.name, uid: user.uid, gid: user.gid, groups })
}

impl Account {
    /// Its number, and that of its group.
    #[must_use]
    pub fn numbers(&self) -> (u32, u32) {
        (self.uid.as_raw(), self.gid.as_raw())
    }

    /// Whether it is who we are.
    #[must_use]
    pub fn is_us(&self) -> bool {
        geteuid().as_raw() == self.uid.as_raw()
    }

    /// Which of these it may not use so; found out by a thread that becomes this user, and ends.
    pub fn cannot(&self, wanted: &[(PathBuf, Use)]) -> Result<Vec<(PathBuf, Use)>, RightsError> {
        let look = || {
            self.become_in_this_thread().map_err(|source| RightsError { step: "become another user", source })?;
            Ok(we_cannot(wanted))
        };
        let gone = || Err(RightsError { step: "try another user's rights", source: io::ErrorKind::Other.into() });
        thread::scope(|scope| scope.spawn(look).join().unwrap_or_else(|_| gone()))
    }

    /// For one thread, and not for the others, as the kernel does it and the C library does not.
    fn become_in_this_thread(&self) -> io::Result<()> {
        let group = |gid: &Gid| rustix::process::Gid::from_raw(gid.as_raw());
        let (uid, gid) = (rustix::process::Uid::from_raw(self.uid.as_raw()), group(&self.gid));
        set_thread_groups(&self.groups.iter().map(group).collect::<Vec<_>>())?;
        set_thread_res_gid(gid, gid, gid)?;
        Ok(set_thread_res_uid(uid, uid, uid)?)
    }

    /// Becomes this user, with `CAP_NET_ADMIN` alone: nobody of us, and no program that we run, has root's rights again.
    pub fn become_for_good(&self) -> Result<(), RightsError> {
        let at = |step| move |source: io::Error| RightsError { step, source };
        for right in CapabilitySet::all().difference(NEEDED).iter() {
            // Older kernels do not know the newest ones; and what stays in there helps nobody who may never get new rights.
            let (Ok(()) | Err(_)) = remove_capability_from_bounding_set(right);
        }
        set_keep_capabilities(true).map_err(|e| at("keep CAP_NET_ADMIN")(e.into()))?;
        setgroups(&self.groups).map_err(|e| at("leave root's groups")(e.into()))?;
        setresgid(self.gid, self.gid, self.gid).map_err(|e| at("become another group")(e.into()))?;
        setresuid(self.uid, self.uid, self.uid).map_err(|e| at("become another user")(e.into()))?;
        let sets = CapabilitySets { effective: NEEDED, permitted: NEEDED, inheritable: NEEDED };
        set_capabilities(None, sets).map_err(|e| at("keep CAP_NET_ADMIN alone")(e.into()))?;
        // nft gets it by this.
        configure_capability_in_ambient_set(NEEDED, true).map_err(|e| at("hand CAP_NET_ADMIN to nft")(e.into()))?;
        set_keep_capabilities(false).map_err(|e| at("end the keeping of rights")(e.into()))?;
        set_no_new_privs(true).map_err(|e| at("refuse new rights")(e.into()))
    }
}

/// Leaves this thread `CAP_NET_ADMIN` at most, and no program it starts any right. Best effort: as a service we may not even ask, and have no more.
pub(super) fn keep_needed_in_this_thread() {
    let Ok(ours) = capabilities(None) else { return };
    let kept = ours.permitted & NEEDED;
    let wanted = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    if ours != wanted {
        let (Ok(()) | Err(_)) = set_capabilities(None, wanted);
    }
}

/// How many of our threads have more filters of system calls than the main one: a list of their own.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the kernel tells of threads in files")]
pub fn threads_on_lists() -> usize {
    let filters = |status: &str| {
        let count = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
        count.and_then(|count| count.trim().parse::<u32>().ok())
    };
    let of = |path: &Path| fs::read_to_string(path).ok().as_deref().and_then(filters).unwrap_or(0);
    let main = of(Path::new("/proc/self/status"));
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    threads.filter(|thread| of(&thread.path().join("status")) > main).count()
}

/// Which of these we may not use so ourselves.
#[must_use]
pub fn we_cannot(wanted: &[(PathBuf, Use)]) -> Vec<(PathBuf, Use)> {
    wanted.iter().filter(|(path, wanted)| !may(path, *wanted)).cloned().collect()
}

/// By the real user, as the kernel asks here: this thread's all are the same.
fn may(path: &Path, wanted: Use) -> bool {
    let access_of = match wanted {
        Use::Read => Access::READ_OK,
        Use::Write => Access::READ_OK | Access::WRITE_OK,
        Use::Fill => Access::WRITE_OK | Access::EXEC_OK,
    };
    access(path, access_of).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_another_user_may_not_do_is_found_out_without_becoming_it() {
        let Some(nobody) = account("nobody").filter(|_| is_root()) else { return };
        let secret = std::env::temp_dir().join(format!("nftrap-secret-{}", std::process::id()));
        fs::write(&secret, "").unwrap();
        fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
        let open = PathBuf::from("/etc/passwd");
        let asked = [(secret.clone(), Use::Read), (open.clone(), Use::Read), (open.clone(), Use::Write)];
        assert_eq!(nobody.cannot(&asked).unwrap(), [(secret.clone(), Use::Read), (open, Use::Write)]);
        assert!(is_root() && fs::read(&secret).is_ok(), "this thread is who it was");
        fs::remove_file(&secret).unwrap();
    }

    #[test]
    fn nobody_has_a_name_that_nobody_gave() {
        assert_eq!(account("no such user"), None);
    }
}
