//! Who may ask, who may change, and whom a command trusts.

use std::process::{Child, Command, Stdio};

use crate::lab::daemon::{Daemon, as_nobody, public_binary};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::netns::Namespace;
use crate::lab::patience::wait_until;

/// What a command says to nobody, and whether it went well.
fn nobody_asks(host: &Namespace, command: &str) -> (bool, String) {
    host.feed(as_nobody().arg(public_binary()).args(command.split_whitespace()), "")
}

#[test]
fn nobody_may_ask_until_its_group_may_and_changes_nothing_even_then() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let _daemon = desk.start();
    desk.done("block 10.1.0.3 --for forever");
    for command in ["status", "list", "why 10.1.0.3", "allow list", "unblock --all", "block 10.1.0.4", "reload"] {
        let (done, said) = nobody_asks(&lab.server, command);
        assert!(!done && said.contains("nobody may not ask nftrap anything: ask as root or through sudo"), "{said}");
        assert!(said.contains("section [control]"), "{said}");
    }
    desk.reload("[control]\ngroup = \"nogroup\"\n");
    for command in ["status", "list", "why 10.1.0.3", "allow list"] {
        let (done, said) = nobody_asks(&lab.server, command);
        assert!(done, "`{command}`: {said}");
    }
    assert!(nobody_asks(&lab.server, "list").1.contains("10.1.0.3"));
    for command in ["unblock --all", "block 10.1.0.4", "allow add 10.1.0.3", "allow remove 10.1.0.3", "reload"] {
        let (done, said) = nobody_asks(&lab.server, command);
        assert!(!done && said.contains("you may ask, and change nothing: ask as root or through sudo"), "{said}");
    }
    assert_eq!(desk.listed(), ["10.1.0.3 operator"]);
    desk.reload("");
    assert!(!nobody_asks(&lab.server, "status").0, "no more");
}

/// Somebody who holds a name; gone when dropped.
struct Squatter(Child);

impl Squatter {
    fn take_the_name(host: &Namespace) -> Self {
        const TAKE: &str = "socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, pack(\"S a*\", AF_UNIX, \"\\0nftrap/nftrap\")) or die; \
                            listen(S, 9); sleep 1000";
        let mut command = as_nobody();
        command.args(["perl", "-MSocket", "-e", TAKE]).stdin(Stdio::null());
        let squatter = Self(host.run(|| command.spawn()).expect("start perl"));
        wait_until("the name is taken", || {
            let (_, sockets) = host.feed(Command::new("cat").arg("/proc/self/net/unix"), "");
            sockets.contains("@nftrap/nftrap")
        });
        squatter
    }
}

impl Drop for Squatter {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn who_squats_on_the_name_stops_no_protection_is_not_trusted_and_is_followed() {
    let Some(lab) = Lab::on_one_link() else { return };
    let squatter = Squatter::take_the_name(&lab.server);
    let desk = Desk::at(&lab, "");
    let daemon: Daemon<'_> = desk.start();
    daemon.wait_for_line("somebody else has the name of our control socket");
    lab.probe(routed(2), SERVER, 111);
    daemon.wait_for_line("blocked source=10.1.0.2 ");
    for command in ["status", "unblock 10.1.0.2"] {
        let said = desk.refused(command);
        assert!(
            said.contains("of nobody has taken the name of nftrap's control socket, and was asked nothing"),
            "{said}"
        );
    }
    assert!(daemon.blocks("10.1.0.2"));
    drop(squatter);
    wait_until("the daemon takes the name", || desk.says("status").0);
    desk.done("unblock 10.1.0.2");
    assert_eq!(daemon.lines_with("somebody else has the name"), 1);
}
