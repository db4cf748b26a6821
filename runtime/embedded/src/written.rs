//! Answers of queries: a table for people, JSON lines, CSV, Arrow.

use std::io;

use datafusion::arrow::{
    array::RecordBatch,
    csv::{Writer as CsvWriter, WriterBuilder},
    ipc::writer::StreamWriter,
    json::LineDelimitedWriter,
    util::pretty::pretty_format_batches,
};
use futures::TryStreamExt as _;

use crate::sql::{Rows, SqlError};

/// A table with lines around it needs all rows at once; more than this are asked for in another format.
const TABLE_ROWS: usize = 10_000;

impl Rows {
    /// For people. Returns how many rows there are.
    pub async fn write_table(mut self, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> Result<u64, SqlError> {
        let (mut batches, mut rows): (Vec<RecordBatch>, usize) = (Vec::new(), 0);
        while let Some(batch) = self.next().await? {
            rows += batch.num_rows();
            if rows > TABLE_ROWS {
                let problem = format!("more than {TABLE_ROWS} rows: add a LIMIT, or use --format json or csv");
                return Err(SqlError::Execution(problem));
            }
            batches.push(batch);
        }
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(self.schema));
        }
        let table = pretty_format_batches(&batches).map_err(failed)?;
        send(&mut write, format!("{table}\n").as_bytes())?;
        Ok(rows as u64)
    }

    /// One JSON object a line, nulls left out. Returns how many rows there are.
    pub async fn write_json(mut self, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> Result<u64, SqlError> {
        let mut rows = 0;
        while let Some(batch) = self.next().await? {
            let mut lines = LineDelimitedWriter::new(Vec::new());
            lines.write(&batch).map_err(failed)?;
            send(&mut write, &lines.into_inner())?;
            rows += batch.num_rows() as u64;
        }
        Ok(rows)
    }

    /// An Arrow IPC stream: with types, for programs. Returns how many rows there are.
    pub async fn write_arrow(mut self, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> Result<u64, SqlError> {
        let mut rows = 0;
        let mut writer = StreamWriter::try_new(Vec::new(), &self.schema).map_err(failed)?;
        while let Some(batch) = self.next().await? {
            writer.write(&batch).map_err(failed)?;
            send(&mut write, &std::mem::take(writer.get_mut()))?;
            rows += batch.num_rows() as u64;
        }
        writer.finish().map_err(failed)?;
        send(&mut write, writer.get_ref())?;
        Ok(rows)
    }

    /// With a header line; lists and structs are JSON. Returns how many rows there are.
    pub async fn write_csv(mut self, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> Result<u64, SqlError> {
        let (mut rows, mut header) = (0, true);
        let empty = RecordBatch::new_empty(self.schema.clone());
        let mut out = |batch: &RecordBatch, header| -> Result<(), SqlError> {
            let mut writer: CsvWriter<Vec<u8>> = WriterBuilder::new().with_header(header).build(Vec::new());
            writer.write(&flat(batch)?).map_err(failed)?;
            send(&mut write, &writer.into_inner())
        };
        while let Some(batch) = self.next().await? {
            out(&batch, std::mem::take(&mut header))?;
            rows += batch.num_rows() as u64;
        }
        if header {
            out(&empty, true)?;
        }
        Ok(rows)
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>, SqlError> {
        self.stream.try_next().await.map_err(|error| SqlError::Execution(error.to_string()))
    }
}

/// CSV has no nested values: they become JSON text.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, SqlError> {
    use datafusion::arrow::{
        array::{ArrayRef, StringArray},
        datatypes::{DataType, Field, Schema},
    };
    use std::sync::Arc;
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if field.data_type().is_nested() {
            let one = Schema::new(vec![field.as_ref().clone()]);
            let one = RecordBatch::try_new(Arc::new(one), vec![column.clone()]).map_err(failed)?;
            let text = |row| {
                let value = columns::row_json(&one, row);
                value.get(field.name()).map(ToString::to_string)
            };
            columns.push(Arc::new(StringArray::from_iter((0..one.num_rows()).map(text))));
            fields.push(Field::new(field.name(), DataType::Utf8, true));
        } else {
            columns.push(column.clone());
            fields.push(field.as_ref().clone());
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(failed)
}

fn send(write: &mut impl FnMut(&[u8]) -> io::Result<()>, bytes: &[u8]) -> Result<(), SqlError> {
    match write(bytes) {
        // a reader that has seen enough is no error
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| SqlError::Execution(format!("cannot write: {error}"))),
    }
}

fn failed(error: datafusion::arrow::error::ArrowError) -> SqlError {
    SqlError::Execution(error.to_string())
}
