//! What a worker has to tell: small values that cost nothing to send, and may be lost under load, counted.

use crate::detect::{Offence, Sighting};
use crate::kernel::block_set::BlockError;
use crate::time::Moment;

/// Something that happened, and when.
#[derive(Debug, Clone, Copy)]
pub struct Fact {
    /// When.
    pub at: Moment,
    /// What.
    pub what: Happened,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Happened {
    /// A source asked for a place for the first time.
    Watched(Sighting),
    /// A source is blocked now.
    Blocked(Offence),
    /// It would be, were we not only observing.
    WouldBlock(Offence),
    /// It should be, and the kernel does not take it.
    NotBlocked(Offence, BlockError),
}
