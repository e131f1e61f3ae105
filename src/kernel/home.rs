//! Which host this is, as the journal has it: a boot of a machine, and a network namespace of that boot. Blocks of another namespace are
//! another host's, a laboratory's for example.

#![expect(unsafe_code, reason = "no safe crate knows this socket option")]

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;

/// `asm-generic/socket.h`; since Linux 5.14.
const SO_NETNS_COOKIE: libc::c_int = 71;

/// Both, as `BOOT_ID/NETNS`. What this system does not tell is left empty: then every boot, or every namespace, is the same to us.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the kernel tells its boot's name in a file")]
pub fn read() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{}/{}", boot.trim(), namespace().unwrap_or_default())
}

/// A number that no other network namespace of this boot ever has; before Linux 5.14 one that none has while this one is there.
fn namespace() -> io::Result<String> {
    let socket = UnixDatagram::unbound()?;
    match cookie(socket.as_fd()) {
        Ok(cookie) => Ok(cookie.to_string()),
        Err(_) => Ok(format!("inode-{}", fs::metadata("/proc/thread-self/ns/net")?.ino())),
    }
}

fn cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` octets to `cookie`, and the length itself; both live on in this function.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if status == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_the_same_whenever_it_is_read_and_names_boot_and_namespace() {
        let home = read();
        assert_eq!(home, read());
        let (boot, namespace) = home.split_once('/').unwrap();
        assert_eq!(boot.len(), 36, "{boot}");
        assert!(!namespace.is_empty());
    }
}
