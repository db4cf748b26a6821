//! System calls that Python code has no use for, refused by seccomp.
//!
//! The list is of what leads out: to other processes, to any network, to what other walls do not cover (Landlock does not
//! look at modes, owners and times of files). Everything else is allowed, so that a new Python or a new libc keeps working.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter, sock_filter,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The same number everywhere; libc has no name for it on every architecture.
const FCHMODAT2: i64 = 452;

/// Nothing asks for these by accident: whoever does has gone around Python, and his process ends.
const DEADLY: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_bpf,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// Libraries try some of these and do without.
const REFUSED: &[i64] = &[
    // what makes a socket more than a number: any network, and the services of this machine
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // other processes of the same user
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    // the host ends the worker by its process group
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // memory and messages that other processes of this user share
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // of files, what Landlock does not look at
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];

/// Refuses them to this thread and those that it starts, until the process ends.
pub fn refuse() -> Result<(), String> {
    let programs = programs(std::process::id()).map_err(|error| error.to_string())?;
    programs.iter().try_for_each(|program| apply_filter(program)).map_err(|error| error.to_string())
}

/// The filters. The kernel asks all of them, and the strictest answer counts.
fn programs(own: u32) -> Result<Vec<BpfProgram>, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let own = u64::from(own);
    let always = |calls: &[i64]| -> Rules { calls.iter().map(|call| (*call, Vec::new())).collect() };
    let mut deadly = always(DEADLY);
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    deadly.insert(libc::SYS_clone, vec![when(SeccompCmpArgLen::Dword, &[(0, SeccompCmpOp::MaskedEq(thread), 0)])?]);
    let mut refused = always(REFUSED);
    // libraries make sockets to find out what there is; those of other kinds speak to the kernel
    let kinds = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6]
        .map(|kind| (0, SeccompCmpOp::Ne, u64::from(kind.cast_unsigned())));
    refused.insert(libc::SYS_socket, vec![when(SeccompCmpArgLen::Dword, &kinds)?]);
    // without an address it is `send`, which a pair of sockets within the process may use
    refused.insert(libc::SYS_sendto, vec![when(SeccompCmpArgLen::Qword, &[(4, SeccompCmpOp::Ne, 0)])?]);
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        refused.insert(call, vec![when(SeccompCmpArgLen::Dword, &[(0, SeccompCmpOp::Ne, own)])?]);
    }
    for call in [
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
    ] {
        refused.insert(
            call,
            vec![when(SeccompCmpArgLen::Dword, &[(0, SeccompCmpOp::Ne, 0), (0, SeccompCmpOp::Ne, own)])?],
        );
    }
    // its flags lie in memory, where no filter sees them; libc falls back to `clone`
    let unknown = always(&[libc::SYS_clone3]);
    let mut programs = Vec::new();
    for (rules, action) in [
        (deadly, SeccompAction::KillProcess),
        (refused, SeccompAction::Errno(libc::EPERM.cast_unsigned())),
        (unknown, SeccompAction::Errno(libc::ENOSYS.cast_unsigned())),
    ] {
        programs.push(SeccompFilter::new(rules, SeccompAction::Allow, action, architecture)?.try_into()?);
    }
    if cfg!(target_arch = "x86_64") {
        programs.push(no_x32().to_vec());
    }
    Ok(programs)
}

/// A rule that applies where all of these arguments compare so.
fn when(length: SeccompCmpArgLen, conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions = conditions
        .iter()
        .map(|(argument, operation, value)| SeccompCondition::new(*argument, length.clone(), operation.clone(), *value))
        .collect::<Result<_, _>>()?;
    SeccompRule::new(conditions)
}

/// Ends processes that ask for a call by its x32 number, of which the other filters know nothing: bit 30 of the number.
/// <https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html#pitfalls>
fn no_x32() -> [sock_filter; 4] {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    [
        // the number is the first word of what a filter sees
        step(LOAD_WORD, 0, 0, 0),
        step(JUMP_IF_SET, 0, 1, 0x4000_0000),
        step(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}
