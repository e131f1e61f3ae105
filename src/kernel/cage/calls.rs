//! Lists of system calls, for x86-64 and 64-bit ARM. Both C libraries, their allocators, and a panic that is caught have to find theirs here.

use super::Role;

/// Calls of which nobody of us has use, nor any program that nft is: to look into other processes, to change the running kernel, the
/// file system's tree or the machine's clock, and parts of the kernel in which mistakes are found every year.
pub(super) fn unwanted() -> Vec<i64> {
    let mut calls = vec![
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_fsmount,
        libc::SYS_fsconfig,
        libc::SYS_fspick,
        libc::SYS_mount_setattr,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_open_by_handle_at,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_fanotify_init,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_reboot,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_syslog,
        libc::SYS_vhangup,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_clock_adjtime,
        libc::SYS_adjtimex,
        libc::SYS_mknodat,
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([libc::SYS_kexec_file_load, libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_mknod]);
    calls.sort_unstable();
    calls
}

/// What a caged thread may ask for, and does not get: the report of a panic looks for the program's own file, to name functions.
pub(super) fn refused() -> Vec<i64> {
    let mut calls = vec![
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_readlinkat,
        libc::SYS_statx,
        libc::SYS_newfstatat,
        libc::SYS_faccessat,
        libc::SYS_faccessat2,
        libc::SYS_getcwd,
        libc::SYS_uname,
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([libc::SYS_open, libc::SYS_readlink, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access]);
    calls
}

/// What a thread of this role may do, and what it may ask for.
pub(super) fn allowed(role: Role) -> Vec<i64> {
    let own = match role {
        Role::Worker => worker(),
        Role::Decoy => decoy(),
    };
    [every_thread(), refused(), own, vec![libc::SYS_prctl]].concat()
}

/// Memory, locks, time, the log, signals, and an end. `fcntl`, for a build with assertions asks whether a file is open before it closes it.
fn every_thread() -> Vec<i64> {
    let mut calls = vec![
        libc::SYS_brk,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_membarrier,
        libc::SYS_rseq,
        libc::SYS_set_robust_list,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_restart_syscall,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_close,
        libc::SYS_fcntl,
        libc::SYS_fstat,
        libc::SYS_lseek,
        libc::SYS_ppoll,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_tgkill,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([libc::SYS_poll, libc::SYS_time]);
    calls
}

/// Packets, verdicts and blocks, over sockets that are open.
fn worker() -> Vec<i64> {
    vec![
        libc::SYS_recvmmsg,
        libc::SYS_recvmsg,
        libc::SYS_recvfrom,
        libc::SYS_sendmsg,
        libc::SYS_sendto,
        libc::SYS_setsockopt,
        libc::SYS_getsockopt,
    ]
}

/// Who comes to sockets that are open. `ioctl` has them not wait.
fn decoy() -> Vec<i64> {
    vec![
        libc::SYS_accept4,
        libc::SYS_getsockname,
        libc::SYS_getpeername,
        libc::SYS_recvmsg,
        libc::SYS_recvfrom,
        libc::SYS_sendmsg,
        libc::SYS_sendto,
        libc::SYS_shutdown,
        libc::SYS_setsockopt,
        libc::SYS_getsockopt,
        libc::SYS_ioctl,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_caged_thread_may_start_a_program_or_open_a_socket_or_what_nobody_may() {
        for role in [Role::Worker, Role::Decoy] {
            let allowed = allowed(role);
            for call in [libc::SYS_execve, libc::SYS_clone, libc::SYS_clone3, libc::SYS_socket, libc::SYS_connect] {
                assert!(!allowed.contains(&call), "{role}: {call}");
            }
            assert!(!unwanted().iter().any(|call| allowed.contains(call)), "{role}");
        }
    }
}
