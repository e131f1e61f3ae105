//! Many blocks at once, into the kernel's sets: what comes back after a flush, or from an earlier run. A hundred thousand take part of
//! a second, where `nft` takes seconds to read and to check them as text.
//!
//! No message carries `NLM_F_EXCL`: a worker may have blocked one of them meanwhile, and its end then holds or ours does.

use std::time::Duration;

use super::block_set::{BlockError, SETS, set_of};
use super::dump::{
    NFTA_LIST_ELEM, NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_TABLE,
    NFTA_SET_ELEM_TIMEOUT, key,
};
use super::message::Messages;
use super::netlink::Netfilter;
use crate::detect::source::Source;

/// A list is one attribute, which has at most 64 KiB, and the kernel's report repeats a message that it refuses.
const PER_MESSAGE: usize = 500;
/// One transaction is sent in one piece, which must fit into the socket's buffer: with 40 octets each, into the 208 KiB that it has.
const PER_TRANSACTION: usize = 4000;

/// Adds blocks to the sets of `table`, each with the time left to it; those of the same set in the order given. At an error, those before
/// it stay.
pub fn add_all(table: &str, blocks: &[(Source, Duration)]) -> Result<(), BlockError> {
    let netfilter = Netfilter::open().map_err(|error| BlockError::from_io(&error))?;
    for set in SETS {
        let of_set: Vec<_> = blocks.iter().filter(|(source, _)| set_of(source) == set).collect();
        for part in of_set.chunks(PER_TRANSACTION) {
            netfilter.send(transaction(table, set, part).octets()).map_err(|error| BlockError::from_io(&error))?;
            let mut refused = None;
            let answered = netfilter
                .reports(|report| refused = refused.or_else(|| Some(report.error).filter(|error| *error != 0)));
            match refused {
                Some(error) => return Err(BlockError::from_errno(error)),
                None if answered == 0 => return Err(BlockError::NoAnswer),
                None => {}
            }
        }
    }
    Ok(())
}

pub(super) fn transaction(table: &str, set: &str, blocks: &[&(Source, Duration)]) -> Messages {
    let mut said = Messages::default();
    said.begin(0);
    for (part, sequence) in blocks.chunks(PER_MESSAGE).zip(1..) {
        said.add(libc::NFT_MSG_NEWSETELEM, libc::NLM_F_CREATE | libc::NLM_F_ACK, sequence, |body| {
            body.name(NFTA_SET_ELEM_LIST_TABLE, table);
            body.name(NFTA_SET_ELEM_LIST_SET, set);
            body.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |list| add_each(list, part));
        });
    }
    said.end(u32::MAX);
    said
}

fn add_each(list: &mut Messages, blocks: &[&(Source, Duration)]) {
    for (source, left) in blocks {
        // No time at all would be no end.
        let milliseconds = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
        list.nest(NFTA_LIST_ELEM, |element| {
            key(element, source);
            element.attribute(NFTA_SET_ELEM_TIMEOUT, &milliseconds.to_be_bytes());
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn the_largest_transaction_fits_into_the_socket_and_its_messages_into_a_report() {
        const BUFFER: usize = 212_992;
        const REPORT: usize = 32_768;
        let source = Source::host(Ipv6Addr::from_bits(u128::MAX).into());
        let blocks = vec![(source, Duration::MAX); PER_TRANSACTION];
        let table = "a_table_with_a_name_of_31_letter";
        assert!(transaction(table, "block6net", &blocks.iter().collect::<Vec<_>>()).octets().len() < BUFFER - 32);
        assert!(
            transaction(table, "block6net", &blocks[..PER_MESSAGE].iter().collect::<Vec<_>>()).octets().len() < REPORT
        );
    }
}
