//! Which format bytes are in: by their first bytes, then by what the sender says, then by the key.

use super::snappy::Kind;

/// How many first bytes [`format()`] wants to see.
pub(super) const HEAD: usize = 512;

/// A format that an object, or what is inside one, can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Plain,
    Gzip,
    Zstd,
    Bzip2,
    Snappy(Kind),
    Zip,
    Parquet,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain text",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Snappy(_) => "snappy",
            Self::Zip => "zip",
            Self::Parquet => "parquet",
        }
    }

    /// Whether other bytes are inside it.
    pub fn is_encoding(self) -> bool {
        match self {
            Self::Plain | Self::Parquet => false,
            Self::Gzip | Self::Zstd | Self::Bzip2 | Self::Snappy(_) | Self::Zip => true,
        }
    }

    fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::Gzip => &["gz", "gzip"],
            Self::Zstd => &["zst", "zstd"],
            Self::Bzip2 => &["bz2", "bzip2"],
            Self::Snappy(_) => &["snappy", "sz", "snz"],
            Self::Zip => &["zip"],
            Self::Parquet => &["parquet"],
        }
    }
}

/// What is said about bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Labels<'a> {
    pub key: &'a str,
    pub content_encoding: Option<&'a str>,
    pub content_type: Option<&'a str>,
}

impl<'a> Labels<'a> {
    pub fn of_key(key: &'a str) -> Self {
        Self { key, ..Self::default() }
    }

    fn extension(self) -> Option<&'a str> {
        let name = self.key.rsplit('/').next().unwrap_or(self.key);
        name.rsplit_once('.').map(|(_, extension)| extension)
    }

    /// The key of what is inside: `x.json.gz` holds `x.json`.
    pub fn key_without_extension(self, format: Format) -> &'a str {
        match self.extension() {
            Some(extension) if format.extensions().iter().any(|known| known.eq_ignore_ascii_case(extension)) => {
                &self.key[..self.key.len() - extension.len() - 1]
            }
            Some(_) | None => self.key,
        }
    }

    fn format(self) -> Option<Format> {
        const LABELLED: [Format; 6] =
            [Format::Gzip, Format::Zstd, Format::Bzip2, Format::Snappy(Kind::Framed), Format::Zip, Format::Parquet];
        let word = |text: Option<&str>| {
            let text = text?.split(';').next()?.trim().to_ascii_lowercase();
            let word = text.strip_prefix("application/").unwrap_or(&text);
            let word = word.strip_prefix("x-").unwrap_or(word);
            let word = word.strip_suffix("-framed").unwrap_or(word);
            LABELLED.into_iter().find(|format| word == format.name())
        };
        word(self.content_encoding).or_else(|| word(self.content_type)).or_else(|| {
            let extension = self.extension()?;
            LABELLED.into_iter().find(|f| f.extensions().iter().any(|known| known.eq_ignore_ascii_case(extension)))
        })
    }
}

const MAGIC: &[(&[u8], Format)] = &[
    (b"\x1f\x8b", Format::Gzip),
    (b"\x28\xb5\x2f\xfd", Format::Zstd),
    (b"\xff\x06\x00\x00sNaPpY", Format::Snappy(Kind::Framed)),
    (b"\x82SNAPPY\x00", Format::Snappy(Kind::Xerial)),
    (b"PK\x03\x04", Format::Zip),
    (b"PK\x05\x06", Format::Zip),
    (b"PAR1", Format::Parquet),
];

const UNSUPPORTED: &[(&[u8], &str)] = &[
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Obj\x01", "avro"),
    (b"ORC\x09", "orc"),
    (b"ORC\x0a", "orc"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
];

/// The format of bytes that begin with `head`; an error in words where it is none that can be read.
pub(super) fn format(head: &[u8], labels: Labels<'_>) -> Result<Format, String> {
    let is = |magic: &[u8]| head.starts_with(magic);
    if let Some((_, format)) = MAGIC.iter().find(|(magic, _)| is(magic)) {
        return Ok(*format);
    }
    let skippable = head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == *b"\x2a\x4d\x18";
    if skippable {
        return Ok(Format::Zstd);
    }
    // three letters are too common a beginning of a line: the block's or the end's own mark must follow
    let bzip2_block = head.get(4..10).is_some_and(|mark| mark == b"1AY&SY" || mark == b"\x17\x72\x45\x38\x50\x90");
    if is(b"BZh") && bzip2_block {
        return Ok(Format::Bzip2);
    }
    if let Some((_, name)) = UNSUPPORTED.iter().find(|(magic, _)| is(magic)) {
        return Err(format!(
            "expected text, gzip, zstd, bzip2, snappy, zip or parquet, found {name}: convert it before it is stored"
        ));
    }
    match labels.format() {
        None | Some(Format::Plain) => Ok(Format::Plain),
        Some(Format::Snappy(_)) if !looks_like_text(head) => Ok(Format::Snappy(Kind::of_unframed(head))),
        // senders decompress and keep the label; the bytes decide
        Some(_) if looks_like_text(head) => Ok(Format::Plain),
        Some(format) => Err(format!(
            "expected {} as the name or the headers say, found bytes that begin with `{}`",
            format.name(),
            head.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>()
        )),
    }
}

/// No control characters, and valid UTF-8 up to a character cut at the end.
fn looks_like_text(head: &[u8]) -> bool {
    let utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    utf8 && !head.iter().any(|&byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], key: &str, expected: Option<Format>) {
        assert_eq!(format(head, Labels::of_key(key)).ok(), expected, "{head:?} {key}");
    }

    #[test]
    fn the_first_bytes_decide_over_the_name() {
        check(b"\x1f\x8b\x08\0", "x.zst", Some(Format::Gzip));
        check(b"{\"a\":1}", "x.json.gz", Some(Format::Plain));
        check(b"BZh is how the line begins", "x.log", Some(Format::Plain));
        check(b"BZh91AY&SY", "x.log", Some(Format::Bzip2));
        check(b"", "x.gz", Some(Format::Plain));
    }

    #[test]
    fn what_is_labelled_compressed_and_is_neither_that_nor_text_is_an_error() {
        check(b"\x00\x8b\x08\0", "x.gz", None);
        check(b"\xfd7zXZ\x00", "x.json", None);
    }

    #[test]
    fn headers_count_where_the_bytes_do_not_decide() {
        let labels = Labels { content_encoding: Some("x-snappy-framed"), ..Labels::of_key("x.json") };
        let hadoop = b"\x00\x00\x00\x05\x00\x00\x00\x07\x05\x10hello";
        assert_eq!(format(hadoop, labels), Ok(Format::Snappy(Kind::Hadoop)));
        let labels = Labels { content_type: Some("application/x-gzip; q=1"), ..Labels::default() };
        assert!(format(b"\0\0", labels).is_err());
    }

    #[test]
    fn the_key_inside_lacks_the_extension() {
        assert_eq!(Labels::of_key("a.b/x.json.GZ").key_without_extension(Format::Gzip), "a.b/x.json");
        assert_eq!(Labels::of_key("a.gz/x").key_without_extension(Format::Gzip), "a.gz/x");
    }
}
