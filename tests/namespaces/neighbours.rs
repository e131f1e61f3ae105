//! Who is shut out together with whom: IPv6 networks, and neighbours on our own link.

use std::net::{IpAddr, SocketAddr};

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::hosts::{Lab, SERVER, SERVER6, link_local, routed, routed6};
use crate::lab::packet::udp;
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

#[test]
fn an_ipv6_probe_shuts_its_whole_64_out_and_no_other() {
    let Some(lab) = Lab::on_one_link() else { return };
    let ssh = SocketAddr::new(SERVER6, 22);
    let service = lab.server.serve(ssh);
    let daemon = Daemon::start(&lab.server, "");

    lab.probe(routed6(1, 2), SERVER6, 111);
    daemon.wait_for_line("blocked source=fd00:1::");
    assert!(daemon.blocks("fd00:1::"));

    assert_eq!(lab.attacker.knock_briefly(routed6(1, 2), ssh), Answer::Silence);
    assert_eq!(lab.attacker.knock_briefly(routed6(1, 3), ssh), Answer::Silence);
    assert_eq!(lab.attacker.knock(routed6(2, 2), ssh), Answer::Open);
    assert_eq!(service.clients(), [routed6(2, 2)]);
}

#[test]
fn a_link_local_probe_shuts_out_one_neighbour_only() {
    let Some(lab) = Lab::on_one_link() else { return };
    let ssh: SocketAddr = lab.wire.scoped(link_local(1), 22).into();
    let _service = lab.server.serve(SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), 22));
    let daemon = Daemon::start(&lab.server, "");
    let neighbour = |host| SocketAddr::from(lab.wire.scoped(link_local(host), 0));
    assert_eq!(lab.attacker.knock(neighbour(2), ssh), Answer::Open);

    lab.probe(link_local(2).into(), link_local(1).into(), 111);
    daemon.wait_for_line("blocked source=fe80::2 ");
    assert!(daemon.blocks("fe80::2"));

    assert_eq!(lab.attacker.knock_briefly(neighbour(2), ssh), Answer::Silence);
    assert_eq!(lab.attacker.knock(neighbour(3), ssh), Answer::Open);
}

#[test]
fn a_probe_from_our_own_64_shuts_out_one_neighbour_only() {
    let Some(lab) = Lab::on_one_link() else { return };
    let ssh = SocketAddr::new(SERVER6, 22);
    let _service = lab.server.serve(ssh);
    let daemon = Daemon::start(&lab.server, "");
    let [scanner, other]: [IpAddr; 2] = ["fd00:f::2", "fd00:f::3"].map(|address| address.parse().unwrap());

    lab.probe(scanner, SERVER6, 111);
    daemon.wait_for_line("blocked source=fd00:f::2 ");
    assert!(daemon.blocks("fd00:f::2"));

    assert_eq!(lab.attacker.knock_briefly(scanner, ssh), Answer::Silence);
    assert_eq!(lab.attacker.knock(other, ssh), Answer::Open);
    assert_eq!(lab.attacker.knock(routed6(1, 2), ssh), Answer::Open);
}

#[test]
fn a_neighbour_that_asks_everybody_is_no_scanner() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, ONE_QUEUE);
    let neighbour: IpAddr = "10.2.0.2".parse().unwrap();
    for everybody in ["10.2.0.255", "255.255.255.255", "224.0.0.251"] {
        lab.wire.send(&udp((neighbour, 40_000), (everybody.parse().unwrap(), 161), b"printers?"));
    }
    lab.wire.send(&udp((link_local(2).into(), 40_000), ("ff02::1".parse().unwrap(), 161), b"printers?"));
    lab.settle(&daemon, SERVER);
    assert_eq!(daemon.lines_with("source=10.2.0.2 "), 0);
    assert_eq!(daemon.lines_with("source=fe80::2 "), 0);

    lab.wire.send(&udp((neighbour, 40_000), (SERVER, 161), b"public"));
    daemon.wait_for_line("blocked source=10.2.0.2 ");
    assert!(!daemon.blocks(&routed(2).to_string()));
}

#[test]
fn the_first_address_of_our_own_network_is_a_neighbour_like_any_other() {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = SocketAddr::new(SERVER6, 22);
    let _service = lab.server.serve(service);
    let daemon = Daemon::start(&lab.server, "");
    // A forged one, by the look of it: the router's anycast address (RFC 4291 §2.6.1), and the network's name.
    lab.probe("fd00:f::".parse().unwrap(), SERVER6, 111);
    daemon.wait_for_line("blocked source=fd00:f:: ");
    lab.probe("fe80::".parse().unwrap(), SERVER6, 111);
    daemon.wait_for_line("blocked source=fe80:: ");
    for neighbour in ["fd00:f::2", "fd00:f::fe"] {
        assert_eq!(lab.attacker.knock(neighbour.parse::<IpAddr>().unwrap(), service), Answer::Open, "{neighbour}");
    }
}

#[test]
fn a_network_that_comes_to_our_link_is_learned() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    let links = || lab.server.nft(&["list", "set", "inet", "nftrap", "links6"]).1;
    assert!(links().contains("fd00:f::/64") && !links().contains("fd00:aa::/64"), "{}", links());
    lab.server.ip("addr add fd00:aa::1/64 dev lan nodad");
    wait_until("the new network is known", || links().contains("fd00:aa::/64"));

    lab.attacker.ip("addr add fd00:aa::2/64 dev lan nodad\nroute replace fd00:aa::/64 dev lan");
    lab.probe("fd00:aa::2".parse().unwrap(), "fd00:aa::1".parse().unwrap(), 111);
    daemon.wait_for_line("blocked source=fd00:aa::2 ");
}
