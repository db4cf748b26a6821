//! A table's columns as Arrow, and as Parquet files: values of any shape become typed columns, columns become files, files
//! become columns and JSON again.
//!
//! Start at [`RowBuilder`]: it takes the rows of one table one value at a time, coerces what fits without loss, and turns
//! the rest into null with an entry in `matano.errors`. [`FileWriter`] writes batches as the lake stores them and
//! [`FileReader`] reads the columns somebody asks for. Nothing here parses logs, knows VRL or Python, or speaks to a
//! network; the only outside it touches are the files whose paths it is given.

mod error;
mod field_id; // Iceberg's ids by dotted path
mod schema; // a table's schema as Arrow

mod coerce; // one value to one type, without loss
mod column; // builders of one column, lists and structs included
mod row; // rows of one table
mod values; // how values of other crates are read

mod json; // rows from JSON and back

mod file; // writing Parquet
mod read; // reading Parquet

pub use error::{ColumnsError, Misfit};
pub use field_id::FieldIds;
pub use file::{FileOptions, FileStats, FileWriter, Keep, sorted_by_time};
pub use json::{json_rows, row_json};
pub use read::{FileReader, Projection, read_file};
pub use row::{Column, RowBuilder};
pub use schema::{arrow_schema, table_schema};
pub use values::{Json, Values, View, is_blank};
