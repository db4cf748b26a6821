//! A Parquet file as Iceberg lists it: its partition, and from its footer the sizes, counts and bounds by which engines
//! skip it.

use std::{collections::HashMap, path::Path};

use chrono::DateTime;
use columns::FileReader;
use iceberg::{
    spec::{
        DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Literal, PartitionSpec, PrimitiveLiteral,
        Schema, Struct, Transform, Type,
    },
    table::Table,
    transform::create_transform_function,
};
use model::time::Timestamp;

use crate::LakeError;

/// The partition of a moment. An unpartitioned table has one.
pub(crate) fn partition(spec: &PartitionSpec, ts: Timestamp) -> Result<Struct, LakeError> {
    let of = |transform| {
        let value =
            create_transform_function(transform)?.transform_literal_result(&Datum::timestamp_micros(ts.micros()))?;
        Ok(Some(Literal::from(value)))
    };
    let values: iceberg::Result<Vec<Option<Literal>>> =
        spec.fields().iter().map(|field| of(&field.transform)).collect();
    Ok(Struct::from_iter(values.map_err(LakeError::iceberg("find the partition of a row"))?))
}

/// `ts_hour=2026-01-01-00`, empty for an unpartitioned table. For people: engines read the partition from the manifest.
pub(crate) fn partition_path(table: &Table, partition: &Struct) -> String {
    let fields = table.metadata().default_partition_spec().fields();
    let parts = fields.iter().zip(partition.iter()).map(|(field, value)| {
        let value = match value {
            Some(Literal::Primitive(PrimitiveLiteral::Int(number))) => time_word(&field.transform, *number),
            Some(_) | None => "null".to_owned(),
        };
        format!("{}={value}", field.name)
    });
    parts.collect::<Vec<_>>().join("/")
}

fn time_word(transform: &Transform, number: i32) -> String {
    let number = i64::from(number);
    let written = match transform {
        Transform::Hour => {
            DateTime::from_timestamp(number * 3600, 0).map(|time| time.format("%Y-%m-%d-%H").to_string())
        }
        Transform::Day => DateTime::from_timestamp(number * 86400, 0).map(|time| time.format("%Y-%m-%d").to_string()),
        Transform::Month => Some(format!("{:04}-{:02}", 1970 + number.div_euclid(12), number.rem_euclid(12) + 1)),
        _ => None,
    };
    written.unwrap_or_else(|| number.to_string())
}

/// Lists the file that lies at `location`, its bytes at `local`.
pub(crate) fn describe(
    table: &Table,
    location: String,
    local: &Path,
    partition: Struct,
) -> Result<DataFile, LakeError> {
    let reader = FileReader::open(local)?;
    let bytes = std::fs::metadata(local).map_err(LakeError::file("measure", local))?.len();
    let metadata = table.metadata();
    let schema = metadata.current_schema();
    let footer = Footer::of(&reader, schema);
    // a file of one row group is sorted as a whole
    let sorted = reader.footer().num_row_groups() <= 1 && !metadata.default_sort_order().is_unsorted();
    let order = i32::try_from(metadata.default_sort_order_id()).ok().filter(|_| sorted);
    let mut builder = DataFileBuilder::default();
    builder
        .content(DataContentType::Data)
        .file_path(location)
        .file_format(DataFileFormat::Parquet)
        .partition(partition)
        .partition_spec_id(metadata.default_partition_spec_id())
        .record_count(reader.rows() as u64)
        .file_size_in_bytes(bytes)
        .column_sizes(footer.sizes)
        .value_counts(footer.values)
        .null_value_counts(footer.nulls)
        .nan_value_counts(HashMap::new())
        .lower_bounds(footer.lower)
        .upper_bounds(footer.upper)
        .split_offsets(Some(footer.offsets));
    if let Some(order) = order {
        builder.sort_order_id(order);
    }
    Ok(builder.build().expect("every required field of a data file is set"))
}

/// What a footer says, by field id.
#[derive(Debug, Default)]
struct Footer {
    sizes: HashMap<i32, u64>,
    values: HashMap<i32, u64>,
    nulls: HashMap<i32, u64>,
    lower: HashMap<i32, Datum>,
    upper: HashMap<i32, Datum>,
    offsets: Vec<i64>,
}

impl Footer {
    fn of(reader: &FileReader, schema: &Schema) -> Self {
        let mut out = Self::default();
        let mut unbounded = Vec::new();
        for group in reader.footer().row_groups() {
            out.offsets.push(group.columns().first().map_or(0, |column| column.byte_range().0 as i64));
            for column in group.columns() {
                let descriptor = column.column_descr();
                let info = descriptor.self_type().get_basic_info();
                let id = if info.has_id() { info.id() } else { continue };
                let Some(field) = schema.field_by_id(id) else { continue };
                *out.sizes.entry(id).or_default() += column.compressed_size() as u64;
                *out.values.entry(id).or_default() += column.num_values() as u64;
                let statistics = column.statistics();
                let nulls = statistics.and_then(|statistics| statistics.null_count_opt());
                if let Some(nulls) = nulls {
                    *out.nulls.entry(id).or_default() += nulls;
                }
                // bounds of list elements mean nothing to a reader
                let Type::Primitive(kind) = field.field_type.as_ref() else { continue };
                if descriptor.max_rep_level() > 0 || nulls == Some(column.num_values() as u64) {
                    continue;
                }
                // Parquet's plain encoding and Iceberg's binary one agree on every type that our tables have
                let bound = |bytes: Option<&[u8]>| Datum::try_from_bytes(bytes?, kind.clone()).ok();
                let lower = bound(statistics.and_then(|statistics| statistics.min_bytes_opt()));
                let upper = bound(statistics.and_then(|statistics| statistics.max_bytes_opt()));
                match (lower, upper) {
                    (Some(lower), Some(upper)) => out.widen(id, lower, upper),
                    _ => unbounded.push(id),
                }
            }
        }
        for id in unbounded {
            out.lower.remove(&id);
            out.upper.remove(&id);
        }
        out
    }

    fn widen(&mut self, id: i32, lower: Datum, upper: Datum) {
        let least = self.lower.entry(id).or_insert_with(|| lower.clone());
        if lower < *least {
            *least = lower;
        }
        let most = self.upper.entry(id).or_insert_with(|| upper.clone());
        if upper > *most {
            *most = upper;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_written_for_people() {
        assert_eq!(time_word(&Transform::Hour, 490_896), "2026-01-01-00");
        assert_eq!(time_word(&Transform::Hour, -1), "1969-12-31-23");
        assert_eq!(time_word(&Transform::Day, 20_454), "2026-01-01");
        assert_eq!(time_word(&Transform::Month, 672), "2026-01");
        assert_eq!(time_word(&Transform::Month, -1), "1969-12");
    }
}
