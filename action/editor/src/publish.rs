//! Diagnostics as the client wants them, file by file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use check::render::{
    Repository,
    repository::{Place, relative_uri},
};
use lsp_types::{
    Diagnostic as LspDiagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, Location, NumberOrString, Range, Uri,
};
use project::{Diagnostic, Level};

use crate::{
    analysis::Analysis,
    position::{Encoding, Lines},
};

/// A diagnostic beside its form for the client.
pub(crate) struct Shown<'a> {
    /// The file it is shown in, by path within the project.
    pub(crate) file: String,
    pub(crate) diagnostic: &'a Diagnostic,
    pub(crate) lsp: LspDiagnostic,
}

/// Every diagnostic of an analysis. Those in files that come with matano stand where these are used.
pub(crate) fn shown<'a>(analysis: &'a Analysis, root: &Path, encoding: Encoding) -> Vec<Shown<'a>> {
    let repository = Repository::new(&analysis.project, "");
    let mut view = View { analysis, root, encoding, lines: BTreeMap::new() };
    let show = |diagnostic: &'a Diagnostic| {
        let place = repository.place(diagnostic);
        let related = diagnostic.related.iter().filter_map(|related| {
            let place = repository.place_related(related);
            let location = Location { uri: view.uri(&place.file)?, range: view.range(&place) };
            Some(DiagnosticRelatedInformation { location, message: with_origin(&related.message, &place) })
        });
        let related: Vec<_> = related.collect();
        let mut message = with_origin(&diagnostic.message, &place);
        if let Some(help) = &diagnostic.help {
            message.push_str(&format!("\nhelp: {}", help.trim_end()));
        }
        let lsp = LspDiagnostic {
            range: view.range(&place),
            severity: Some(severity(diagnostic.severity)),
            code: Some(NumberOrString::String(diagnostic.rule.to_owned())),
            source: Some("matano".to_owned()),
            message,
            related_information: (!related.is_empty()).then_some(related),
            ..LspDiagnostic::default()
        };
        Shown { file: place.file, diagnostic, lsp }
    };
    analysis.diagnostics.iter().map(show).collect()
}

fn with_origin(message: &str, place: &Place) -> String {
    match &place.managed {
        Some(managed) => format!("{message} (in {managed})"),
        None => message.to_owned(),
    }
}

fn severity(level: Level) -> DiagnosticSeverity {
    match level {
        Level::Error => DiagnosticSeverity::ERROR,
        Level::Warning => DiagnosticSeverity::WARNING,
        Level::Note => DiagnosticSeverity::INFORMATION,
    }
}

/// The URI of a file of a project.
pub(crate) fn uri(root: &Path, file: &str) -> Option<Uri> {
    let root = root.to_str()?.trim_end_matches('/');
    format!("file://{}/{}", relative_uri(root), relative_uri(file)).parse().ok()
}

/// The path of a file within a project, with `/` between directories.
pub(crate) fn file_of(root: &Path, path: &Path) -> Option<String> {
    let relative: PathBuf = path.strip_prefix(root).ok()?.to_path_buf();
    Some(relative.to_str()?.replace('\\', "/"))
}

struct View<'a> {
    analysis: &'a Analysis,
    root: &'a Path,
    encoding: Encoding,
    lines: BTreeMap<String, Option<Lines<'a>>>,
}

impl View<'_> {
    fn uri(&self, file: &str) -> Option<Uri> {
        uri(self.root, file)
    }

    /// The first position where the file as a whole is meant, or is not at hand.
    fn range(&mut self, place: &Place) -> Range {
        let (analysis, encoding) = (self.analysis, self.encoding);
        let lines = self.lines.entry(place.file.clone());
        let lines = lines.or_insert_with(|| analysis.text(&place.file).map(|text| Lines::new(text, encoding)));
        match (lines, place.span) {
            (Some(lines), Some(span)) => lines.range_of(span),
            (Some(_) | None, _) => Range::default(),
        }
    }
}
