//! The decoys' sockets: at loopback addresses, where nobody from outside comes but whom our ruleset hands over (`nft/decoy.nft`). They are
//! transparent ones: such a socket takes what was sent to another address and port, and has these as its own for that connection.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;

use nix::sys::socket::sockopt::{IpTransparent, Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, cmsg_space, recvmsg, sendmsg, setsockopt,
};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use super::ruleset::{Decoys, Listener};
use super::surroundings::{self, Why};
use crate::config::Decoy;
use crate::detect::probe::{Contact, Kind, Probe, Protocol};

/// Connections that wait to be accepted, in each family; more than that are completed by SYN cookies, or asked to come again.
const BACKLOG: i32 = 512;
/// As few octets as the kernel grants are kept of what a connection sends; nobody reads them.
const RECEIVE_BUFFER: usize = 1;
/// What waits at one port of UDP to be heard; a flood loses the rest.
const DATAGRAMS_BUFFER: usize = 16_384;
/// A datagram's first octets; no more is looked at than how many there are.
const START_OF_DATAGRAM: usize = 16;

/// Why there are no decoys.
#[derive(Debug, thiserror::Error)]
pub enum DecoyError {
    /// We lack the right.
    #[error("no right to open a decoy: CAP_NET_ADMIN is needed; without ports in [decoy] there is none")]
    Forbidden,
    /// A unit of systemd, or a firewall, keeps us from talking with anybody.
    #[error(
        "what nftrap sends is refused on this host: as a service it needs IPAddressAllow=any (systemctl edit nftrap)"
    )]
    MayNotTalk,
    /// Strangers would talk with a thread that has rights.
    #[error(
        "a thread cannot give up its rights: as a service nftrap needs SystemCallFilter=capset (systemctl edit nftrap)"
    )]
    KeepsRights(#[source] io::Error),
    /// Anything else.
    #[error("cannot open a decoy for {protocol}: name fewer ports in [decoy], or none")]
    Open {
        /// Whose.
        protocol: Protocol,
        /// The system's reason.
        source: io::Error,
    },
}

/// All of them.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For all ports of TCP, one in each family.
    pub tcp: Vec<TcpListener>,
    /// For each port of UDP, one in each family.
    pub udp: Vec<UdpDecoy>,
}

/// One port of UDP.
#[derive(Debug)]
pub struct UdpDecoy {
    socket: UdpSocket,
    port: u16,
}

/// A datagram that came to a decoy.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Who asks.
    pub from: SocketAddr,
    /// So many octets long.
    pub length: usize,
    to: Place,
}

/// The address that was asked, and by which link: an answer comes from there.
#[derive(Debug, Clone, Copy)]
enum Place {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

/// Opens what `decoy` names, and says where they listen.
pub fn open(decoy: &Decoy) -> Result<(Sockets, Decoys), DecoyError> {
    may_talk()?;
    thread::scope(|scope| scope.spawn(drop_rights).join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
        .map_err(DecoyError::KeepsRights)?;
    let mut sockets = Sockets::default();
    let mut ports = Decoys::default();
    if !decoy.tcp.is_empty() {
        let explain = |error| explain(error, Protocol::Tcp);
        ports.tcp = in_each_family(tcp, &mut sockets.tcp).map_err(explain)?;
    }
    for port in decoy.udp.ranges().iter().cloned().flatten() {
        let explain = |error| explain(error, Protocol::Udp);
        let listener = in_each_family(|loopback| udp(loopback, port), &mut sockets.udp).map_err(explain)?;
        ports.udp.push((port, listener));
    }
    Ok((sockets, ports))
}

/// Whether what we send to others goes out: a datagram to an address of our own that is none of loopback says so, and reaches nobody.
fn may_talk() -> Result<(), DecoyError> {
    let own = surroundings::exempt().into_iter().filter(|(_, why)| *why == Why::OwnAddress);
    // A link-local address has no meaning without its link; a host that has no other one has nobody to talk with yet.
    let refused = own.filter(|(address, _)| !is_link_local(*address)).any(|(address, _)| {
        let sent = UdpSocket::bind((address, 0)).and_then(|socket| socket.send_to(&[], socket.local_addr()?));
        sent.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    });
    if refused { Err(DecoyError::MayNotTalk) } else { Ok(()) }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn explain(error: Errno, protocol: Protocol) -> DecoyError {
    match error {
        Errno::PERM => DecoyError::Forbidden,
        error => DecoyError::Open { protocol, source: error.into() },
    }
}

/// A host may not speak one of the two.
fn in_each_family<S: AsFd>(open: impl Fn(IpAddr) -> Result<S, Errno>, opened: &mut Vec<S>) -> Result<Listener, Errno> {
    let mut open = |loopback: IpAddr| match open(loopback) {
        Ok(socket) => {
            let port = port_of(socket.as_fd())?;
            opened.push(socket);
            Ok(Some(port))
        }
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => Ok(None),
        Err(error) => Err(error),
    };
    Ok(Listener { v4: open(Ipv4Addr::LOCALHOST.into())?, v6: open(Ipv6Addr::LOCALHOST.into())? })
}

fn port_of(socket: BorrowedFd<'_>) -> Result<u16, Errno> {
    let address = SocketAddr::try_from(rustix::net::getsockname(socket)?)?;
    Ok(address.port())
}

fn tcp(loopback: IpAddr) -> Result<TcpListener, Errno> {
    let socket = transparent(loopback, SocketType::STREAM)?;
    // What is accepted inherits both. A service that starts at a decoy's port may bind it while we still hold a connection there.
    set_socket_reuseaddr(&socket, true)?;
    set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
    bind(&socket, &SocketAddr::new(loopback, 0))?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

fn udp(loopback: IpAddr, port: u16) -> Result<UdpDecoy, Errno> {
    let socket = transparent(loopback, SocketType::DGRAM)?;
    set_socket_recv_buffer_size(&socket, DATAGRAMS_BUFFER)?;
    bind(&socket, &SocketAddr::new(loopback, 0))?;
    match loopback {
        IpAddr::V4(_) => setsockopt(&socket, Ipv4PacketInfo, &true),
        IpAddr::V6(_) => setsockopt(&socket, Ipv6RecvPacketInfo, &true),
    }
    .map_err(errno)?;
    Ok(UdpDecoy { socket: socket.into(), port })
}

fn transparent(loopback: IpAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let family = if loopback.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    // It is the same for both families.
    setsockopt(&socket, IpTransparent, &true).map_err(errno)?;
    Ok(socket)
}

fn errno(error: nix::errno::Errno) -> Errno {
    Errno::from_io_error(&error.into()).unwrap_or(Errno::IO)
}

/// Takes all rights from the calling thread: what strangers send is handled without any.
pub fn drop_rights() -> io::Result<()> {
    let none = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?)
}

/// A completed connection from `source` to `destination`; nothing, where our ruleset did not hand it over.
#[must_use]
pub fn connected(source: SocketAddr, destination: SocketAddr) -> Option<Probe> {
    let contact = Contact { destination: destination.ip(), protocol: Protocol::Tcp, port: destination.port() };
    is_handed_over(source.ip(), contact.destination).then(|| Probe {
        source: source.ip(),
        contact,
        kind: Kind::Connect,
    })
}

/// Any program of this host reaches our sockets where they listen, and can send there in the name of any source: its packets have a loopback
/// address, which those that come from outside never have.
fn is_handed_over(source: IpAddr, destination: IpAddr) -> bool {
    !source.to_canonical().is_loopback() && !destination.to_canonical().is_loopback()
}

impl UdpDecoy {
    /// The next datagram, if there is one.
    pub fn receive(&self) -> io::Result<Question> {
        let mut start = [0; START_OF_DATAGRAM];
        let mut buffer = [IoSliceMut::new(&mut start)];
        let mut control = [0; cmsg_space::<libc::in6_pktinfo>().saturating_add(cmsg_space::<libc::in_pktinfo>())];
        let (socket, whole_length) = (self.socket.as_raw_fd(), MsgFlags::MSG_TRUNC);
        let message = recvmsg::<SockaddrStorage>(socket, &mut buffer, Some(&mut control), whole_length)?;
        let to = message.cmsgs()?.find_map(|part| place(&part)).ok_or(io::ErrorKind::InvalidData)?;
        let from = message.address.as_ref().and_then(address).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Question { from, length: message.bytes, to })
    }

    /// Answers from the address that was asked; our ruleset gives the answer the port that was asked.
    pub fn answer(&self, question: &Question, text: &[u8]) -> io::Result<()> {
        let to = SockaddrStorage::from(question.from);
        let place = match &question.to {
            Place::V4(place) => ControlMessage::Ipv4PacketInfo(place),
            Place::V6(place) => ControlMessage::Ipv6PacketInfo(place),
        };
        sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(text)], &[place], MsgFlags::MSG_DONTWAIT, Some(&to))?;
        Ok(())
    }

    /// What `question` is evidence of; nothing, where our ruleset did not hand it over.
    #[must_use]
    pub fn probe(&self, question: &Question) -> Option<Probe> {
        let destination = match question.to {
            Place::V4(place) => Ipv4Addr::from(place.ipi_addr.s_addr.to_ne_bytes()).into(),
            Place::V6(place) => Ipv6Addr::from(place.ipi6_addr.s6_addr).into(),
        };
        let (source, contact) = (question.from.ip(), Contact { destination, protocol: Protocol::Udp, port: self.port });
        is_handed_over(source, destination).then_some(Probe { source, contact, kind: Kind::Udp })
    }
}

impl AsFd for UdpDecoy {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn place(part: &ControlMessageOwned) -> Option<Place> {
    if let ControlMessageOwned::Ipv4PacketInfo(place) = part {
        // The answer leaves from the address that was asked, by the way that routing finds.
        return Some(Place::V4(libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: place.ipi_addr, ..*place }));
    }
    if let ControlMessageOwned::Ipv6PacketInfo(place) = part { Some(Place::V6(*place)) } else { None }
}

fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = from.as_sockaddr_in().map(|from| SocketAddr::from((from.ip(), from.port())));
    v4.or_else(|| from.as_sockaddr_in6().map(|from| SocketAddr::V6((*from).into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_of_this_host_sends_to_a_listener_is_evidence_of_nothing() {
        for (source, destination, handed_over) in [
            ("192.0.2.1:40000", "198.51.100.1:8888", true),
            ("[2001:db8::1]:40000", "[2001:db8::2]:8888", true),
            ("192.0.2.1:40000", "127.0.0.1:41000", false),
            ("127.0.0.9:40000", "198.51.100.1:8888", false),
            ("[2001:db8::1]:40000", "[::1]:41000", false),
            ("[::ffff:192.0.2.1]:40000", "[::ffff:127.0.0.1]:41000", false),
        ] {
            let probe = connected(source.parse().unwrap(), destination.parse().unwrap());
            assert_eq!(probe.is_some(), handed_over, "{source} to {destination}");
        }
    }
}
