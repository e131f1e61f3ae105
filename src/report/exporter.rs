//! Serves the numbers as HTTP, for Prometheus: at a loopback address or a Unix socket. **Bounded:** a few clients at once, each of which
//! has two seconds in all and 8 KiB for its request; who wants more is cut off, and whoever is silent makes room for the next. Own lines,
//! for `tiny_http` bounds neither, and takes as many threads as there are clients.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use log::debug;
use rustix::net::{Shutdown, SocketFlags, accept_with, shutdown};

use super::metrics::Numbers;
use crate::config::MetricsAddress;

mod client;
mod clients;
mod request;
mod socket_file;
#[cfg(test)]
mod tests;

use clients::Clients;
use request::Reading;
use socket_file::SocketFile;

/// Out of descriptors, most often: some may be free after this.
const RECOVERY: Duration = Duration::from_millis(200);

/// What is shown: asked for at each request.
pub type Source = dyn Fn() -> Numbers + Send + Sync;

/// A running exporter. It ends when this is dropped, and its socket's file is gone then; who is being served may be so for two seconds more.
#[derive(Debug)]
pub struct Exporter {
    door: Arc<Door>,
    // Removed when dropped.
    _file: Option<SocketFile>,
}

/// What who sends `head` is told, without numbers; nothing, while it goes on. For tests that make up requests.
#[doc(hidden)]
#[must_use]
pub fn answer_to(head: &[u8]) -> Option<String> {
    match request::read(head) {
        Reading::Whole(asked) => Some(request::answer(asked, String::new)),
        Reading::Part => None,
    }
}

/// Where clients come in, and whether they still may.
#[derive(Debug)]
struct Door {
    listener: OwnedFd,
    closed: AtomicBool,
}

/// Why numbers cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// Another program has the address.
    #[error(
        "cannot serve metrics at {0}: another program listens there; end it, or choose another address with `metrics` \
         in section [report]"
    )]
    InUse(String),
    /// There is something else.
    #[error(
        "cannot serve metrics at {}: {what} is there, and it is not ours; remove it, or choose another path with \
         `metrics` in section [report]", .path.display()
    )]
    Taken {
        /// Where.
        path: PathBuf,
        /// What it is, in words.
        what: String,
    },
    /// A path in a folder that is not there.
    #[error(
        "cannot serve metrics at {}: its folder does not exist; create it, for the daemon's user to write to",
        .0.display()
    )]
    NoFolder(PathBuf),
    /// Anything else.
    #[error("cannot serve metrics at {address}: choose an address that can be had with `metrics` in section [report]")]
    Listen {
        /// Where.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// No thread.
    #[error("cannot serve metrics: no thread for it")]
    Thread(#[source] io::Error),
}

/// Serves `numbers` at `address`, in a thread of its own.
pub fn serve(address: &MetricsAddress, numbers: Arc<Source>) -> Result<Exporter, ExporterError> {
    let (listener, file) = match address {
        MetricsAddress::Tcp(address) => (listen(*address)?, None),
        MetricsAddress::Unix(path) => socket_file::listen(path).map(|(listener, file)| (listener, Some(file)))?,
    };
    let door = Arc::new(Door { listener, closed: AtomicBool::new(false) });
    let inside = Arc::clone(&door);
    let started = thread::Builder::new().name("metrics".into()).spawn(move || accept(&inside, &numbers));
    started.map(|_thread| Exporter { door, _file: file }).map_err(ExporterError::Thread)
}

fn listen(address: SocketAddr) -> Result<OwnedFd, ExporterError> {
    TcpListener::bind(address).map(OwnedFd::from).map_err(|source| match source.raw_os_error() {
        Some(libc::EADDRINUSE) => ExporterError::InUse(address.to_string()),
        Some(_) | None => ExporterError::Listen { address: address.to_string(), source },
    })
}

#[expect(clippy::disallowed_methods, reason = "see `RECOVERY`")]
fn accept(door: &Door, numbers: &Arc<Source>) {
    let mut clients = Clients::default();
    while !door.closed.load(Ordering::Acquire) {
        match accept_with(&door.listener, SocketFlags::CLOEXEC) {
            Ok(stream) => clients.serve(stream, numbers),
            Err(_) if door.closed.load(Ordering::Acquire) => {}
            Err(error) => {
                debug!(error:%; "cannot take a reader of metrics");
                thread::sleep(RECOVERY);
            }
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.door.closed.store(true, Ordering::Release);
        // On Linux this wakes who waits in accept; a listener that cannot be shut down has nobody who waits.
        let (Ok(()) | Err(_)) = shutdown(&self.door.listener, Shutdown::Both);
    }
}
