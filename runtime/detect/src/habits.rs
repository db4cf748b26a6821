use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use crate::tree::{NodeId, Tree};

/// Rows after which it is known what detections mostly ask for.
const LEARNED_FROM: u32 = 64;

/// Which columns detections ask for row after row. Records have those from the start, without being asked.
pub struct Habits {
    /// By node: how often it was asked for.
    asked: Vec<AtomicU32>,
    rows: AtomicU32,
    usual: OnceLock<Usual>,
}

struct Usual {
    by_node: Vec<bool>,
    /// Of each struct, its usual members.
    members: Vec<Vec<NodeId>>,
}

impl Habits {
    /// Nothing is known yet.
    pub fn new(tree: &Tree) -> Self {
        let asked = (0..tree.len()).map(|_| AtomicU32::new(0)).collect();
        Self { asked, rows: AtomicU32::new(0), usual: OnceLock::new() }
    }

    /// A member was asked for.
    pub fn count(&self, node: NodeId) {
        if self.usual.get().is_none() {
            self.asked[node].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A row is done.
    pub fn end_row(&self, tree: &Tree) {
        if self.usual.get().is_some() || self.rows.fetch_add(1, Ordering::Relaxed) + 1 < LEARNED_FROM {
            return;
        }
        let by_node: Vec<bool> =
            self.asked.iter().map(|asked| asked.load(Ordering::Relaxed) * 2 >= LEARNED_FROM).collect();
        let members = (0..tree.len())
            .map(|node| tree.members(node).iter().copied().filter(|member| by_node[*member]).collect())
            .collect();
        // once known it stays: what is in the dictionaries follows it
        self.usual.get_or_init(|| Usual { by_node, members });
    }

    /// Whether a member is asked for row after row.
    pub fn is_usual(&self, node: NodeId) -> bool {
        self.usual.get().is_some_and(|usual| usual.by_node[node])
    }

    /// The members of a struct that are.
    pub fn usual(&self, group: NodeId) -> &[NodeId] {
        self.usual.get().map_or(&[], |usual| usual.members[group].as_slice())
    }
}
