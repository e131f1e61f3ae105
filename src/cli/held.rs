//! Blocks as the kernel holds them: they outlive the daemon, and who asks for them is answered without one.

use std::time::Duration;

use crate::config::Config;
use crate::control::wire::Block;
use crate::event::{Wall, plain};
use crate::kernel::dump::{self, DumpError, Element};
use crate::kernel::ruleset::Banned;
use crate::kernel::{clock, nft};
use crate::report::logger::with_causes;

/// Who set a block that only the kernel still knows.
const NOBODY_KNOWS: &str = "-";
/// Whose blocks are in sets of their own, which can hold networks.
pub(super) const OPERATOR: &str = "operator";

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeldError {
    /// There is nothing to look into.
    #[error("there is no table inet {0} here that nftrap made: nobody is blocked")]
    NoTable(String),
    /// The reason with its causes, and what to do.
    #[error("nor can the kernel's sets be read: {0}")]
    Unreadable(String),
}

/// All of them, those first that end first.
pub(super) fn blocks(config: &Config) -> Result<Vec<Block>, HeldError> {
    let elements = dump::dump(&config.table, config.detect.ipv6_prefix).map_err(|error| match error {
        DumpError::SetGone(_) => HeldError::NoTable(config.table.clone()),
        DumpError::Forbidden | DumpError::Refused { .. } => HeldError::Unreadable(with_causes(&error)),
    })?;
    let banned = nft::bans(&config.table).map_err(|error| HeldError::Unreadable(with_causes(&error)))?;
    let now = clock::wall();
    let own = elements.into_iter().map(|Element { source, left, packets }| Block {
        packets,
        ..block(source.to_string(), NOBODY_KNOWS, left, now)
    });
    let banned = banned.into_iter().map(|Banned { prefix, left }| block(plain(&prefix), OPERATOR, left, now));
    let mut all: Vec<_> = own.chain(banned).collect();
    all.sort_by_key(|block| (block.left.is_none(), block.left));
    Ok(all)
}

fn block(source: String, by: &str, left: Option<Duration>, now: Wall) -> Block {
    Block {
        source,
        by: by.to_owned(),
        until: left.map(|left| now.plus(left).to_string()),
        left: left.map(|left| left.as_secs()),
        repeat: None,
        packets: None,
        reason: None,
    }
}
