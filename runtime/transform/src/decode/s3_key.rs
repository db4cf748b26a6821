//! Keys as S3 writes them into event notifications: form encoding.

/// Decodes the object key of an S3 event notification: `+` is a space, `%2B` a plus sign.
///
/// A percent sign that is followed by no two hex digits stays as it is. Bytes that are not UTF-8 (S3 takes none) become
/// replacement characters. See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
pub fn decode_s3_key(encoded: &str) -> String {
    let bytes = encoded.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (byte, length) = match bytes[at] {
            b'+' => (b' ', 1),
            b'%' => match bytes.get(at + 1..at + 3).and_then(hex_byte) {
                Some(byte) => (byte, 3),
                None => (b'%', 1),
            },
            other => (other, 1),
        };
        out.push(byte);
        at += length;
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let value = digit(digits[0])? * 16 + digit(digits[1])?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::decode_s3_key;

    fn check(encoded: &str, expected: &str) {
        assert_eq!(decode_s3_key(encoded), expected);
    }

    #[test]
    fn a_plus_is_a_space_and_a_percent_code_a_byte() {
        check("happy+face.jpg", "happy face.jpg");
        check("a+b%2Bc.gz", "a b+c.gz");
        check("AWSLogs/111122223333/x%3Dy/%28draft%29.json.gz", "AWSLogs/111122223333/x=y/(draft).json.gz");
    }

    #[test]
    fn characters_beyond_ascii_come_back() {
        check("caf%C3%A9/%E6%97%A5%e5%bf%97.json", "café/日志.json");
        check("already/decoded-é", "already/decoded-é");
    }

    #[test]
    fn a_percent_sign_without_two_digits_stays() {
        check("100%", "100%");
        check("5%+off%zz%4", "5% off%zz%4");
    }

    #[test]
    fn bytes_that_are_no_utf8_do_not_panic() {
        check("%FF", "\u{fffd}");
    }
}
