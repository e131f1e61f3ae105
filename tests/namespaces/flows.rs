//! What a block leaves alone: flows that we open, and flows that were there before.

use std::net::{IpAddr, SocketAddr};

use crate::lab::daemon::Daemon;
use crate::lab::hosts::{Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::netns::Namespace;
use crate::lab::wire::{Answer, talk};

#[test]
fn what_the_server_opens_to_a_blocked_host_works() {
    let Some(lab) = Lab::on_one_link() else { return };
    opens_flows_to_a_blocked_host(&lab, &lab.server, "");
}

#[test]
fn what_a_protected_host_opens_to_a_blocked_host_works() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    let config = "[protect]\ndestinations = [\"10.2.0.0/24\", \"fd00:f::/64\"]\n";
    opens_flows_to_a_blocked_host(&lab, gateway, config);
}

fn opens_flows_to_a_blocked_host(lab: &Lab, guard: &Namespace, config: &str) {
    let daemon = Daemon::start(guard, config);
    let hosts = [(SERVER, routed(2), "10.1.0.2"), (SERVER6, routed6(1, 2), "fd00:1::")];
    for (us, them, key) in hosts {
        let there = SocketAddr::new(them, 8000);
        let provider = lab.attacker.serve(there);
        let before = lab.server.connect(us, there);
        let its_end = provider.accept();
        talk(&before, &its_end);

        lab.probe(them, us, 111);
        daemon.wait_for_line(&format!("blocked source={key}"));
        assert!(daemon.blocks(key));

        talk(&before, &its_end);
        let after = lab.server.connect(us, there);
        talk(&after, &provider.accept());
    }
}

#[test]
fn an_answer_from_a_blocked_resolver_arrives() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");

    let resolver = lab.attacker.udp((routed(2), 53).into());
    let client = lab.server.udp((SERVER, 4000).into());
    client.send_to(b"who is it?", (routed(2), 53)).unwrap();
    let mut question = [0; 64];
    let (_, from) = resolver.recv_from(&mut question).unwrap();
    resolver.send_to(b"it is I", from).unwrap();
    let mut answer = [0; 64];
    let (length, _) = client.recv_from(&mut answer).expect("the answer");
    assert_eq!(&answer[..length], b"it is I");
}

#[test]
fn an_established_flow_of_a_blocked_source_goes_on() {
    let Some(lab) = Lab::on_one_link() else { return };
    // A guest would not be blocked by one probe.
    let daemon = Daemon::start(&lab.server, "[detect]\nguest = \"0s\"\n");
    let clients: [(IpAddr, SocketAddr, &str); 2] =
        [(routed(2), server(22), "10.1.0.2"), (routed6(1, 2), (SERVER6, 22).into(), "fd00:1::")];
    for (client, at, key) in clients {
        let ssh = lab.server.serve(at);
        let session = lab.attacker.connect(client, at);
        let its_end = ssh.accept();
        talk(&session, &its_end);

        lab.probe(client, at.ip(), 111);
        daemon.wait_for_line(&format!("blocked source={key}"));
        assert!(daemon.blocks(key));

        talk(&session, &its_end);
        assert_eq!(lab.attacker.knock_briefly(client, at), Answer::Silence, "but no new one");
    }
}
