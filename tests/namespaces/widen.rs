//! IPv6 networks that are blocked as a whole, since sources in many parts of them were.

use std::net::{IpAddr, SocketAddr};

use rustix::process::Signal;

use crate::lab::daemon::Daemon;
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER6, routed6};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

const WIDEN: &str = "block.widen6 = true\n[queue]\ncount = 1\n";
const SSH: SocketAddr = SocketAddr::new(SERVER6, 22);

/// An address in a /64 of a /56 of `fd00:a::/48`.
fn hopper(wide: u16, network: u16) -> IpAddr {
    format!("fd00:a:0:{wide:02x}{network:02x}::1").parse().expect("an address")
}

/// Makes the attacker own an address, so that it can knock from there.
fn owned(lab: &Lab, address: IpAddr) -> IpAddr {
    lab.attacker.ip(&format!("addr add {address}/128 dev lo nodad\n"));
    address
}

/// A scanner with a /56 takes another /64 for each probe.
fn hop(lab: &Lab, daemon: &Daemon<'_>, wide: u16) {
    for network in 1..=4 {
        lab.probe(hopper(wide, network), SERVER6, 111);
        daemon.wait_for_line(&format!("blocked source=fd00:a:0:{:x}::/64 ", wide << 8 | network));
    }
    let whole = if wide == 0 { "fd00:a::/56".to_owned() } else { format!("fd00:a:0:{:x}::/56", wide << 8) };
    daemon.wait_for_line(&format!("blocked source={whole} "));
}

#[test]
fn who_hops_through_a_48_loses_a_56_after_four_hops_and_at_last_all_of_it() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(SSH);
    let (near, far) = (owned(&lab, hopper(1, 0x77)), owned(&lab, hopper(0x99, 1)));
    let desk = Desk::at(&lab, WIDEN);
    let mut daemon = desk.start();
    for network in 1..=3 {
        lab.probe(hopper(1, network), SERVER6, 111);
        daemon.wait_for_line(&format!("blocked source=fd00:a:0:10{network}::/64 "));
    }
    assert_eq!(lab.attacker.knock(near, SSH), Answer::Open, "three are not enough");
    hop(&lab, &daemon, 1);
    assert_eq!(lab.attacker.knock_briefly(near, SSH), Answer::Silence);
    assert_eq!(lab.attacker.knock(far, SSH), Answer::Open);
    assert!(desk.listed().contains(&"fd00:a:0:100::/56 nftrap".to_owned()), "{:?}", desk.listed());
    let why = desk.done(&format!("why {near}"));
    assert!(why.starts_with(&format!("fd00:a:0:100::/56, which holds {near}, is blocked until ")), "{why}");

    (2..=4).for_each(|wide| hop(&lab, &daemon, wide));
    daemon.wait_for_line("blocked source=fd00:a::/48 ");
    assert_eq!(lab.attacker.knock_briefly(far, SSH), Answer::Silence);
    assert_eq!(lab.attacker.knock(routed6(1, 2), SSH), Answer::Open, "a neighbour of that /48");

    lab.server.nft_load("flush ruleset");
    daemon.wait_for_line("it is back");
    assert_eq!(lab.attacker.knock_briefly(far, SSH), Answer::Silence, "after a flush");
    let whole = |event: &serde_json::Value| event["source"] == "fd00:a::/48";
    wait_until("the journal has it", || desk.history("blocked").iter().any(whole));
    daemon.end(Signal::KILL);
    lab.server.nft_load("delete table inet nftrap");
    let daemon = desk.start();
    assert_eq!(lab.attacker.knock_briefly(far, SSH), Answer::Silence, "after a reboot");
    assert!(desk.listed().contains(&"fd00:a::/48 nftrap".to_owned()), "{:?}", desk.listed());

    desk.done(&format!("unblock {far}"));
    assert_eq!(lab.attacker.knock(far, SSH), Answer::Open);
    assert_eq!(lab.attacker.knock(near, SSH), Answer::Open, "what is blocked as one is let go as one");
    assert_eq!(desk.listed(), Vec::<String>::new());
    // Whom an operator let go begins anew.
    lab.probe(hopper(1, 1), SERVER6, 111);
    wait_until("it is blocked again", || desk.listed() == ["fd00:a:0:101::/64 nftrap"]);
    assert_eq!(lab.attacker.knock(near, SSH), Answer::Open);
    drop(daemon);
}

#[test]
fn no_network_is_widened_that_holds_who_is_allowed_or_where_nobody_wants_it() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(SSH);
    let near = owned(&lab, hopper(1, 0x77));
    let allowed = format!("{WIDEN}[allow]\nsources = [\"fd00:a:0:1ff::7\"]\n");
    for config in [allowed.as_str(), "[queue]\ncount = 1\n"] {
        let desk = Desk::at(&lab, config);
        let daemon = desk.start();
        for network in 1..=6 {
            lab.probe(hopper(1, network), SERVER6, 111);
            daemon.wait_for_line(&format!("blocked source=fd00:a:0:10{network}::/64 "));
        }
        // What is told of the next is told after what would come of these.
        lab.probe(routed6(2, 2), SERVER6, 111);
        daemon.wait_for_line("blocked source=fd00:2::/64 ");
        assert_eq!(lab.attacker.knock(near, SSH), Answer::Open, "{config}");
        assert_eq!(daemon.lines_with("/56 "), 0, "in:\n{}", daemon.log());
        drop(daemon);
        lab.server.nft_load("delete table inet nftrap");
    }
}
