use std::{
    cell::RefCell,
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use bytes::BytesMut;
use model::time::Timestamp;
use vrl::{
    compiler::{SecretTarget, Target},
    path::{OwnedSegment, OwnedTargetPath},
    value::{ObjectMap, Value},
};

use super::{Place, Plan, fill};
use crate::event::{self, RELATED};

/// The slots of one program on one thread, filled with one record after the other.
pub(crate) struct Slots {
    plan: Arc<Plan>,
    inputs: Vec<Option<Value>>,
    outputs: Vec<Option<Value>>,
    filling: fill::Filling,
    /// The text of the record, of which the strings in the slots are slices.
    buffer: BytesMut,
    places: RefCell<Places>,
    /// What `.related.*` starts as, by slot.
    related: Vec<(usize, Value)>,
}

/// Places of the paths of one program, found once. A path is known by the address of its segments: the program owns them
/// for as long as it lives, and these slots live no longer than the program they are used with.
#[derive(Default)]
struct Places {
    found: Vec<Place>,
    by_address: HashMap<usize, (u32, u32), BuildHasherDefault<Address>>,
}

/// Addresses are distinct numbers already; one multiplication spreads them.
#[derive(Default, Clone, Copy)]
struct Address(u64);

impl Hasher for Address {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_usize(usize::from(byte));
        }
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = (self.0 ^ address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Slots {
    /// Empty slots.
    pub fn new(plan: Arc<Plan>) -> Self {
        let related = RELATED
            .iter()
            .filter_map(|name| {
                let path = ["related", *name];
                let (slot, rest) = plan.output(&path)?;
                rest.is_empty().then(|| (slot, Value::Array(Vec::new())))
            })
            .collect::<Vec<_>>();
        let related = match (related.len(), plan.output(&["related"])) {
            // `.related` is used as a whole
            (0, Some((slot, _))) => {
                let empty = RELATED.iter().map(|name| ((*name).into(), Value::Array(Vec::new())));
                vec![(slot, Value::Object(empty.collect::<ObjectMap>()))]
            }
            _ => related,
        };
        Self {
            inputs: vec![None; plan.input_slots()],
            outputs: vec![None; plan.outputs().len()],
            filling: fill::Filling::default(),
            buffer: BytesMut::new(),
            places: RefCell::default(),
            related,
            plan,
        }
    }

    /// Takes in a JSON object.
    pub fn load_json(&mut self, text: &str, ts: Timestamp) -> Result<(), sonic_rs::Error> {
        self.inputs.fill(None);
        self.clear(ts);
        // nothing of the record before is left, so its buffer is used again
        self.buffer.reserve(text.len());
        self.buffer.extend_from_slice(text.as_bytes());
        let buffer = self.buffer.split().freeze();
        fill::fill(&self.plan.inputs, &mut self.filling, &mut self.inputs, &buffer)
    }

    /// Takes in a line of text.
    pub fn load_message(&mut self, line: &str, ts: Timestamp) {
        self.clear(ts);
        self.inputs.fill(None);
        self.outputs[self.plan.message()] = Some(event::text(line));
    }

    fn clear(&mut self, ts: Timestamp) {
        self.outputs.fill(None);
        self.outputs[self.plan.ts()] = Some(event::timestamp(ts));
        for (slot, empty) in &self.related {
            self.outputs[*slot] = Some(empty.clone());
        }
    }

    /// What is in an output slot.
    pub fn value(&self, slot: usize) -> Option<&Value> {
        match &self.plan.outputs()[slot].from {
            None => self.outputs[slot].as_ref(),
            Some((input, None)) => self.inputs[*input].as_ref(),
            Some((input, Some(rest))) => self.inputs[*input].as_ref().and_then(|value| value.get(rest)),
        }
    }

    /// The plan they follow.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The value at a path of fields of the event, where it has a slot.
    pub fn output(&self, path: &[&str]) -> Option<&Value> {
        let (slot, rest) = self.plan.output(path)?;
        event::field(self.value(slot)?, rest)
    }
}

impl Places {
    fn find(&mut self, plan: &Plan, path: &OwnedTargetPath) -> usize {
        let segments: &[OwnedSegment] = &path.path.segments;
        let length = segments.len() as u32;
        let address = segments.as_ptr() as usize;
        if let Some((index, known)) = self.by_address.get(&address)
            && *known == length
        {
            debug_assert_eq!(self.found[*index as usize], plan.place(path), "{path} moved");
            return *index as usize;
        }
        let index = self.found.len();
        self.found.push(plan.place(path));
        // the root has no segments and so no address of its own; a plan has no place for it either
        if length > 0 {
            self.by_address.insert(address, (index as u32, length));
        }
        index
    }
}

impl Target for Slots {
    fn target_insert(&mut self, path: &OwnedTargetPath, value: Value) -> Result<(), String> {
        let places = self.places.get_mut();
        let index = places.find(&self.plan, path);
        match &places.found[index] {
            Place::Output(slot, None) => self.outputs[*slot] = Some(value),
            Place::Output(slot, Some(rest)) => {
                self.outputs[*slot].get_or_insert(Value::Null).insert(rest, value);
            }
            Place::Input(..) | Place::AllInputs | Place::Nowhere => return Err(format!("{path} has no slot")),
        }
        Ok(())
    }

    fn target_get(&self, path: &OwnedTargetPath) -> Result<Option<&Value>, String> {
        // programs that use the event as a whole do not run over slots; VRL itself asks whether there is one
        if path.path.segments.is_empty() {
            return Ok(Some(&Value::Null));
        }
        let mut places = self.places.borrow_mut();
        let index = places.find(&self.plan, path);
        Ok(match &places.found[index] {
            Place::Input(slot, None) => self.inputs[*slot].as_ref(),
            Place::Input(slot, Some(rest)) => self.inputs[*slot].as_ref().and_then(|value| value.get(rest)),
            Place::Output(slot, None) => self.outputs[*slot].as_ref(),
            Place::Output(slot, Some(rest)) => self.outputs[*slot].as_ref().and_then(|value| value.get(rest)),
            Place::AllInputs | Place::Nowhere => None,
        })
    }

    fn target_get_mut(&mut self, path: &OwnedTargetPath) -> Result<Option<&mut Value>, String> {
        let places = self.places.get_mut();
        let index = places.find(&self.plan, path);
        Ok(match &places.found[index] {
            Place::Input(slot, None) => self.inputs[*slot].as_mut(),
            Place::Input(slot, Some(rest)) => self.inputs[*slot].as_mut().and_then(|value| value.get_mut(rest)),
            Place::Output(slot, None) => self.outputs[*slot].as_mut(),
            Place::Output(slot, Some(rest)) => self.outputs[*slot].as_mut().and_then(|value| value.get_mut(rest)),
            Place::AllInputs | Place::Nowhere => None,
        })
    }

    fn target_remove(&mut self, path: &OwnedTargetPath, compact: bool) -> Result<Option<Value>, String> {
        let places = self.places.get_mut();
        let index = places.find(&self.plan, path);
        let (slot, rest) = match &places.found[index] {
            Place::Input(slot, rest) => (&mut self.inputs[*slot], rest),
            Place::Output(slot, rest) => (&mut self.outputs[*slot], rest),
            Place::AllInputs => {
                self.inputs.fill(None);
                return Ok(None);
            }
            Place::Nowhere => return Ok(None),
        };
        let Some(rest) = rest else { return Ok(slot.take()) };
        let Some(value) = slot.as_mut() else { return Ok(None) };
        let removed = value.remove(rest, compact);
        if removed.is_some() && compact && value.is_empty() {
            *slot = None;
        }
        Ok(removed)
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("inputs", &self.inputs).field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

impl SecretTarget for Slots {
    fn get_secret(&self, _: &str) -> Option<&str> {
        None
    }

    fn insert_secret(&mut self, _: &str, _: &str) {}

    fn remove_secret(&mut self, _: &str) {}
}
