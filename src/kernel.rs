//! The edge to the kernel: its clock, its queues, its sets, its links. Everything that is `unsafe` is behind this door.

pub mod block_set;
pub mod bulk;
pub mod cage;
pub mod clock;
pub mod decoy;
pub mod dump;
pub mod facts;
mod forbidden;
#[doc(hidden)]
pub mod fuzzing;
pub mod home;
pub mod instance;
mod listeners;
mod listing;
mod message;
pub mod netlink;
pub mod nft;
pub mod process;
pub mod queue;
mod rehearsal;
pub mod rights;
pub mod ruleset;
pub mod surroundings;
pub mod trust;
pub mod watch;
pub mod xt_queue;
