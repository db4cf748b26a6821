//! What a run did, for the person who started it.

use std::collections::BTreeSet;

use detections::{DetectionFailure, Printed, Refused};
use model::alert::AlertId;

/// What became of raw objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ingested {
    /// Read now.
    pub objects: u64,
    /// Read before: nothing was done.
    pub known: u64,
    /// Decompressed bytes.
    pub bytes: u64,
    /// What stood in them.
    pub records: u64,
    /// Records that became rows.
    pub rows: u64,
    /// Records that are in `matano_rejects`.
    pub rejects: u64,
    /// Records that a program dropped with `abort`.
    pub dropped: u64,
    /// Objects that were not read, and why.
    pub problems: Vec<String>,
}

/// What became of everything that was on its way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled {
    /// Commits to tables of the lake.
    pub commits: u64,
    /// Rows that detections saw.
    pub rows_seen: u64,
    /// Matches found, repeated ones included.
    pub matches: u64,
    /// Matches that were not known.
    pub new_matches: u64,
    /// Active alerts that are new or have grown.
    pub alerts: BTreeSet<AlertId>,
    /// Deliveries that arrived.
    pub sent: u64,
    /// Windows of scheduled detections that were run.
    pub windows: u64,
    /// What went wrong in detections.
    pub failures: Vec<DetectionFailure>,
    /// What detections printed.
    pub printed: Vec<Printed>,
    /// What detections tried and were refused.
    pub refused: Vec<Refused>,
    /// What the operating system does not keep from detections, and why.
    pub unheld: Option<String>,
    /// What did not happen, and why.
    pub problems: Vec<String>,
    /// Whether rows are still on their way because a table could not be written.
    pub uncommitted: bool,
}

impl Settled {
    /// Takes in what another run did.
    pub(crate) fn add(&mut self, more: Self) {
        let Self {
            commits,
            rows_seen,
            matches,
            new_matches,
            alerts,
            sent,
            windows,
            failures,
            printed,
            refused,
            unheld,
            problems,
            uncommitted,
        } = more;
        self.commits += commits;
        self.rows_seen += rows_seen;
        self.matches += matches;
        self.new_matches += new_matches;
        self.alerts.extend(alerts);
        self.sent += sent;
        self.windows += windows;
        self.failures.extend(failures);
        self.printed.extend(printed);
        self.refused.extend(refused);
        self.unheld = self.unheld.take().or(unheld);
        self.problems.extend(problems);
        self.uncommitted |= uncommitted;
    }
}
