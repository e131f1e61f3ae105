//! Beside rules of iptables-nft: an administrator's, and Docker's.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use crate::lab::beside::{Firewall, Guarded, theirs};
use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::hosts::{GATEWAY, Lab, SERVER, routed, server};
use crate::lab::netns::Namespace;
use crate::lab::wire::{Answer, talk};

#[test]
fn iptables_rules_and_ours_keep_out_of_each_others_way() {
    let Some(host) = Guarded::new() else { return };
    let lab = &host.lab;
    let load = || {
        restore(&lab.server, "iptables-nft-restore", RULES4);
        restore(&lab.server, "ip6tables-nft-restore", RULES6);
    };
    load();
    host.our_life_changes_nothing_of(&["ip raw", "ip nat", "ip filter", "ip6 filter"]);

    let _untracked = lab.server.serve(server(8443));
    let daemon = Daemon::start(&lab.server, "");
    host.both_work(&daemon, 3, Firewall::Up(Answer::Silence));
    host.both_work_by_ipv6(&daemon, Answer::Silence);
    load();
    assert!(daemon.blocks("10.1.0.3"));
    host.both_work(&daemon, 4, Firewall::Up(Answer::Silence));

    // A port that they translate, and one that they keep from conntrack: both are served.
    for port in [2222, 8443] {
        assert_eq!(lab.attacker.knock(routed(103), server(port)), Answer::Open, "{port}");
        assert_eq!(lab.attacker.knock_briefly(routed(3), server(port)), Answer::Silence, "{port}");
    }
    lab.probe(routed(5), SERVER, 143);
    daemon.wait_for_line("blocked source=10.1.0.5 port=143");
    assert_eq!(lab.attacker.knock_briefly(routed(5), server(8443)), Answer::Silence);
    assert_eq!(daemon.lines_with("source=10.1.0.103 "), 0);
}

/// The trigger port 143 is among what conntrack does not see.
const RULES4: &str = "\
*raw
:PREROUTING ACCEPT
:OUTPUT ACCEPT
-A PREROUTING -p tcp -m multiport --dports 143,8443 -j CT --notrack
-A OUTPUT -p tcp -m multiport --sports 143,8443 -j CT --notrack
COMMIT
*nat
:PREROUTING ACCEPT
-A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22
COMMIT
*filter
:INPUT DROP
:FORWARD DROP
:OUTPUT ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m multiport --dports 22,143,8443 -j ACCEPT
COMMIT
";

const RULES6: &str = "\
*filter
:INPUT DROP
:FORWARD DROP
:OUTPUT ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p ipv6-icmp -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT
COMMIT
";

#[test]
fn clients_of_a_container_are_no_scanners_whatever_port_it_publishes() {
    let Some(lab) = Lab::with_gateway() else { return };
    let docker = lab.gateway.as_ref().expect("a lab with a gateway");
    restore(docker, "iptables-nft-restore", DOCKER);
    let rules = theirs(docker);
    let _services = [22, 80, 143].map(|port| lab.server.serve(server(port)));
    let snmp = lab.server.udp(server(161));
    // As if the containers' network were guarded, too: that is where a published port could be mistaken.
    let config = format!("on_exit = \"remove\"\n{ONE_QUEUE}[protect]\ndestinations = [\"10.2.0.0/24\"]\n");
    let mut daemon = Daemon::start(docker, &config);
    assert_eq!(theirs(docker), rules);

    for port in [8000, 143] {
        assert_eq!(lab.attacker.knock(routed(3), SocketAddr::new(GATEWAY, port)), Answer::Open, "{port}");
    }
    let client = lab.attacker.udp(SocketAddr::new(routed(3), 0));
    client.send_to(b"public", (GATEWAY, 161)).expect("ask the container");
    assert_eq!(snmp.recv_from(&mut [0; 8]).expect("the container is asked").0, 6);

    lab.probe(routed(2), GATEWAY, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 port=111 protocol=tcp kind=syn hits=1");
    for port in [8000, 143] {
        let published = SocketAddr::new(GATEWAY, port);
        assert_eq!(lab.attacker.knock_briefly(routed(2), published), Answer::Silence, "{port}");
    }
    containers_reach_the_world(&lab);
    assert_eq!(lab.attacker.knock_briefly(routed(4), server(22)), Answer::Silence, "not published");
    lab.settle(&daemon, GATEWAY);
    assert_eq!(daemon.lines_with("source=10.1.0.3 "), 0);

    restore(docker, "iptables-nft-restore", DOCKER);
    assert!(daemon.blocks("10.1.0.2"));
    let rules = theirs(docker);
    daemon.end(rustix::process::Signal::TERM);
    assert_eq!(theirs(docker), rules);
    assert_eq!(lab.attacker.knock(routed(3), SocketAddr::new(GATEWAY, 8000)), Answer::Open);
}

/// Masqueraded, and also to an address that is blocked.
fn containers_reach_the_world(lab: &Lab) {
    let world = SocketAddr::new(routed(2), 443);
    let service = lab.attacker.serve(world);
    let container: IpAddr = SERVER;
    let connection = lab.server.connect(container, world);
    talk(&connection, &service.accept());
    assert_eq!(connection.peer_addr().expect("its other end"), world);
}

/// What Docker sets for a container with two published TCP ports and a UDP port; its bridge is `lan` here.
const DOCKER: &str = "\
*nat
:DOCKER -
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 10.2.0.0/24 ! -o lan -j MASQUERADE
-A POSTROUTING -s 10.2.0.1/32 -d 10.2.0.1/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -s 10.2.0.1/32 -d 10.2.0.1/32 -p tcp -m tcp --dport 143 -j MASQUERADE
-A POSTROUTING -s 10.2.0.1/32 -d 10.2.0.1/32 -p udp -m udp --dport 161 -j MASQUERADE
-A DOCKER -i lan -j RETURN
-A DOCKER ! -i lan -p tcp -m tcp --dport 8000 -j DNAT --to-destination 10.2.0.1:80
-A DOCKER ! -i lan -p tcp -m tcp --dport 143 -j DNAT --to-destination 10.2.0.1:143
-A DOCKER ! -i lan -p udp -m udp --dport 161 -j DNAT --to-destination 10.2.0.1:161
COMMIT
*filter
:FORWARD DROP
:DOCKER -
:DOCKER-ISOLATION-STAGE-1 -
:DOCKER-ISOLATION-STAGE-2 -
:DOCKER-USER -
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o lan -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o lan -j DOCKER
-A FORWARD -i lan ! -o lan -j ACCEPT
-A FORWARD -i lan -o lan -j ACCEPT
-A DOCKER -d 10.2.0.1/32 ! -i lan -o lan -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER -d 10.2.0.1/32 ! -i lan -o lan -p tcp -m tcp --dport 143 -j ACCEPT
-A DOCKER -d 10.2.0.1/32 ! -i lan -o lan -p udp -m udp --dport 161 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i lan ! -o lan -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o lan -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
";

fn restore(host: &Namespace, program: &str, rules: &str) {
    let (done, said) = host.feed(&mut Command::new(program), rules);
    assert!(done, "{program} refused this:\n{rules}\n{said}");
}
