//! The rows of a Parquet file as JSON objects.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

use columns::{ColumnsError, FileReader, Projection, row_json};
use model::object::RejectRule;

use super::{Body, Out};
use crate::decode::source_error;

/// How many rows are in memory at once.
const ROWS: usize = 1024;

/// Copies the file to a temporary one, since its directory stands at its end, and reads its rows. Returns its bytes.
pub(super) fn read<E: From<io::Error>>(reader: &mut dyn Read, out: &mut Out<'_, E>) -> Result<u64, E> {
    let spool = tempfile::NamedTempFile::new()?;
    let bytes = match copy(reader, spool.as_file()) {
        Ok(bytes) => bytes,
        Err(Copied::Local(error)) => return Err(E::from(error)),
        Err(Copied::Input(error)) => match source_error(error) {
            Ok(source) => return Err(E::from(source)),
            Err(broken) => {
                out.reject(RejectRule::Decode, broken.to_string(), &[])?;
                return Ok(0);
            }
        },
    };
    let opened = guarded(|| FileReader::open(spool.path()).and_then(|file| file.batches(Projection::All, ROWS)));
    let mut batches = match opened {
        Ok(batches) => batches,
        Err(error) => {
            broken(&error, out)?;
            return Ok(bytes);
        }
    };
    while let Some(batch) = guarded(|| batches.next().transpose()).transpose() {
        match batch {
            Ok(batch) => {
                for row in 0..batch.num_rows() {
                    let object = row_json(&batch, row).to_string();
                    out.record(Body::Json(object.as_bytes()), None, object.as_bytes())?;
                }
            }
            Err(error) => {
                broken(&error, out)?;
                break;
            }
        }
    }
    Ok(bytes)
}

/// Why a file cannot be read.
enum Damage {
    Error(ColumnsError),
    Panic,
}

/// Runs the reader of the parquet crate, which panics at some damages instead of reporting them. What panicked is not
/// used again.
fn guarded<T>(read: impl FnOnce() -> Result<T, ColumnsError>) -> Result<T, Damage> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(Damage::Error),
        Err(_) => Err(Damage::Panic),
    }
}

fn broken<E>(damage: &Damage, out: &mut Out<'_, E>) -> Result<(), E> {
    let cause = match damage {
        Damage::Error(error) => std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string),
        Damage::Panic => "the file is damaged".to_owned(),
    };
    out.reject(RejectRule::Decode, format!("parquet: {cause}"), &[])
}

enum Copied {
    Input(io::Error),
    Local(io::Error),
}

fn copy(reader: &mut dyn Read, file: &File) -> Result<u64, Copied> {
    let mut writer = BufWriter::new(file);
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                writer.write_all(&buffer[..read]).map_err(Copied::Local)?;
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(Copied::Input(error)),
        }
    }
    writer.flush().map_err(Copied::Local)?;
    Ok(bytes)
}
