//! What a reader of metrics asks.
//!
//! Input: the head of an HTTP request.

use nftrap::report::exporter::answer_to;

pub(super) fn target(input: &[u8]) {
    let Some(answer) = answer_to(input) else { return };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 "), "{head}");
    assert_eq!(head.matches("Content-Length: ").count(), 1);
    assert!(head.lines().all(|line| !line.contains(char::is_control)), "{head:?}");
    assert!(input.starts_with(b"HEAD ") || head.contains(&format!("Content-Length: {}", body.len())), "{answer:?}");
}
