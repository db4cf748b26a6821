//! What must hold for any bytes.

use proptest::prelude::*;

use super::*;

fn shapes() -> [Shape; 5] {
    [Shape::Auto, Shape::Csv { headers: vec![] }, at("r"), Shape::Whole, Shape::CloudWatch]
}

fn small() -> Limits {
    Limits { max_record_bytes: 40, max_expand_bytes: 100, max_depth: 4, ..Limits::default() }
}

fn items(bytes: &[u8], step: usize, shape: &Shape) -> Vec<Got> {
    let input = Dribble(io::Cursor::new(bytes.to_vec()), step);
    read_from(Box::new(input), "x.gz", shape, &small()).0
}

/// Rejects of records that are too large show more or less of them, as it was in memory.
fn without_excerpts(items: Vec<Got>) -> Vec<Got> {
    let cut = |item| match item {
        Got::Bad(TooLarge, _) => Got::Bad(TooLarge, vec![]),
        item => item,
    };
    items.into_iter().map(cut).collect()
}

proptest! {
    #[test]
    fn how_the_input_is_cut_changes_nothing(
        text in r#"(\{"a":1\}|\{"r":\[|[\[\]{}",:\\ \n\r1x]|\{\n "a":\n\[1\]\n\}|\xff|"logEvents":){0,30}"#,
        step in 1usize..9,
    ) {
        for shape in shapes() {
            let whole = without_excerpts(items(text.as_bytes(), usize::MAX, &shape));
            prop_assert_eq!(without_excerpts(items(text.as_bytes(), step, &shape)), whole);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for shape in shapes() {
            items(&bytes, usize::MAX, &shape);
        }
    }

    #[test]
    fn no_damage_to_compressed_bytes_panics(format in 0usize..6, at in 0usize..400, byte in any::<u8>(), cut in 0usize..400) {
        let text = "{\"a\":1}\nsome text\n".repeat(8);
        let mut bytes = match format {
            0 => gzip(text.as_bytes()),
            1 => zstd::encode_all(text.as_bytes(), 1).unwrap(),
            2 => snap::raw::Encoder::new().compress_vec(text.as_bytes()).unwrap(),
            3 => [b"PK\x03\x04".to_vec(), gzip(text.as_bytes())].concat(),
            4 => [b"PAR1".to_vec(), gzip(text.as_bytes()), b"PAR1".to_vec()].concat(),
            _ => {
                let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
                writer.start_file("x", zip::write::SimpleFileOptions::default()).unwrap();
                writer.write_all(text.as_bytes()).unwrap();
                writer.finish().unwrap().into_inner()
            }
        };
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length.saturating_sub(cut).max(1));
        for key in ["x.snappy", "x"] {
            let input = Box::new(io::Cursor::new(bytes.clone()));
            read_from(input, key, &Shape::Auto, &Limits::default());
        }
    }

    #[test]
    fn good_objects_among_any_lines_are_all_found(lines in prop::collection::vec("[^\n]{0,30}", 1..8)) {
        // a line that begins as the inside of JSON does may belong to the broken one above it
        prop_assume!(lines.iter().all(|line| !line.trim_start().starts_with(['{', '['])));
        let mut input = String::new();
        for line in &lines {
            input.push_str(line);
            input.push_str("\n{\"good\":1}\n");
        }
        let got = read_from(Box::new(io::Cursor::new(input.into_bytes())), "x", &Shape::Auto, &Limits::default()).0;
        let good = got.iter().filter(|item| **item == json("{\"good\":1}")).count();
        prop_assert_eq!(good, lines.len());
    }
}
