//! Every refusal, word for word: an operator who mends a firewall at night reads nothing else.

use super::*;

/// A blank line ends a story; a line behind `#` is for the reader.
const STORIES: &str = include_str!("refusals.txt");

/// What is said about `text`: for each problem its place, its reason and its remedy, without the excerpt.
fn said(text: &str) -> String {
    let shown = parsed(text).expect_err(text);
    let told = shown.lines().filter_map(|line| match line.strip_prefix("/etc/nftrap/nftrap.toml:") {
        Some(problem) => Some(problem),
        None => line.starts_with("  help: ").then_some(line),
    });
    told.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_refusal_names_its_place_its_reason_and_its_remedy() {
    for story in STORIES.split("\n\n").filter(|story| story.starts_with("> ")) {
        let (file, told): (Vec<&str>, Vec<&str>) = story.trim_end().lines().partition(|line| line.starts_with("> "));
        let file: Vec<&str> = file.iter().filter_map(|line| line.strip_prefix("> ")).collect();
        assert_eq!(said(&file.join("\n")), told.join("\n"), "{story}");
    }
}

#[test]
fn everything_is_told_at_once_from_top_to_end_as_a_compiler_would() {
    let text = "mode = \"enforced\"\n[trigger]\ntcp = [1, 70000]\n\n[detect]\nwidow = \"10m\"\n";
    let shown = "\
/etc/nftrap/nftrap.toml:1:8: `enforced` is not possible here
  mode = \"enforced\"
         ^^^^^^^^^^
  help: did you mean \"enforce\"?
/etc/nftrap/nftrap.toml:3:11: port 70000 does not exist
  tcp = [1, 70000]
            ^^^^^
  help: ports go from 1 to 65535
/etc/nftrap/nftrap.toml:6:1: there is no key `widow` in [detect]
  widow = \"10m\"
  ^^^^^
  help: did you mean `window`?";
    assert_eq!(parsed(text).unwrap_err(), shown);
}

#[test]
fn a_name_of_a_port_needs_a_list_of_them() {
    let services = Services::missing("there is no such file");
    let mut read = |_: &Path| Err(Fault::new("", ""));
    let refused = parse(b"trigger.tcp = [79, \"finger\"]", Path::new("f"), &services, &mut read).unwrap_err();
    let shown = "f:1:20: port `finger` cannot be looked up: /etc/services: there is no such file\n  \
                 trigger.tcp = [79, \"finger\"]\n                     ^^^^^^^^\n  help: use numbers, or install netbase";
    assert_eq!(refused.to_string(), shown);
}

#[test]
fn a_fault_in_a_file_of_prefixes_is_told_with_that_files_name_and_line() {
    let files: [(&str, &[u8]); 2] =
        [("/etc/nftrap/allow.list", b"10.0.0.1\r\n\t10.0.0.5/24#x\r\n\n0.0.0.0/0"), ("/latin", b"# M\xfcller")];
    let refused = parsed_with(b"allow.sources = [\"./allow.list\", \"/latin\", \"/none\"]", &files).unwrap_err();
    let shown = "\
/etc/nftrap/allow.list:2:2: `10.0.0.5/24` has host bits set
   10.0.0.5/24#x
   ^^^^^^^^^^^
  help: did you mean 10.0.0.0/24?
/etc/nftrap/allow.list:4:1: `0.0.0.0/0` allows everybody
  0.0.0.0/0
  ^^^^^^^^^
  help: to watch without blocking, use mode = \"observe\" at the top of the file
/latin:1:4: byte 0xfc is not UTF-8
  # M\u{fffd}ller
     ^
  help: save the file as UTF-8
/etc/nftrap/nftrap.toml:1:44: /none: there is no such file
  allow.sources = [\"./allow.list\", \"/latin\", \"/none\"]
                                             ^^^^^^^
  help: check its name, or create it";
    assert_eq!(refused, shown);
}
