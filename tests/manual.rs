//! What goes with the program: its manual pages, and its words for the shells that complete them.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "it starts programs, and says which are not there"
)]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn nftrap(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_nftrap")).args(arguments).output().expect("start nftrap");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// What `program` makes of `input`; nothing where it is not installed.
fn feed(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").env("MANPAGER", "cat");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        eprintln!("left out: {program} is not installed");
        return None;
    };
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("feed it");
    Some(child.wait_with_output().expect("its output"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn the_manual_pages_are_well_formed() {
    for arguments in [&["man"][..], &["man", "config"]] {
        let page = nftrap(arguments);
        assert!(page.lines().any(|line| line.starts_with(".TH NFTRAP")), "{arguments:?}:\n{page}");
        if let Some(lint) = feed("mandoc", &["-T", "lint", "-W", "warning"], &page) {
            // A date is what these pages do without.
            let findings = said(&lint);
            let findings: Vec<_> = findings.lines().filter(|line| !line.contains("missing date")).collect();
            assert!(findings.is_empty(), "{arguments:?}:\n{}", findings.join("\n"));
        }
        if let Some(shown) = feed("man", &["--warnings", "-l", "-"], &page) {
            assert!(shown.status.success() && shown.stderr.is_empty(), "{arguments:?}:\n{}", said(&shown));
        }
    }
}

#[test]
fn nftrap_8_describes_each_command_with_its_options() {
    let page = nftrap(&["man"]);
    let help = nftrap(&["--help"]);
    let commands = help.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with([' ', '-']));
    let names: Vec<_> =
        commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(names.contains(&"run") && names.contains(&"import"), "{help}");
    for name in names {
        assert!(page.contains(&format!("\n.SS \\fBnftrap {name}")), "{name} is not there:\n{page}");
    }
    assert!(page.contains("\n\\fB\\-\\-protect\\fR"), "{page}");
}

#[test]
fn bash_completes_a_subcommand() {
    let ask = r#"
        COMP_WORDS=(nftrap "$1"); COMP_CWORD=1
        _nftrap nftrap "$1" nftrap && echo "${COMPREPLY[@]}"
    "#;
    let script = [&nftrap(&["completions", "bash"]), ask].concat();
    for (typed, word) in [("rep", "replay\n"), ("comp", "completions\n"), ("zz", "\n")] {
        let Some(output) = feed("bash", &["--norc", "-s", "--", typed], &script) else { return };
        assert_eq!(said(&output), word, "{typed}");
    }
}

#[test]
fn each_shell_gets_a_script_that_it_can_read() {
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let script = nftrap(&["completions", shell]);
        assert!(script.contains("replay"), "{shell}: {script}");
        if let Some(output) = feed(shell, &[check], &script) {
            assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {}", said(&output));
        }
    }
}
