//! Puts whole packets on the wire, and knocks at ports.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_broadcast, set_socket_timeout};
use rustix::net::{
    AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType, bind, connect, ipproto, sendto, shutdown, socket_with,
};

use super::netns::Namespace;
use super::patience::{patience, silence, wait_until};

/// Raw sockets of one namespace.
pub(crate) struct Wire {
    v4: OwnedFd,
    v6: OwnedFd,
    link: u32,
}

impl Wire {
    pub(crate) fn new(namespace: &Namespace) -> Self {
        let raw = |family| {
            let raw = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::RAW));
            let raw = raw.expect("open a raw socket");
            set_socket_broadcast(&raw, true).expect("a socket that may broadcast");
            raw
        };
        namespace.run(|| Self {
            v4: raw(AddressFamily::INET),
            v6: raw(AddressFamily::INET6),
            link: if_nametoindex("lan").unwrap_or(0),
        })
    }

    /// Sends a whole IP packet to the destination that it names.
    pub(crate) fn send(&self, packet: &[u8]) {
        match self.try_send(packet) {
            Ok(_) => {}
            Err(error) => panic!("could not send a packet: {error}"),
        }
    }

    /// As `send`, but a full buffer is the caller's to judge.
    pub(crate) fn try_send(&self, packet: &[u8]) -> Result<usize, Errno> {
        if packet[0] >> 4 == 4 {
            let to: [u8; 4] = packet[16..20].try_into().expect("four bytes");
            let to = SocketAddr::new(Ipv4Addr::from(to).into(), 0);
            return sendto(&self.v4, packet, SendFlags::empty(), &to);
        }
        let to: [u8; 16] = packet[24..40].try_into().expect("sixteen bytes");
        sendto(&self.v6, packet, SendFlags::empty(), &self.scoped(to.into(), 0))
    }

    /// A link-local address with its link, any other without.
    pub(crate) fn scoped(&self, address: Ipv6Addr, port: u16) -> SocketAddrV6 {
        let link = if address.is_unicast_link_local() { self.link } else { 0 };
        SocketAddrV6::new(address, port, 0, link)
    }
}

/// What a connection attempt met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A handshake.
    Open,
    /// A RST.
    Refused,
    /// An ICMP error that says so: a firewall's.
    Prohibited,
    /// Nothing.
    Silence,
}

impl Namespace {
    /// Tries to connect from an address (or an address and port) of this namespace, and waits for an answer.
    pub(crate) fn knock(&self, from: impl Into<Local>, to: SocketAddr) -> Answer {
        self.attempt(from.into(), to, patience()).map_or_else(|answer| answer, |_| Answer::Open)
    }

    /// As `knock`, but gives up soon: for when silence is what we expect.
    pub(crate) fn knock_briefly(&self, from: impl Into<Local>, to: SocketAddr) -> Answer {
        self.attempt(from.into(), to, silence()).map_or_else(|answer| answer, |_| Answer::Open)
    }

    /// A connection; panics when there is none.
    pub(crate) fn connect(&self, from: impl Into<Local>, to: SocketAddr) -> TcpStream {
        self.attempt(from.into(), to, patience()).unwrap_or_else(|answer| panic!("{to} answered with {answer:?}"))
    }

    fn attempt(&self, from: Local, to: SocketAddr, limit: Duration) -> Result<TcpStream, Answer> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let attempt = || {
            let attempt = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            bind(&attempt, &from.0)?;
            set_socket_timeout(&attempt, Timeout::Send, Some(limit))?;
            connect(&attempt, &to)?;
            Ok(attempt)
        };
        match self.run(attempt) {
            Ok(connected) => Ok(TcpStream::from(connected)),
            Err(Errno::CONNREFUSED) => Err(Answer::Refused),
            Err(Errno::HOSTUNREACH | Errno::ACCESS) => Err(Answer::Prohibited),
            Err(Errno::INPROGRESS | Errno::AGAIN | Errno::TIMEDOUT) => Err(Answer::Silence),
            Err(error) => panic!("could not knock at {to}: {error}"),
        }
    }

    /// A UDP socket of this namespace.
    pub(crate) fn udp(&self, at: SocketAddr) -> UdpSocket {
        let socket = self.run(|| UdpSocket::bind(at)).expect("bind a UDP socket");
        socket.set_read_timeout(Some(patience())).expect("set a time limit");
        socket
    }

    /// Serves a TCP port: the kernel greets clients, `Service` counts them.
    pub(crate) fn serve(&self, at: SocketAddr) -> Service {
        let listener = self.run(|| TcpListener::bind(at)).expect("listen");
        listener.set_nonblocking(true).expect("a listener that does not wait");
        Service(listener)
    }
}

/// The local end of an attempt.
#[derive(Clone, Copy)]
pub(crate) struct Local(SocketAddr);

impl From<IpAddr> for Local {
    fn from(address: IpAddr) -> Self {
        Self(SocketAddr::new(address, 0))
    }
}

impl From<SocketAddr> for Local {
    fn from(local: SocketAddr) -> Self {
        Self(local)
    }
}

/// A served TCP port, until dropped.
pub(crate) struct Service(TcpListener);

impl Drop for Service {
    /// Closing is not enough: a process that another test starts has a copy of the socket for a moment.
    fn drop(&mut self) {
        shutdown(&self.0, Shutdown::Both).expect("end the service");
    }
}

impl Service {
    /// The clients that came since the last call.
    pub(crate) fn clients(&self) -> Vec<IpAddr> {
        std::iter::from_fn(|| self.next()).map(|(_, client)| client.ip().to_canonical()).collect()
    }

    /// The server's end of the next connection.
    pub(crate) fn accept(&self) -> TcpStream {
        let mut next = None;
        wait_until("a client comes", || {
            next = self.next();
            next.is_some()
        });
        next.expect("waited for").0
    }

    fn next(&self) -> Option<(TcpStream, SocketAddr)> {
        match self.0.accept() {
            Ok((stream, client)) => {
                stream.set_nonblocking(false).expect("a stream that waits");
                Some((stream, client))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("could not accept a connection: {error}"),
        }
    }
}

/// Sends bytes both ways over one connection; panics when they do not arrive.
pub(crate) fn talk(one: &TcpStream, other: &TcpStream) {
    use std::io::{Read, Write};
    for (mut from, mut to) in [(one, other), (other, one)] {
        to.set_read_timeout(Some(patience())).expect("set a time limit");
        from.write_all(b"still there?").expect("send over the connection");
        let mut heard = [0; 12];
        to.read_exact(&mut heard).expect("hear over the connection");
        assert_eq!(&heard, b"still there?");
    }
}

/// Sends a datagram to a service and returns what the service received first, and from whom.
pub(crate) fn ask(client: &UdpSocket, service: &UdpSocket, question: &[u8]) -> (Vec<u8>, IpAddr) {
    let to = service.local_addr().expect("the service's address");
    client.send_to(question, to).expect("send a datagram");
    let mut heard = [0; 64];
    let (length, from) = service.recv_from(&mut heard).expect("receive a datagram");
    (heard[..length].to_vec(), from.ip())
}
