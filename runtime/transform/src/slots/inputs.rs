use std::ops::Range;

use vrl::path::OwnedSegment;

use super::{Place, rest};

/// The tree of paths under `.json` that a program reads.
#[derive(Debug)]
pub(crate) struct Inputs {
    nodes: Vec<Node>,
    slots: usize,
}

/// One object of the record, or a value that has a slot.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// The slot of the whole value; a node with a slot has no children.
    pub slot: Option<usize>,
    /// Keys that lead on.
    pub children: Vec<(String, usize)>,
    /// The slots at and below this node.
    pub below: Range<usize>,
}

impl Inputs {
    /// For paths below `.json`. An index ends a path: lists are read whole.
    pub fn new(paths: &[&[OwnedSegment]]) -> Self {
        let mut inputs = Self { nodes: vec![Node::default()], slots: 0 };
        for path in paths {
            inputs.add(path);
        }
        inputs.number(0);
        inputs
    }

    fn add(&mut self, path: &[OwnedSegment]) {
        let mut at = 0;
        for segment in path {
            // a shorter path is read whole already
            if self.nodes[at].slot.is_some() {
                return;
            }
            let OwnedSegment::Field(name) = segment else { break };
            let child = self.nodes[at].children.iter().find(|(key, _)| key == name.as_str());
            at = match child {
                Some((_, node)) => *node,
                None => {
                    let node = self.nodes.len();
                    self.nodes.push(Node::default());
                    self.nodes[at].children.push((name.to_string(), node));
                    node
                }
            };
        }
        // numbered later; longer paths share this slot
        self.nodes[at].slot = Some(0);
        self.nodes[at].children.clear();
    }

    /// Numbers the slots so that those below a node follow each other.
    fn number(&mut self, node: usize) {
        let first = self.slots;
        if self.nodes[node].slot.is_some() {
            self.nodes[node].slot = Some(self.slots);
            self.slots += 1;
        }
        for child in 0..self.nodes[node].children.len() {
            self.number(self.nodes[node].children[child].1);
        }
        self.nodes[node].below = first..self.slots;
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// All nodes; the first is the record.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Where a path below `.json` leads.
    pub fn place(&self, segments: &[OwnedSegment]) -> Place {
        let mut at = 0;
        for (depth, segment) in segments.iter().enumerate() {
            if let Some(slot) = self.nodes[at].slot {
                return Place::Input(slot, rest(&segments[depth..]));
            }
            let OwnedSegment::Field(name) = segment else { return Place::Nowhere };
            match self.nodes[at].children.iter().find(|(key, _)| key == name.as_str()) {
                Some((_, node)) => at = *node,
                None => return Place::Nowhere,
            }
        }
        match self.nodes[at].slot {
            Some(slot) => Place::Input(slot, None),
            None if segments.is_empty() => Place::AllInputs,
            None => Place::Nowhere,
        }
    }
}
