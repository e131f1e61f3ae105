//! Whether the kernel's sets have room for our blocks. We never put more there than the config allows, but others may put in what they
//! like; and a set that is full takes nobody else.

use log::{debug, info, warn};

use super::Daemon;
use crate::kernel::dump;

/// Of the room that the sets have beyond our own maximum, an eighth: half a minute of a flood, and much time for an operator.
const FEW: u32 = 8192;

impl Daemon {
    /// Says once when a set is nearly full, and when it is not any more. Lists the sets: not for every packet.
    pub(super) fn look_at_room(&self) {
        let found = match dump::fullest(&self.books.config().table) {
            Ok(found) => found,
            // Most often because somebody flushed the ruleset: with the table, room comes back.
            Err(error) => return debug!(error:%; "cannot see how full our sets are"),
        };
        let crowded = found.and_then(|(set, left)| crowded(set, left));
        let known = std::mem::replace(&mut self.books.health().crowded, crowded.clone());
        match (known, crowded) {
            (None, Some(problem)) => warn!("{problem}"),
            (Some(_), None) => info!("the kernel's sets have room for blocks again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
}

/// What is to be said of a set with so many places left.
fn crowded(set: &str, left: u32) -> Option<String> {
    (left < FEW).then(|| {
        format!(
            "{left} more blocks find room in the kernel's set {set}, and then each takes the place of an older one of ours: take out \
             what others put there, or raise `max` in section [block] and restart"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_called_nearly_full_while_there_is_room_yet() {
        assert_eq!(crowded("block4", FEW), None);
        assert!(crowded("block4", FEW - 1).is_some_and(|said| said.starts_with("8191 more blocks find room")));
        assert!(crowded("block6", 0).is_some());
    }
}
