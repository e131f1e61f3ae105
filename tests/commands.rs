//! The operator's commands through the program, against a daemon that is played here: what they print, where, and how they end.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot run fails")]
#![expect(clippy::disallowed_methods, reason = "it starts the program, and writes files for it")]

use std::io::{BufRead as _, BufReader};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};

use nftrap::control::peer::Peer;
use nftrap::control::server::{Outgoing, Refusal, Stopped, serve};
use nftrap::control::wire::{Allowed, Block, Changed, Request, Shown, Status};
use rustix::process::{Pid, Signal, getuid, kill_process};
use serde_json::{Value, json};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The name of a table that nobody else has.
fn fresh_table() -> String {
    format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A daemon of a table of its own, and what it was asked.
fn daemon() -> (String, Receiver<Request>) {
    let table = fresh_table();
    let address = SocketAddr::from_abstract_name(format!("nftrap/{table}")).unwrap();
    let (asked, requests) = channel();
    let answer = move |request: Request, _: &Peer, out: &mut Outgoing| {
        let (Ok(()) | Err(_)) = asked.send(request.clone());
        answer(&request, out)
    };
    serve(UnixListener::bind_addr(&address).unwrap(), Arc::new(|| None), Arc::new(answer)).unwrap();
    (table, requests)
}

fn answer(request: &Request, out: &mut Outgoing) -> Result<(), Stopped> {
    let changed = |done: String, stored| Changed { done, stored, notes: vec!["and so\u{1b}".into()] };
    match request {
        Request::Status => out.part(&status()),
        Request::List => (0..100_000).try_for_each(|n| out.part(&block(n))),
        Request::Show { who } => out.part(&shown(&who.to_string())),
        Request::Block { prefix, .. } if prefix.to_string().starts_with("203.0.113.") => {
            Err(Refusal::new("it is a default gateway", "leave it alone").into())
        }
        Request::Block { prefix, .. } => out.part(&changed(format!("blocked {prefix}"), true)),
        Request::Unblock { prefix } => out.part(&changed(format!("unblocked {prefix}"), false)),
        Request::UnblockAll => out.part(&changed("unblocked all".into(), true)),
        Request::Allow { prefix, .. } => out.part(&changed(format!("allowed {prefix}"), true)),
        Request::Disallow { prefix } => out.part(&changed(format!("no longer allowed: {prefix}"), true)),
        Request::AllowList => out.part(&Allowed {
            prefix: "192.0.2.0/24".into(),
            why: "operator".into(),
            reason: Some("ours".into()),
            lasting: true,
        }),
        Request::Reload => Err(Refusal::plain("nftrap.toml:3:1: there is no key `foo`").into()),
        Request::Events { watched } => {
            out.part(&json!({"at": "2026-11-24T05:55:21.189Z", "event": "stopped", "watched": watched}))?;
            out.part(&json!({"missed": 7}))
        }
    }
}

fn status() -> Value {
    json!({"version": "0.1.0", "process": 1, "since": "2026-11-24T05:55:21.189Z", "uptime": 60, "mode": "enforce", "table": "t",
        "config": null, "protection": "whole", "method": "nft_queue", "rates": {"packets": 0, "blocks": 0},
        "counters": {"packets": 0, "accepted": 0, "dropped": 0, "watched": 0, "unreadable": 0, "panics": 0, "blocks": 0, "block_failures": 0,
            "lost": 0, "facts_lost": 0},
        "verdict_us": {"p50": null, "p99": null}, "block_us": {"p50": null, "p99": null}, "queue_numbers": [3100, 2], "queues": [], "blocked": 0, "banned": 0,
        "sources": 0, "max_sources": 1, "memory_bytes": 1, "journal": null})
}

fn block(n: u32) -> Block {
    Block {
        source: std::net::Ipv4Addr::from_bits(n).to_string(),
        by: if n == 99_999 { "operator" } else { "nftrap" }.into(),
        until: Some("2026-11-24T06:05:21Z".into()),
        left: Some(552),
        repeat: Some(1),
        packets: Some(n.into()),
        reason: None,
    }
}

fn shown(source: &str) -> Shown {
    Shown {
        source: source.into(),
        state: "unknown".into(),
        why: None,
        blocks: Vec::new(),
        last_seen: None,
        contacts: 0,
        enough: (1, 4),
        window: 3600,
        repeats: 0,
        evidence: Vec::new(),
    }
}

fn command(table: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nftrap"));
    command.args(arguments).args(["--table", table]).stdin(Stdio::null());
    command
}

/// Exit status, standard output and standard error.
fn run(table: &str, arguments: &[&str]) -> (i32, String, String) {
    told(command(table, arguments).output().unwrap())
}

fn told(output: Output) -> (i32, String, String) {
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn status_says_by_its_exit_whether_we_are_guarded() {
    let (table, _requests) = daemon();
    let (code, out, err) = run(&table, &["status"]);
    assert!(code == 0 && out.starts_with("guarding\nsince ") && err.is_empty(), "{code} {out} {err}");
    let (code, out, _) = run(&table, &["status", "--json"]);
    let object = &json_lines(&out)[0];
    assert_eq!((code, &object["running"], &object["protection"]), (0, &true.into(), &"whole".into()));
    serde_json::from_value::<Status>(object.clone()).unwrap();
}

/// A daemon whose status has something else in it.
fn daemon_with(key: &'static str, value: &'static str) -> String {
    let table = fresh_table();
    let address = SocketAddr::from_abstract_name(format!("nftrap/{table}")).unwrap();
    let answer = move |request: Request, _: &Peer, out: &mut Outgoing| {
        if request == Request::List {
            return out.part(&block(1));
        }
        let mut status = status();
        status.as_object_mut().unwrap().insert(key.into(), value.into());
        out.part(&status)
    };
    serve(UnixListener::bind_addr(&address).unwrap(), Arc::new(|| None), Arc::new(answer)).unwrap();
    table
}

#[test]
fn a_list_of_what_is_only_observed_says_that_nothing_is_dropped() {
    let table = daemon_with("mode", "observe");
    let (code, out, err) = run(&table, &["list"]);
    assert_eq!((code, out.lines().count(), err.as_str()), (0, 2, "nftrap only observes: none of these is dropped\n"));
    let (code, _, err) = run(&table, &["list", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
}

#[test]
fn a_daemon_without_packets_is_no_protection() {
    let table = daemon_with("protection", "our table is gone");
    let (code, out, _) = run(&table, &["status"]);
    assert!(code == 3 && out.starts_with("NOT PROTECTING: our table is gone\n"), "{code} {out}");
    assert_eq!(run(&table, &["status", "--json"]).0, 3);
}

#[test]
fn without_a_daemon_every_command_says_so_and_what_to_do() {
    let table = fresh_table();
    let remedy = "start it with `systemctl start nftrap` or `nftrap run`";
    let (code, out, _) = run(&table, &["status"]);
    assert!(
        code == 4 && out.starts_with("NOT PROTECTING: nftrap does not run") && out.contains(remedy),
        "{code} {out}"
    );
    let (code, out, _) = run(&table, &["status", "--json"]);
    assert_eq!((code, &json_lines(&out)[0]["running"]), (4, &false.into()));
    let changes: [&[&str]; 6] = [
        &["block", "192.0.2.1"],
        &["unblock", "--all"],
        &["allow", "add", "192.0.2.1"],
        &["allow", "list"],
        &["reload"],
        &["events"],
    ];
    for arguments in changes {
        let (code, out, err) = run(&table, arguments);
        assert!(code == 1 && out.is_empty() && err.contains(remedy), "{arguments:?}: {code} {out} {err}");
    }
    let (_, _, err) = run(&table, &["block", "192.0.2.1", "192.0.2.2"]);
    assert!(err.starts_with("2 of 2 not done: nftrap does not run"), "{err}");
}

#[test]
fn a_hundred_thousand_blocks_are_listed_and_a_closed_pipe_is_no_error() {
    let (table, _requests) = daemon();
    let (code, out, err) = run(&table, &["list"]);
    assert_eq!((code, out.lines().count(), err.as_str()), (0, 100_001, ""));
    let (_, out, _) = run(&table, &["list", "--by", "operator", "--json"]);
    let lines = json_lines(&out);
    assert_eq!((lines.len(), &lines[0]["source"]), (1, &"0.1.134.159".into()));
    let mut child = command(&table, &["list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("source "), "{first}");
    let (code, _, err) = told(child.wait_with_output().unwrap());
    assert_eq!((code, err.as_str()), (0, ""));
}

#[test]
fn each_address_is_done_and_what_is_refused_is_told_at_the_end() {
    let (table, requests) = daemon();
    let arguments = ["block", "192.0.2.1", "203.0.113.1", "2001:db8::/32", "--for", "2h", "--reason", "so much noise"];
    let (code, out, err) = run(&table, &arguments);
    assert_eq!(code, 1);
    assert_eq!(out, "blocked 192.0.2.1/32\nand so\u{fffd}\nblocked 2001:db8::/32\nand so\u{fffd}\n");
    assert_eq!(err, "203.0.113.1: it is a default gateway: leave it alone\n");
    let asked: Vec<_> = requests.try_iter().collect();
    let Request::Block { seconds, reason, .. } = &asked[0] else { panic!("{asked:?}") };
    assert_eq!((asked.len(), *seconds, reason.as_str()), (3, Some(7200), "so much noise"));
}

#[test]
fn all_is_done_and_nothing_is_said_when_nobody_reads_the_answers_any_more() {
    let (table, requests) = daemon();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    for more in [&["--json"][..], &[]] {
        let mut block = command(&table, &["block"]);
        let child = block.args(addresses).args(more).stdout(writer.try_clone().unwrap()).output();
        let (code, _, err) = told(child.unwrap());
        assert_eq!((code, err.as_str(), requests.try_iter().count()), (0, "", addresses.len()));
    }
}

#[test]
fn a_full_disk_under_the_answers_is_told_once() {
    let (table, requests) = daemon();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let outcome = command(&table, &["block", "192.0.2.1", "192.0.2.2", "--json"]).stdout(full).output().unwrap();
    let (code, _, err) = told(outcome);
    assert!(code == 1 && err.lines().count() == 1 && err.contains("cannot write the answer"), "{code} {err}");
    assert_eq!(requests.try_iter().count(), 2);
}

#[test]
fn a_block_lasts_an_hour_unless_more_is_said() {
    let (table, requests) = daemon();
    let (code, out, _) = run(&table, &["block", "192.0.2.1"]);
    assert!(code == 0 && out.ends_with("1h is the default: `--for 7d`, or `--for forever`, says otherwise\n"), "{out}");
    let (_, out, _) = run(&table, &["block", "192.0.2.1", "--for", "forever", "--json"]);
    assert_eq!(json_lines(&out)[0]["done"], "blocked 192.0.2.1/32");
    let seconds: Vec<_> = requests
        .try_iter()
        .map(|request| if let Request::Block { seconds, .. } = request { seconds } else { panic!("{request:?}") })
        .collect();
    assert_eq!(seconds, [Some(3600), None]);
}

#[test]
fn other_changes_are_asked_for_as_they_were_typed() {
    let (table, requests) = daemon();
    let (code, out, _) = run(&table, &["unblock", "192.0.2.0/24"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("unblocked 192.0.2.0/24\nand so\u{fffd}\nnot in the journal: "), "{out}");
    assert_eq!(run(&table, &["unblock", "--all"]).1, "unblocked all\nand so\u{fffd}\n");
    assert_eq!(run(&table, &["allow", "add", "::1", "--save", "--reason", "ours"]).0, 0);
    assert_eq!(run(&table, &["allow", "remove", "::1"]).0, 0);
    let (code, out, _) = run(&table, &["allow", "list"]);
    assert_eq!((code, out.lines().nth(1)), (0, Some("192.0.2.0/24  operator  for good  ours")));
    assert_eq!(json_lines(&run(&table, &["allow", "list", "--json"]).1)[0]["lasting"], true);
    let (code, out, err) = run(&table, &["reload"]);
    assert_eq!((code, out.as_str(), err.as_str()), (1, "", "reload: nftrap.toml:3:1: there is no key `foo`\n"));
    let one = || "::1/128".parse().unwrap();
    assert_eq!(
        requests.try_iter().collect::<Vec<_>>(),
        [
            Request::Unblock { prefix: "192.0.2.0/24".parse().unwrap() },
            Request::UnblockAll,
            Request::Allow { prefix: one(), reason: "ours".into(), save: true },
            Request::Disallow { prefix: one() },
            Request::AllowList,
            Request::AllowList,
            Request::Reload,
        ]
    );
}

#[test]
fn a_wrong_command_line_is_told_with_what_to_write_and_asks_nothing() {
    let (table, requests) = daemon();
    let cases: [(&[&str], &str); 10] = [
        (&["block", "192.0.2.1", "192.0.2.7/24"], "did you mean 192.0.2.0/24?"),
        (&["block", "0.0.0.0/0"], "that is everybody"),
        (&["block", "example.org"], "write it as 192.0.2.1"),
        (&["block", "192.0.2.1", "--for", "soon"], "write it as 90s, 10m, 2h or 7d"),
        (&["block", "192.0.2.1", "--for", "10y"], "at most 365d, or forever"),
        (&["block", "192.0.2.1", "--reason", "a\nb"], "write one line of text"),
        (&["unblock"], "--all"),
        (&["unblock", "192.0.2.1", "--all"], "cannot be used with"),
        (&["why", "192.0.2.0/24"], "write it as 192.0.2.1"),
        (&["list", "--by", "nobody"], "nftrap, operator, nft"),
    ];
    for (arguments, remedy) in cases {
        let (code, out, err) = run(&table, arguments);
        assert!(code == 2 && out.is_empty() && err.contains(remedy), "{arguments:?}: {code} {out} {err}");
    }
    assert_eq!(requests.try_iter().count(), 0);
}

#[test]
fn who_misspells_a_command_is_told_the_nearest_and_who_wants_help_or_the_version_gets_it() {
    let nftrap = |arguments: &[&str]| {
        told(Command::new(env!("CARGO_BIN_EXE_nftrap")).args(arguments).stdin(Stdio::null()).output().unwrap())
    };
    let (code, out, err) = nftrap(&["chek"]);
    assert!(code == 2 && out.is_empty() && err.contains("'check'"), "{code} {out} {err}");
    let (code, out, err) = nftrap(&["help", "chek"]);
    assert!(code == 2 && out.is_empty() && err.contains("'check'"), "{code} {out} {err}");
    for (by_name, by_option) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "unblock"], &["unblock", "--help"]),
        (&["help", "allow", "add"], &["allow", "add", "--help"]),
        (&["version"], &["--version"]),
    ] {
        assert_eq!(nftrap(by_name), nftrap(by_option));
    }
}

#[test]
fn why_tells_of_an_address_that_nobody_knows() {
    let (table, _requests) = daemon();
    for name in ["why", "show"] {
        let (code, out, err) = run(&table, &[name, "192.0.2.1"]);
        assert!(out.starts_with("nftrap knows nothing of 192.0.2.1"), "{out}");
        assert!(out.contains(&format!("\nto block it:       nftrap block 192.0.2.1 --table {table}\n")), "{out}");
        assert_eq!((code, err.as_str()), (0, ""));
    }
    let object = &json_lines(&run(&table, &["why", "192.0.2.1", "--json"]).1)[0];
    assert_eq!(
        (&object["state"], &object["running"], &object["earlier"]),
        (&"unknown".into(), &true.into(), &json!([]))
    );
}

#[test]
fn events_are_followed_until_the_daemon_ends() {
    let (table, _requests) = daemon();
    let (code, out, err) = run(&table, &["events", "--watched"]);
    assert_eq!(
        (code, out.as_str()),
        (1, "05:55:21Z stopped watched=true\nmissed 7 events: they came faster than they were read\n")
    );
    assert!(err.starts_with("nftrap has ended"), "{err}");
    let (_, out, _) = run(&table, &["events", "--json"]);
    assert_eq!(json_lines(&out)[1], json!({"missed": 7}));
}

/// A daemon that tells of one event, and goes on.
fn quiet_daemon() -> String {
    let table = fresh_table();
    let address = SocketAddr::from_abstract_name(format!("nftrap/{table}")).unwrap();
    let answer = |_: Request, _: &Peer, out: &mut Outgoing| {
        out.part(&json!({"at": "2026-11-24T05:55:21.189Z", "event": "stopped"}))?;
        out.flush()?;
        loop {
            std::thread::park();
        }
    };
    serve(UnixListener::bind_addr(&address).unwrap(), Arc::new(|| None), Arc::new(answer)).unwrap();
    table
}

/// Somebody who follows events, and has seen the first.
fn follower() -> (Child, BufReader<ChildStdout>) {
    let mut child = command(&quiet_daemon(), &["events"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "05:55:21Z stopped\n");
    (child, out)
}

#[test]
fn following_ends_with_its_reader_also_where_nothing_happens() {
    let (mut child, out) = follower();
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn following_ends_well_with_ctrl_c() {
    let (mut child, _out) = follower();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_daemon_the_kernel_is_asked_who_is_blocked() {
    let table = fresh_table();
    let (code, out, err) = run(&table, &["list"]);
    assert!(err.contains("nftrap does not run") && err.contains("systemctl start nftrap"), "{err}");
    if getuid().is_root() {
        let told = format!("there is no table inet {table} here");
        assert!(code == 1 && out.is_empty() && err.contains(&told), "{code} {out} {err}");
    } else {
        assert!(code == 1 && out.is_empty() && err.contains("nor can the kernel's set be read: no right"), "{err}");
    }
    let (code, _, err) = run(&table, &["list", "--by", "nftrap"]);
    assert!(code == 1 && err.contains("leave out `--by`"), "{err}");
    let (code, out, _) = run(&table, &["why", "192.0.2.1"]);
    assert!(code == 0 && out.contains("to block it:       nftrap block 192.0.2.1"), "{out}");
}

const NOBODY: u32 = 65_534;

/// Only root can become somebody else: an ordinary user who runs this has nobody to be refused as.
#[test]
fn who_may_not_ask_is_told_who_may() {
    if !getuid().is_root() {
        return;
    }
    let (table, requests) = daemon();
    let folder = std::env::temp_dir().join(&table);
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.join("nftrap");
    std::fs::copy(env!("CARGO_BIN_EXE_nftrap"), &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = Command::new(&program).args(["list", "--table", &table]).uid(NOBODY).gid(NOBODY).output();
    std::fs::remove_dir_all(&folder).unwrap();
    let (code, out, err) = told(outcome.unwrap());
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("may not ask nftrap anything: ask as root or through sudo"), "{err}");
    assert_eq!(requests.try_iter().count(), 0);
}
