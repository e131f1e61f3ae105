//! Cages, each around a process of its own: this very test, run again, for what is closed is never open again.

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::UdpSocket;
use std::panic::catch_unwind;
use std::process::{Command, Output};
use std::thread;

use super::*;

/// Says to a run of a test that it is the one inside.
const INSIDE: &str = "NFTRAP_TEST_INSIDE";

/// The test of that name, inside; nothing, if this is that run.
#[expect(clippy::disallowed_methods, reason = "a cage that is closed stays closed: it needs a process of its own")]
fn inside(test: &str) -> Option<Output> {
    if env::var_os(INSIDE).is_some() {
        return None;
    }
    let name = format!("kernel::cage::tests::{test}");
    let mut again = Command::new(env::current_exe().unwrap());
    Some(again.args([&name, "--exact", "--nocapture"]).env(INSIDE, "").output().unwrap())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

fn say(word: &str) {
    writeln!(io::stderr(), "{word}").unwrap();
}

/// What a caged thread does, and whether the process outlived it.
fn caged(role: Role, body: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(move || {
        enter(role).unwrap();
        body();
    });
    thread.join().unwrap();
}

#[test]
fn a_call_that_is_on_no_list_is_named_and_ends_the_process() {
    let Some(output) = inside("a_call_that_is_on_no_list_is_named_and_ends_the_process") else {
        return caged(Role::Worker, || drop(UdpSocket::bind("127.0.0.1:0")));
    };
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ERROR a worker thread asked for system call") && said.contains("(socket)"), "{said}");
}

#[test]
fn a_decoy_may_open_no_socket() {
    let Some(output) = inside("a_decoy_may_open_no_socket") else {
        return caged(Role::Decoy, || drop(UdpSocket::bind("127.0.0.1:0")));
    };
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ERROR a decoy thread asked for system call"), "{said}");
}

/// The C library holds all signals back while it starts a program: then there are no last words, and an end by the signal itself.
#[test]
#[expect(clippy::disallowed_methods, reason = "it is not to start")]
fn a_program_that_is_started_is_the_end() {
    let Some(output) = inside("a_program_that_is_started_is_the_end") else {
        return caged(Role::Worker, || {
            drop(Command::new("/bin/true").spawn());
            say("it went on");
        });
    };
    assert!(!output.status.success() && !said(&output).contains("it went on"), "{}", said(&output));
}

#[test]
fn a_caged_thread_survives_a_panic_and_its_report_and_opens_no_file() {
    let Some(output) = inside("a_caged_thread_survives_a_panic_and_its_report_and_opens_no_file") else {
        return caged(Role::Worker, || {
            assert!(catch_unwind(|| panic!("as a packet might")).is_err());
            drop(vec![0_u8; 1 << 24]);
            assert_eq!(File::open("/etc/passwd").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            say("it went on");
        });
    };
    let said = said(&output);
    assert!(output.status.success() && said.contains("it went on"), "{said}");
}

#[test]
fn outside_the_named_places_nothing_is_read_and_only_where_it_is_allowed_written() {
    let folder = env::temp_dir().join("nftrap-cage-test");
    if env::var_os(INSIDE).is_none() {
        fs::create_dir_all(folder.join("ours")).unwrap();
        fs::write(folder.join("theirs"), "").unwrap();
    }
    let Some(output) = inside("outside_the_named_places_nothing_is_read_and_only_where_it_is_allowed_written") else {
        let places = Places { read: vec!["/etc".into()], write: vec![folder.join("ours")] };
        let held = close(&places);
        assert_eq!(held.calls, Hold::Whole);
        if let Hold::Not(why) = held.files {
            return say(&format!("not held: {why}"));
        }
        assert!(File::open("/etc/passwd").is_ok());
        fs::write(folder.join("ours/new"), "x").unwrap();
        fs::rename(folder.join("ours/new"), folder.join("ours/renamed")).unwrap();
        assert_eq!(File::open(folder.join("theirs")).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::write(folder.join("more"), "x").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        return say("held");
    };
    fs::remove_dir_all(&folder).unwrap();
    let said = said(&output);
    assert!(output.status.success() && said.contains("held"), "{said}");
}
