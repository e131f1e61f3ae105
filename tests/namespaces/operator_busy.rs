//! Changes while packets come, and while other operators make theirs.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::lab::desk::{Desk, text};
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::packet::{SYN, tcp};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

const RELOADS: u32 = 50;
/// A packet that is among the old rules at the very moment of a reload may find their anonymous maps empty.
const SLIPS: u32 = 2;

/// Counts what comes through of one that is blocked.
const BLOCKED_ONE_ARRIVES: &str = "\
table inet arrivals {
    chain input { type filter hook input priority 10; policy accept; ip saddr 10.1.0.2 counter; }
}
";

/// Says that it is over, also where a test panics: others wait for that.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Scanners that come one after the other until it is over: how many.
fn scan_until(over: &AtomicBool, lab: &Lab) -> u32 {
    let base = u32::from(Ipv4Addr::new(10, 64, 0, 0));
    let mut sent = 0;
    // However soon the reloads are done: more scanners than might slip.
    while !over.load(Ordering::Relaxed) || sent <= RELOADS * SLIPS * 2 {
        let source = IpAddr::V4(Ipv4Addr::from(base + sent));
        lab.wire.send(&tcp((source, 40_000), (SERVER, 111), SYN));
        sent += 1;
        lab.probe(routed(2), SERVER, 22);
        // nft would begin anew with each block, were these not kept back while it works; an emulated kernel has no time for more.
        thread::sleep(Duration::from_millis(10));
    }
    sent
}

#[test]
fn fifty_reloads_under_load_lose_no_block_and_no_client_and_let_hardly_a_probe_slip() {
    let Some(lab) = Lab::on_one_link() else { return };
    let service = lab.server.serve(server(22));
    let config = |ports: &str| format!("[trigger]\ntcp = [{ports}]\n[queue]\nlength = 65536\n[block]\nfactor = 1\n");
    let desk = Desk::at(&lab, &config("111"));
    let daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    lab.server.nft_load(BLOCKED_ONE_ARRIVES);
    let over = AtomicBool::new(false);
    let (sent, clients) = thread::scope(|scope| {
        let scanners = scope.spawn(|| scan_until(&over, &lab));
        let clients = scope.spawn(|| {
            let mut clients = 0_u32;
            while !over.load(Ordering::Relaxed) {
                assert_eq!(lab.attacker.knock(routed(3), server(22)), Answer::Open);
                clients += u32::try_from(service.clients().len()).expect("few");
            }
            clients
        });
        let over = Over(&over);
        for n in 0..RELOADS {
            desk.reload(&config(if n % 2 == 0 { "111, 5900" } else { "79, 111" }));
        }
        drop(over);
        (scanners.join().expect("scanners"), clients.join().expect("clients"))
    });
    assert!(
        lab.server.nft(&["list", "table", "inet", "arrivals"]).1.contains("10.1.0.2 counter packets 0 "),
        "{}",
        lab.server.nft(&["list", "table", "inet", "arrivals"]).1
    );
    wait_until("none waits", || lab.server.queue_counts().0 == 0);
    let blocked = u32::try_from(desk.listed().len()).expect("not that many") - 1;
    assert!(sent > RELOADS * SLIPS * 2 && clients > RELOADS, "{sent} scanners, {clients} clients are no load");
    assert!(blocked <= sent && sent - blocked <= RELOADS * SLIPS, "{blocked} of {sent} are blocked");
    assert_eq!((daemon.lines_with("INFO  reloaded"), daemon.lines_with("it is back")), (50, 0));
}

/// What one operator does, of twenty, some of it to the same addresses as others.
fn a_day_of_operator(desk: &Desk<'_>, n: u8) {
    let (own, shared) = (format!("10.9.{n}.1"), format!("10.8.0.{}", 2 * (n % 4)));
    desk.done(&format!("block {own} --for forever"));
    desk.done(&format!("block {shared} --for 1h"));
    desk.done(&format!("allow add 10.7.{n}.0/24"));
    // Somebody else may have been faster.
    let _faster = desk.says(&format!("unblock {shared}"));
    desk.done(&format!("block {shared} --for 2h"));
    if n.is_multiple_of(2) {
        desk.done(&format!("unblock {own}"));
        desk.done(&format!("allow remove 10.7.{n}.0/24"));
    }
    desk.json("list");
}

/// The operators' blocks that the kernel has.
fn in_kernel(lab: &Lab) -> BTreeSet<String> {
    let (_, listing) = lab.server.nft(&["list", "set", "inet", "nftrap", "banned4"]);
    let elements = listing.split("elements = {").nth(1).unwrap_or_default();
    elements.split(',').filter_map(|element| element.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn twenty_operators_at_once_and_kernel_list_and_journal_agree() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let mut daemon = desk.start();
    thread::scope(|scope| {
        for n in 0..20 {
            let desk = &desk;
            scope.spawn(move || a_day_of_operator(desk, n));
        }
    });
    let listed = || desk.json("list").iter().map(|block| text(block, "source").to_owned()).collect::<BTreeSet<_>>();
    let allowed = || {
        let list = desk.json("allow list");
        list.iter().filter(|entry| entry["why"] == "operator").count()
    };
    let before = listed();
    let odd = (0..20).filter(|n| n % 2 == 1).map(|n| format!("10.9.{n}.1"));
    assert!(odd.into_iter().all(|own| before.contains(&own)), "{before:?}");
    assert!(before.len() >= 10 && before.len() <= 14, "{before:?}");
    assert_eq!(in_kernel(&lab), before);
    assert_eq!(allowed(), 10);

    daemon.end(Signal::KILL);
    lab.server.nft_load("delete table inet nftrap");
    let _daemon = desk.start();
    assert_eq!(listed(), before, "the journal alone");
    assert_eq!(in_kernel(&lab), before);
}
