//! Debian's `PortSentry` 1.2 and nftrap on the same stimuli: whom it reports, we do, and more; where it is deaf, and where it is wrong,
//! is written down here.

use std::net::{IpAddr, Ipv4Addr};

use crate::lab::beside::Tools;
use crate::lab::daemon::Daemon;
use crate::lab::hosts::{Lab, SERVER, routed, server};
use crate::lab::packet::{ACK, FIN, PSH, RST, SYN, URG, syn_in_ipv4_fragments, tcp, udp};
use crate::lab::patience::wait_until;

/// A syslog of its own, for `PortSentry` has no other log. What it needs of `/dev` comes along.
const SYSLOG: &str = "\
mkdir -p /run/dev /var/lib/portsentry
for device in null zero urandom; do touch /run/dev/$device; mount --bind /dev/$device /run/dev/$device; done
mount --rbind /run/dev /dev
printf '127.0.0.1/32\\n10.1.0.99\\n' >/etc/portsentry/portsentry.ignore
sed -i 's/^SCAN_TRIGGER=.*/SCAN_TRIGGER=\"0\"/; s/^BLOCK_\\(TCP\\|UDP\\)=.*/BLOCK_\\1=\"0\"/' /etc/portsentry/portsentry.conf";

/// Keeps what comes to syslog's socket.
const LISTEN: &str = "\
python3 -c 'import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(\"/dev/log\")
with open(\"/run/syslog\", \"ab\", 0) as log:
    while True: log.write(s.recv(4096).rstrip(b\"\\0\\n\") + b\"\\n\")'";

/// It makes daemons of itself: in a process namespace they end with their parent.
const PORTSENTRY: &str =
    "unshare --pid --fork --kill-child sh -c 'portsentry -stcp && portsentry -sudp && exec sleep 600'";

const LAST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 97));
const IN_FRAGMENTS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 98));
const IGNORED: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 99));

/// What a source does, and what either makes of it.
struct Case {
    flags: Option<u8>,
    ports: &'static [u16],
    /// `PortSentry`'s label; nothing, where it is deaf.
    theirs: Option<&'static str>,
    /// Our kind; nothing, where nobody is to be reported.
    ours: Option<&'static str>,
}

const fn case(
    flags: Option<u8>,
    ports: &'static [u16],
    theirs: Option<&'static str>,
    ours: Option<&'static str>,
) -> Case {
    Case { flags, ports, theirs, ours }
}

/// By TCP flags, or UDP. Port 2000 is served, 8081 is no trigger.
const CASES: [Case; 14] = [
    case(Some(SYN), &[111], Some("TCP SYN/Normal scan"), Some("syn")),
    case(Some(SYN), &[54_320], Some("TCP SYN/Normal scan"), Some("syn")),
    case(Some(FIN), &[111], Some("TCP FIN scan"), Some("fin")),
    case(Some(0), &[111], Some("TCP NULL scan"), Some("null")),
    case(Some(FIN | PSH | URG), &[111], Some("TCP XMAS scan"), Some("xmas")),
    case(Some(SYN | FIN), &[111], Some("Unknown Type: TCP Packet Flags: SYN: 1 FIN: 1"), Some("syn+fin")),
    case(Some(SYN | PSH | URG), &[111], Some("Unknown Type: TCP Packet Flags: SYN: 1 FIN: 0"), Some("syn")),
    case(None, &[69], Some("UDP scan"), Some("udp")),
    // It is deaf to whatever has an ACK; it takes two places to tell that from a late segment.
    case(Some(ACK), &[111, 143], None, Some("ack")),
    case(Some(FIN | ACK), &[111, 143], None, Some("maimon")),
    // Neither reports these: a reset, a service's client, a port that nobody watches.
    case(Some(RST), &[111], None, None),
    case(Some(SYN), &[2000], None, None),
    case(None, &[8081], None, None),
    case(Some(SYN), &[8081], None, None),
];

#[test]
fn whom_portsentry_reports_we_do_and_more() {
    let Some(lab) = Lab::on_one_link() else { return };
    let _service = lab.server.serve(server(2000));
    let tools = Tools::on(&lab.server);
    tools.run(SYSLOG);
    let _syslog = tools.start(LISTEN);
    wait_until("syslog listens", || tools.succeeds("test -S /dev/log"));
    let log = || tools.run("cat /run/syslog 2>/dev/null || true");
    let running = tools.start(PORTSENTRY);
    wait_until("both listen", || log().matches("is now active and listening").count() == 2);

    stimulate(&lab);
    lab.probe(LAST, SERVER, 111);
    lab.wire.send(&udp((LAST, 40_000), (SERVER, 69), b"?"));
    for protocol in ["TCP", "UDP"] {
        let line = format!("from host: {LAST}/{LAST} to {protocol} port");
        wait_until("it has seen all", || log().contains(&line));
    }
    let theirs = log();
    drop(running);

    let daemon = Daemon::start(&lab.server, "allow.sources = [\"10.1.0.99\"]\nqueue.count = 1\n");
    stimulate(&lab);
    lab.settle(&daemon, SERVER);
    let ours = daemon.log();
    for (host, case) in (10..).zip(&CASES) {
        let source = routed(host);
        let label = format!("from host: {source}/{source} to ");
        let line = theirs.lines().find(|line| line.contains(&label));
        let context = format!("flags {:?} to {:?} from {source}: {line:?}", case.flags, case.ports);
        assert_eq!(line.is_some(), case.theirs.is_some(), "PortSentry: {context}\n{theirs}");
        assert!(line.zip(case.theirs).is_none_or(|(line, label)| line.contains(label)), "{context}");
        let kind = ours.lines().find(|line| line.contains(&format!("blocked source={source} ")));
        assert_eq!(kind.is_some(), case.ours.is_some(), "nftrap: {context}\n{ours}");
        assert!(kind.zip(case.ours).is_none_or(|(line, kind)| line.contains(&format!(" kind={kind} "))), "{kind:?}");
    }
    let reported =
        |source| [theirs.contains(&format!("host: {source}/")), ours.contains(&format!("blocked source={source} "))];
    assert_eq!(reported(IGNORED), [false; 2]);
    assert_eq!(reported(IN_FRAGMENTS), [true; 2]);
}

/// Sends every case from a source of its own, a probe from one that both are told to ignore, and one in pieces.
fn stimulate(lab: &Lab) {
    for (host, case) in (10..).zip(&CASES) {
        for port in case.ports {
            let (from, to) = ((routed(host), 40_000), (SERVER, *port));
            lab.wire.send(&case.flags.map_or_else(|| udp(from, to, b"?"), |flags| tcp(from, to, flags)));
        }
    }
    lab.probe(IGNORED, SERVER, 111);
    for fragment in syn_in_ipv4_fragments((IN_FRAGMENTS, 40_000), (SERVER, 111)) {
        lab.wire.send(&fragment);
    }
}
