//! Clocks that are not what they were: the time of day set back while nobody ran, and a machine that counts its time from elsewhere. Blocks
//! end when they were to.

use std::net::Ipv4Addr;
use std::time::Duration;

use nftrap::detect::probe::{Kind, Protocol};
use nftrap::detect::source::Source;
use nftrap::event::{Asked, Event, Offence, What};
use nftrap::journal::{Home, Journal, Settings};
use nftrap::kernel::clock::wall;
use nftrap::kernel::home;
use rustix::process::Signal;

use crate::lab::daemon::ONE_QUEUE;
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::patience::wait_until;
use crate::lab::strain::launch_by_shell;

const TEN_MINUTES: Duration = Duration::from_secs(600);
const AHEAD: Duration = Duration::from_secs(5 * 3600);

#[test]
fn a_time_of_day_that_was_set_back_by_hours_makes_no_block_longer() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    // An earlier daemon wrote it while the clock was five hours ahead.
    let (at, source) = (wall().plus(AHEAD), Source::host(Ipv4Addr::new(10, 64, 0, 1).into()));
    let probe = Asked { port: 111, protocol: Protocol::Tcp, kind: Kind::Syn, destination: SERVER };
    let what =
        What::Blocked(Offence { source, probe, hits: 1, until: at.plus(TEN_MINUTES), repeat: 1, evidence: Vec::new() });
    let settings = Settings { file: desk.file.journal(), keep: Duration::from_secs(86_400), max_bytes: 1 << 30 };
    let home = Home(desk.host.run(home::read));
    let (mut journal, _) = Journal::open(settings, home, at).expect("open the journal");
    journal.append(&[Event { at, what }]).expect("store");
    drop(journal);

    let daemon = desk.start();
    let left = daemon.time_left("10.64.0.1");
    assert!(left <= TEN_MINUTES && left > TEN_MINUTES / 2, "{left:?}");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    assert!(daemon.time_left("10.1.0.2") <= TEN_MINUTES);
    wait_until("both are in the journal", || desk.history("blocked").len() == 2);
}

#[test]
fn a_daemon_whose_machine_counts_from_elsewhere_takes_blocks_over_with_their_ends() {
    const LATER: &str = "exec unshare --time --monotonic 2592000 --boottime 2592000 --fork --kill-child=KILL \"$@\"";
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, ONE_QUEUE);
    let mut daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    wait_until("it is in the journal", || desk.history("blocked").len() == 1);
    daemon.end(Signal::KILL);

    let mut daemon = launch_by_shell(&desk, LATER);
    assert!(daemon.wait_for_line("ready mode=").contains("blocks=1 "));
    let left = daemon.time_left("10.1.0.2");
    assert!(left <= TEN_MINUTES && left > TEN_MINUTES / 2, "{left:?}");
    lab.probe(routed(3), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.3 ");
    assert!(daemon.time_left("10.1.0.3") <= TEN_MINUTES);
    daemon.end(Signal::KILL);
}
