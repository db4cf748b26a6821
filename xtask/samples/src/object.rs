//! Events and flows as objects: gzip, under the keys that AWS gives them.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};

use crate::{
    cloudtrail::{Event, timestamp},
    dice::Dice,
    flow::Flow,
};

/// One object that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Relative to the directory: `aws_cloudtrail/AWSLogs/...`.
    pub key: String,
    /// How many CloudTrail events.
    pub events: u64,
    /// How many flow log records.
    pub flows: u64,
    /// Bytes before compression.
    pub bytes: u64,
    /// Bytes as stored.
    pub stored_bytes: u64,
}

/// Writes objects below a directory.
pub struct Writer {
    directory: PathBuf,
    dice: Dice,
    objects: Vec<Object>,
}

impl Writer {
    pub fn new(directory: &Path, seed: u64) -> Self {
        Self { directory: directory.to_owned(), dice: Dice::new(seed, "objects"), objects: Vec::new() }
    }

    /// One log file of a trail, delivered at `time`.
    pub fn cloudtrail(&mut self, account: &str, region: &str, time: i64, events: &[Event]) -> Result<()> {
        let mut text = String::from("{\"Records\":[");
        for (index, event) in events.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            event.write(&mut self.dice, &mut text);
        }
        text.push_str("]}");
        let (day, minute) = day_and_minute(time);
        let key = format!(
            "aws_cloudtrail/AWSLogs/{account}/CloudTrail/{region}/{day}/{account}_CloudTrail_{region}_{minute}_{}.json.gz",
            self.dice.letters(16)
        );
        self.write(Object { key, events: events.len() as u64, flows: 0, bytes: 0, stored_bytes: 0 }, &text)
    }

    /// One log file of a flow log.
    pub fn flows(&mut self, account: &str, region: &str, time: i64, flows: &[Flow]) -> Result<()> {
        let mut text = String::from(Flow::HEADER);
        for flow in flows {
            flow.write(account, &mut text);
        }
        let (day, minute) = day_and_minute(time);
        let key = format!(
            "aws_vpcflow/AWSLogs/{account}/vpcflowlogs/{region}/{day}/{account}_vpcflowlogs_{region}_fl-0e5a3b7c9d1f20468_{minute}_{}.log.gz",
            self.dice.hex(8)
        );
        self.write(Object { key, events: 0, flows: flows.len() as u64, bytes: 0, stored_bytes: 0 }, &text)
    }

    fn write(&mut self, object: Object, text: &str) -> Result<()> {
        let path = self.directory.join(&object.key);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        }
        // no name and no time in the header: same text, same bytes
        let mut encoder = GzBuilder::new().write(Vec::new(), Compression::new(6));
        encoder.write_all(text.as_bytes()).context("compress")?;
        let packed = encoder.finish().context("compress")?;
        fs::write(&path, &packed).with_context(|| format!("write {}", path.display()))?;
        self.objects.push(Object { bytes: text.len() as u64, stored_bytes: packed.len() as u64, ..object });
        Ok(())
    }

    pub fn finish(self) -> Vec<Object> {
        self.objects
    }
}

/// `2026/03/02` and `20260302T0905Z`
fn day_and_minute(time: i64) -> (String, String) {
    let text = timestamp(time);
    let minute: String = text[..16].chars().filter(|character| !matches!(character, '-' | ':')).collect();
    (text[..10].replace('-', "/"), minute + "Z")
}
