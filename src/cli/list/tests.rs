//! The list, as an operator sees it.

use super::*;
use crate::cli::samples::block;

fn shown(arguments: &Arguments, blocks: &[Block]) -> String {
    let mut out = Vec::new();
    let mut list = List::new(&mut out, arguments);
    for block in blocks {
        assert!(list.part(&serde_json::to_value(block).unwrap()).is_continue());
    }
    list.finish().unwrap();
    String::from_utf8(out).unwrap()
}

fn some() -> [Block; 2] {
    let banned = Block {
        by: "operator".into(),
        until: None,
        left: None,
        repeat: None,
        packets: None,
        reason: Some("noise\u{1b}[2J".into()),
        ..block("2001:db8:a::/64")
    };
    [block("198.51.100.2"), banned]
}

fn arguments(by: Option<By>, json: bool) -> Arguments {
    Arguments { instance: Instance::default(), by, json }
}

#[test]
fn blocks_are_a_table() {
    let expected = "\
source           by            left  until                 packets  repeat  reason
198.51.100.2     nftrap      9m 12s  2026-11-24T06:05:21Z   12,345       3
2001:db8:a::/64  operator  for ever  -                           -       -  noise\u{fffd}[2J
";
    assert_eq!(shown(&arguments(None, false), &some()), expected);
    assert_eq!(shown(&arguments(None, false), &[]), "nobody is blocked\n");
}

#[test]
fn only_those_are_listed_that_were_asked_for() {
    assert_eq!(shown(&arguments(Some(By::Operator), false), &some()).lines().count(), 2);
    assert_eq!(shown(&arguments(Some(By::Nft), false), &some()), "nobody is blocked\n");
}

#[test]
fn as_json_each_is_a_line_and_nobody_is_none() {
    let lines = shown(&arguments(None, true), &some());
    let read: Vec<Block> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, some());
    assert_eq!(shown(&arguments(None, true), &[]), "");
}

#[test]
fn what_is_no_block_ends_the_list() {
    let mut out = Vec::new();
    let mut list = List::new(&mut out, &arguments(None, false));
    assert!(list.part(&Value::from(1)).is_break());
    assert!(list.finish().is_err());
}
