//! Holds the house's order: pure code names no edge, imports point one way, and each foreign crate has one place.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "it reads the source tree")]

use std::fs;
use std::path::Path;

/// Code without clock, files, kernel, threads or log, so that a test and a capture decide as the daemon does.
const PURE: &[&str] = &[
    "act/cases",
    "act/deny",
    "act/facts",
    "act/invocation",
    "act/said",
    "packet",
    "kernel/message",
    "kernel/fuzzing",
    "kernel/queue/wire",
    "time",
    "detect",
    "event",
    "doctor",
    "import",
    "cli/fuzzing",
    "cli/top/keys",
    "cli/top/model",
    "cli/top/view",
    "cli/top/words",
    "config/ports",
    "cli/man/config",
    "replay/capture/blocks",
    "replay/capture/link",
    "replay/checksum",
    "replay/flows",
    "replay/fragments",
    "replay/guests",
    "replay/hosts",
    "replay/octets",
    "replay/order",
    "replay/recent",
    "replay/rules",
    "replay/seen",
    "replay/sides",
    "replay/sketch",
    "replay/survey",
    "replay/tally",
];
const EDGES: &[&str] = &[
    "crate::kernel",
    "crate::daemon",
    "crate::report",
    "crate::cli",
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "std::net::Tcp",
    "log::",
    "nfq::",
    "crossbeam_channel",
];

/// Who may name what, files or whole modules: the crates that reach the kernel, and the C library.
const ONE_PLACE: &[(&str, &[&str])] = &[
    ("nfq::", &["kernel/queue.rs", "kernel/queue/plain.rs"]),
    ("mnl::", &["kernel/netlink.rs"]),
    ("nftnl_sys", &["kernel/block_set.rs", "kernel/xt_queue.rs"]),
    ("nftnl::", &["kernel/xt_queue.rs"]),
    ("pnet_packet", &["packet.rs"]),
    ("pcap_parser", &["replay/capture.rs", "replay/capture/blocks.rs"]),
    ("flate2", &["replay/capture.rs"]),
    ("hashbrown", &["replay/recent.rs"]),
    (
        "unsafe {",
        &[
            "kernel/block_set.rs",
            "kernel/forbidden.rs",
            "kernel/home.rs",
            "kernel/netlink.rs",
            "kernel/queue/plain.rs",
            "kernel/queue/socket.rs",
            "kernel/xt_queue.rs",
        ],
    ),
    ("landlock::", &["kernel/cage.rs"]),
    ("seccompiler::", &["kernel/cage.rs"]),
    ("io::stdout", &["cli.rs"]),
    ("rusqlite::", &["journal"]),
    ("dns_lookup", &["report/chronicle/names.rs"]),
    ("jiff::", &["event/portsentry.rs", "report/chronicle"]),
    // Who else read the zone would read a file, and have another one after a change.
    ("TimeZone::system", &["report/chronicle.rs"]),
    ("ratatui::", &["cli/top"]),
    ("ratatui::crossterm", &["cli/top/feed.rs", "cli/top/keys.rs"]),
];

#[test]
fn pure_code_names_no_edge() {
    let named = each_line(|file| PURE.iter().any(|pure| is_in(file, pure)), EDGES);
    assert!(named.is_empty(), "\n{}", named.join("\n"));
}

#[test]
fn imports_point_one_way() {
    // cli → daemon → {act, kernel, report, journal} → event → detect → {packet, time}; config is values, and anybody may hold them.
    let upward: [(&str, &[&str]); 12] = [
        ("act", &["crate::daemon", "crate::report", "crate::cli"]),
        ("kernel", &["crate::daemon", "crate::report", "crate::cli"]),
        ("report", &["crate::daemon", "crate::cli"]),
        ("config", &["crate::daemon", "crate::kernel", "crate::report", "crate::cli"]),
        ("daemon", &["crate::cli"]),
        ("replay", &["crate::daemon", "crate::kernel", "crate::report", "crate::cli"]),
        (
            "import",
            &["crate::daemon", "crate::kernel", "crate::report", "crate::journal", "crate::control", "crate::cli"],
        ),
        ("journal", &["crate::daemon", "crate::kernel", "crate::report", "crate::cli", "crate::config"]),
        ("event", &["crate::journal", "crate::config"]),
        ("detect", &["crate::journal", "crate::event"]),
        ("packet", &["crate::detect", "crate::config"]),
        ("time", &["crate::"]),
    ];
    for (layer, above) in upward {
        let named = each_line(|file| is_in(file, layer), above);
        assert!(named.is_empty(), "\n{}", named.join("\n"));
    }
}

#[test]
fn each_foreign_crate_has_its_place() {
    for (name, places) in ONE_PLACE {
        let named = each_line(|file| !places.iter().any(|place| *place == file || is_in(file, place)), &[*name]);
        assert!(named.is_empty(), "`{name}` belongs in {places:?}:\n{}", named.join("\n"));
    }
}

#[test]
fn every_file_opens_with_its_job() {
    let silent: Vec<_> = files()
        .into_iter()
        .filter(|(name, text)| !text.starts_with("//!") && !name.contains("tests"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(silent, Vec::<String>::new());
}

/// Whether `file` is the module `module` or in its folder.
fn is_in(file: &str, module: &str) -> bool {
    file.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Lines of code of the chosen files in which one of `words` stands; comments and tests may name what they like.
fn each_line(choose: impl Fn(&str) -> bool, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files().into_iter().filter(|(name, _)| choose(name) && !name.contains("tests")) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (line, number) in code.lines().zip(1..).filter(|(line, _)| !line.trim_start().starts_with("//")) {
            if let Some(word) = words.iter().find(|word| starts_word(line, word)) {
                found.push(format!("src/{name}:{number}: `{word}` in: {}", line.trim()));
            }
        }
    }
    found
}

/// Whether `word` stands in `line`, and not as the end of a longer name.
fn starts_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line.get(..at).is_some_and(|before| before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
    })
}

/// All of `src/`, by name below it.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push((name_below(&root, &path), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(files.len() > 20, "the source tree was not found");
    files
}

fn name_below(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()
}
