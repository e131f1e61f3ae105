//! The edge to the kernel: its clock, its queues, its sets, its links. Everything that is `unsafe` is behind this door.

mod message;
pub mod block_set;
pub mod bulk;
pub mod clock;
pub mod dump;
pub mod home;
pub mod instance;
pub mod netlink;
pub mod nft;
pub mod process;
pub mod queue;
pub mod ruleset;
pub mod surroundings;
pub mod watch;
pub mod xt_queue;
