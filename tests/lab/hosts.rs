//! The hosts of a lab: an attacker with many addresses and a server, on one link or with a gateway between them.
//!
//! ```text
//! attacker  10.1.0.0/24, fd00:1::2-9, fd00:2::2-9 (routed)   neighbours 10.2.0.2-3, fd00:f::2-3, fe80::2-3
//!    │      router 10.2.0.254, fd00:f::fe: the attacker itself, or the gateway
//! server    10.2.0.1, fd00:f::1, fe80::1
//! ```

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

use super::daemon::Daemon;
use super::netns::Namespace;
use super::packet::{SYN, tcp};
use super::wire::Wire;

/// The server's addresses.
pub(crate) const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 1));
pub(crate) const SERVER6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0xf, 0, 0, 0, 0, 0, 1));
/// Where the gateway meets the attacker.
pub(crate) const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 3, 0, 254));

/// The network stacks of one test, and the attacker's raw sockets.
pub(crate) struct Lab {
    pub(crate) attacker: Namespace,
    pub(crate) gateway: Option<Namespace>,
    pub(crate) server: Namespace,
    pub(crate) wire: Wire,
    sentinels: AtomicU8,
}

impl Lab {
    /// Attacker and server on one link. Nothing, where we may not make one.
    pub(crate) fn on_one_link() -> Option<Self> {
        let (attacker, server) = (may_make_one().then(Namespace::new)?, Namespace::new());
        attacker.ip(&own_addresses());
        link(&attacker, &server);
        Some(Self::wired(attacker, None, server))
    }

    /// The same without the link: a server none of whose interfaces is up. Nothing, where we may not make one.
    pub(crate) fn unlinked() -> Option<Self> {
        let (attacker, server) = (may_make_one().then(Namespace::new)?, Namespace::new());
        attacker.ip(&own_addresses());
        Some(Self::wired(attacker, None, server))
    }

    /// Makes the link, with all addresses and routes that go by it.
    pub(crate) fn link(&self) {
        link(&self.attacker, &self.server);
    }

    /// Attacker, gateway and server in a row.
    pub(crate) fn with_gateway() -> Option<Self> {
        let (attacker, server) = (may_make_one().then(Namespace::new)?, Namespace::new());
        let gateway = Namespace::new();
        gateway.sysctl("ipv4/ip_forward", "1");
        gateway.sysctl("ipv6/conf/all/forwarding", "1");
        gateway.ip(&GATEWAY_SIDE.replace("ATTACKER", &attacker.path()).replace("SERVER", &server.path()));
        attacker.ip(&[
            "link set wan addrgenmode none\nlink set wan up\n",
            "addr add 10.3.0.2/24 dev wan\naddr add fd00:3::2/64 dev wan nodad\naddr add fe80::2/64 dev wan nodad\n",
            &own_addresses(),
            "route add default via 10.3.0.254\nroute add default via fd00:3::fe\n",
        ]
        .concat());
        server.ip(SERVER_SIDE);
        Some(Self::wired(attacker, Some(gateway), server))
    }

    fn wired(attacker: Namespace, gateway: Option<Namespace>, server: Namespace) -> Self {
        let wire = Wire::new(&attacker);
        Self { attacker, gateway, server, wire, sentinels: AtomicU8::new(200) }
    }

    /// Sends one SYN.
    pub(crate) fn probe(&self, from: IpAddr, to: IpAddr, port: u16) {
        self.wire.send(&tcp((from, 40_000), (to, port), SYN));
    }

    /// Returns when the daemon has judged all that was sent before: another source scans, and is found out.
    /// Needs a single queue, which is judged in order.
    pub(crate) fn settle(&self, daemon: &Daemon<'_>, to: IpAddr) {
        let sentinel = routed(self.sentinels.fetch_add(1, Ordering::Relaxed));
        for port in [1, 11, 15] {
            self.probe(sentinel, to, port);
        }
        daemon.wait_for_line(&format!("source={sentinel} "));
    }
}

fn link(attacker: &Namespace, server: &Namespace) {
    let link = format!("link add lan type veth peer name lan netns {}\n", server.path());
    attacker.ip(&[
        &link,
        NEIGHBOURS,
        "addr add 10.2.0.254/24 dev lan\naddr add fd00:f::fe/64 dev lan nodad\n",
        "route add default via 10.2.0.1\nroute add default via fd00:f::1\n",
    ]
    .concat());
    server.ip(SERVER_SIDE);
}

/// An address of the attacker that is routed to the server.
pub(crate) fn routed(host: u8) -> IpAddr {
    Ipv4Addr::new(10, 1, 0, host).into()
}

/// An address of the attacker in the IPv6 network `fd00:NETWORK::/64`; networks 1 and 2, hosts 2 to 9.
pub(crate) fn routed6(network: u16, host: u16) -> IpAddr {
    Ipv6Addr::new(0xfd00, network, 0, 0, 0, 0, 0, host).into()
}

/// One of the neighbours' link-local addresses (2, 3), or the server's (1).
pub(crate) fn link_local(host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host)
}

/// A port of the server.
pub(crate) fn server(port: u16) -> SocketAddr {
    SocketAddr::new(SERVER, port)
}

/// Whether we are root; who is not is told so once.
pub(crate) fn may_make_one() -> bool {
    static LOUD: Once = Once::new();
    let root = rustix::process::geteuid().is_root();
    if !root {
        // Not by eprintln!, which libtest keeps to itself when a test passes.
        LOUD.call_once(|| {
            writeln!(io::stderr(), "NOT ROOT: NO NAMESPACE TEST IS RUN. Run them as root.").expect("standard error");
        });
    }
    root
}

/// IPv4 needs one route for a whole network of local addresses; IPv6 lets a socket bind to listed ones only.
fn own_addresses() -> String {
    let mut commands = vec![String::from("link set lo up\nroute add local 10.1.0.0/24 dev lo\n")];
    for network in 1..=2 {
        commands.extend((2..=9).map(|host| format!("addr add {}/128 dev lo nodad\n", routed6(network, host))));
    }
    commands.concat()
}

const NEIGHBOURS: &str = "\
link set lan addrgenmode none
link set lan up
addr add 10.2.0.2/24 dev lan
addr add 10.2.0.3/24 dev lan
addr add fd00:f::2/64 dev lan nodad
addr add fd00:f::3/64 dev lan nodad
addr add fe80::2/64 dev lan nodad
addr add fe80::3/64 dev lan nodad
";

const SERVER_SIDE: &str = "\
link set lo up
link set lan addrgenmode none
link set lan up
addr add 10.2.0.1/24 dev lan
addr add fd00:f::1/64 dev lan nodad
addr add fe80::1/64 dev lan nodad
route add default via 10.2.0.254
route add default via fd00:f::fe
";

const GATEWAY_SIDE: &str = "\
link set lo up
link add wan type veth peer name wan netns ATTACKER
link add lan type veth peer name lan netns SERVER
link set wan addrgenmode none
link set lan addrgenmode none
link set wan up
link set lan up
addr add 10.3.0.254/24 dev wan
addr add fd00:3::fe/64 dev wan nodad
addr add fe80::fe/64 dev wan nodad
addr add 10.2.0.254/24 dev lan
addr add fd00:f::fe/64 dev lan nodad
addr add fe80::fe/64 dev lan nodad
route add 10.1.0.0/24 via 10.3.0.2
route add 10.64.0.0/10 via 10.3.0.2
route add fd00:1::/64 via fd00:3::2
route add fd00:2::/64 via fd00:3::2
";
