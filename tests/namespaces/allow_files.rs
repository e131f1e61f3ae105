//! Files of those who are allowed, edited while the daemon runs: it takes them up by itself.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::lab::daemon::ONE_QUEUE;
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::patience::wait_until;

fn append(file: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(file).expect("open the list");
    file.write_all(text.as_bytes()).expect("write to the list");
}

#[test]
fn a_line_more_frees_its_source_and_no_other_and_a_bad_one_nobody() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let list = desk.file.path().with_file_name("friends");
    fs::write(&list, "10.1.0.9\n").expect("write the list");
    desk.file.write(&format!("{ONE_QUEUE}[allow]\nsources = [\"./friends\"]\n"));
    let daemon = desk.start();
    for host in [2, 3] {
        lab.probe(routed(host), SERVER, 111);
        wait_until("it is blocked", || daemon.blocks(&routed(host).to_string()));
    }

    append(&list, "10.1.0.2 # a friend\n");
    let said = daemon.wait_for_line("took up a changed allow list");
    assert!(said.ends_with(&format!("files={} new=1 gone=0 freed=1", list.display())), "{said}");
    assert!(!daemon.blocks("10.1.0.2") && daemon.blocks("10.1.0.3"));
    assert!(desk.done("why 10.1.0.2").contains("never blocked"));
    lab.probe(routed(2), SERVER, 111);
    lab.settle(&daemon, SERVER);
    assert!(!daemon.blocks("10.1.0.2"), "it may do what it likes");

    append(&list, "10.1.0.3\n10.9.2\n");
    let said = daemon.wait_for_line("a changed allow list is not taken up, the old one stays in force");
    assert!(said.contains(&format!("{}:4:1: `10.9.2` is short of an address", list.display())), "{said}");
    assert!(daemon.blocks("10.1.0.3"), "half a list frees nobody");
    assert!(desk.says("status").1.contains("\n! an allow list is not taken up"), "{}", desk.says("status").1);
    lab.probe(routed(2), SERVER, 79);
    lab.settle(&daemon, SERVER);
    assert!(!daemon.blocks("10.1.0.2"), "nor does it lose anybody");

    fs::write(&list, "").expect("empty the list");
    daemon.wait_for_line("is empty: if that is meant, `nftrap reload`");
    lab.probe(routed(2), SERVER, 79);
    lab.settle(&daemon, SERVER);
    assert!(!daemon.blocks("10.1.0.2"), "an editor has just begun, or the disk is full");

    fs::write(&list, "10.1.0.3\n").expect("mend the list");
    wait_until("the mended list is in force", || !daemon.blocks("10.1.0.3"));
    assert_eq!(daemon.lines_with("is not taken up"), 2, "a bad list is said once");
    assert!(!desk.says("status").1.contains("allow list"), "{}", desk.says("status").1);
    lab.probe(routed(2), SERVER, 79);
    wait_until("who is gone from the list is blocked again", || daemon.blocks("10.1.0.2"));
}

#[test]
fn the_operators_own_file_is_taken_up_as_well() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, ONE_QUEUE);
    let daemon = desk.start();
    lab.probe(routed(2), SERVER, 111);
    wait_until("it is blocked", || daemon.blocks("10.1.0.2"));
    desk.done("allow add 10.1.0.8 --save");
    let file = desk.file.journal().with_extension("allow");
    append(&file, "10.1.0.2 # ours\n");
    daemon.wait_for_line("took up a changed allow list");
    assert!(!daemon.blocks("10.1.0.2"));
    assert!(desk.done("allow list").contains("ours"));

    append(&file, "nonsense!\n");
    let said = daemon.wait_for_line("is not taken up");
    let lines = fs::read_to_string(&file).expect("read the list").lines().count();
    assert!(said.ends_with(&format!("{}:{lines}: this is neither an address nor a prefix", file.display())), "{said}");
    assert!(desk.done("allow list").contains("10.1.0.8"));
}
