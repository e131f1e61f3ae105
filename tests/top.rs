//! `nftrap top` on a terminal of the test's, before a daemon that only answers.

#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test that cannot go on ends")]
#![expect(clippy::disallowed_methods, reason = "it runs the program, and waits for it")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nftrap::control::server::{Outgoing, Stopped};
use patience::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use serde_json::json;

#[path = "top/fake.rs"]
mod fake;
#[path = "lab/patience.rs"]
#[expect(dead_code, reason = "others wait for more")]
mod patience;

const PROGRAM: &str = env!("CARGO_BIN_EXE_nftrap");
/// Terminals keep what was on the screen before a program took it, and show it again after this.
const GIVEN_BACK: &str = "\u{1b}[?1049l";
const TAKEN: &str = "\u{1b}[?1049h";

/// A terminal with `nftrap top` on it.
struct Screen {
    program: Child,
    keys: File,
    /// The program's end of the terminal, so that its state outlives the program.
    terminal: OwnedFd,
    before: Termios,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    fn of(table: &str) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let ours = openpt(flags).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let terminal = ioctl_tiocgptpeer(&ours, flags).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let before = tcgetattr(&terminal).unwrap();
        let end = || Stdio::from(terminal.try_clone().unwrap());
        let program = Command::new(PROGRAM)
            .args(["top", "--table", table])
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let written = Arc::new(Mutex::new(Vec::new()));
        let (mut from, to) = (File::from(ours.try_clone().unwrap()), Arc::clone(&written));
        thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut some) {
                to.lock().unwrap().extend_from_slice(some.get(..n).unwrap());
            }
        });
        Self { program, keys: File::from(ours), terminal, before, written }
    }

    fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    fn wait_for(&self, text: &str) {
        wait_until(text, || self.written().contains(text));
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
    }

    /// Waits for its end, and makes sure that the terminal is as it was.
    fn end(&mut self) -> ExitStatus {
        wait_until("it has ended", || self.program.try_wait().unwrap().is_some());
        let after = tcgetattr(&self.terminal).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
        self.program.wait().unwrap()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Most have ended by themselves; one that a failed test leaves must not stay.
        let (Ok(()) | Err(_)) = self.program.kill();
    }
}

/// A daemon that tells of one block, and then of nothing until the client goes.
fn daemon(name: &str) -> String {
    let table = format!("top_{name}_{}", std::process::id());
    fake::start(&table, Box::new(one_block));
    table
}

fn one_block(out: &mut Outgoing) -> Result<(), Stopped> {
    out.part(&json!({
        "at": "2026-11-24T05:55:21.189Z", "event": "blocked", "source": "198.51.100.2", "port": 111, "protocol": "tcp",
        "kind": "syn", "destination": "203.0.113.2", "hits": 1, "repeat": 1, "until": "2026-11-24T06:05:21.189Z"
    }))?;
    out.flush()?;
    while out.is_read() {
        thread::yield_now();
    }
    Ok(())
}

#[test]
fn it_shows_who_is_blocked_and_q_gives_the_terminal_back() {
    let mut screen = Screen::of(&daemon("quit"));
    screen.wait_for("GUARDING");
    screen.wait_for("198.51.100.2");
    screen.press("q");
    assert!(screen.end().success());
    screen.wait_for(GIVEN_BACK);
}

#[test]
fn every_signal_that_ends_programs_gives_the_terminal_back() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut screen = Screen::of(&daemon(&format!("signal{}", signal.as_raw())));
        screen.wait_for("198.51.100.2");
        kill_process(Pid::from_child(&screen.program), signal).unwrap();
        assert!(screen.end().success());
        screen.wait_for(GIVEN_BACK);
    }
}

#[test]
fn a_source_is_looked_at_and_unblocked_by_keys() {
    let mut screen = Screen::of(&daemon("unblock"));
    screen.wait_for("198.51.100.2");
    screen.press("\r");
    screen.wait_for("what it did lately");
    screen.press("q");
    screen.press("u");
    screen.wait_for("unblock 198.51.100.2? y/n");
    screen.press("y");
    screen.wait_for("unblocked 198.51.100.2");
    screen.press("\u{3}");
    assert!(screen.end().success());
}

#[test]
fn without_a_daemon_it_says_so_and_leaves_the_screen_alone() {
    let mut screen = Screen::of("test_top_nobody");
    screen.wait_for("nftrap does not run in this network namespace (table inet test_top_nobody): start it");
    assert_eq!(screen.end().code(), Some(1));
    assert!(!screen.written().contains(TAKEN));
}

#[test]
fn without_a_terminal_it_names_the_command_for_machines() {
    let table = daemon("pipe");
    let Output { status, stdout, stderr } =
        Command::new(PROGRAM).args(["top", "--table", &table]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(said.contains("standard output is none") && said.contains("`nftrap status --json`"), "{said}");
    assert_eq!((status.code(), stdout.len()), (Some(1), 0));
}
