//! Documentation of the rules that loading a project enforces. Where they are enforced: `project`.

pub(super) mod files; // what lies where, and whether it can be read
pub(super) mod keys; // what may stand in a file
pub(super) mod names; // what things may be called
pub(super) mod references; // what points at something else
