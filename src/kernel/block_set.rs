//! The kernel's sets of blocked sources: adds to them over netlink, at once. Which source is to be blocked is decided elsewhere; what a block does is the ruleset's.
//!
//! One addition is one transaction, about 10 µs, and allocates nothing: libnftnl writes it into a buffer that stays. It says
//! "add, delete, add" of one element, because a plain addition of an element that is there already leaves its
//! old end in force on kernels before 6.12, and because a delete of one that is not there fails. No message
//! carries `NLM_F_EXCL`: a duplicate would then abort the transaction, which takes milliseconds.

#![expect(unsafe_code, reason = "libnftnl's set elements have no safe wrapper with a timeout")]

use std::ffi::CString;
use std::io;
use std::net::IpAddr;
use std::ptr::NonNull;
use std::time::Duration;

use nftnl_sys as sys;

use super::netlink::{Netfilter, Report, narrow};
use crate::detect::source::Source;
use crate::detect::widen::{WIDE, WIDER};

/// Name of the kernel set of IPv4 sources.
pub const SET_V4: &str = "block4";
/// Name of the kernel set of IPv6 sources that are one address: neighbours on our own links.
pub const SET_V6: &str = "block6";
/// Name of the kernel set of IPv6 sources that are networks; each by its first address, so that it can be a hash set.
pub const SET_V6_NETWORKS: &str = "block6net";
/// Names of the kernel sets of IPv6 networks of these lengths, whatever the config's is: a hash set finds one length alone. So a network that
/// is blocked as a whole costs one message, and is listed, lifted and put back as any source; an interval set would want nft for that.
pub const SET_V6_WIDE: &str = "block6net56";
/// The same of the shorter length.
pub const SET_V6_WIDER: &str = "block6net48";
/// All of them.
pub const SETS: [&str; 5] = [SET_V4, SET_V6, SET_V6_NETWORKS, SET_V6_WIDE, SET_V6_WIDER];

/// Name of the set that holds `source`.
#[must_use]
pub fn set_of(source: &Source) -> &'static str {
    match source.address() {
        IpAddr::V4(_) => SET_V4,
        IpAddr::V6(_) if source.is_host() => SET_V6,
        IpAddr::V6(_) => match source.parts().1 {
            WIDE => SET_V6_WIDE,
            WIDER => SET_V6_WIDER,
            _ => SET_V6_NETWORKS,
        },
    }
}

/// As long as the config allows.
const MAX_TABLE_NAME: usize = 31;

/// A transaction is below 700 octets with the longest table name; libnftnl writes without asking for room.
const BUFFER_WORDS: usize = 1024;

/// One worker's way to the sets of one table.
pub struct BlockSet {
    netfilter: Netfilter,
    v4: KernelSet,
    v6: KernelSet,
    v6_networks: KernelSet,
    v6_wide: KernelSet,
    v6_wider: KernelSet,
    buffer: Box<[u32; BUFFER_WORDS]>,
    sequence: u32,
}

/// Why a block is not in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The table or the set is gone: somebody flushed the ruleset.
    #[error("the kernel set is gone: was the ruleset flushed?")]
    SetGone,
    /// The set is at its size.
    #[error("the kernel set is full")]
    SetFull,
    /// The kernel's error number.
    #[error("the kernel refuses it: {}", io::Error::from_raw_os_error(*.0))]
    Refused(i32),
    /// Nothing came back.
    #[error("no answer from the kernel")]
    NoAnswer,
}

impl BlockError {
    /// What a netlink report's error number means.
    pub(super) const fn from_errno(error: i32) -> Self {
        match error {
            libc::ENOENT => Self::SetGone,
            libc::ENFILE => Self::SetFull,
            error => Self::Refused(error),
        }
    }

    /// What the socket says.
    pub(super) fn from_io(error: &io::Error) -> Self {
        Self::Refused(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl BlockSet {
    /// Opens a way to the sets of `table`.
    pub fn open(table: &str) -> io::Result<Self> {
        if table.len() > MAX_TABLE_NAME {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self {
            v4: KernelSet::new(table, SET_V4)?,
            v6: KernelSet::new(table, SET_V6)?,
            v6_networks: KernelSet::new(table, SET_V6_NETWORKS)?,
            v6_wide: KernelSet::new(table, SET_V6_WIDE)?,
            v6_wider: KernelSet::new(table, SET_V6_WIDER)?,
            netfilter: Netfilter::open()?,
            buffer: Box::new([0; BUFFER_WORDS]),
            sequence: 0,
        })
    }

    /// Has the kernel drop what `source` initiates, for so long from now. When this returns, it does.
    pub fn add(&mut self, source: &Source, lasts: Duration) -> Result<(), BlockError> {
        let added = self.transact(source, lasts, &Step::REFRESH);
        match added {
            Ok(()) | Err(BlockError::SetFull) => added,
            // An element that ends between "add" and "delete" makes the delete fail; the second time it is not there.
            Err(_) => self.transact(source, lasts, &Step::REFRESH),
        }
    }

    /// Lifts a block; an error, if there is none.
    pub fn lift(&mut self, source: &Source) -> Result<(), BlockError> {
        self.transact(source, Duration::ZERO, &[Step::Delete])
    }

    fn transact(&mut self, source: &Source, lasts: Duration, steps: &[Step]) -> Result<(), BlockError> {
        let set = match source.address() {
            IpAddr::V4(v4) => self.v4.holding(&v4.octets(), lasts),
            IpAddr::V6(v6) if source.is_host() => self.v6.holding(&v6.octets(), lasts),
            IpAddr::V6(v6) => {
                let networks = match source.parts().1 {
                    WIDE => &self.v6_wide,
                    WIDER => &self.v6_wider,
                    _ => &self.v6_networks,
                };
                networks.holding(&v6.octets(), lasts)
            }
        };
        let first = self.sequence;
        let mut message = Writer { words: &mut self.buffer, used: 0, sequence: first };
        // SAFETY: here and below, `put` gives an aligned place with room for what is written.
        message.put(|at, sequence| unsafe { sys::nftnl_batch_begin(at, sequence) });
        for (i, step) in steps.iter().enumerate() {
            let last = i.saturating_add(1) == steps.len();
            // SAFETY: as above.
            message.put(|at, sequence| unsafe { set.build(at, sequence, *step, last) });
        }
        let last = message.sequence;
        // SAFETY: as above.
        message.put(|at, sequence| unsafe { sys::nftnl_batch_end(at, sequence) });
        let (used, after) = (message.used, message.sequence);
        self.sequence = after;
        let bytes: &[u8] = bytemuck::cast_slice(self.buffer.as_slice());
        self.netfilter.send(bytes.get(..used).unwrap_or(&[])).map_err(|error| BlockError::from_io(&error))?;
        self.outcome(last.wrapping_sub(1))
    }

    /// Reads the kernel's reports: of errors, each message's own; of success, the last message's.
    fn outcome(&self, last: u32) -> Result<(), BlockError> {
        let mut failure = None;
        while let Some(Report { sequence, error }) = self.netfilter.next_report() {
            if error != 0 {
                failure = failure.or(Some(error));
            } else if sequence == last && failure.is_none() {
                return Ok(()); // reports come in order: none before it was an error
            }
        }
        Err(failure.map_or(BlockError::NoAnswer, BlockError::from_errno))
    }
}

/// What is done with one element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Add,
    Delete,
}

impl Step {
    const REFRESH: [Self; 3] = [Self::Add, Self::Delete, Self::Add];
}

/// Puts netlink messages one behind the other.
struct Writer<'a> {
    words: &'a mut [u32; BUFFER_WORDS],
    used: usize,
    sequence: u32,
}

impl Writer<'_> {
    fn put(&mut self, build: impl FnOnce(*mut libc::c_char, u32) -> *mut libc::nlmsghdr) {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(self.words.as_mut_slice());
        let Some(free) = bytes.get_mut(self.used..) else { return };
        let header = build(free.as_mut_ptr().cast(), self.sequence);
        // SAFETY: libnftnl returns the header it has just written, at the (aligned) start of the free part.
        let length = usize::try_from(unsafe { (*header).nlmsg_len }).unwrap_or(usize::MAX);
        self.used = self.used.saturating_add(length.next_multiple_of(4));
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// A named set of our table, and one element that is written over and over.
struct KernelSet {
    set: NonNull<sys::nftnl_set>,
    element: NonNull<sys::nftnl_set_elem>,
}

// SAFETY: the pointers are owned by this value alone, and libnftnl keeps no state per thread.
unsafe impl Send for KernelSet {}

impl KernelSet {
    fn new(table: &str, name: &str) -> io::Result<Self> {
        let (table, name) = (CString::new(table)?, CString::new(name)?);
        // SAFETY: libnftnl copies the strings; the element belongs to the set from `nftnl_set_elem_add` on.
        unsafe {
            let set = NonNull::new(sys::nftnl_set_alloc()).ok_or(io::ErrorKind::OutOfMemory)?;
            let element = NonNull::new(sys::nftnl_set_elem_alloc()).ok_or(io::ErrorKind::OutOfMemory)?;
            sys::nftnl_set_set_str(set.as_ptr(), narrow(sys::NFTNL_SET_TABLE), table.as_ptr());
            sys::nftnl_set_set_str(set.as_ptr(), narrow(sys::NFTNL_SET_NAME), name.as_ptr());
            sys::nftnl_set_elem_add(set.as_ptr(), element.as_ptr());
            Ok(Self { set, element })
        }
    }

    /// The set with its one element changed to `key`, for that long.
    fn holding(&self, key: &[u8], lasts: Duration) -> &Self {
        let milliseconds = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX).max(1);
        let length = u32::try_from(key.len()).unwrap_or(0);
        let element = self.element.as_ptr();
        // SAFETY: both calls copy their value into the element, which only this value uses, and which is `!Sync`.
        unsafe {
            sys::nftnl_set_elem_set(element, narrow(sys::NFTNL_SET_ELEM_KEY), key.as_ptr().cast(), length);
            sys::nftnl_set_elem_set_u64(element, narrow(sys::NFTNL_SET_ELEM_TIMEOUT), milliseconds);
        }
        self
    }

    /// Writes the message for `step` at `at`.
    ///
    /// # Safety
    /// `at` must be aligned to 4 octets and have room for the message.
    unsafe fn build(&self, at: *mut libc::c_char, sequence: u32, step: Step, report: bool) -> *mut libc::nlmsghdr {
        let (kind, create) = match step {
            Step::Add => (libc::NFT_MSG_NEWSETELEM, libc::NLM_F_CREATE),
            Step::Delete => (libc::NFT_MSG_DELSETELEM, 0),
        };
        let flags = create | if report { libc::NLM_F_ACK } else { 0 };
        // SAFETY: the caller vouches for `at`, we for the set.
        unsafe {
            let header =
                sys::nftnl_nlmsg_build_hdr(at, narrow(kind), narrow(libc::NFPROTO_INET), narrow(flags), sequence);
            sys::nftnl_set_elems_nlmsg_build_payload(header, self.set.as_ptr());
            header
        }
    }
}

impl Drop for KernelSet {
    fn drop(&mut self) {
        // SAFETY: we own the set, and it its element.
        unsafe { sys::nftnl_set_free(self.set.as_ptr()) };
    }
}
