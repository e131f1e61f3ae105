//! A command's end: asks the daemon that guards this network namespace, and makes sure that it is the daemon who answers.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::peer::Peer;
use super::wire::{End, Request};
use crate::kernel::instance::reach;
use crate::kernel::trust::{Credentials, is_trusted};

/// Two seconds in all.
const TRIES: u32 = 40;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// For an answer; to list very many blocks takes seconds.
const ANSWER: Duration = Duration::from_secs(15);
/// For a change, which the daemon may have to wait with: a little more than it gives itself.
const CHANGE: Duration = Duration::from_secs(40);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("nftrap does not run in this network namespace (table inet {0})")]
    NotRunning(String),
    /// Somebody else listens.
    #[error(
        "process {pid} of {user} has taken the name of nftrap's control socket, and was asked nothing: end it, then restart nftrap"
    )]
    Stranger {
        /// The process.
        pid: i32,
        /// Its user.
        user: String,
    },
    /// The daemon refuses.
    #[error("{problem}{}", remedy.as_ref().map(|remedy| format!(": {remedy}")).unwrap_or_default())]
    Refused {
        /// Why.
        problem: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// The daemon went while it answered.
    #[error("nftrap ended before its answer did")]
    Broken,
    /// The daemon says nothing.
    #[error(
        "nftrap does not answer: it hangs, or the machine is overloaded; blocks hold meanwhile, and stay if it is restarted"
    )]
    Silent,
    /// The system's reason.
    #[error("cannot ask nftrap")]
    Socket(#[source] io::Error),
}

/// Asks the daemon of `table`, and hands each part of the answer to `take`, until that breaks or the answer ends.
pub fn ask(table: &str, request: &Request, take: &mut dyn FnMut(Value) -> ControlFlow<()>) -> Result<(), ClientError> {
    let stream = connect(table)?;
    stream.set_read_timeout(patience(request)).map_err(ClientError::Socket)?;
    let mut line = serde_json::to_vec(request).map_err(|error| ClientError::Socket(error.into()))?;
    line.push(b'\n');
    // Who may ask nothing is told so at once, and what it writes may find nobody: the answer says why.
    let (Ok(()) | Err(_)) = (&stream).write_all(&line);
    for line in BufReader::new(&stream).lines() {
        let part: Value = serde_json::from_str(&line.map_err(silent)?).map_err(|_nonsense| ClientError::Broken)?;
        if let Some(end) = part.get("end").and_then(|_| serde_json::from_value(part.clone()).ok()) {
            return match end {
                End::Done => Ok(()),
                End::Refused { problem, remedy } => Err(ClientError::Refused { problem, remedy }),
            };
        }
        if take(part).is_break() {
            let (Ok(()) | Err(_)) = stream.shutdown(Shutdown::Both);
            return Ok(());
        }
    }
    Err(ClientError::Broken)
}

/// How long the daemon may say nothing.
fn patience(request: &Request) -> Option<Duration> {
    match request {
        Request::Events { .. } => None,
        Request::Status | Request::List | Request::Show { .. } | Request::AllowList => Some(ANSWER),
        Request::Block { .. }
        | Request::Unblock { .. }
        | Request::UnblockAll
        | Request::Allow { .. }
        | Request::Disallow { .. }
        | Request::Reload => Some(CHANGE),
    }
}

fn silent(error: io::Error) -> ClientError {
    if error.kind() == io::ErrorKind::WouldBlock { ClientError::Silent } else { ClientError::Socket(error) }
}

fn connect(table: &str) -> Result<UnixStream, ClientError> {
    let stream = patiently(table).map_err(|error| {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            ClientError::NotRunning(table.to_owned())
        } else {
            ClientError::Socket(error)
        }
    })?;
    let Peer { uid, pid, name } = Peer::of(&stream).map_err(ClientError::Socket)?;
    if is_trusted(Credentials { uid, pid }) {
        Ok(stream)
    } else {
        Err(ClientError::Stranger { pid, user: name.unwrap_or_else(|| format!("user {uid}")) })
    }
}

/// Connects, and gives a daemon that many ask at once some time; one that is stopped, or a stranger that takes nobody, does not keep us.
#[expect(clippy::disallowed_methods, reason = "a command has nothing else to do")]
fn patiently(table: &str) -> io::Result<UnixStream> {
    for _ in 0..TRIES {
        match reach(table) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(BETWEEN_TRIES),
            reached => return reached,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "it takes no command: is its process stopped, or is it somebody else's?",
    ))
}
