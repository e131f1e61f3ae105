//! One daemon a table and network namespace: two would take each other's rules away. Held by an abstract Unix socket, which
//! belongs to the namespace, needs no file, and goes with the process however that ends.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use rustix::net::sockopt::socket_peercred;
use rustix::process::getuid;

/// Our claim to a table; given up when dropped.
pub struct Instance(#[expect(dead_code, reason = "held, not used")] Option<UnixListener>);

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
        let name = SocketAddr::from_abstract_name(format!("nftrap/{table}")).map_err(InstanceError::Claim)?;
        match UnixListener::bind_addr(&name) {
            Ok(listener) => Ok(Self(Some(listener))),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => match holder(&name) {
                Some(process) => Err(InstanceError::Running { table: table.to_owned(), process }),
                None => Ok(Self(None)),
            },
            Err(error) => Err(InstanceError::Claim(error)),
        }
    }
}

/// The process that listens there, if it is root's or our own user's.
fn holder(name: &SocketAddr) -> Option<i32> {
    let peer = socket_peercred(UnixStream::connect_addr(name).ok()?).ok()?;
    (peer.uid.is_root() || peer.uid == getuid()).then(|| peer.pid.as_raw_pid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_claimed_once_until_it_is_given_up() {
        let table = format!("test_{}", std::process::id());
        let first = Instance::claim(&table).unwrap();
        let refused = Instance::claim(&table).err().unwrap().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        assert!(Instance::claim(&format!("{table}_2")).is_ok());
        drop(first);
        assert!(Instance::claim(&table).is_ok());
    }
}
