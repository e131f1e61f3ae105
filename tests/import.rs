//! Imports PortSentry's files through the program as an operator does. Each folder of `tests/import` is a case: `arguments`, the files
//! that they name, `expected.toml` (none, if it is refused) and `expected.notes`. Whoever wants another case adds a folder.

#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]
#![expect(clippy::disallowed_methods, reason = "cases are files, and the program is run")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nftrap::config::load::{self, Fault, Services};
use nftrap::config::{Act, Config, Count};
use nftrap::import::{Question, Version, portsentry};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 10, "only {} cases found", cases.len());
    cases
}

fn import(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nftrap"));
    command.args(["import", "portsentry"]).args(arguments).current_dir(folder).output().unwrap()
}

/// What `run` would make of the printed config, on a host that knows no service by name.
fn loaded(toml: &[u8]) -> Result<Config, String> {
    let mut nothing = |path: &Path| Err(Fault::new(format!("{} is not to be read", path.display()), "-"));
    load::parse(toml, Path::new("/nftrap.toml"), &Services::parse(""), &mut nothing)
        .map_err(|problems| problems.to_string())
}

#[test]
fn every_case_becomes_what_it_says_and_the_config_loads() {
    for folder in cases() {
        let read = |name: &str| fs::read(folder.join(name)).unwrap_or_default();
        let arguments = String::from_utf8(read("arguments")).unwrap();
        let output = import(&folder, &arguments.split_whitespace().collect::<Vec<_>>());
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        let name = folder.display();
        assert_eq!(text(&output.stderr), text(&read("expected.notes")), "{name}");
        assert_eq!(text(&output.stdout), text(&read("expected.toml")), "{name}");
        assert_eq!(output.status.success(), folder.join("expected.toml").exists(), "{name}");
        if output.status.success() {
            loaded(&output.stdout).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        }
    }
}

/// What is made of a conf alone.
fn of_conf(conf: &str, question: &Question) -> Result<Config, String> {
    let question = Question { conf: "conf".into(), ..question.clone() };
    let imported =
        portsentry(&question, &mut |_| Ok(conf.as_bytes().to_vec())).map_err(|refusal| refusal.to_string())?;
    loaded(imported.toml.as_bytes())
}

#[test]
fn a_trigger_counts_packets_as_portsentry_counted_them() {
    for (version, said, count, threshold) in [
        (Version::One, "0", Count::Places, 1),
        (Version::One, "1", Count::Places, 1),
        (Version::One, "2", Count::Packets, 2),
        (Version::One, "50", Count::Packets, 50),
        (Version::One, "51", Count::Places, 1),
        (Version::One, "-4", Count::Places, 1),
        (Version::One, "many", Count::Places, 1),
        (Version::Two, "0", Count::Places, 1),
        (Version::Two, "3", Count::Packets, 3),
        (Version::Two, "51", Count::Packets, 50),
        (Version::Two, "65537", Count::Places, 1),
        (Version::Two, "65538", Count::Packets, 2),
    ] {
        let question = Question { version: Some(version), ..Question::default() };
        let config = of_conf(&format!("TCP_PORTS=\"1\"\nSCAN_TRIGGER=\"{said}\"\n"), &question).unwrap();
        assert_eq!((config.detect.count, config.detect.threshold), (count, threshold), "{said}");
    }
}

#[test]
fn a_block_of_0_1_and_2_is_to_observe_to_block_and_to_run_the_command() {
    for (said, act) in [("0", Act::Observe), ("1", Act::Block), ("2", Act::Command)] {
        let conf = format!("TCP_PORTS=\"1\"\nBLOCK_TCP=\"{said}\"\nKILL_RUN_CMD=\"/bin/x\"\n");
        for version in [Version::One, Version::Two] {
            let question = Question { version: Some(version), ..Question::default() };
            assert_eq!(of_conf(&conf, &question).unwrap().block.tcp, act, "{said}");
        }
    }
    let question = Question { version: Some(Version::One), ..Question::default() };
    assert_eq!(of_conf("TCP_PORTS=\"1\"\n", &question).unwrap().block.tcp, Act::Observe);
}

#[test]
fn the_first_line_of_a_key_counts_in_1_2_and_the_last_one_in_2() {
    for (version, ports) in [(Version::One, "1"), (Version::Two, "2")] {
        let question = Question { version: Some(version), ..Question::default() };
        let config = of_conf("TCP_PORTS=\"1\"\nTCP_PORTS=\"2\"\n", &question).unwrap();
        assert_eq!(config.trigger.tcp.to_string(), ports);
    }
}

#[test]
fn what_portsentry_2_does_not_start_with_is_refused_with_its_line() {
    for (line, reason) in [
        ("  TCP_PORTS=\"1\"", "the line does not begin with a key"),
        ("   ", "the line does not begin with a key"),
        ("words", "the line does not begin with a key"),
        ("ADVANCED_PORTS_TCP=\"1024\"", "PortSentry 2 has no key ADVANCED_PORTS_TCP"),
        ("TCP_PORTSX=\"1\"", "PortSentry 2 has no key TCP_PORTSX"),
        ("TCP_PORTS \"1\"", "there is no `=` behind the key"),
        ("TCP_PORTS=1", "there is no quote behind the `=`"),
        ("TCP_PORTS=\"1", "the closing quote is missing"),
        ("BLOCKED_FILE=\"\"", "there is nothing between the quotes"),
        ("BLOCK_TCP=\"3\"", "BLOCK_TCP cannot be \"3\""),
        ("RESOLVE_HOST=\"yes\"", "RESOLVE_HOST cannot be \"yes\""),
        ("SCAN_TRIGGER=\"-1\"", "SCAN_TRIGGER cannot be \"-1\""),
        ("KILL_ROUTE=\"a\0b\"", "there is a NUL in the line"),
    ] {
        let question = Question { version: Some(Version::Two), ..Question::default() };
        let refused = of_conf(&format!("UDP_PORTS=\"1\"\n{line}\n"), &question).unwrap_err();
        assert!(
            refused.starts_with(&format!("conf:2: {reason}")) && refused.contains("\n  help: "),
            "{line}: {refused}"
        );
    }
    let long = format!("UDP_PORTS=\"1\"\n#{}\n", "x".repeat(1100));
    let refused = of_conf(&long, &Question { version: Some(Version::Two), ..Question::default() }).unwrap_err();
    assert!(refused.starts_with("conf:2: the line is longer than 1023 bytes"), "{refused}");
}

#[test]
fn what_is_no_file_of_portsentrys_is_refused_and_nothing_is_printed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("import-refused");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("other"), "[section]\nkey = 1\n").unwrap();
    fs::write(folder.join("conf"), "TCP_PORTS=\"1-2\"\nIGNORE_FILE=\"/nowhere/at/all\"\n").unwrap();
    fs::write(folder.join("relative"), "TCP_PORTS=\"1-2\"\nIGNORE_FILE=\"ignore\"\n").unwrap();
    fs::write(folder.join("everybody"), "0.0.0.0/1\n128.0.0.0/1\n").unwrap();
    for (arguments, refusal) in [
        (&["--conf", "missing"][..], "missing: there is no such file\n  help: name PortSentry's configuration"),
        (&["--conf", "."], ".: this is not a regular file"),
        (&["--conf", "empty"], "empty: there is no key of PortSentry's in it"),
        (&["--conf", "other"], "other: there is no key of PortSentry's in it"),
        (
            &["--conf", "conf"],
            "conf:2: IGNORE_FILE=\"/nowhere/at/all\": there is no such file\n  help: say where it is",
        ),
        (&["--conf", "relative"], "relative:2: IGNORE_FILE=\"ignore\" is not a whole path"),
        (&["--conf", "conf", "--ignore", "everybody"], "everybody: its networks together allow everybody"),
        (&["--conf", "conf", "--ignore", "empty", "--blocked", "missing"], "missing: there is no such file"),
    ] {
        let output = import(&folder, arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with(refusal), "{arguments:?}: {told}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{arguments:?}");
    }
    assert_eq!(import(&folder, &["--conf", "conf", "--mode", "fast"]).status.code(), Some(2));
}

#[test]
fn where_debian_has_not_made_the_ignore_file_yet_the_one_that_it_is_made_from_is_read() {
    let mut files = |path: &Path| match path.to_str() {
        Some("conf") => Ok(b"TCP_PORTS=\"1\"\nIGNORE_FILE=\"/x/portsentry.ignore\"\n".to_vec()),
        Some("/x/portsentry.ignore.static") => Ok(b"192.0.2.1\n".to_vec()),
        _ => Err(Fault::new("there is no such file", "-")),
    };
    let question = Question { conf: "conf".into(), ..Question::default() };
    let imported = portsentry(&question, &mut files).unwrap();
    assert!(loaded(imported.toml.as_bytes()).unwrap().allow.contains([192, 0, 2, 1].into()));
    assert!(
        imported.notes.to_string().contains("read in its place: /x/portsentry.ignore.static"),
        "{}",
        imported.notes
    );
}

#[test]
fn a_file_of_long_lines_and_rubbish_is_answered_in_bounds() {
    let rubbish: Vec<u8> =
        (0..1_000_000_u32).map(|i| u8::try_from(i.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    let long = "x".repeat(1_000_000).into_bytes();
    let files = |path: &Path| match path.to_str() {
        Some("conf") => Ok(b"TCP_PORTS=\"1-5\"\nBLOCK_TCP=\"1\"\n".to_vec()),
        Some("long") => Ok(long.clone()),
        _ => Ok(rubbish.clone()),
    };
    for ignore in ["long", "rubbish"] {
        let blocked = vec![PathBuf::from("long"), PathBuf::from("rubbish")];
        let question = Question { conf: "conf".into(), ignore: Some(ignore.into()), blocked, ..Question::default() };
        let imported = portsentry(&question, &mut |path| files(path)).unwrap();
        loaded(imported.toml.as_bytes()).unwrap();
        assert!(imported.notes.to_string().len() < 100_000);
        assert!(imported.toml.lines().all(|line| line.len() < 2000));
    }
    assert!(portsentry(&Question { conf: "long".into(), ..Question::default() }, &mut |path| files(path)).is_err());
}

/// A sequence that is the same in each run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0).unwrap().checked_rem(limit).unwrap_or_default()
    }
}

const SPLINTERS: [&[u8]; 20] = [
    b"\"",
    b"\n",
    b"=",
    b"\0",
    b"\xff",
    b"'''",
    b"\\",
    b"#",
    b"\r\n",
    b"]",
    b" ",
    b"\t",
    b"-",
    b",",
    b"/0",
    b"99999999999",
    b"$TARGET$",
    b"\nTCP_PORTS=\"1-70000,5\"",
    b"\nADVANCED_PORTS_TCP=\"9\"",
    b"\nBLOCK_TCP=\"1\"\nKILL_ROUTE=\"x $TARGET$\"\n",
];

fn mutated(content: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut content = content.to_vec();
    for _ in 0..=chance.below(6) {
        let at = chance.below(content.len().saturating_add(1));
        let end = at.saturating_add(chance.below(30)).min(content.len());
        match chance.below(4) {
            0 => drop(content.drain(at..end)),
            1 => {
                let splinter = SPLINTERS.get(chance.below(SPLINTERS.len())).unwrap();
                drop(content.splice(at..at, splinter.iter().copied()));
            }
            2 => {
                let copy = content.get(at..end).unwrap().to_vec();
                let to = chance.below(content.len());
                drop(content.splice(to..to, copy));
            }
            _ => {
                if let Some(byte) = content.get_mut(at) {
                    *byte ^= u8::try_from(1 << chance.below(8)).unwrap();
                }
            }
        }
    }
    content
}

#[test]
fn whatever_the_files_say_the_answer_is_a_refusal_or_a_config_that_loads() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut made, mut refused) = (0, 0);
    for folder in cases() {
        let read = |name: &str| fs::read(folder.join(name)).unwrap_or_default();
        let (conf, ignore, default) = (read("portsentry.conf"), read("portsentry.ignore"), read("default"));
        let blocked = [read("portsentry.blocked"), read("portsentry.blocked.atcp")].concat();
        for round in 0..150 {
            let question = Question {
                conf: "conf".into(),
                ignore: Some("ignore".into()),
                default: (round % 2 == 0 && !default.is_empty()).then(|| "default".into()),
                blocked: vec!["blocked".into()],
                version: [None, Some(Version::One), Some(Version::Two)][round % 3],
                connect: round % 5 == 0,
                ..Question::default()
            };
            let mut files = |path: &Path| {
                Ok(match path.to_str() {
                    Some("conf") => mutated(&conf, &mut chance),
                    Some("ignore") => mutated(&ignore, &mut chance),
                    Some("default") => mutated(&default, &mut chance),
                    _ => mutated(&blocked, &mut chance),
                })
            };
            match portsentry(&question, &mut files) {
                Ok(imported) => {
                    made += 1;
                    loaded(imported.toml.as_bytes()).unwrap_or_else(|problems| panic!("{problems}\n{}", imported.toml));
                    let notes = imported.notes.to_string();
                    assert!(!notes.chars().any(|c| c.is_control() && c != '\n'), "{notes}");
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(made > 300 && refused > 100, "{made} made, {refused} refused");
}
