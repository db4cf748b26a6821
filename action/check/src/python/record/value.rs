//! What an expression is to the record.

/// What an expression is, as far as the text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing was seen yet.
    Unseen,
    /// A constant, an empty list or dictionary: it holds nothing of the record.
    Empty,
    /// What the record holds at these keys; the record itself without keys.
    At(Vec<String>),
    /// Anything.
    Unknown,
}

impl Value {
    /// What is one or the other.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unseen, one) | (one, Self::Unseen) => one,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Empty, one) | (one, Self::Empty) => one,
            (Self::At(left), Self::At(right)) if left == right => Self::At(left),
            (Self::At(_), Self::At(_)) => Self::Unknown,
        }
    }
}
