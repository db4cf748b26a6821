use model::isolation::{Confinement, Isolation};

/// Holds this process within `confinement` for the rest of its life, by what the operating system has for that. Only this
/// thread and those that it starts are held: there must be no other.
#[cfg(target_os = "linux")]
pub fn raise(confinement: &Confinement) -> Isolation {
    linux::raise(confinement)
}

/// Other systems have no walls that a process can raise around itself.
#[cfg(not(target_os = "linux"))]
pub fn raise(_: &Confinement) -> Isolation {
    Isolation::none("only Linux has the means")
}

#[cfg(target_os = "linux")]
mod linux {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, Ruleset, RulesetAttr as _,
        RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
    };
    use model::isolation::{Confinement, Isolation, Wall};
    use rustix::thread::{
        CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, set_no_new_privs, unshare_unsafe,
    };

    use crate::system_calls;

    /// The newest that is asked for; an older kernel gives what it has.
    const NEWEST: ABI = ABI::V10;

    /// The first that also stops files from being truncated.
    const SUFFICIENT: i32 = 3;

    pub fn raise(confinement: &Confinement) -> Isolation {
        let namespace = own_network();
        // of no use to Python; a user namespace gives all of them anew, and root has them anyway
        let none = CapabilitySet::empty();
        let given_up = set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
            .and_then(|()| set_no_new_privs(true));
        if let Err(error) = given_up {
            return Isolation::none(&format!("capabilities could not be given up: {error}"));
        }
        let landlock = landlock(confinement).map_err(|error| error.to_string());
        let seccomp = system_calls::refuse();
        Isolation {
            files: files(&landlock),
            network: network(&namespace, &landlock, &seccomp),
            processes: processes(&seccomp),
        }
    }

    /// A network namespace without so much as a loopback address that is up. Takes a user namespace, which some systems
    /// do not give to everyone.
    fn own_network() -> Result<(), rustix::io::Errno> {
        #[allow(unsafe_code)]
        // SAFETY: unsafe only for `UnshareFlags::FILES`, which is not among the flags
        unsafe {
            unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNET)
        }
    }

    /// The version of Landlock that holds now.
    fn landlock(confinement: &Confinement) -> Result<LandlockStatus, RulesetError> {
        let Confinement { walls: _, readable, writable } = confinement;
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let devices: BitFlags<AccessFs> = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock;
        let write = AccessFs::from_all(NEWEST) & !devices;
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rules(path_beneath_rules(readable, read))?
            .add_rules(path_beneath_rules([writable], write))?
            .add_rules(path_beneath_rules(["/dev/null"], AccessFs::ReadFile | AccessFs::WriteFile))?
            .restrict_self()?;
        Ok(status.landlock)
    }

    /// The version in use.
    fn version(landlock: &Result<LandlockStatus, String>) -> Result<i32, String> {
        match landlock {
            Ok(LandlockStatus::Available { effective_abi, .. }) => Ok(*effective_abi as i32),
            Ok(LandlockStatus::NotEnabled) => {
                Err("Landlock is switched off in this kernel (boot with `lsm=...,landlock`)".to_owned())
            }
            Ok(LandlockStatus::NotImplemented) => {
                Err("this kernel has no Landlock (Linux 5.13 and newer have)".to_owned())
            }
            Err(error) => Err(format!("Landlock failed: {error}")),
        }
    }

    fn files(landlock: &Result<LandlockStatus, String>) -> Wall {
        match version(landlock) {
            Ok(version) if version >= SUFFICIENT => Wall::Held(format!("Landlock {version}")),
            Ok(version) => {
                Wall::Missing(format!("Landlock {version} lets files be truncated (Linux 6.2 and newer do not)"))
            }
            Err(reason) => Wall::Missing(reason),
        }
    }

    fn network(
        namespace: &Result<(), rustix::io::Errno>,
        landlock: &Result<LandlockStatus, String>,
        seccomp: &Result<(), String>,
    ) -> Wall {
        let tcp = version(landlock).is_ok_and(|version| version >= ABI::V4 as i32);
        match (namespace, seccomp) {
            (Ok(()), Ok(())) => Wall::Held("a namespace of its own and seccomp".to_owned()),
            (Ok(()), Err(_)) => Wall::Held("a namespace of its own".to_owned()),
            (Err(_), Ok(())) if tcp => Wall::Held("seccomp and Landlock".to_owned()),
            (Err(_), Ok(())) => Wall::Held("seccomp".to_owned()),
            (Err(error), Err(reason)) => {
                let only = if tcp { ", only TCP is held by Landlock" } else { "" };
                Wall::Missing(format!("no network namespace ({error}) and no seccomp ({reason}){only}"))
            }
        }
    }

    fn processes(seccomp: &Result<(), String>) -> Wall {
        match seccomp {
            Ok(()) => Wall::Held("seccomp".to_owned()),
            Err(reason) => Wall::Missing(format!("no seccomp: {reason}")),
        }
    }
}
