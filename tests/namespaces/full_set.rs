//! The kernel's sets, filled by somebody else: it is said before they are full, what is blocked then takes the place of older blocks of
//! ours, and what cannot be blocked is said, too.

use std::time::Duration;

use nftrap::config::Config;
use nftrap::detect::source::Source;
use nftrap::kernel::{bulk, dump, nft};

use crate::lab::daemon::ONE_QUEUE;
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::patience::wait_until;
use crate::lab::strain::forged;

const HOUR: Duration = Duration::from_secs(3600);

/// Puts so many elements into the set of IPv4 sources, beside what is there.
fn fill(lab: &Lab, numbers: std::ops::Range<u32>) {
    let theirs: Vec<_> = numbers.map(|n| (Source::host(forged(n)), HOUR)).collect();
    lab.server.run(|| bulk::add_all("nftrap", &theirs)).expect("fill the set");
}

fn places_left(lab: &Lab) -> u32 {
    let (set, left) = lab.server.run(|| dump::fullest("nftrap")).expect("list the sets").expect("they have a size");
    assert_eq!(set, "block4");
    left
}

#[test]
fn a_set_that_others_fill_is_called_nearly_full_and_goes_on_taking_blocks_as_long_as_one_of_ours_can_go() {
    const MOST: &str = "[block]\nmax = 1024\n";
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, &format!("{ONE_QUEUE}{MOST}"));
    let daemon = desk.start();
    for scanner in [2, 3] {
        lab.probe(routed(scanner), SERVER, 111);
        daemon.wait_for_line(&format!("blocked source=10.1.0.{scanner} "));
    }
    let left = places_left(&lab);
    assert_eq!(left, 1024 + 65_536 - 2);
    fill(&lab, 0..left - 5000);
    desk.done("reload");
    daemon.wait_for_line("5000 more blocks find room in the kernel's set block4");
    assert!(desk.says("status").1.contains("5000 more blocks find room"));

    fill(&lab, left - 5000..left);
    assert_eq!(places_left(&lab), 0);
    lab.probe(routed(4), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.4 ");
    assert!(
        daemon.blocks("10.1.0.4") && daemon.blocks("10.1.0.3") && !daemon.blocks("10.1.0.2"),
        "the oldest made room"
    );
    desk.done("unblock 10.1.0.3");
    desk.done("unblock 10.1.0.4");
    fill(&lab, left..left + 2);
    lab.probe(routed(5), SERVER, 111);
    daemon.wait_for_line("the kernel set is full");
    assert!(!daemon.blocks("10.1.0.5"));

    lab.server.nft_load("flush set inet nftrap block4");
    desk.done("reload");
    daemon.wait_for_line("the kernel's sets have room for blocks again");
    wait_until("it is blocked now", || {
        lab.probe(routed(5), SERVER, 111);
        daemon.blocks("10.1.0.5")
    });
    assert_eq!(daemon.lines_with("more blocks find room"), 1, "said once");
}

#[test]
fn a_full_set_keeps_no_table_from_being_loaded() {
    let Some(lab) = Lab::on_one_link() else { return };
    let mut config = Config::default();
    config.block.max = 1024;
    let load = |blocks: &[(Source, Duration)]| lab.server.run(|| nft::load(&config, &nft::host(&[]), blocks));
    load(&[]).expect("load");
    fill(&lab, 0..places_left(&lab) - 1);
    let blocks: Vec<_> = [2, 3, 4].map(|scanner| (Source::host(routed(scanner)), HOUR)).to_vec();
    load(&blocks).expect("load what fits");
    let left = places_left(&lab);
    assert!(left <= 1, "{left}");
}
