//! What keeps detections from reaching anything but their rows: what is asked for, what holds, and what they tried.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a worker may touch, told to it when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Whether the operating system shall hold it, or only Python's own guard rail.
    pub walls: Walls,
    /// Files and directories that may be read, as real paths.
    pub readable: Vec<String>,
    /// The directory that may be written below, as a real path.
    pub writable: String,
}

/// Whether walls are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Walls {
    /// As many as the kernel has.
    Raised,
    /// None.
    Down,
}

/// What holds a worker: one wall around each thing that its detections must not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// Files of others, and everything that the kernel shows as a file.
    pub files: Wall,
    /// Any network, and sockets of this machine.
    pub network: Wall,
    /// Other processes: starting, reading, signalling them.
    pub processes: Wall,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wall {
    /// It stands, by these means.
    Held(String),
    /// It does not, for this reason.
    Missing(String),
}

impl Isolation {
    /// Nothing holds, for one reason.
    pub fn none(reason: &str) -> Self {
        let missing = || Wall::Missing(reason.to_owned());
        Self { files: missing(), network: missing(), processes: missing() }
    }

    /// Each wall by the name of what is behind it.
    pub fn walls(&self) -> [(&'static str, &Wall); 3] {
        let Self { files, network, processes } = self;
        [("files", files), ("network", network), ("processes", processes)]
    }

    /// What is missing, in words; `None` where everything holds.
    pub fn missing(&self) -> Option<String> {
        let missing: Vec<String> = self
            .walls()
            .into_iter()
            .filter_map(|(what, wall)| match wall {
                Wall::Held(_) => None,
                Wall::Missing(reason) => Some(format!("{what}: {reason}")),
            })
            .collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (what, wall)) in self.walls().into_iter().enumerate() {
            let start = if number == 0 { "" } else { "; " };
            match wall {
                Wall::Held(means) => write!(f, "{start}{what} held by {means}")?,
                Wall::Missing(reason) => write!(f, "{start}{what} NOT held: {reason}")?,
            }
        }
        Ok(())
    }
}

/// Something that a detection tried and was refused, whether or not it caught the error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refusal {
    /// The detection's place in [`crate::worker::Load::detections`].
    pub detection: u32,
    /// What it wanted to do.
    pub action: RefusedAction,
    /// With what: a path, an address, a command.
    pub target: String,
    /// Relative to the project: `detections/root_login/detect.py`.
    pub file: Option<String>,
    /// In that file, from one.
    pub line: Option<u32>,
}

/// What detections must not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedAction {
    /// Read a file or a directory that is not theirs.
    Read,
    /// Write outside of their temporary directory.
    Write,
    /// Use the network, or ask for a name's address.
    Network,
    /// Start a process.
    Process,
    /// Send a signal.
    Signal,
    /// Call native code.
    Native,
}

impl RefusedAction {
    /// All.
    pub const ALL: [Self; 6] = [Self::Read, Self::Write, Self::Network, Self::Process, Self::Signal, Self::Native];

    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Network => "network",
            Self::Process => "process",
            Self::Signal => "signal",
            Self::Native => "native",
        }
    }

    /// After "tried to", before the target.
    pub fn words(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Network => "use the network:",
            Self::Process => "start a process:",
            Self::Signal => "send a signal:",
            Self::Native => "call native code:",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_reason() {
        let held = || Wall::Held("seccomp".to_owned());
        let mut isolation = Isolation { files: held(), network: held(), processes: held() };
        assert_eq!(isolation.missing(), None);
        isolation.files = Wall::Missing("the kernel has no Landlock".to_owned());
        assert_eq!(isolation.missing().as_deref(), Some("files: the kernel has no Landlock"));
        let words = "files NOT held: the kernel has no Landlock; network held by seccomp; processes held by seccomp";
        assert_eq!(isolation.to_string(), words);
    }
}
