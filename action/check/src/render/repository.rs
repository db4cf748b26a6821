//! Where diagnostics stand in the repository that holds the project: what GitHub shows is placed by repository paths.

use project::{Diagnostic, Project, Related, Span, managed};

/// The repository around a project.
#[derive(Debug, Clone)]
pub struct Repository<'a> {
    project: &'a Project,
    /// With a final `/`, or empty.
    directory: String,
}

/// A place in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path within the repository.
    pub path: String,
    /// The path within the project.
    pub file: String,
    /// Where in the file; `None` where the file as a whole is meant.
    pub span: Option<Span>,
    /// What is really meant, where that is a file of matano's own: `managed:aws_cloudtrail/log_source.yml:12`.
    pub managed: Option<String>,
}

/// A place as GitHub wants it: whole lines, and columns only within one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lines {
    /// Counted from 1.
    pub start: usize,
    /// The last line that belongs to it.
    pub end: usize,
    /// The first column, and the one behind the last.
    pub columns: Option<(usize, usize)>,
}

impl<'a> Repository<'a> {
    /// `directory` is the project's, relative to the repository's root; empty where the project is the repository.
    pub fn new(project: &'a Project, directory: &str) -> Self {
        let parts: Vec<&str> = directory.split(['/', '\\']).filter(|part| !matches!(*part, "" | ".")).collect();
        let directory = parts.iter().map(|part| format!("{part}/")).collect();
        Self { project, directory }
    }

    /// The project's directory with a final `/`; empty where the project is the repository.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// Where a diagnostic stands.
    pub fn place(&self, diagnostic: &Diagnostic) -> Place {
        self.find(&diagnostic.file, diagnostic.span)
    }

    /// Where something that belongs to a diagnostic stands.
    pub fn place_related(&self, related: &Related) -> Place {
        self.find(&related.file, related.span)
    }

    /// A file of a managed source is not in the repository: the log source that builds on it is.
    fn find(&self, file: &str, span: Option<Span>) -> Place {
        let Some(managed_file) = file.strip_prefix(managed::FILE_PREFIX) else {
            return Place { path: self.path(file), file: file.to_owned(), span, managed: None };
        };
        let line = span.map_or_else(String::new, |span| format!(":{}", span.start.line));
        let managed = Some(format!("{file}{line}"));
        let kind = managed_file.split('/').next().unwrap_or_default();
        let sources = self.project.log_sources.values();
        let source = sources.into_iter().find(|source| source.managed.as_ref().is_some_and(|one| one.kind == kind));
        match source {
            Some(source) => {
                let span = self.project.doc(&source.file).map(|doc| doc.point("/managed/type"));
                Place { path: self.path(&source.file), file: source.file.clone(), span, managed }
            }
            None => {
                let file = "matano.config.yml".to_owned();
                Place { path: self.path(&file), file, span: None, managed }
            }
        }
    }

    fn path(&self, file: &str) -> String {
        format!("{}{file}", self.directory)
    }
}

impl Place {
    /// The lines it covers; the first where the file as a whole is meant. A span that ends at the begin of a line does
    /// not cover that line.
    pub fn lines(&self) -> Lines {
        let Some(Span { start, end }) = self.span else { return Lines { start: 1, end: 1, columns: None } };
        let first = start.line.max(1);
        if end.line <= first {
            let column = start.column.max(1);
            return Lines { start: first, end: first, columns: Some((column, end.column.max(column))) };
        }
        let last = if end.column <= 1 { end.line - 1 } else { end.line };
        Lines { start: first, end: last, columns: None }
    }

    /// `detections/a/detection.yml:14`
    pub fn line_text(&self) -> String {
        match self.span {
            Some(span) => format!("{}:{}", self.path, span.start.line),
            None => self.path.clone(),
        }
    }
}

/// A path as a relative URI reference: everything percent-encoded but unreserved characters and `/`.
pub fn relative_uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_percent_encoded() {
        assert_eq!(relative_uri("a/b c%,:\n#é.yml"), "a/b%20c%25%2C%3A%0A%23%C3%A9.yml");
    }
}
