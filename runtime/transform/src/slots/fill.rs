//! JSON text straight into input slots. What has no slot is skipped, not parsed.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use vrl::value::Value;

use super::inputs::{Inputs, Node};
use crate::json::Parsed;

/// What filling needs of its own, kept from record to record.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    /// The record in which a node was last met.
    met: Vec<u64>,
    record: u64,
}

/// Fills the slots from the text of one JSON object, which lies in `buffer`. Slots that it does not mention stay as they are.
pub(crate) fn fill(
    inputs: &Inputs,
    filling: &mut Filling,
    slots: &mut [Option<Value>],
    buffer: &Bytes,
) -> Result<(), sonic_rs::Error> {
    let text = std::str::from_utf8(buffer).map_err(serde::de::Error::custom)?;
    filling.met.resize(inputs.nodes().len(), 0);
    filling.record += 1;
    let mut deserializer = sonic_rs::Deserializer::from_str(text);
    Walk { inputs, node: 0, filling, slots, buffer }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Walks one value of the text along one node of the tree.
struct Walk<'a> {
    inputs: &'a Inputs,
    node: usize,
    filling: &'a mut Filling,
    slots: &'a mut [Option<Value>],
    buffer: &'a Bytes,
}

impl Walk<'_> {
    fn at(&self) -> &Node {
        &self.inputs.nodes()[self.node]
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if let Some(slot) = self.at().slot {
            self.slots[slot] = Some(Parsed::of(self.buffer).deserialize(deserializer)?);
            return Ok(());
        }
        // of equal keys the last wins, with all that is below it
        if self.filling.met[self.node] == self.filling.record {
            let below = self.at().below.clone();
            self.slots[below].fill(None);
        }
        self.filling.met[self.node] = self.filling.record;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let children = self.inputs.nodes()[self.node].children.as_slice();
        // keys mostly come in the same order as in the record before
        let mut expected = 0;
        while let Some(found) = members.next_key_seed(Key { children, expected })? {
            match found {
                Some(child) => {
                    expected = child + 1;
                    let node = children[child].1;
                    members.next_value_seed(Walk {
                        inputs: self.inputs,
                        node,
                        filling: &mut *self.filling,
                        slots: &mut *self.slots,
                        buffer: self.buffer,
                    })?;
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    // values of other shapes have nothing at the paths below them

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
}

/// One key: which child it leads to.
struct Key<'a> {
    children: &'a [(String, usize)],
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        let (before, after) = self.children.split_at(self.expected.min(self.children.len()));
        let here = after.iter().position(|(name, _)| name == key);
        Ok(match here {
            Some(index) => Some(before.len() + index),
            None => before.iter().position(|(name, _)| name == key),
        })
    }
}
