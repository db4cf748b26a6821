//! What is compressed, and how it can be broken.

use super::*;

const TEXT: &[u8] = b"{\"a\":1}\n{\"b\":2}\n";

fn expected() -> Vec<Got> {
    vec![json("{\"a\":1}"), json("{\"b\":2}")]
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn snappy_framed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.into_inner().unwrap()
}

fn snappy_raw(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).unwrap()
}

/// Blocks of at most 10 bytes, each in one chunk.
fn snappy_hadoop(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in bytes.chunks(10) {
        let packed = snappy_raw(block);
        out.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&packed);
    }
    out
}

fn zip(files: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, contents) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(contents).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A zip that does not know its lengths when it begins an entry, as streaming writers make it.
fn zip_streamed(name: &str, contents: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(contents).unwrap();
    writer.finish().unwrap().into_inner()
}

fn read(bytes: &[u8], key: &str) -> (Vec<Got>, Vec<String>) {
    let (got, errors, summary) =
        read_from(Box::new(io::Cursor::new(bytes.to_vec())), key, &Shape::Auto, &Limits::default());
    let slow = read_from(Box::new(Dribble(io::Cursor::new(bytes.to_vec()), 1)), key, &Shape::Auto, &Limits::default());
    // where a break is noticed may differ by some bytes of input, what comes out may not
    assert_eq!((slow.0.len(), slow.2.bytes), (got.len(), summary.bytes), "byte by byte");
    assert!(slow.0 == got, "byte by byte");
    (got, errors)
}

fn check(bytes: &[u8], key: &str) {
    assert_eq!(read(bytes, key), (expected(), vec![]), "{key}");
}

#[test]
fn every_encoding_is_told_by_its_bytes() {
    for packed in [
        TEXT.to_vec(),
        gzip(TEXT),
        zstd(TEXT),
        bzip2(TEXT),
        snappy_framed(TEXT),
        zip(&[("x.json", TEXT)], zip::CompressionMethod::Deflated),
        zip(&[("x.json", TEXT)], zip::CompressionMethod::Stored),
        zip_streamed("x.json", TEXT),
    ] {
        check(&packed, "no-extension");
        check(&packed, "wrong.gz");
    }
}

#[test]
fn snappy_without_a_mark_is_told_by_its_name() {
    check(&snappy_raw(TEXT), "x.json.snappy");
    check(&snappy_hadoop(TEXT), "x.json.snappy");
    let mut xerial = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    let packed = snappy_raw(TEXT);
    xerial.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_be_bytes());
    xerial.extend_from_slice(&packed);
    check(&xerial, "x");
}

#[test]
fn members_one_behind_the_other_are_one_stream() {
    let (one, two) = TEXT.split_at(5);
    for pack in [gzip, zstd, bzip2, snappy_framed] {
        check(&[pack(one), pack(two)].concat(), "x");
    }
    check(&[gzip(one), gzip(b""), gzip(two), vec![0; 700]].concat(), "x.gz");
    let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    check(&[skippable.clone(), zstd(one), skippable, zstd(two)].concat(), "x.zst");
}

#[test]
fn two_encodings_may_lie_around_each_other_and_three_not() {
    check(&gzip(&zstd(TEXT)), "x");
    let stored =
        zip(&[("d/1.json.gz", &gzip(b"{\"a\":1}")), ("2.zst", &zstd(b"{\"b\":2}"))], zip::CompressionMethod::Stored);
    check(&stored, "x.zip");
    let (got, errors) = read(&gzip(&gzip(&gzip(TEXT))), "x.gz");
    assert_eq!(got, [bad(Decode, "")]);
    assert_eq!(errors, ["expected at most 2 encodings around each other, found gzip inside them"]);
}

#[test]
fn entries_of_a_zip_come_in_order_and_end_their_records() {
    let archive = zip(
        &[("dir/", b""), ("a", b"one"), ("b", b""), ("c", b"{\"x\":"), ("d", b"two\n")],
        zip::CompressionMethod::Deflated,
    );
    assert_eq!(read(&archive, "x").0, [text("one"), bad(Malformed, "{\"x\":"), text("two")]);
}

#[test]
fn what_stands_before_the_end_of_a_truncated_object_is_kept() {
    let lines: String = (0..20_000).map(|n| format!("line {n} {}\n", n * 7919 % 10_007)).collect();
    for pack in [gzip, zstd, bzip2, snappy_framed] {
        let packed = pack(lines.as_bytes());
        let (got, errors) = read(&packed[..packed.len() / 2], "x");
        let (last, kept) = got.split_last().unwrap();
        assert!(kept.len() > 1000, "{}", kept.len());
        for (got, line) in kept.iter().zip(lines.lines()) {
            assert_eq!(got, &text(line));
        }
        let Got::Bad(Decode, tail) = last else { panic!("{last:?}") };
        let next = lines.lines().nth(kept.len()).unwrap();
        assert!(next.as_bytes().starts_with(tail), "the reject has the beginning of the line that was cut");
        assert!(
            errors[0].contains(&format!("the data ends in the middle, near byte `{}`", packed.len() / 2)),
            "{errors:?}"
        );
    }
}

#[test]
fn what_stands_before_a_corrupt_byte_is_kept() {
    // lines that do not compress, so that blocks are many
    let lines: String = (0..40_000u64).map(|n| format!("{:016x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    for pack in [gzip, zstd, bzip2, snappy_framed] {
        let mut packed = pack(lines.as_bytes());
        let middle = packed.len() * 3 / 4;
        packed[middle..middle + 64].fill(0xaa);
        let (got, errors) = read(&packed, "x");
        let (last, kept) = got.split_last().unwrap();
        assert!(matches!(last, Got::Bad(Decode, _)), "{last:?}");
        let right = kept.iter().zip(lines.lines()).filter(|(got, line)| **got == text(line)).count();
        assert!(right > 1000 && errors.last().unwrap().contains("near byte"), "{right} {errors:?}");
    }
}

#[test]
fn a_wrong_checksum_is_reported_behind_the_records() {
    let mut packed = gzip(TEXT);
    let at = packed.len() - 8;
    packed[at] ^= 1;
    let (got, errors) = read(&packed, "x");
    assert_eq!(got, [expected(), vec![bad(Decode, "")]].concat());
    assert_eq!(errors, [format!("gzip: incorrect data check, near byte `{}` of the object", packed.len() - 4)]);
}

#[test]
fn garbage_behind_compressed_data_is_a_reject() {
    let (got, errors) = read(&[gzip(TEXT), b"garbage".to_vec()].concat(), "x");
    assert_eq!(got, [expected(), vec![bad(Decode, "")]].concat());
    assert!(errors[0].starts_with("gzip: the compressed data is followed by bytes that are not"), "{errors:?}");
}

#[test]
fn a_broken_zip_entry_does_not_take_the_others_along() {
    let mut archive = zip(&[("a", b"one"), ("b", b"two"), ("c", b"three")], zip::CompressionMethod::Stored);
    let at = archive.windows(3).position(|bytes| bytes == b"two").unwrap();
    archive[at] = b'T';
    assert_eq!(read(&archive, "x").0, [text("one"), bad(Decode, "Two"), text("three")]);
    let cut = &archive[..at + 1];
    assert_eq!(read(cut, "x").0, [text("one"), bad(Decode, "T")]);
}

#[test]
fn an_encrypted_zip_entry_is_a_reject_that_says_so() {
    let mut archive = zip(&[("a", b"secret"), ("b", b"two")], zip::CompressionMethod::Stored);
    archive[6] |= 1;
    let (got, errors) = read(&archive, "x");
    assert_eq!(got, [bad(Decode, ""), text("two")]);
    assert_eq!(errors, ["zip: entry `a` is encrypted: store it without a password"]);
}

#[test]
fn a_bomb_is_stopped_where_the_ratio_shows_it() {
    let bomb = gzip(&vec![b'\n'; 16 << 20]);
    let limits = Limits { ratio_from_bytes: 2 << 20, max_ratio: 100, ..Limits::default() };
    for packed in [bomb.clone(), zip(&[("a", &vec![b'\n'; 16 << 20])], zip::CompressionMethod::Deflated), gzip(&bomb)] {
        let (got, errors, summary) = read_from(Box::new(io::Cursor::new(packed)), "x", &Shape::Auto, &limits);
        assert_eq!(got, [bad(Decode, "")]);
        assert!(errors[0].starts_with("looks like a decompression bomb"), "{errors:?}");
        assert!(summary.bytes < 4 << 20);
    }
    let (got, _, summary) = read_from(Box::new(io::Cursor::new(bomb)), "x", &Shape::Auto, &Limits::default());
    assert_eq!((got.len(), summary.bytes), (0, 16 << 20));
}

#[test]
fn formats_that_cannot_be_read_say_what_to_do() {
    let (got, errors) = read(b"\xfd7zXZ\0\0\x04", "x.xz");
    assert_eq!(got, [bad(Decode, "")]);
    assert_eq!(
        errors,
        ["expected text, gzip, zstd, bzip2, snappy, zip or parquet, found xz: convert it before it is stored"]
    );
}

#[test]
fn parquet_rows_are_objects() {
    use columns::{FileOptions, FileWriter, json_rows};
    use model::schema::{FieldType, TableSchema};

    let mut schema = TableSchema::default();
    schema.insert("ts", FieldType::Timestamp).unwrap();
    schema.insert("user.name", FieldType::String).unwrap();
    let row = serde_json::json!({"ts": "2023-01-01T00:00:00Z", "user": {"name": "root"}});
    let (batch, misfits) = json_rows(&schema, &[row]).unwrap();
    assert_eq!(misfits, []);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.parquet");
    let mut writer = FileWriter::create(&path, batch.schema(), FileOptions::default());
    writer.write(batch).unwrap();
    writer.finish().unwrap();

    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(read(&bytes, "x").0, [json(r#"{"ts":"2023-01-01T00:00:00.000000Z","user":{"name":"root"}}"#)]);
    assert_eq!(read(&gzip(&bytes), "x.gz").0.len(), 1);
    bytes.truncate(bytes.len() / 2);
    let (got, errors) = read(&bytes, "x");
    assert_eq!(got, [bad(Decode, "")]);
    assert!(errors[0].starts_with("parquet: "), "{errors:?}");
}

#[test]
fn no_damage_to_a_parquet_file_panics() {
    use columns::{FileOptions, FileWriter, json_rows};
    use model::schema::{FieldType, TableSchema};

    let mut schema = TableSchema::default();
    schema.insert("a", FieldType::String).unwrap();
    schema.insert("b", FieldType::List(Box::new(FieldType::Long))).unwrap();
    let rows: Vec<_> = (0..50).map(|n| serde_json::json!({"a": format!("text {n}"), "b": [n, n + 1]})).collect();
    let (batch, _) = json_rows(&schema, &rows).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.parquet");
    let mut writer = FileWriter::create(&path, batch.schema(), FileOptions::default());
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for at in (4..bytes.len()).step_by(11) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0xff;
        read_from(Box::new(io::Cursor::new(bytes)), "x", &Shape::Auto, &Limits::default());
    }
}
