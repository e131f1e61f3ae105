//! What the kernel holds us to, whoever we come to be: files below named places (landlock), no system calls that only an intruder wants, and for
//! threads that read what strangers send a short list of calls (seccomp). Best effort: a kernel without it runs us all the same,
//! and `Held` says what holds.
//!
//! Landlock and filters are a thread's, and go to whom it starts, threads and programs. So the whole process's are laid on before there is a
//! second thread, and nft has them, too.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, path_beneath_rules,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

mod calls;

use super::{forbidden, rights};

/// The newest rights that we know of; an older kernel holds us to those that it knows.
const NEWEST: ABI = ABI::V5;

/// A thread with a list of system calls of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It judges packets, or who asked a decoy.
    Worker,
    /// It talks with strangers at decoys.
    Decoy,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worker => "worker",
            Self::Decoy => "decoy",
        })
    }
}

/// Places of the file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Files and folders to read from, and programs to run.
    pub read: Vec<PathBuf>,
    /// Folders to fill, and files to write to.
    pub write: Vec<PathBuf>,
}

/// How far the kernel holds the whole process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// To the places.
    pub files: Hold,
    /// From system calls that only an intruder wants.
    pub calls: Hold,
}

/// How far something holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Wholly.
    Whole,
    /// As far as this kernel knows how.
    Part,
    /// Not, and why.
    Not(String),
}

/// Holds this thread, and all that it starts from now on, to `places`, and from calls that only an intruder wants.
#[must_use]
pub fn close(places: &Places) -> Held {
    // The filter last: nothing of it is in the way of the rest.
    let files = hold_to(places).unwrap_or_else(|error| Hold::Not(error.to_string()));
    let calls = filter(always(calls::unwanted()), SeccompAction::Allow, SeccompAction::Errno(EPERM));
    let calls = calls.and_then(|filter| install(&filter));
    Held { files, calls: calls.map_or_else(|error| Hold::Not(error.to_string()), |()| Hold::Whole) }
}

/// As a filter answers it; a number of the C library's is signed.
const EPERM: u32 = libc::EPERM.unsigned_abs();
const EACCES: u32 = libc::EACCES.unsigned_abs();

/// Leaves this thread the rights and system calls of its role. One that is on neither of its lists ends the process with a word of it.
pub fn enter(role: Role) -> io::Result<()> {
    rights::keep_needed_in_this_thread();
    forbidden::name_this_thread(role);
    forbidden::tell_of_it()?;
    // A panic's report looks for files; it does without them, and the thread goes on.
    let mut refused = always(calls::refused());
    refused.insert(libc::SYS_prctl, vec![but_for_the_next_filter()?]);
    let refused = filter(refused, SeccompAction::Allow, SeccompAction::Errno(EACCES))?;
    let allowed = filter(always(calls::allowed(role)), SeccompAction::Trap, SeccompAction::Allow)?;
    install(&refused)?;
    install(&allowed)
}

fn hold_to(places: &Places) -> Result<Hold, RulesetError> {
    let read = AccessFs::from_read(NEWEST);
    let held = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(&places.read, read))?
        .add_rules(path_beneath_rules(&places.write, filling()))?
        .restrict_self()?;
    Ok(match held.ruleset {
        RulesetStatus::FullyEnforced => Hold::Whole,
        RulesetStatus::PartiallyEnforced => Hold::Part,
        RulesetStatus::NotEnforced => {
            Hold::Not("this kernel has no landlock, or it is not among those that `lsm=` starts".into())
        }
    })
}

/// Nobody runs what we have written, and it is no device.
fn filling() -> BitFlags<AccessFs> {
    AccessFs::from_all(NEWEST) & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeFifo)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Calls, whatever their arguments.
fn always(calls: Vec<i64>) -> Rules {
    calls.into_iter().map(|call| (call, Vec::new())).collect()
}

/// `prctl`, whatever it is asked to do but the promise that goes before each filter, and that takes rights away.
fn but_for_the_next_filter() -> io::Result<SeccompRule> {
    let promise = u64::from(libc::PR_SET_NO_NEW_PRIVS.unsigned_abs());
    let others = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, promise);
    SeccompRule::new(vec![others.map_err(io::Error::other)?]).map_err(io::Error::other)
}

fn filter(calls: Rules, others: SeccompAction, these: SeccompAction) -> io::Result<BpfProgram> {
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let filter = SeccompFilter::new(calls, others, these, architecture).map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}

fn install(filter: &BpfProgram) -> io::Result<()> {
    apply_filter(filter).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
