//! Looks whether our sets are still there: other tools flush the whole ruleset, and take it with theirs. One small message
//! and its answer; who asks how often is the daemon's business.

use std::io;

use super::block_set::SET_V4;
use super::netlink::{Netfilter, narrow};

/// Asks the kernel for one set of one table of family `inet`. Somebody else's table of our name does not have it.
pub struct Watch {
    netfilter: Netfilter,
    request: Vec<u8>,
}

impl Watch {
    /// Will look for `table`.
    pub fn open(table: &str) -> io::Result<Self> {
        Ok(Self { netfilter: Netfilter::open()?, request: request(table) })
    }

    /// Whether the set is gone, and with it most likely the table. A kernel that does not answer gives no reason to think so.
    pub fn is_gone(&self) -> io::Result<bool> {
        self.netfilter.send(&self.request)?;
        let mut gone = false;
        while let Some(report) = self.netfilter.next_report() {
            gone |= report.error == libc::ENOENT;
        }
        Ok(gone)
    }
}

const NFTA_SET_TABLE: u16 = 1;
const NFTA_SET_NAME: u16 = 2;

/// `NFT_MSG_GETSET` with the table's and the set's name (`linux/netfilter/nf_tables.h`), and a report asked for.
fn request(table: &str) -> Vec<u8> {
    let kind = narrow((libc::NFNL_SUBSYS_NFTABLES << 8) | libc::NFT_MSG_GETSET);
    let flags = narrow(libc::NLM_F_REQUEST | libc::NLM_F_ACK);
    let family = u8::try_from(libc::NFPROTO_INET).unwrap_or(0);

    let mut body = Vec::new();
    body.extend(kind.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend([0; 8]); // sequence number and port: there is one request at a time
    body.extend([family, 0, 0, 0]);
    for (number, text) in [(NFTA_SET_TABLE, table), (NFTA_SET_NAME, SET_V4)] {
        let length = u16::try_from(text.len().saturating_add(5)).unwrap_or(u16::MAX); // a header of 4, and a zero
        body.extend(length.to_ne_bytes());
        body.extend(number.to_ne_bytes());
        body.extend(text.as_bytes());
        body.push(0);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(body.len().saturating_add(4)).unwrap_or(u32::MAX);
    [length.to_ne_bytes().as_slice(), &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_has_its_length_and_ends_on_a_word() {
        for table in ["t", "nftrap", "a_table_with_a_name_of_31_letter"] {
            let bytes = request(table);
            let length = u32::from_ne_bytes(bytes[..4].try_into().unwrap());
            assert_eq!(usize::try_from(length).unwrap(), bytes.len());
            assert_eq!(bytes.len() % 4, 0);
            assert!(bytes.windows(table.len()).any(|part| part == table.as_bytes()));
        }
    }
}
