//! File URIs and paths. <https://datatracker.ietf.org/doc/html/rfc8089>

use std::{
    path::{Path, PathBuf},
    str::FromStr as _,
};

use check::render::repository::relative_uri;
use lsp_types::Uri;

/// The path of a `file:` URI; `None` for other schemes, and for what is no text.
pub(crate) fn path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let path = &rest[rest.find('/')?..];
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Some(PathBuf::from(decoded(path)?))
}

/// The `file:` URI of an absolute path; `None` where it is no text.
pub(crate) fn uri(path: &Path) -> Option<Uri> {
    Uri::from_str(&format!("file://{}", relative_uri(path.to_str()?))).ok()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expected: Option<&str>) {
        assert_eq!(path(&uri.parse().unwrap()), expected.map(PathBuf::from));
    }

    #[test]
    fn paths_are_decoded() {
        check("file:///a/b%20c.yml", Some("/a/b c.yml"));
        check("file://localhost/a/%C3%A9.yml", Some("/a/é.yml"));
        check("untitled:Untitled-1", None);
        check("file:///a/%FF", None);
    }

    #[test]
    fn a_path_comes_back_from_its_uri() {
        for name in ["/a/b.yml", "/a b/100%/é#?.yml", "/a/[x]:y"] {
            assert_eq!(path(&uri(Path::new(name)).unwrap()), Some(PathBuf::from(name)));
        }
    }
}
