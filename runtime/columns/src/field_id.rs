use std::collections::BTreeMap;

/// Iceberg's field ids by dotted path. The element of a list stands at `path.element`, its members below that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldIds(BTreeMap<String, i32>);

impl FieldIds {
    /// From paths and ids.
    pub fn new(ids: BTreeMap<String, i32>) -> Self {
        Self(ids)
    }

    /// The id at a dotted path.
    pub fn get(&self, path: &str) -> Option<i32> {
        self.0.get(path).copied()
    }

    /// Every path with its id, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32)> {
        self.0.iter().map(|(path, id)| (path.as_str(), *id))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, i32)> for FieldIds {
    fn from_iter<I: IntoIterator<Item = (String, i32)>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}
