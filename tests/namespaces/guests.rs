//! Guests: a source that talks with a service is not cut off by one packet in its name, and nobody becomes one by asking alone.

use std::net::{IpAddr, SocketAddr};

use crate::lab::daemon::{Daemon, ONE_QUEUE};
use crate::lab::desk::Desk;
use crate::lab::hosts::{GATEWAY, Lab, SERVER, SERVER6, routed, routed6, server};
use crate::lab::netns::Namespace;
use crate::lab::patience::wait_until;
use crate::lab::wire::{Answer, talk};

/// Ports that only a scanner asks for.
const TRIGGERS: [u16; 3] = [111, 79, 143];

/// Sends probes in somebody's name; returns when the guard has judged them. Each may be followed by a refusal that is looked at, too.
fn probe_all(lab: &Lab, guard: &Namespace, (from, to): (IpAddr, IpAddr), ports: &[u16], looked_at: u64) {
    let before = guard.queue_counts().1;
    for port in ports {
        lab.probe(from, to, *port);
    }
    let expected = before + looked_at * u64::try_from(ports.len()).expect("a few");
    wait_until("all are judged", || guard.queue_counts() == (0, expected));
}

/// Has a client talk with a service once, and whether new connections of his find it.
fn visit(lab: &Lab, from: IpAddr, at: SocketAddr) {
    let service = lab.server.serve(at);
    talk(&lab.attacker.connect(from, at), &service.accept());
}

/// Guests of either family: three places, asked for so often, do not cut one off, nor the session that it has; the fourth cuts off all but that.
fn each_guest_is_cut_off_at_the_fourth_place(
    lab: &Lab,
    (guard, daemon): (&Namespace, &Daemon<'_>),
    times: u32,
    looked_at: u64,
) {
    for (client, at, key) in
        [(routed(2), server(22), "10.1.0.2"), (routed6(1, 2), SocketAddr::new(SERVER6, 22), "fd00:1::")]
    {
        let service = lab.server.serve(at);
        let session = lab.attacker.connect(client, at);
        let its_end = service.accept();
        talk(&session, &its_end);
        for _ in 0..times {
            probe_all(lab, guard, (client, at.ip()), &TRIGGERS, looked_at);
        }
        assert!(!daemon.blocks(key), "three places, {times} times");
        assert_eq!(lab.attacker.knock(client, at), Answer::Open);

        lab.probe(client, at.ip(), 1);
        let blocked = daemon.wait_for_line(&format!("blocked source={key}"));
        assert!(blocked.contains("hits=4"), "{blocked}");
        talk(&session, &its_end);
        assert_eq!(lab.attacker.knock_briefly(client, at), Answer::Silence);
    }
}

/// Whether the kernel knows this guest.
fn is_guest(guard: &Namespace, key: &str) -> bool {
    let set = if key.contains(':') { "guests6" } else { "guests4" };
    guard.nft(&["get", "element", "inet", "nftrap", set, &format!("{{ {key} }}")]).0
}

#[test]
fn packets_in_a_guests_name_do_not_cut_it_off_and_the_fourth_place_does() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    each_guest_is_cut_off_at_the_fourth_place(&lab, (&lab.server, &daemon), 2, 1);
    let stranger = routed(3);
    lab.probe(stranger, SERVER, 111);
    let blocked = daemon.wait_for_line("blocked source=10.1.0.3 ");
    assert!(blocked.contains("hits=1"), "{blocked}");
}

#[test]
fn who_only_connects_is_no_guest() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    let _service = lab.server.serve(server(22));
    assert_eq!(lab.attacker.knock(routed(2), server(22)), Answer::Open);
    lab.probe(routed(2), SERVER, 111);
    let blocked = daemon.wait_for_line("blocked source=10.1.0.2 ");
    assert!(blocked.contains("hits=1") && !is_guest(&lab.server, "10.1.0.2"), "{blocked}");
}

#[test]
fn whom_this_host_asks_is_no_guest() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    let there = SocketAddr::new(routed(2), 8000);
    let provider = lab.attacker.serve(there);
    talk(&lab.server.connect(SERVER, there), &provider.accept());
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
}

#[test]
fn data_for_a_decoy_makes_no_guest() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "mode = \"observe\"\n[decoy]\ntcp = [8888]\nhold = \"1h\"\n");
    let client = lab.attacker.connect(routed(2), server(8888));
    daemon.wait_for_line("would block source=10.1.0.2 port=8888");
    std::io::Write::write_all(&mut &client, b"who is there?").expect("ask the decoy");
    visit(&lab, routed(3), server(22));
    wait_until("a client of a service is a guest", || is_guest(&lab.server, "10.1.0.3"));
    assert!(!is_guest(&lab.server, "10.1.0.2"));
}

#[test]
fn a_neighbours_guest_right_is_its_own_and_a_networks_is_all_of_its_hosts() {
    let Some(lab) = Lab::on_one_link() else { return };
    let daemon = Daemon::start(&lab.server, "");
    let neighbour = |host: u16| IpAddr::from([0xfd00, 0xf, 0, 0, 0, 0, 0, host]);
    let at = SocketAddr::new(SERVER6, 22);
    visit(&lab, neighbour(2), at);
    probe_all(&lab, &lab.server, (neighbour(2), SERVER6), &TRIGGERS, 1);
    lab.probe(neighbour(3), SERVER6, 111);
    daemon.wait_for_line("blocked source=fd00:f::3 ");
    assert!(!daemon.blocks("fd00:f::2"));

    visit(&lab, routed6(1, 2), at);
    probe_all(&lab, &lab.server, (routed6(1, 3), SERVER6), &TRIGGERS, 1);
    assert!(!daemon.blocks("fd00:1::"));
}

#[test]
fn a_gateway_knows_the_guests_of_its_hosts_and_takes_refusals_for_what_they_answer() {
    let Some(lab) = Lab::with_gateway() else { return };
    let gateway = lab.gateway.as_ref().expect("a lab with a gateway");
    let config = "[protect]\ndestinations = [\"10.2.0.0/24\", \"fd00:f::/64\"]\n";
    let daemon = Daemon::start(gateway, config);
    each_guest_is_cut_off_at_the_fourth_place(&lab, (gateway, &daemon), 1, 2);
    lab.probe(routed(3), GATEWAY, 111);
    daemon.wait_for_line("blocked source=10.1.0.3 ");
}

#[test]
fn a_reload_makes_guests_of_all_who_talk_or_of_nobody() {
    let Some(lab) = Lab::on_one_link() else { return };
    let config = |guest: &str| format!("{ONE_QUEUE}[detect]\nguest = \"{guest}\"\n");
    let desk = Desk::at(&lab, &config("0s"));
    let daemon = desk.start();
    visit(&lab, routed(2), server(22));
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");

    desk.reload(&config("1h"));
    visit(&lab, routed(3), server(22));
    probe_all(&lab, &lab.server, (routed(3), SERVER), &TRIGGERS, 1);
    assert!(!daemon.blocks("10.1.0.3"));

    let why = desk.done("why 10.1.0.3");
    assert!(why.contains("3 contacts remembered") && why.contains("here: within 1h enough are 4 with tr"), "{why}");

    desk.reload(&config("0s"));
    assert!(is_guest(&lab.server, "10.1.0.3"), "in a set that nobody asks");
    lab.probe(routed(3), SERVER, 111);
    let blocked = daemon.wait_for_line("blocked source=10.1.0.3 ");
    assert!(blocked.contains("port=111"), "{blocked}");
}

#[test]
fn where_another_program_has_the_guests_number_nobody_is_a_guest_and_both_guard() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _neighbour =
        Daemon::start(&lab.server, "table = \"second\"\nmode = \"observe\"\n[queue]\nfirst = 3101\ncount = 1\n");
    for privileged in [true, false] {
        let launch = if privileged { Daemon::launch } else { Daemon::launch_unprivileged };
        let daemon = launch(&lab.server, ONE_QUEUE);
        daemon.wait_for_line("nobody is a guest: ");
        daemon.wait_for_line("ready");
        let client = routed(if privileged { 2 } else { 3 });
        visit(&lab, client, server(22));
        lab.probe(client, SERVER, 111);
        let blocked = daemon.wait_for_line(&format!("blocked source={client} "));
        assert!(blocked.contains("hits=1"), "{blocked}");
    }
}

#[test]
fn a_queue_of_their_own_waits_for_a_restart() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _neighbour = Daemon::start(&lab.server, "table = \"second\"\n[queue]\nfirst = 3101\ncount = 1\n");
    let desk = Desk::at(&lab, ONE_QUEUE);
    let daemon = desk.start();
    daemon.wait_for_line("nobody is a guest: ");
    assert!(desk.done("reload").contains("detect.guest"));
    assert!(desk.says("doctor").1.contains("nftrap listens to queue 3100-3100"));
}
