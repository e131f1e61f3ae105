//! What a worker has to tell: small values that cost nothing to send, and may be lost under load, counted.

use crate::detect::Offence;
use crate::kernel::block_set::BlockError;

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub enum Fact {
    /// A source is blocked now.
    Blocked(Offence),
    /// It would be, were we not only observing.
    WouldBlock(Offence),
    /// It should be, and the kernel does not take it.
    NotBlocked(Offence, BlockError),
}
