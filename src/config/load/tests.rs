//! Files and what becomes of them: what is read, and every refusal as its reader sees it. No file is opened here, except
//! where opening is the story.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, process};

use super::grammar::KEYS;
use super::*;
use crate::config::{Act, Count, LogFormat, Mode, NoDaemon, OnExit, QueueFull, Reader};

mod refusals;

const SHIPPED: &str = include_str!("../../../nft/nftrap.toml");
const SERVICES: &str = "sunrpc 111/tcp rpcbind\nsunrpc 111/udp\nftp-data 20/tcp\ntftp 69/udp\nfinger 79/tcp";

/// What `text` is read as, in a folder with `files`.
fn parsed_with(text: &[u8], files: &[(&str, &[u8])]) -> Result<Config, String> {
    let files: BTreeMap<PathBuf, &[u8]> = files.iter().map(|(name, content)| (PathBuf::from(name), *content)).collect();
    let mut read = |path: &Path| {
        files.get(path).map(|content| content.to_vec()).ok_or_else(|| unreadable(&ErrorKind::NotFound.into()))
    };
    let services = Services::parse(SERVICES);
    parse(text, Path::new("/etc/nftrap/nftrap.toml"), &services, &mut read).map_err(|problems| problems.to_string())
}

fn parsed(text: &str) -> Result<Config, String> {
    parsed_with(text.as_bytes(), &[])
}

#[test]
fn the_shipped_file_says_what_is_the_default() {
    assert_eq!(parsed(SHIPPED), Ok(Config::default()));
}

#[test]
fn the_shipped_file_has_every_key_and_an_empty_file_needs_none() {
    let document = DeTable::parse(SHIPPED).unwrap().into_inner();
    for (section, keys) in KEYS {
        let table = if section.is_empty() { &document } else { document[section].get_ref().as_table().unwrap() };
        for key in keys {
            assert!(table.contains_key(*key), "{key} of [{section}]");
        }
    }
    assert_eq!(parsed(""), Ok(Config::default()));
}

#[test]
fn every_key_of_the_grammar_is_read() {
    for (section, keys) in KEYS {
        for key in keys {
            let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
            let refused = parsed(&format!("{header}{key} = 1979-05-27")).unwrap_err();
            assert!(refused.contains("found a date"), "{refused}");
        }
    }
}

#[test]
fn every_key_sets_what_it_names() {
    let text = r#"
        mode = "observe"
        table = "guard_2"
        on_exit = "remove"
        trigger = { tcp = [0x16, "40 - 50", "sunrpc", "ftp-data", "8080"], udp = ["tftp", "33000-34000"], stealth = false }
        detect = { count = "packets", threshold = 50, window = "1h 30m", max_sources = 16_777_216, ipv6_prefix = 48, guest = "0s" }
        block = { time = "365days", proven_time = "2h", proven_longest = "2days", max = 1024, tcp = "command", udp = "observe" }
        decoy = { tcp = [1, "10-12"], udp = [7], banner = "go away\r\n", hold = "0s", max = 9 }
        command = { run = ["/bin/a", "$TARGET$"], first = true, block = ["/bin/b"], unblock = ["/bin/c"], timeout = "1m", at_once = 64 }
        hosts_deny = { line = "ALL: $TARGET$ : DENY", file = "/srv/deny" }
        report = { log = "portsentry", history = "/srv/history", blocked = "/srv/blocked", resolve = true }
        queue = { first = 65503, count = 32, length = 65536, reader = "plain" }
        fail = { queue_full = "closed", no_daemon = "drop" }
    "#;
    let config = parsed(text).unwrap();
    assert_eq!((config.mode, config.on_exit, config.table.as_str()), (Mode::Observe, OnExit::Remove, "guard_2"));
    assert_eq!(config.trigger.tcp.to_string(), "20, 22, 40-50, 111, 8080");
    assert_eq!(config.trigger.udp.to_string(), "69, 33000-34000");
    assert!(!config.trigger.stealth);
    assert_eq!((config.detect.threshold, config.detect.window), (50, Duration::from_secs(5400)));
    assert_eq!((config.detect.max_sources, config.detect.ipv6_prefix), (16_777_216, 48));
    assert_eq!(config.detect.guest, Duration::ZERO);
    assert_eq!((config.block.time, config.block.max), (Duration::from_secs(31_536_000), 1024));
    let proven = (config.block.proven_time, config.block.proven_longest);
    assert_eq!(proven, (Duration::from_secs(7200), Duration::from_secs(172_800)));
    assert_eq!((config.detect.count, config.block.tcp, config.block.udp), (Count::Packets, Act::Command, Act::Observe));
    let decoy = &config.decoy;
    assert_eq!((decoy.tcp.to_string(), decoy.udp.to_string(), decoy.max), ("1, 10-12".into(), "7".into(), 9));
    assert_eq!((decoy.banner.as_str(), decoy.hold), ("go away\r\n", Duration::ZERO));
    let command = &config.command;
    assert_eq!((&command.run[..], command.first), (&["/bin/a".to_owned(), "$TARGET$".to_owned()][..], true));
    assert_eq!((&command.block[..], &command.unblock[..]), (&["/bin/b".to_owned()][..], &["/bin/c".to_owned()][..]));
    assert_eq!((command.shell, command.timeout, command.at_once), (false, Duration::from_secs(60), 64));
    assert_eq!(config.hosts_deny.line.as_deref(), Some("ALL: $TARGET$ : DENY"));
    assert_eq!(config.hosts_deny.file, Path::new("/srv/deny"));
    let report = &config.report;
    assert_eq!((report.log, report.resolve), (LogFormat::PortSentry, true));
    let files = (report.history.as_deref(), report.blocked.as_deref());
    assert_eq!(files, (Some(Path::new("/srv/history")), Some(Path::new("/srv/blocked"))));
    let queue = config.queue;
    assert_eq!((queue.first, queue.count, queue.length, queue.reader), (65_503, 32, 65_536, Reader::Plain));
    assert_eq!((config.fail.queue_full, config.fail.no_daemon), (QueueFull::Closed, NoDaemon::Drop));
}

#[test]
fn prefixes_come_from_the_list_and_from_the_files_it_names() {
    let files: [(&str, &[u8]); 3] = [
        ("/etc/nftrap/allow.list", b"\xef\xbb\xbf# ours\r\n\r\n 192.0.2.0/24 # office\r\n198.51.100.7\r\n"),
        ("/srv/list", b"2001:db8::/32#all\n\n   \n203.0.113.1"),
        ("/etc/nftrap/../empty", b""),
    ];
    let text = r#"
        allow.sources = ["./allow.list", "/srv/list", "../empty", "10.0.0.1", "fe80::/10"]
        protect.destinations = ["10.9.0.0/16"]
    "#;
    let config = parsed_with(text.as_bytes(), &files).unwrap();
    for inside in ["192.0.2.9", "198.51.100.7", "2001:db8:1::1", "203.0.113.1", "10.0.0.1", "fe80::1"] {
        assert!(config.allow.contains(inside.parse::<IpAddr>().unwrap()), "{inside}");
    }
    assert!(!config.allow.contains("10.9.0.1".parse().unwrap()));
    assert!(config.protect.contains("10.9.0.1".parse().unwrap()));
}

#[test]
fn a_list_reads_an_ignore_file_as_either_portsentry_would_at_its_best() {
    let file: &[u8] =
        b"# Put hosts in here you never want blocked.\r\n127.0.0.1/32\r\n0.0.0.0\r\n\r\n   \t\r\n\t10.9.0.2 # me\r\n\
        10.9.1.0/24  \t\r\nFD09::2\r\n10.9.2.0/255.255.255.0#office\r\n10.9.3.22";
    let config = parsed_with(b"allow.sources = [\"/ignore\", \"192.0.2.7\"]", &[("/ignore", file)]).unwrap();
    let nets: Vec<String> = config.allow.nets().map(|net| net.to_string()).collect();
    let v4 =
        ["0.0.0.0/32", "10.9.0.2/32", "10.9.1.0/24", "10.9.2.0/24", "10.9.3.22/32", "127.0.0.1/32", "192.0.2.7/32"];
    assert_eq!(nets, v4.into_iter().chain(["fd09::2/128"]).collect::<Vec<_>>());
    let named = vec!["192.0.2.7/32".parse().unwrap()];
    assert_eq!(config.allow_sources, Sources { named, files: vec!["/ignore".into()] });
}

#[test]
fn an_allow_list_whose_files_have_changed_is_read_as_it_was_at_first() {
    let folder = env::temp_dir().join(format!("nftrap-again-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let list = folder.join("list");
    let sources = Sources { named: vec!["128.0.0.0/1".parse().unwrap()], files: vec![list.clone()] };
    let again = |content: &str| {
        fs::write(&list, content).unwrap();
        let said = |problems: Problems| problems.to_string().replace(list.to_str().unwrap(), "list");
        allow_again(&sources).map(|prefixes| prefixes.nets().count()).map_err(said)
    };
    assert_eq!((again("192.0.2.1\n"), again("10.0.0.1\n10.0.0.9")), (Ok(1), Ok(3)));
    let refused = again("10.0.0.1\n10.9.2\n").unwrap_err();
    assert!(refused.starts_with("list:2:1: `10.9.2` is short of an address\n"), "{refused}");
    let refused = again("0.0.0.0/1").unwrap_err();
    assert!(refused.starts_with("list: with this file, the whole list allows everybody\n"), "{refused}");
    fs::remove_dir_all(&folder).unwrap();
    let refused = allow_again(&sources).unwrap_err().to_string();
    assert!(refused.ends_with("list: there is no such file\n  help: check its name, or create it"), "{refused}");
}

/// A small generator, so that a failure can be repeated.
fn next_random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 40).unwrap()
}

#[test]
fn no_cut_and_no_change_of_the_shipped_file_brings_the_parser_down() {
    let shipped = SHIPPED.as_bytes();
    for end in (0..shipped.len()).step_by(3) {
        let _answered = parsed_with(&shipped[..end], &[]);
    }
    let bytes = b"\0\xff\n\r\t\"'[]{}=.,#-_09azZ \\\xc3\xa9";
    let mut state = 42;
    for _ in 0..3000 {
        let mut changed = shipped.to_vec();
        for _ in 0..=next_random(&mut state) % 4 {
            let at = next_random(&mut state) % changed.len();
            match next_random(&mut state) % 3 {
                0 => changed[at] = bytes[next_random(&mut state) % bytes.len()],
                1 => changed.insert(at, bytes[next_random(&mut state) % bytes.len()]),
                _ => drop(changed.drain(at..(at + next_random(&mut state) % 40).min(shipped.len() - 200).max(at))),
            }
        }
        let _answered = parsed_with(&changed, &[("/etc/nftrap/allow.list", &changed)]);
    }
}

#[test]
fn nesting_without_end_is_refused() {
    for text in
        ["[".repeat(100_000), format!("{}=1", vec!["a"; 100_000].join(".")), "a=".to_owned() + &"{a=".repeat(9999)]
    {
        assert!(parsed(&text).is_err());
    }
}

#[test]
fn what_is_not_a_readable_file_is_refused_with_a_remedy_and_never_waited_for() {
    let folder = env::temp_dir().join(format!("nftrap-load-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let fifo = folder.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    fs::File::create(folder.join("large")).unwrap().set_len(MAX_FILE + 1).unwrap();
    fs::write(folder.join("good"), "mode = \"observe\"\nallow.sources = [\"./list\"]").unwrap();
    fs::write(folder.join("list"), "192.0.2.1").unwrap();
    let refused = |name: &str| load(&folder.join(name)).unwrap_err().to_string().replace(folder.to_str().unwrap(), "");
    let no_file = ": this is not a regular file\n  help: name a file, not a directory, a pipe or a device";
    assert_eq!(refused("none"), "/none: there is no such file\n  help: check its name, or create it");
    assert_eq!(refused("fifo"), format!("/fifo{no_file}"));
    assert_eq!(refused("."), format!("/.{no_file}"));
    assert!(refused("large").starts_with("/large: the file is larger than 16 MiB\n  help: "));
    assert!(refused("loop").starts_with("/loop: it cannot be read: "));
    assert_eq!(load(&folder.join("good")).unwrap().allow.v4().len(), 1);
    fs::remove_dir_all(&folder).unwrap();
}
