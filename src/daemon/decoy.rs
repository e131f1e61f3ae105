//! The thread behind the decoys: accepts who connects, hears who sends a datagram, says the banner, and hands over to the thread that
//! judges. It has no rights and waits for nobody.
//!
//! **Bounded:** so many connections are held, the oldest making room for a new one, each of some eight KiB in the kernel at most; so many
//! wait to be accepted, and 16 KiB of datagrams at each port of UDP; so many addresses that were answered are known; so many contacts wait
//! to be judged, and what finds no room is counted and forgotten: its source will ask again, or has what it came for.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crossbeam_channel::Sender;
use log::{debug, error, warn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::cage;
use super::start::Shared;
use crate::config::{Cage, Decoy, PortSet};
use crate::detect::probe::{ANSWERING, Probe};
use crate::kernel::cage::Role;
use crate::kernel::decoy::{Question, Sockets, UdpDecoy, connected, drop_rights};
use crate::kernel::process;
use crate::report::counters::{Counters, count};
use crate::time::Moment;

mod answered;
mod held;

use answered::Answered;
use held::Held;

/// How long it waits before it looks whether the daemon is to stop, and whether connections have been held long enough.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// So many of one socket in a row: the others have their turn.
const BURST: usize = 64;
/// Until somebody has closed a file, when there are none left for a connection.
const NO_FILES: Duration = Duration::from_millis(100);

/// Who asked a decoy, and when.
pub(super) type Contacted = (Moment, Probe);

/// The sockets, and what is done with who comes.
pub(super) struct Decoys {
    sockets: Sockets,
    banner: Vec<u8>,
    hold: Duration,
    held: Held<TcpStream>,
    udp: PortSet,
    answered: Answered,
    judge: Sender<Contacted>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
}

impl Decoys {
    /// `counters` are those of the thread that judges, at the other end of `judge`.
    pub(super) fn new(
        sockets: Sockets,
        decoy: &Decoy,
        judge: Sender<Contacted>,
        (shared, counters): (&Arc<Shared>, Arc<Counters>),
    ) -> Self {
        let room = if decoy.hold.is_zero() { decoy.max } else { process::room_for_files(decoy.max) };
        if room < decoy.max {
            warn!(room; "a process may open too few files here to hold `max` connections at decoys (LimitNOFILE)");
        }
        let held = Held::new(usize::try_from(room).unwrap_or(usize::MAX));
        let banner = decoy.banner.clone().into_bytes();
        let (udp, answered, shared) = (decoy.udp.clone(), Answered::new(), Arc::clone(shared));
        Self { sockets, banner, hold: decoy.hold, held, udp, answered, judge, shared, counters }
    }

    /// Answers until the daemon stops.
    pub(super) fn run(mut self, cage: Cage) {
        if let Err(error) = drop_rights() {
            error!(error:%; "cannot give up rights, and answers nobody with them");
            return;
        }
        cage::enter(cage, Role::Decoy);
        let sockets = std::mem::take(&mut self.sockets);
        while !self.shared.stop.load(Ordering::Acquire) {
            if let Err(error) = self.turn(&sockets) {
                debug!(error:%; "cannot wait for who comes to decoys");
                pause();
            }
        }
    }

    fn turn(&mut self, sockets: &Sockets) -> io::Result<()> {
        let (tcp, udp) = (sockets.tcp.iter().map(TcpListener::as_fd), sockets.udp.iter().map(UdpDecoy::as_fd));
        let mut ready: Vec<_> = tcp.chain(udp).map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)).collect();
        poll(&mut ready, Some(&WAIT))?;
        self.held.let_go(self.shared.clock.now());
        let (tcp, udp) = ready.split_at(sockets.tcp.len());
        for (listener, _) in sockets.tcp.iter().zip(tcp).filter(|(_, ready)| !ready.revents().is_empty()) {
            self.accept(listener);
        }
        for (decoy, _) in sockets.udp.iter().zip(udp).filter(|(_, ready)| !ready.revents().is_empty()) {
            self.hear(decoy);
        }
        Ok(())
    }

    fn accept(&mut self, listener: &TcpListener) {
        for _ in 0..BURST {
            match listener.accept() {
                Ok((stream, source)) => self.welcome(stream, source),
                Err(error) => return self.look_into(&error),
            }
        }
    }

    fn look_into(&mut self, error: &io::Error) {
        // There is nobody left, or who was in a hurry is gone.
        if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted) {
            return;
        }
        debug!(error:%; "cannot accept who comes to a decoy");
        if !self.held.let_oldest_go() {
            pause();
        }
    }

    fn welcome(&mut self, stream: TcpStream, source: SocketAddr) {
        // The port that was asked is the connection's own. Who was not handed over to us is neither answered nor judged.
        if let Some(probe) = stream.local_addr().ok().and_then(|destination| connected(source, destination)) {
            self.hand_over(probe);
            self.greet(stream);
        }
    }

    /// Nothing is read, and nothing is waited for: a banner has room in the socket's buffer, or the client has gone.
    fn greet(&mut self, mut stream: TcpStream) {
        if stream.set_nonblocking(true).is_ok() && !self.banner.is_empty() {
            let (Ok(()) | Err(_)) = stream.write_all(&self.banner);
        }
        if !self.hold.is_zero() {
            self.held.keep(self.shared.clock.now().plus(self.hold), stream);
        }
    }

    fn hear(&mut self, decoy: &UdpDecoy) {
        for _ in 0..BURST {
            match decoy.receive() {
                Ok(question) => self.reply(decoy, &question),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => debug!(error:%; "cannot read what came to a decoy"),
            }
        }
    }

    fn reply(&mut self, decoy: &UdpDecoy, question: &Question) {
        let Some(probe) = decoy.probe(question) else { return };
        self.hand_over(probe);
        let answer = answer(&self.banner, question.length);
        if answer.is_empty() || answers_itself(&self.udp, question.from.port()) {
            return;
        }
        if self.answered.may_be(self.shared.clock.now(), question.from.ip()) {
            // It fails where there is no way back.
            let (Ok(()) | Err(_)) = decoy.answer(question, answer);
        }
    }

    fn hand_over(&self, probe: Probe) {
        if self.judge.try_send((self.shared.clock.now(), probe)).is_err() {
            count(&self.counters.lost);
        }
    }
}

/// No longer than the question: nobody's forged address gets more by us than was sent in its name.
fn answer(banner: &[u8], asked_with: usize) -> &[u8] {
    banner.get(..asked_with.min(banner.len())).unwrap_or_default()
}

/// Whether a server may be at that port, or a decoy of another host with our config: two that answer would talk for ever.
fn answers_itself(decoys: &PortSet, from_port: u16) -> bool {
    decoys.contains(from_port) || ANSWERING.iter().any(|ports| ports.contains(&from_port))
}

#[expect(clippy::disallowed_methods, reason = "what is ready and cannot be taken would be ready again at once")]
fn pause() {
    thread::sleep(NO_FILES);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_no_longer_than_the_question() {
        let banner = b"220 ready";
        assert_eq!(answer(banner, 3), b"220");
        assert_eq!(answer(banner, 65_507), banner);
        assert_eq!(answer(banner, 0), b"");
    }

    #[test]
    fn neither_servers_nor_other_decoys_are_answered() {
        let decoys = [9999..=9999].into_iter().collect();
        for port in [7, 53, 1900, 5353, 9999] {
            assert!(answers_itself(&decoys, port), "{port}");
        }
        for port in [9998, 40_000] {
            assert!(!answers_itself(&decoys, port), "{port}");
        }
    }
}
