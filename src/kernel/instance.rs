//! One daemon a table and network namespace: two would take each other's rules away. Held by an abstract Unix socket, which
//! belongs to the namespace, needs no file, and goes with the process however that ends.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::getuid;

/// Our claim to a table; given up when dropped.
pub struct Instance(Option<UnixListener>);

/// Why the table cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// It runs already.
    #[error("nftrap guards table inet {table} in this namespace already (process {process})")]
    Running {
        /// The table.
        table: String,
        /// Whose it is.
        process: i32,
    },
    /// No socket.
    #[error("cannot claim the table")]
    Claim(#[source] io::Error),
}

impl Instance {
    /// Claims `table`. A name that somebody else of lower rank took to keep us from starting is no claim.
    pub fn claim(table: &str) -> Result<Self, InstanceError> {
        let address = SocketAddr::from_abstract_name(name(table)).map_err(InstanceError::Claim)?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => {
                listener.set_nonblocking(true).map_err(InstanceError::Claim)?;
                Ok(Self(Some(listener)))
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => match holder_of(table) {
                Some(Holder::Trusted(process)) => Err(InstanceError::Running { table: table.to_owned(), process }),
                Some(Holder::Anybody(_)) | None => Ok(Self(None)),
            },
            Err(error) => Err(InstanceError::Claim(error)),
        }
    }

    /// Lets those go who asked whether the table is claimed: they know by now.
    pub fn dismiss_callers(&self) {
        while self.0.as_ref().is_some_and(|listener| listener.accept().is_ok()) {}
    }
}

/// Who has claimed a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A process of root's, or of our own user's.
    Trusted(i32),
    /// A process of somebody else's: nftrap under a user of its own, or who took the name to keep us from starting.
    Anybody(i32),
}

/// Who has claimed `table` in this namespace. Does not wait: who took the name to keep us from starting would not answer.
#[must_use]
pub fn holder_of(table: &str) -> Option<Holder> {
    let peer = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None);
    let peer = peer.ok()?;
    connect(&peer, &SocketAddrUnix::new_abstract_name(name(table).as_bytes()).ok()?).ok()?;
    let peer = socket_peercred(peer).ok()?;
    let process = peer.pid.as_raw_pid();
    let trusted = peer.uid.is_root() || peer.uid == getuid();
    Some(if trusted { Holder::Trusted(process) } else { Holder::Anybody(process) })
}

fn name(table: &str) -> String {
    format!("nftrap/{table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_claimed_once_until_it_is_given_up() {
        let table = format!("test_{}", std::process::id());
        assert_eq!(holder_of(&table), None);
        let first = Instance::claim(&table).unwrap();
        let us = i32::try_from(std::process::id()).unwrap();
        assert_eq!(holder_of(&table), Some(Holder::Trusted(us)));
        let refused = Instance::claim(&table).err().unwrap().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        assert!(Instance::claim(&format!("{table}_2")).is_ok());
        for _ in 0..10_000 {
            assert!(Instance::claim(&table).is_err());
            first.dismiss_callers();
        }
        drop(first);
        assert!(Instance::claim(&table).is_ok());
    }
}
