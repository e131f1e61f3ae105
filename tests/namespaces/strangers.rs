//! What whoever may connect to the control socket can send there, and how many: it costs no operator an answer, and no scan its block.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::{Child, Stdio};

use crate::lab::daemon::{as_nobody, public_binary};
use crate::lab::desk::Desk;
use crate::lab::hosts::{Lab, SERVER, routed};
use crate::lab::netns::Namespace;
use crate::lab::patience::wait_until;

/// What the daemon answers to these octets, line by line.
fn said_to(host: &Namespace, octets: &[u8]) -> Vec<String> {
    let name = SocketAddr::from_abstract_name("nftrap/nftrap").expect("a name");
    let mut stream = host.run(|| UnixStream::connect_addr(&name)).expect("connect");
    // It may have enough before it has all.
    let (Ok(()) | Err(_)) = stream.write_all(octets).and_then(|()| stream.shutdown(Shutdown::Write));
    BufReader::new(stream).lines().map_while(Result::ok).collect()
}

/// Clients of somebody's own, made by a line of perl; gone when dropped.
struct Clients(Child);

impl Clients {
    /// As nobody; `each` is done again and again with a socket that has just been connected, which goes with the next.
    fn of_nobody(host: &Namespace, each: &str) -> Self {
        let script = format!(
            "$SIG{{PIPE}} = \"IGNORE\"; while (1) {{ my $s; socket($s, AF_UNIX, SOCK_STREAM, 0) or next; \
             connect($s, pack(\"S a*\", AF_UNIX, \"\\0nftrap/nftrap\")) or next; {each} }}"
        );
        let mut command = as_nobody();
        command.args(["perl", "-MSocket", "-e", &script]).stdin(Stdio::null()).stdout(Stdio::null());
        Self(host.run(|| command.spawn()).expect("start perl"))
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn nonsense_from_root_itself_does_nothing_and_the_next_request_is_answered() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = desk.start();
    desk.done("block 10.1.0.9 --for forever");
    let before = daemon.resident_kib();
    let unblock = b"{\"ask\":\"unblock-all\"}\n";
    let huge = [b"{\"ask\":\"".as_slice(), &vec![b'x'; 4 << 20], b"\"}\n"].concat();
    let cases: [(&[u8], &str); 7] = [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "is not understood"),
        (b"\0\xff\x7fELF\n", "is not understood"),
        (&unblock[..unblock.len() - 1], "half a request"),
        (&unblock.repeat(2), "is not understood"),
        (b"{\"ask\":\"unblock-all\",\"to\":\"10.1.0.9\"}\n", "is not understood"),
        (b"{\"ask\":\"block\",\"prefix\":\"0.0.0.0/0\",\"seconds\":-1,\"reason\":\"\"}\n", "is not understood"),
        (&huge, "is longer than"),
    ];
    for (octets, problem) in cases {
        let said = said_to(&lab.server, octets);
        // A client that has not sent all of a huge request yet is cut off.
        assert!(said.iter().all(|line| line.contains(problem)), "{problem}: {said:?}");
        assert_eq!(desk.listed(), ["10.1.0.9 operator"], "after {problem}");
    }
    assert!(daemon.resident_kib() < before + 8192, "{} KiB, and {before} before", daemon.resident_kib());
    assert_eq!(said_to(&lab.server, unblock).last().map(String::as_str), Some("{\"end\":\"done\"}"));
}

#[test]
fn a_crowd_of_strangers_costs_no_operator_an_answer_and_no_scan_its_block() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "");
    let daemon = desk.start();
    let before = daemon.resident_kib();
    let crowd: Vec<_> = (0..4)
        .map(|_| {
            Clients::of_nobody(&lab.server, "syswrite $s, \"x\" x 99999; push @held, $s; shift @held if @held > 900;")
        })
        .collect();
    for host in 2..12 {
        lab.probe(routed(host), SERVER, 111);
        daemon.wait_for_line(&format!("blocked source=10.1.0.{host} "));
    }
    wait_until("a command finds its way through the crowd", || desk.says("unblock 10.1.0.2").0);
    assert!(daemon.resident_kib() < before + 16_384, "{} KiB, and {before} before", daemon.resident_kib());
    drop(crowd);
    desk.done("unblock 10.1.0.3");
    assert_eq!(desk.listed().len(), 8);
}

#[test]
fn who_may_ask_and_says_nothing_takes_no_seat_from_who_may_unblock() {
    let Some(lab) = Lab::on_one_link() else { return };
    let desk = Desk::at(&lab, "[control]\ngroup = \"nogroup\"\n");
    let _daemon = desk.start();
    let silent = Clients::of_nobody(
        &lab.server,
        "push @held, $s; shift @held if @held > 40; select(undef, undef, undef, 0.02);",
    );
    wait_until("all seats of those who may ask are taken", || {
        let mut status = as_nobody();
        status.arg(public_binary()).arg("status");
        lab.server.feed(&mut status, "").1.contains("too many clients at once")
    });
    desk.done("block 10.1.0.9");
    desk.done("unblock 10.1.0.9");
    drop(silent);
}
