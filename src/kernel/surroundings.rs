//! What is around this host: the networks on its links, and whom it depends on: its default gateways, resolvers, time servers, the peers of
//! administrators' sessions. Reads what the kernel and the system's own files say; changes nothing.
//!
//! Whoever can forge an address can name one of these. To block them would hurt us and nobody else.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{SockaddrIn6, SockaddrStorage};

use super::ruleset::Listening;
use crate::detect::prefixes::Prefixes;

/// The networks of all addresses of all interfaces of this namespace, but the loopback's.
pub fn on_link_networks() -> io::Result<Vec<Ipv6Net>> {
    let mut networks: Vec<_> = getifaddrs()?
        .filter_map(|interface| Some((v6(interface.address.as_ref())?, v6(interface.netmask.as_ref())?)))
        .filter_map(|(address, mask)| Ipv6Net::with_netmask(address, mask).ok())
        .filter(|network| !network.addr().is_loopback())
        .map(|network| network.trunc())
        .collect();
    networks.sort_unstable();
    networks.dedup();
    Ok(networks)
}

fn v6(address: Option<&SockaddrStorage>) -> Option<Ipv6Addr> {
    address?.as_sockaddr_in6().map(SockaddrIn6::ip)
}

/// The same as prefixes that do not overlap, with the link-local ones.
#[must_use]
pub fn links(on_link: &[Ipv6Net]) -> Prefixes {
    const LINK_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
    Prefixes::new(&on_link.iter().copied().chain([LINK_LOCAL]).map(IpNet::from).collect::<Vec<_>>())
}

/// The ports that programs of this namespace listen on.
#[must_use]
pub fn listening() -> Vec<Listening> {
    const LISTEN: &str = "0A";
    const UNCONNECTED: &str = "07";
    let mut found = Vec::new();
    for (table, protocol, state) in
        [("tcp", "tcp", LISTEN), ("tcp6", "tcp", LISTEN), ("udp", "udp", UNCONNECTED), ("udp6", "udp", UNCONNECTED)]
    {
        let ports = listening_ports(&read(&format!("/proc/self/net/{table}")), state);
        found.extend(ports.into_iter().map(|port| Listening { protocol, port }));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// `/proc/net/tcp` and its kin: local and remote as `ADDRESS:PORT` in hex, then the state.
fn listening_ports(table: &str, state: &str) -> Vec<u16> {
    let port = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, _, found) = (columns.next()?, columns.next()?, columns.next()?);
        let (address, port) = local.split_once(':')?;
        let outside = !hex_address(address)?.is_loopback();
        u16::from_str_radix(port, 16).ok().filter(|_| found == state && outside)
    };
    table.lines().skip(1).filter_map(port).collect()
}

/// Words of 32 bits, each in the machine's own order.
fn hex_address(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(digits.get(at..at.checked_add(8)?)?, 16).ok().map(u32::to_ne_bytes);
    match digits.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let octets: [u8; 16] = [word(0)?, word(8)?, word(16)?, word(24)?].concat().try_into().ok()?;
            Some(IpAddr::from(octets).to_canonical())
        }
        _ => None,
    }
}

/// Why somebody is never blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It is this host's own.
    OwnAddress,
    /// All that goes far goes through it.
    DefaultGateway,
    /// It answers our questions for names.
    Resolver,
    /// Our clock follows it.
    TimeServer,
    /// Somebody is logged in from there.
    Session,
}

/// All whom we depend on, and why; sorted, and once for each reason. What cannot be read names nobody.
#[must_use]
pub fn exempt() -> Vec<(IpAddr, Why)> {
    let gateways = [gateways_v4(&read("/proc/self/net/route")), gateways_v6(&read("/proc/self/net/ipv6_route"))];
    let named = [
        (own_addresses(), Why::OwnAddress),
        (gateways.concat(), Why::DefaultGateway),
        (resolvers(&read("/etc/resolv.conf")), Why::Resolver),
        (time_servers(), Why::TimeServer),
        (session_peers().unwrap_or_default(), Why::Session),
    ];
    let each = named.into_iter().flat_map(|(all, why)| all.into_iter().map(move |who| (who.to_canonical(), why)));
    let mut found: Vec<_> = each.filter(|(who, _)| !who.is_unspecified() && !who.is_loopback()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The same without the reasons.
#[must_use]
pub fn prefixes(exempt: &[(IpAddr, Why)]) -> Prefixes {
    Prefixes::new(&exempt.iter().map(|(who, _)| IpNet::from(*who)).collect::<Vec<_>>())
}

fn own_addresses() -> Vec<IpAddr> {
    let interfaces = getifaddrs().into_iter().flatten();
    let own = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        v4.or_else(|| v6(Some(&address)).map(IpAddr::from))
    });
    own.collect()
}

/// The next hops of default routes alone: who is merely on the way to some network is a neighbour like others.
///
/// `/proc/net/route`: interface, destination, gateway, four more and the mask, in hex; an address in the machine's own order.
fn gateways_v4(table: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [_, destination, gateway, _, _, _, _, mask, ..] = columns[..] else { return None };
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        let default = [destination, mask].iter().all(|digits| u32::from_str_radix(digits, 16) == Ok(0));
        (default && gateway != 0).then(|| Ipv4Addr::from(gateway.to_ne_bytes()).into())
    };
    table.lines().skip(1).filter_map(gateway).collect()
}

/// `/proc/net/ipv6_route`: destination and its length, source and its length, next hop; in hex, addresses of 32 digits.
fn gateways_v6(table: &str) -> Vec<IpAddr> {
    let hop = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [_, "00", _, _, hop, ..] = columns[..] else { return None };
        let hop = u128::from_str_radix(Some(hop).filter(|digits| digits.len() == 32)?, 16).ok()?;
        (hop != 0).then(|| Ipv6Addr::from_bits(hop).into())
    };
    table.lines().filter_map(hop).collect()
}

fn resolvers(conf: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        // A link-local resolver is written with its interface.
        address.split('%').next()?.parse().ok()
    };
    conf.lines().filter_map(server).collect()
}

/// Servers that are written as addresses; names are not resolved here.
fn time_servers() -> Vec<IpAddr> {
    let files = ["/etc/chrony/chrony.conf", "/etc/chrony.conf", "/etc/ntp.conf", "/etc/ntpsec/ntp.conf"];
    let mut found: Vec<_> = files.iter().flat_map(|file| chrony_servers(&read(file))).collect();
    found.extend(timesyncd_servers(&read("/etc/systemd/timesyncd.conf")));
    found
}

fn chrony_servers(conf: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let kind = words.next()?;
        matches!(kind, "server" | "peer" | "pool").then(|| words.next()?.parse().ok()).flatten()
    };
    conf.lines().filter_map(server).collect()
}

fn timesyncd_servers(conf: &str) -> Vec<IpAddr> {
    let lists = conf.lines().filter_map(|line| line.trim().split_once('='));
    let lists = lists.filter(|(key, _)| matches!(key.trim(), "NTP" | "FallbackNTP"));
    lists.flat_map(|(_, list)| list.split_whitespace()).filter_map(|word| word.parse().ok()).collect()
}

/// Remote sessions that are logged in, from logind's own files; nothing where there is no logind. A connection alone would not
/// do: a scanner can open one.
#[must_use]
pub fn session_peers() -> Option<Vec<IpAddr>> {
    let sessions = fs::read_dir("/run/systemd/sessions").ok()?.flatten();
    Some(sessions.filter_map(|session| session_peer(&read(session.path().to_str()?))).collect())
}

fn session_peer(session: &str) -> Option<IpAddr> {
    let value = |key: &str| session.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value("REMOTE_HOST").filter(|_| value("STATE") != Some("closing"))?.parse().ok()
}

/// What the system knows of itself is in files; those not there name nobody. Of a router's million routes, or a busy server's
/// million connections, the start must do: it has the default route of IPv4, and whoever listens.
pub(super) fn read(path: &str) -> String {
    const ENOUGH: u64 = 1 << 20;
    let mut text = String::new();
    let Ok(file) = File::open(path) else { return text };
    // What was read before an error is whole lines but for the last, which then names nobody.
    let (Ok(_) | Err(_)) = file.take(ENOUGH).read_to_string(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn gateways_are_read_from_the_kernels_tables() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n\
                  eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n\
                  eth0\t0000400A\t020200C0\t0003\t0\t0\t0\t0000C0FF\n\
                  eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
        assert_eq!(gateways_v4(v4), addresses(&["192.0.2.1"]));
        let v6 = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                  fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n\
                  20010db8000000000000000000000000 40 00000000000000000000000000000000 00 \
                  fe800000000000000000000000000002 00000100 00000001 00000000 00000001 eth0\n";
        assert_eq!(gateways_v6(v6), addresses(&["fe80::1"]));
    }

    #[test]
    fn resolvers_and_time_servers_are_read_from_their_files() {
        let conf = "# none\nnameserver 192.0.2.53\n nameserver fe80::53%eth0\nsearch example.org\nnameserver\n";
        assert_eq!(resolvers(conf), addresses(&["192.0.2.53", "fe80::53"]));
        assert_eq!(
            chrony_servers("pool 2.debian.pool.ntp.org iburst\nserver 192.0.2.123\n"),
            addresses(&["192.0.2.123"])
        );
        assert_eq!(timesyncd_servers("[Time]\n#NTP=\nNTP=192.0.2.1 time.example 2001:db8::123\n").len(), 2);
    }

    #[test]
    fn only_who_listens_to_others_serves() {
        let table = "  sl  local_address rem_address   st\n\
                     0: 010200C0:0016 070033C6:D431 01 00000000:00000000\n\
                     1: 00000000:008F 00000000:0000 0A 00000000:00000000\n\
                     2: 0100007F:006F 00000000:0000 0A 00000000:00000000\n\
                     3: x:y\n";
        assert_eq!(listening_ports(table, "0A"), [143]);
        let table = "head\n0: 00000000000000000000000000000000:0016 0:0 0A\n\
                     1: 00000000000000000000000001000000:006F 0:0 0A\n\
                     2: 0000000000000000FFFF00000100007F:0070 0:0 0A\n";
        assert_eq!(listening_ports(table, "0A"), [22]);
    }

    #[test]
    fn a_session_that_is_logged_in_names_its_peer() {
        let session =
            "# This is private data.\nUID=1000\nUSER=admin\nSTATE=active\nREMOTE=1\nREMOTE_HOST=198.51.100.7\n";
        assert_eq!(session_peer(session), "198.51.100.7".parse().ok());
        assert_eq!(session_peer(&session.replace("active", "closing")), None);
        assert_eq!(session_peer(&session.replace("198.51.100.7", "host.example")), None);
    }

    #[test]
    fn nonsense_names_nobody() {
        for text in ["", "x", "a b c d e f", "1: 2:3 4:5 01", "é\n0: é:0016 éééééééé:é 01"] {
            assert_eq!(gateways_v4(text).len() + gateways_v6(text).len() + resolvers(text).len(), 0, "{text}");
            assert_eq!(session_peer(text), None, "{text}");
        }
    }
}
