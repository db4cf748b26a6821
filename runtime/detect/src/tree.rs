use std::collections::HashMap;

use arrow::datatypes::{DataType, Fields};

/// The place of a [`Node`] in its [`Tree`].
pub type NodeId = usize;

/// The columns of a file as a tree of structs, with one leaf for each column that is decoded on its own.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
}

/// A struct, or a leaf: a scalar, or a list with everything in it.
#[derive(Debug)]
pub struct Node {
    /// The name in its struct; empty for the root.
    pub name: String,
    /// From the root, dotted.
    pub path: String,
    /// The struct it stands in; the root is its own.
    pub parent: NodeId,
    /// What it is.
    pub kind: Kind,
}

/// Struct or leaf.
#[derive(Debug)]
pub enum Kind {
    /// A struct, with its members in order and by name.
    Group {
        /// In the file's order.
        members: Vec<NodeId>,
        /// The same.
        by_name: HashMap<String, NodeId>,
    },
    /// A column, and the Parquet columns it is stored as.
    Leaf {
        /// Positions among the file's Parquet columns.
        stored: std::ops::Range<usize>,
    },
}

impl Tree {
    /// The root's id.
    pub const ROOT: NodeId = 0;

    /// Of a file's Arrow schema. Both schemas list columns depth first, which is what ties one to the other.
    pub fn new(fields: &Fields) -> Self {
        let root = Node {
            name: String::new(),
            path: String::new(),
            parent: Self::ROOT,
            kind: Kind::Group { members: Vec::new(), by_name: HashMap::new() },
        };
        let mut tree = Self { nodes: vec![root] };
        tree.add(Self::ROOT, fields, &mut 0);
        tree
    }

    fn add(&mut self, parent: NodeId, fields: &Fields, stored: &mut usize) {
        for field in fields {
            let id = self.nodes.len();
            let prefix = &self.nodes[parent].path;
            let path = if prefix.is_empty() { field.name().clone() } else { format!("{prefix}.{}", field.name()) };
            let first = *stored;
            let (inner, kind) = match field.data_type() {
                DataType::Struct(inner) if !inner.is_empty() => {
                    (Some(inner), Kind::Group { members: Vec::new(), by_name: HashMap::new() })
                }
                leaf => {
                    *stored += stored_columns(leaf);
                    (None, Kind::Leaf { stored: first..*stored })
                }
            };
            self.nodes.push(Node { name: field.name().clone(), path, parent, kind });
            if let Kind::Group { members, by_name } = &mut self.nodes[parent].kind {
                members.push(id);
                by_name.insert(field.name().clone(), id);
            }
            if let Some(inner) = inner {
                self.add(id, inner, stored);
            }
        }
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// One of them.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// A struct's members in order; none for a leaf.
    pub fn members(&self, id: NodeId) -> &[NodeId] {
        match &self.nodes[id].kind {
            Kind::Group { members, .. } => members,
            Kind::Leaf { .. } => &[],
        }
    }

    /// A struct's member by name.
    pub fn member(&self, id: NodeId, name: &str) -> Option<NodeId> {
        match &self.nodes[id].kind {
            Kind::Group { by_name, .. } => by_name.get(name).copied(),
            Kind::Leaf { .. } => None,
        }
    }

    /// The Parquet columns at and below a node.
    pub fn stored(&self, id: NodeId) -> Vec<usize> {
        match &self.nodes[id].kind {
            Kind::Group { members, .. } => members.iter().flat_map(|member| self.stored(*member)).collect(),
            Kind::Leaf { stored } => stored.clone().collect(),
        }
    }

    /// Every leaf at and below a node.
    pub fn leaves(&self, id: NodeId) -> Vec<NodeId> {
        match &self.nodes[id].kind {
            Kind::Group { members, .. } => members.iter().flat_map(|member| self.leaves(*member)).collect(),
            Kind::Leaf { .. } => vec![id],
        }
    }

    /// The structs around a node, the outermost first, without the root.
    pub fn around(&self, id: NodeId) -> Vec<NodeId> {
        let mut out = Vec::new();
        let mut at = self.nodes[id].parent;
        while at != Self::ROOT {
            out.push(at);
            at = self.nodes[at].parent;
        }
        out.reverse();
        out
    }
}

/// How many Parquet columns a type takes.
fn stored_columns(kind: &DataType) -> usize {
    match kind {
        DataType::Struct(fields) => fields.iter().map(|field| stored_columns(field.data_type())).sum(),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => stored_columns(item.data_type()),
        _ => 1, // Arrow's other types are scalars
    }
}
