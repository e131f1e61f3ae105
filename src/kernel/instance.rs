//! One daemon a table and network namespace: two would take each other's rules away. Held by an abstract Unix socket, which
//! belongs to the namespace, needs no file, and goes with the process however that ends. Operators' commands come by it.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::trust::{Credentials, credentials, is_our_user, is_trusted};

/// Our claim to a table; given up when dropped.
pub struct Instance {
    table: String,
    listener: Option<UnixListener>,
}

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
    /// It runs already, out of our sight.
    #[error(
        "nftrap guards table inet {0} in this network namespace already, from a process namespace that is not seen here"
    )]
    RunningElsewhere(String),
    /// Somebody else has the name, and for what is to be done that would not do.
    #[error(
        "somebody else has the name of nftrap's control socket for table inet {0}: end that process, then try again"
    )]
    Taken(String),
    /// No socket.
    #[error("cannot claim the table")]
    Claim(#[source] io::Error),
}

impl Instance {
    /// Claims `table`. A name that somebody else of lower rank took to keep us from starting is no claim; nor have we one then.
    pub fn claim(table: &str) -> Result<Self, InstanceError> {
        let name = address(table).map_err(InstanceError::Claim)?;
        let listener = match UnixListener::bind_addr(&name) {
            Ok(listener) => Some(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => match holder_of(table) {
                Some(Holder::Trusted(process)) => {
                    return Err(InstanceError::Running { table: table.to_owned(), process });
                }
                Some(Holder::Unseen) => return Err(InstanceError::RunningElsewhere(table.to_owned())),
                Some(Holder::Anybody(_)) | None => None,
            },
            Err(error) => return Err(InstanceError::Claim(error)),
        };
        Ok(Self { table: table.to_owned(), listener })
    }

    /// The claim, if it is one.
    pub fn sure(self) -> Result<Self, InstanceError> {
        if self.listener.is_some() { Ok(self) } else { Err(InstanceError::Taken(self.table)) }
    }

    /// Where commands come in; nothing, while somebody else has the name.
    #[must_use]
    pub fn listener(&self) -> Option<UnixListener> {
        self.listener.as_ref()?.try_clone().ok()
    }

    /// Tries again to have the name, if somebody else had it; what comes in by it then.
    pub fn claim_again(&mut self) -> Option<UnixListener> {
        if self.listener.is_none() {
            self.listener = address(&self.table).and_then(|name| UnixListener::bind_addr(&name)).ok();
            return self.listener();
        }
        None
    }
}

/// The name of the socket of `table`.
pub fn address(table: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(name(table))
}

fn name(table: &str) -> String {
    format!("nftrap/{table}")
}

/// Who has claimed a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A process that is to be trusted.
    Trusted(i32),
    /// One of a process namespace that we do not see, of a user that is to be trusted.
    Unseen,
    /// A process of somebody else's, who took the name to keep us from starting, perhaps.
    Anybody(i32),
}

/// Who has claimed `table` in this namespace. Does not wait: who took the name to keep us from starting would not answer.
#[must_use]
pub fn holder_of(table: &str) -> Option<Holder> {
    let peer = credentials(&reach(table).ok()?).ok()?;
    Some(match peer {
        Credentials { uid, pid: 0 } if is_our_user(uid) => Holder::Unseen,
        Credentials { pid, .. } if is_trusted(peer) => Holder::Trusted(pid),
        Credentials { pid, .. } => Holder::Anybody(pid),
    })
}

/// Connects to whoever has claimed `table`, if it is ready for that at once.
pub fn reach(table: &str) -> io::Result<UnixStream> {
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    connect(&socket, &SocketAddrUnix::new_abstract_name(name(table).as_bytes())?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_claimed_once_until_it_is_given_up() {
        let table = format!("test_{}", std::process::id());
        assert_eq!(holder_of(&table), None);
        let mut first = Instance::claim(&table).unwrap();
        let us = i32::try_from(std::process::id()).unwrap();
        assert_eq!(holder_of(&table), Some(Holder::Trusted(us)));
        let refused = Instance::claim(&table).err().unwrap().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        assert!(Instance::claim(&format!("{table}_2")).is_ok());
        assert!(first.claim_again().is_none(), "it has it");
        let listener = first.listener().unwrap();
        let server = std::thread::spawn(move || (0..1001).filter(|_| listener.accept().is_ok()).count());
        for _ in 0..1000 {
            assert!(Instance::claim(&table).is_err());
        }
        assert_eq!(server.join().unwrap(), 1001);
        drop(first);
        assert!(Instance::claim(&table).is_ok());
    }
}
