//! The daemon's end: takes requests, one a connection, and hands them to whoever answers. **Bounded:** so many clients at once, so long a
//! request, so long a wait for who does not read; the packet's way knows nothing of it.

use std::io::{self, BufWriter, Read as _, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use log::{debug, warn};
use serde::Serialize;

use super::peer::{Peer, Rights};
use super::wire::{End, MAX_REQUEST, Request};
use crate::kernel::clock::Clock;

/// At once; operators are few, and each `events` stays.
const MAX_CLIENTS: usize = 32;
/// Of those who may only ask, apart: they take no seat from those who may unblock somebody.
const MAX_ASKERS: usize = 16;
/// Who has connected asks at once; who has asked reads.
const PATIENCE: Duration = Duration::from_secs(10);
/// Out of descriptors, most often: some may be free after this.
const RECOVERY: Duration = Duration::from_millis(200);

/// Why a request is not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why not.
    pub problem: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Refusal {
    /// With what to do about it.
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: Some(remedy.into()) }
    }

    /// Where nothing can be done about it.
    pub fn plain(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: None }
    }
}

/// How answering ended, if not well.
#[derive(Debug)]
pub enum Stopped {
    /// The request is refused.
    Refused(Refusal),
    /// Nobody reads the answer any more.
    Gone,
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The way to the client.
pub struct Outgoing {
    stream: BufWriter<UnixStream>,
}

impl Outgoing {
    /// Writes one part of the answer.
    pub fn part(&mut self, part: &impl Serialize) -> Result<(), Stopped> {
        let mut line = serde_json::to_vec(part).unwrap_or_default();
        line.push(b'\n');
        self.stream.write_all(&line).map_err(|_gone| Stopped::Gone)
    }

    /// Writes one part that is JSON already.
    pub fn line(&mut self, line: &str) -> Result<(), Stopped> {
        writeln!(self.stream, "{line}").map_err(|_gone| Stopped::Gone)
    }

    /// Sends what was written so far.
    pub fn flush(&mut self) -> Result<(), Stopped> {
        self.stream.flush().map_err(|_gone| Stopped::Gone)
    }

    /// Whether the client is still there. Nothing more is expected of it, so that it can only have gone.
    #[must_use]
    pub fn is_read(&self) -> bool {
        let stream = self.stream.get_ref();
        let mut byte = [0_u8];
        if stream.set_nonblocking(true).is_err() {
            return false;
        }
        let read = { stream }.read(&mut byte);
        let waits = matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        (waits || read.is_ok_and(|n| n > 0)) && stream.set_nonblocking(false).is_ok()
    }
}

/// Who answers: puts parts into the way to the client.
pub type Answer = dyn Fn(Request, &Peer, &mut Outgoing) -> Result<(), Stopped> + Send + Sync;
/// The group whose members may ask, at the moment.
pub type Group = dyn Fn() -> Option<String> + Send + Sync;

/// Serves `listener` in a thread of its own, for as long as the process runs.
pub fn serve(listener: UnixListener, group: Arc<Group>, answer: Arc<Answer>) -> io::Result<()> {
    listener.set_nonblocking(false)?;
    thread::Builder::new().name("control".into()).spawn(move || accept(&listener, &group, &answer)).map(|_thread| ())
}

#[expect(clippy::disallowed_methods, reason = "see `RECOVERY`")]
fn accept(listener: &UnixListener, group: &Arc<Group>, answer: &Arc<Answer>) {
    let seats = Seats::default();
    loop {
        match listener.accept() {
            Ok((stream, _)) => take(stream, &seats, group, answer),
            Err(error) => {
                debug!(error:%; "cannot take a client");
                thread::sleep(RECOVERY);
            }
        }
    }
}

/// Gives a client a thread, if there is room and it may ask at all.
fn take(stream: UnixStream, seats: &Seats, group: &Arc<Group>, answer: &Arc<Answer>) {
    let timeouts = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    let (Ok(()), Ok(peer)) = (timeouts, Peer::of(&stream)) else { return };
    let rights = peer.rights(group().as_deref());
    let (taken, room) = match rights {
        Rights::None => return end(&stream, &refused(&peer.refusal())),
        Rights::Ask => (&seats.askers, MAX_ASKERS),
        Rights::All => (&seats.operators, MAX_CLIENTS),
    };
    if taken.fetch_add(1, Ordering::AcqRel) >= room {
        taken.fetch_sub(1, Ordering::AcqRel);
        let remedy = "end some of those that follow events";
        return end(&stream, &refused(&Refusal::new("too many clients at once", remedy)));
    }
    let seat = Seat(Arc::clone(taken));
    let answer = Arc::clone(answer);
    let started = thread::Builder::new().name("client".into()).spawn(move || {
        let _seat = seat;
        converse(&stream, &peer, rights, &*answer);
    });
    if let Err(error) = started {
        warn!(error:%; "cannot answer a command: no thread for it");
    }
}

/// How many are taken.
#[derive(Default)]
struct Seats {
    operators: Arc<AtomicUsize>,
    askers: Arc<AtomicUsize>,
}

/// One of them, given back however the conversation ends.
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn converse(stream: &UnixStream, peer: &Peer, rights: Rights, answer: &Answer) {
    let outcome = request(stream).and_then(|request| {
        if request.changes() && rights != Rights::All {
            let remedy = "ask as root or through sudo";
            return Err(Stopped::Refused(Refusal::new("you may ask, and change nothing", remedy)));
        }
        let mut out = Outgoing { stream: BufWriter::new(stream.try_clone().map_err(|_gone| Stopped::Gone)?) };
        answer(request, peer, &mut out)?;
        out.flush()
    });
    match outcome {
        Ok(()) => end(stream, &End::Done),
        Err(Stopped::Refused(refusal)) => end(stream, &refused(&refusal)),
        Err(Stopped::Gone) => {}
    }
}

/// Reads the one line that asks.
fn request(stream: &UnixStream) -> Result<Request, Stopped> {
    let mut line = Vec::new();
    let read = read_line(stream, &mut line);
    let refuse =
        |problem: String| Stopped::Refused(Refusal::new(problem, "use `nftrap`'s own commands, of the same version"));
    match read {
        Ok(0) => Err(Stopped::Gone),
        Ok(_) if line.len() > MAX_REQUEST => Err(refuse(format!("the request is longer than {MAX_REQUEST} bytes"))),
        Ok(_) if line.last() == Some(&b'\n') => {
            Request::read(&line).map_err(|error| refuse(format!("the request is not understood: {error}")))
        }
        Ok(_) => Err(refuse("half a request".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(refuse("no request came".to_owned())),
        Err(_) => Err(Stopped::Gone),
    }
}

/// Reads up to an end of line, or as much as is allowed; in all no longer than who has connected needs to ask.
fn read_line(mut stream: &UnixStream, line: &mut Vec<u8>) -> io::Result<usize> {
    let (clock, mut chunk) = (Clock::start(), [0; 1024]);
    while line.last() != Some(&b'\n') && line.len() <= MAX_REQUEST {
        let left = PATIENCE.saturating_sub(clock.now().since_start());
        if left.is_zero() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk)? {
            0 => break,
            length => line.extend_from_slice(chunk.get(..length).unwrap_or_default()),
        }
    }
    Ok(line.len())
}

fn refused(refusal: &Refusal) -> End {
    End::Refused { problem: refusal.problem.clone(), remedy: refusal.remedy.clone() }
}

/// The last line. Who does not take it has gone.
fn end(mut stream: &UnixStream, end: &End) {
    let mut line = serde_json::to_vec(end).unwrap_or_default();
    line.push(b'\n');
    let (Ok(()) | Err(_)) = stream.write_all(&line);
}

#[cfg(test)]
mod tests;
