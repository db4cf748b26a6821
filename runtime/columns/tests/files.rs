//! Parquet files as the lake stores them, read back.
#![allow(clippy::unwrap_used, reason = "the functions of a test are tests too")]

use columns::{
    FieldIds, FileOptions, FileReader, FileStats, FileWriter, Keep, Projection, arrow_schema, json_rows, read_file,
    row_json,
};
use model::{
    schema::{FieldType, TableSchema},
    time::Timestamp,
};
use parquet::file::metadata::ColumnChunkMetaData;
use serde_json::{Value, json};

fn table() -> TableSchema {
    let mut schema = TableSchema::default();
    for (path, kind) in [
        ("ts", FieldType::Timestamp),
        ("source.ip", FieldType::String),
        ("source.port", FieldType::Long),
        ("user.name", FieldType::String),
        ("related.ip", FieldType::List(Box::new(FieldType::String))),
        ("message", FieldType::String),
    ] {
        schema.insert(path, kind).unwrap();
    }
    schema
}

fn row(second: i64) -> Value {
    let ip = format!("10.0.0.{}", second % 200);
    json!({
        "ts": Timestamp::EPOCH.plus_seconds(second).to_string(),
        "source": {"ip": ip, "port": second},
        "related": {"ip": [ip, "192.0.2.1"]},
        "message": format!("row {second}"),
    })
}

fn write(path: &std::path::Path, options: FileOptions, batches: &[Vec<i64>]) -> FileStats {
    let mut writer = FileWriter::create(path, arrow_schema(&table(), None), options);
    for batch in batches {
        let rows: Vec<Value> = batch.iter().map(|second| row(*second)).collect();
        writer.write(json_rows(&table(), &rows).unwrap().0).unwrap();
    }
    writer.finish().unwrap()
}

fn seconds(path: &std::path::Path) -> Vec<i64> {
    let batch = read_file(path, Projection::All).unwrap();
    (0..batch.num_rows()).map(|row| row_json(&batch, row)["source"]["port"].as_i64().unwrap()).collect()
}

#[test]
fn rows_are_sorted_by_time_and_the_statistics_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    let stats = write(&path, FileOptions::default(), &[vec![5, 3], vec![4, 9, 1]]);
    assert_eq!(seconds(&path), [1, 3, 4, 5, 9]);
    let time = |second| Timestamp::EPOCH.plus_seconds(second);
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert_eq!(stats, FileStats { rows: 5, bytes, ts_range: Some((time(1), time(9))) });
    let reader = FileReader::open(&path).unwrap();
    assert_eq!((reader.rows(), reader.footer().num_row_groups()), (5, 1));
    let group = reader.footer().row_group(0);
    let sorting = group.sorting_columns().unwrap();
    assert_eq!((sorting[0].column_idx, sorting[0].descending), (0, false));
    assert!(group.column(0).statistics().is_some());
    assert!(group.column(0).column_index_offset().is_some() && group.column(0).offset_index_offset().is_some());
}

#[test]
fn columns_with_few_bytes_are_not_compressed() {
    let directory = tempfile::tempdir().unwrap();
    let columns = |rows: std::ops::Range<i64>, is: fn(&ColumnChunkMetaData) -> bool| {
        let path = directory.path().join(format!("{}.parquet", rows.end));
        write(&path, FileOptions::default(), &[rows.collect()]);
        let columns = FileReader::open(&path).unwrap().footer().row_group(0).columns().to_vec();
        let names = columns.iter().filter(|column| is(column)).map(|column| column.column_path().string());
        names.collect::<Vec<_>>()
    };
    let compressed = |column: &ColumnChunkMetaData| column.compression().to_string().starts_with("ZSTD");
    let with_dictionary = |column: &ColumnChunkMetaData| column.dictionary_page_offset().is_some();
    assert_eq!(columns(0..50, compressed), Vec::<String>::new());
    assert_eq!(columns(0..1000, compressed), ["source.ip", "related.ip.list.element", "message"]);
    // no row has a `user.name`, and no two have the same `message`
    let all = ["ts", "source.ip", "source.port", "related.ip.list.element"];
    assert_eq!(columns(0..5000, compressed), [&all[..], &["message"]].concat());
    assert_eq!(columns(0..5000, with_dictionary), all);
}

#[test]
fn a_file_that_is_read_once_keeps_its_rows_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    let options = FileOptions { keep: Keep::ForNow, ..FileOptions::default() };
    let stats = write(&path, options, &[vec![5, 3], vec![4]]);
    assert_eq!((stats.rows, seconds(&path)), (3, vec![5, 3, 4]));
    let reader = FileReader::open(&path).unwrap();
    let mut columns = reader.footer().row_group(0).columns().iter();
    assert!(columns.all(|column| column.compression().to_string() == "UNCOMPRESSED"));
}

#[test]
fn a_file_that_will_be_merged_is_cheap_only_while_it_is_small() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    let options = FileOptions { keep: Keep::UntilMerged, row_group_rows: 3, ..FileOptions::default() };
    write(&path, options.clone(), &[vec![5, 3]]);
    assert_eq!(seconds(&path), [3, 5]);
    let reader = FileReader::open(&path).unwrap();
    assert!(!reader.lasts());
    assert!(reader.footer().row_group(0).columns().iter().all(|column| column.statistics().is_none()));
    write(&path, options, &[vec![5, 3, 4], vec![1]]);
    assert_eq!(seconds(&path), [3, 4, 5, 1]);
    let reader = FileReader::open(&path).unwrap();
    assert!(reader.lasts());
    assert!(reader.footer().row_group(0).column(0).statistics().is_some());
}

#[test]
fn a_row_group_ends_at_its_limit_and_is_sorted_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    let options = FileOptions { row_group_rows: 2, ..FileOptions::default() };
    write(&path, options, &[vec![9, 8, 7], vec![6, 5]]);
    assert_eq!(seconds(&path), [8, 9, 6, 7, 5]);
    assert_eq!(FileReader::open(&path).unwrap().footer().num_row_groups(), 3);
}

#[test]
fn bloom_filters_are_on_looked_up_columns_of_files_that_are_large_enough() {
    let directory = tempfile::tempdir().unwrap();
    let filtered = |rows: usize| {
        let path = directory.path().join(format!("{rows}.parquet"));
        let options = FileOptions { bloom_filter_rows: 100, ..FileOptions::default() };
        write(&path, options, &[(0..rows as i64).collect()]);
        let reader = FileReader::open(&path).unwrap();
        let columns = reader.footer().row_group(0).columns().to_vec();
        let filtered = columns.iter().filter(|column| column.bloom_filter_offset().is_some());
        filtered.map(|column| column.column_path().string()).collect::<Vec<_>>()
    };
    assert_eq!(filtered(99), Vec::<String>::new());
    // `user.name` has no value in any row, which its statistics say already
    assert_eq!(filtered(100), ["source.ip", "related.ip.list.element"]);
}

#[test]
fn only_the_columns_that_are_asked_for_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    write(&path, FileOptions::default(), &[vec![1, 2, 3]]);
    let reader = FileReader::open(&path).unwrap();
    let leaf = reader.read(Projection::Columns(&["source.port"])).unwrap();
    assert_eq!(row_json(&leaf, 2), json!({"source": {"port": 3}}));
    let lists = reader.read(Projection::Columns(&["related", "no.such"])).unwrap();
    assert_eq!(row_json(&lists, 0), json!({"related": {"ip": ["10.0.0.1", "192.0.2.1"]}}));
    let batches: Vec<usize> =
        reader.batches(Projection::All, 2).unwrap().map(|batch| batch.unwrap().num_rows()).collect();
    assert_eq!(batches, [2, 1]);
}

#[test]
fn field_ids_come_back_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    let paths = ["ts", "source", "source.ip", "related", "related.ip", "related.ip.element"];
    let ids: FieldIds = paths.iter().zip(1..).map(|(path, id)| ((*path).to_owned(), id)).collect();
    let writer = FileWriter::create(&path, arrow_schema(&table(), Some(&ids)), FileOptions::default());
    writer.finish().unwrap();
    let schema = FileReader::open(&path).unwrap().schema().clone();
    assert_eq!(schema.fields(), arrow_schema(&table(), Some(&ids)).fields());
}

#[test]
fn an_empty_file_is_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    let stats = write(&path, FileOptions::default(), &[vec![]]);
    assert_eq!((stats.rows, stats.ts_range), (0, None));
    assert_eq!(read_file(&path, Projection::All).unwrap().num_rows(), 0);
}

#[test]
fn an_unfinished_file_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    let options = FileOptions { row_group_rows: 1, ..FileOptions::default() };
    let mut writer = FileWriter::create(&path, arrow_schema(&table(), None), options);
    writer.write(json_rows(&table(), &[row(1), row(2)]).unwrap().0).unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    drop(writer);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_parquet_is_a_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    std::fs::write(&path, "hello").unwrap();
    let error = FileReader::open(&path).unwrap_err();
    assert!(error.to_string().starts_with("cannot read Parquet file `"), "{error}");
    assert!(!error.is_retryable());
    assert!(FileReader::open(&directory.path().join("none")).unwrap_err().is_retryable());
}
