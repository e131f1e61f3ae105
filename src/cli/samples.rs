//! What a daemon might say, for tests of those who show it.

use crate::control::wire::Block;

/// A block by nftrap itself.
pub(super) fn block(source: &str) -> Block {
    Block {
        source: source.into(),
        by: "nftrap".into(),
        until: Some("2026-11-24T06:05:21.189Z".into()),
        left: Some(552),
        repeat: Some(3),
        packets: Some(12_345),
        reason: None,
    }
}
