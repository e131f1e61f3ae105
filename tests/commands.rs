//! The operator's commands through the program, against a daemon that is played here: what they print, where, and how they end.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot run fails")]
#![expect(clippy::disallowed_methods, reason = "it starts the program, and writes files for it")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use nftrap::control::wire::{Request, Status};
use played::{daemon, daemon_with, fresh_table, quiet_daemon};
use rustix::process::{Pid, Signal, getuid, kill_process};
use serde_json::{Value, json};

#[path = "commands/played.rs"]
mod played;

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
