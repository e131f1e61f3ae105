//! The queue rule for kernels that have no `nft_queue`: netfilter's older `NFQUEUE` target, in the same chain of the same table,
//! through the compatibility layer. nft cannot write such a rule, so it is the one rule that we build ourselves.

#![expect(unsafe_code, reason = "libnftnl's target expression has no safe wrapper")]

use std::ffi::{CString, c_void};
use std::io;
use std::ptr;

use nftnl::expr::{Counter, Expression};
use nftnl::{Batch, Chain, FinalizedBatch, MsgType, ProtoFamily, Rule, Table};
use nftnl_sys::{self as sys, nftnl_expr};

use super::netlink::{Netfilter, narrow};
use super::ruleset::queue_chain;
use crate::config::{Config, NoDaemon};

/// The layout of `struct xt_NFQ_info_v3` (`linux/netfilter/xt_NFQUEUE.h`), padded to 8 bytes as the kernel wants it.
#[repr(C)]
struct Info {
    first: u16,
    count: u16,
    flags: u16,
    padding: u16,
}

const REVISION: u32 = 3;
const BYPASS: u16 = 1;

/// An expression that sends packets to one queue.
struct XtQueue {
    number: u16,
    flags: u16,
}

impl Expression for XtQueue {
    fn to_expr(&self, _rule: &Rule<'_>) -> ptr::NonNull<nftnl_expr> {
        let info = Info { first: self.number, count: 1, flags: self.flags, padding: 0 };
        // SAFETY: the strings are static; the info is allocated with malloc because libnftnl frees it with free, and
        // belongs to the expression once set. An allocation that fails ends the process, as in the rest of nftnl.
        unsafe {
            let expr = sys::nftnl_expr_alloc(c"target".as_ptr());
            let copy = libc::malloc(size_of::<Info>()).cast::<Info>();
            if expr.is_null() || copy.is_null() {
                std::process::abort();
            }
            copy.write(info);
            sys::nftnl_expr_set_str(expr, narrow(sys::NFTNL_EXPR_TG_NAME), c"NFQUEUE".as_ptr());
            sys::nftnl_expr_set_u32(expr, narrow(sys::NFTNL_EXPR_TG_REV), REVISION);
            let size = u32::try_from(size_of::<Info>()).unwrap_or(0);
            sys::nftnl_expr_set(expr, narrow(sys::NFTNL_EXPR_TG_INFO), copy.cast::<c_void>(), size);
            ptr::NonNull::new_unchecked(expr)
        }
    }
}

/// Makes the only rule of each queue chain (family `inet`) the one that sends everything to its queue: all in one transaction, so that no
/// packet comes by in between.
pub fn replace_rules(config: &Config) -> io::Result<()> {
    let table = CString::new(config.table.as_str())?;
    let table = Table::new(&table, ProtoFamily::Inet);
    let flags = match config.fail_mode().no_daemon {
        NoDaemon::Pass => BYPASS,
        NoDaemon::Drop => 0,
    };
    let mut batch = Batch::new();
    for (i, number) in (0..).zip(config.queue.numbers()) {
        let name = CString::new(queue_chain(i))?;
        let chain = Chain::new(&name, &table);
        // A rule without a number stands for all of its chain. What stands for an absent daemon would come first, and nothing
        // would ever reach the queue.
        batch.add(&Rule::new(&chain), MsgType::Del);
        let mut rule = Rule::new(&chain);
        rule.add_expr(&Counter);
        rule.add_expr(&XtQueue { number, flags });
        batch.add(&rule, MsgType::Add);
    }
    send(&batch.finalize())
}

/// Sends a batch of one page, which stays one transaction; the first error the kernel reports is the outcome.
fn send(batch: &FinalizedBatch) -> io::Result<()> {
    let netfilter = Netfilter::open()?;
    for page in batch {
        netfilter.send(page)?;
    }
    let mut failure = None;
    while let Some(report) = netfilter.next_report() {
        failure = failure.or_else(|| (report.error != 0).then_some(report.error));
    }
    failure.map_or(Ok(()), |error| Err(io::Error::from_raw_os_error(error)))
}
