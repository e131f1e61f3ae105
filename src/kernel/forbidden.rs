//! The last words of a thread that asks for a system call which is not on its list: a line on standard error, and the end of the process.
//! All of it may be done in a signal handler: nothing is allocated, locked or waited for.

#![expect(unsafe_code, reason = "no safe crate installs a handler that is told which system call it was")]

use std::cell::Cell;
use std::io::{self, Cursor, Write as _};
use std::os::fd::AsFd as _;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::low_level::exit;

use super::cage::Role;

/// Where `siginfo_t` of a 64-bit machine has the system call, counted in words (`asm-generic/siginfo.h`).
const NUMBER_AT: usize = 6;
/// `SYS_SECCOMP` of the same file: a filter sent the signal, and no person.
const BY_FILTER: libc::c_int = 1;
/// An error that was explained.
const STATUS: libc::c_int = 1;
/// A reader that has not made room by then is not reading, and the end of this process is not to wait for it.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// What an intruder would ask for first.
const NAMES: [(libc::c_long, &str); 12] = [
    (libc::SYS_socket, "socket"),
    (libc::SYS_connect, "connect"),
    (libc::SYS_bind, "bind"),
    (libc::SYS_execve, "execve"),
    (libc::SYS_execveat, "execveat"),
    (libc::SYS_clone, "clone"),
    (libc::SYS_clone3, "clone3"),
    (libc::SYS_ptrace, "ptrace"),
    (libc::SYS_kill, "kill"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_setresuid, "setresuid"),
    (libc::SYS_memfd_create, "memfd_create"),
];

thread_local! {
    /// Which thread this is; a plain value, so that a signal handler may look.
    static ROLE: Cell<Role> = const { Cell::new(Role::Worker) };
}

/// Who this thread is, for its last words.
pub(super) fn name_this_thread(role: Role) {
    ROLE.set(role);
}

/// From now on a forbidden call is told, wherever it is made.
pub(super) fn tell_of_it() -> io::Result<()> {
    let handler: extern "C" fn(libc::c_int, *const libc::siginfo_t, *mut libc::c_void) = told;
    // SAFETY: the structure is plain numbers, for which zeros are valid: no flags, no signals in the mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler_address(handler);
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: `action` lives through the call, and `told` has the form that SA_SIGINFO asks for and does only what a handler may.
    let status = unsafe { libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(
    clippy::as_conversions,
    reason = "the C library wants a function as a number, and there is no other way to get it"
)]
fn handler_address(
    handler: extern "C" fn(libc::c_int, *const libc::siginfo_t, *mut libc::c_void),
) -> libc::sighandler_t {
    handler as libc::sighandler_t
}

extern "C" fn told(_signal: libc::c_int, about: *const libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel hands over a whole `siginfo_t`, 128 octets, aligned to words.
    let (code, number) = unsafe { ((*about).si_code, about.cast::<libc::c_int>().add(NUMBER_AT).read()) };
    if code == BY_FILTER {
        let mut line = [0_u8; 320];
        let length = last_words(&mut line, ROLE.get(), number.into());
        say(line.get(..length).unwrap_or_default());
    }
    exit(STATUS);
}

/// Written to `line`; with its length.
fn last_words(line: &mut [u8], role: Role, number: libc::c_long) -> usize {
    let mut at = Cursor::new(line);
    let name = NAMES.iter().find(|(known, _)| *known == number).map_or("see the kernel's list", |(_, name)| name);
    // What finds no room is left out.
    let (Ok(()) | Err(_)) = writeln!(
        at,
        "ERROR a {role} thread asked for system call {number} ({name}), which it has no use for: nftrap is broken or was broken \
         into, and ends; blocks stay in the kernel; report it with the log, and meanwhile set cage = false in [rights] if it comes again"
    );
    usize::try_from(at.position()).unwrap_or(0)
}

fn say(line: &[u8]) {
    let stderr = io::stderr();
    let mut ready = [PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::OUT)];
    if poll(&mut ready, Some(&PATIENCE)).is_ok_and(|ready| ready > 0) {
        // There is nobody else to tell.
        let (Ok(_) | Err(_)) = rustix::io::write(stderr.as_fd(), line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_name_thread_and_call_and_fit() {
        let mut line = [0_u8; 320];
        let length = last_words(&mut line, Role::Worker, libc::SYS_socket);
        let said = str::from_utf8(&line[..length]).unwrap();
        assert!(
            said.starts_with(&format!("ERROR a worker thread asked for system call {} (socket)", libc::SYS_socket))
        );
        assert!(said.ends_with("comes again\n"), "{said}");
    }
}
