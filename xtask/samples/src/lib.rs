//! A seed -> CloudTrail and VPC flow log objects as AWS delivers them to S3, with an attack in them.
//!
//! Start at [`write()`]. The same options make the same bytes on every machine: no clock, no randomness but the seed's.
//! Everything is invented; addresses are of the ranges for documentation, accounts those that AWS uses in examples.

mod dice; // numbers from a seed
mod json; // JSON with its members in order

mod cloudtrail;
mod world; // accounts, people, machines, addresses // one event

mod calls; // what people and machines call every day
mod computing; // ... of EC2, Lambda and containers
mod flow;
mod storage; // ... of S3, DynamoDB, keys and secrets
mod story; // the attack // who talked to whom

mod detections; // a detections repo

mod object; // events in gzip, under the keys of AWS

use std::path::Path;

use anyhow::Result;

pub use detections::{RepoOptions, write_repo};
pub use object::Object;
pub use story::Planted;

use dice::Dice;
use object::Writer;
use world::World;

/// What to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleOptions {
    /// Everything random comes from this.
    pub seed: u64,
    /// The first moment, in seconds since the Unix epoch.
    pub start: i64,
    /// How much time it covers.
    pub hours: u32,
    /// CloudTrail events of every day; those of the attack come on top.
    pub events: u64,
    /// How many objects these lie in.
    pub objects: u32,
    /// Flow log records of every day; those of the attack come on top.
    pub flows: u64,
    /// Whether there is an attack.
    pub story: Story,
}

/// Whether there is an attack in the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// There is.
    Attack,
    /// Every day is like every other.
    Quiet,
}

/// 2026-03-02T06:00:00Z, a Monday.
const MONDAY: i64 = 1_772_431_200;

impl Default for SampleOptions {
    /// What the demo shows: 20,000 events of six hours in 48 objects, flow logs, and the attack.
    fn default() -> Self {
        Self { seed: 1, start: MONDAY, hours: 6, events: 20_000, objects: 48, flows: 20_000, story: Story::Attack }
    }
}

impl SampleOptions {
    /// What the bench measures: 300 MB of CloudTrail in 16 objects and nothing else.
    pub fn bench() -> Self {
        Self { events: 200_000, objects: 16, flows: 0, story: Story::Quiet, ..Self::default() }
    }
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// How many objects.
    pub objects: u64,
    /// How many CloudTrail events.
    pub events: u64,
    /// How many flow log records.
    pub flows: u64,
    /// Bytes before compression.
    pub bytes: u64,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// Each object.
    pub files: Vec<Object>,
    /// What the attack consists of, in order of time.
    pub planted: Vec<Planted>,
}

/// Writes the objects below `directory`: `aws_cloudtrail/AWSLogs/...` and `aws_vpcflow/AWSLogs/...`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(directory: &Path, options: &SampleOptions) -> Result<Manifest> {
    let world = World::new(&mut Dice::new(options.seed, "world"));
    let mut writer = Writer::new(directory, options.seed);
    calls::write(&mut writer, &world, options)?;
    flow::write(&mut writer, &world, options)?;
    let planted = match options.story {
        Story::Attack => story::write(&mut writer, &world, options)?,
        Story::Quiet => Vec::new(),
    };
    let files = writer.finish();
    let sum = |of: fn(&Object) -> u64| files.iter().map(of).sum();
    Ok(Manifest {
        objects: files.len() as u64,
        events: sum(|file| file.events),
        flows: sum(|file| file.flows),
        bytes: sum(|file| file.bytes),
        stored_bytes: sum(|file| file.stored_bytes),
        files,
        planted,
    })
}

#[cfg(test)]
mod tests;
