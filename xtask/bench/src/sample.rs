//! The objects, in memory so that no disk is measured.

use std::{
    fs,
    io::{self, Cursor, Read},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, Result};
use samples::SampleOptions;
use transform::frame::{Body, Hints, Item, Limits, Shape, read_records};

/// All objects.
pub struct Sample {
    pub objects: Vec<Object>,
    /// How many events.
    pub events: u64,
    /// Bytes of JSON before compression.
    pub bytes: u64,
}

/// One object.
pub struct Object {
    pub key: String,
    bytes: Arc<[u8]>,
}

impl Sample {
    /// So many events; 200,000 are 300 MB of JSON.
    pub fn make(events: u64) -> Result<Self> {
        let options = SampleOptions { events, ..SampleOptions::bench() };
        let directory = tempfile::tempdir().context("make a temporary directory")?;
        let manifest = samples::write(directory.path(), &options)?;
        let read = |file: &samples::Object| -> Result<Object> {
            let path = directory.path().join(&file.key);
            let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            Ok(Object { key: file.key.clone(), bytes: bytes.into() })
        };
        let objects = manifest.files.iter().map(read).collect::<Result<_>>()?;
        Ok(Self { objects, events: manifest.events, bytes: manifest.bytes })
    }

    /// The `.gz` objects in a directory, each so often that there are about as many events as wanted.
    pub fn of_directory(directory: &Path, events: u64) -> Result<Self> {
        let mut objects = Vec::new();
        for entry in fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "gz") {
                let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
                objects.push((path.to_string_lossy().into_owned(), Arc::<[u8]>::from(bytes)));
            }
        }
        let once = |(key, bytes): &(String, Arc<[u8]>)| Object { key: key.clone(), bytes: bytes.clone() };
        let (mut sample, mut bytes) = (Self { objects: objects.iter().map(once).collect(), events: 0, bytes: 0 }, 0);
        let own = sample.count()?;
        for object in &sample.objects {
            bytes += object.text()?.len() as u64;
        }
        let times = events.checked_div(own).context("the directory has no objects with events")?.max(1);
        sample.objects = (0..times).flat_map(|_| objects.iter().map(once)).collect();
        Ok(Self { events: own * times, bytes: bytes * times, ..sample })
    }

    /// The same events without compression.
    pub fn unpacked(&self) -> Result<Self> {
        let unpack = |object: &Object| -> Result<Object> {
            let mut text = b"{\"Records\":[".to_vec();
            object.each_event(&mut |event| {
                text.extend_from_slice(event);
                text.push(b',');
                Ok(())
            })?;
            text.extend_from_slice(b"]}");
            Ok(Object { key: object.key.trim_end_matches(".gz").to_owned(), bytes: text.into() })
        };
        let objects = self.objects.iter().map(unpack).collect::<Result<_>>()?;
        Ok(Self { objects, events: self.events, bytes: self.bytes })
    }

    /// Finds all events and does nothing with them; how many there are.
    pub fn count(&self) -> Result<u64> {
        let mut events = 0;
        for object in &self.objects {
            object.each_event(&mut |_| {
                events += 1;
                Ok(())
            })?;
        }
        Ok(events)
    }
}

impl Object {
    /// Bytes as stored.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub fn reader(&self) -> Box<dyn Read + Send> {
        Box::new(Cursor::new(self.bytes.clone()))
    }

    pub fn hints(&self) -> Hints {
        Hints::of_key(Path::new(&self.key).to_string_lossy())
    }

    /// The whole text.
    pub fn text(&self) -> Result<String> {
        let mut whole = String::new();
        let mut on = |item: Item<'_>| match item {
            Item::Record { body: Body::Json(bytes) | Body::Text(bytes), .. } => {
                whole.push_str(std::str::from_utf8(bytes).map_err(|error| Stop(error.into()))?);
                Ok(())
            }
            Item::Reject { error, .. } => Err(Stop(anyhow::anyhow!("{}: {error}", self.key))),
        };
        match read_records(self.reader(), &self.hints(), &Shape::Whole, &Limits::default(), &mut on) {
            Ok(_) => Ok(whole),
            Err(Stop(error)) => Err(error),
        }
    }

    /// Each event's JSON: what every way begins with.
    pub fn each_event(&self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let shape = Shape::JsonArrayAt(vec!["Records".to_owned()]);
        let mut on = |item: Item<'_>| match item {
            Item::Record { body: Body::Json(bytes) | Body::Text(bytes), .. } => each(bytes).map_err(Stop),
            Item::Reject { error, .. } => Err(Stop(anyhow::anyhow!("{}: {error}", self.key))),
        };
        match read_records(self.reader(), &self.hints(), &shape, &Limits::default(), &mut on) {
            Ok(_) => Ok(()),
            Err(Stop(error)) => Err(error),
        }
    }
}

/// An error of either side of the reading.
struct Stop(anyhow::Error);

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self(error.into())
    }
}
