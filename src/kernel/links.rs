//! Which IPv6 networks are on our own links. Reads interface addresses; changes nothing.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{SockaddrIn6, SockaddrStorage};

/// The networks of all addresses of all interfaces of this namespace, but the loopback's.
pub fn on_link_networks() -> std::io::Result<Vec<Ipv6Net>> {
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
