//! What a rule sees: the project, its programs compiled once, its Python parsed once.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use project::{Detection, Diagnostic, Project, Span, VrlProgram, managed::FILE_PREFIX, source::Source};
use ruff_text_size::TextRange;

use crate::{
    python::Module,
    suppression::{self, Suppression},
    vrl,
    vrl::Compiled,
};

/// Everything that rules look at.
pub struct Context<'a> {
    /// The project, as loaded.
    pub project: &'a Project,
    /// What loading it found.
    pub found: &'a [Diagnostic],
    /// Every VRL program.
    pub(crate) programs: Vec<Compiled<'a>>,
    /// Every detection with its code.
    pub(crate) detections: Vec<Code<'a>>,
    /// Every comment that silences a rule.
    pub(crate) suppressions: Vec<Suppression>,
    /// Files that were not taken in whole.
    broken: BTreeSet<&'a str>,
    /// What loading found, by rule and file.
    by_rule: BTreeMap<(&'static str, &'a str), Vec<Option<Span>>>,
}

/// A detection and its Python.
pub(crate) struct Code<'a> {
    pub(crate) detection: &'a Detection,
    /// Those that are UTF-8; the others were found when the project was loaded.
    pub(crate) files: Vec<Python>,
}

/// One Python file.
pub(crate) struct Python {
    source: Arc<Source>,
    pub(crate) module: Module,
}

impl<'a> Context<'a> {
    /// Compiles and parses what the project holds, on all processors.
    pub(crate) fn new(project: &'a Project, found: &'a [Diagnostic]) -> Self {
        let tables = vrl::lookup_tables(project);
        let programs = in_parallel(vrl::programs(project), |(program, schema)| Compiled::new(program, schema, &tables));
        let detections = in_parallel(project.detections.values().collect(), Code::new);
        let suppressions = suppressions(project, &detections);
        let broken = found.iter().filter(|one| one.is_error()).map(|one| one.file.as_str()).collect();
        let mut by_rule: BTreeMap<_, Vec<Option<Span>>> = BTreeMap::new();
        for one in found {
            by_rule.entry((one.rule, one.file.as_str())).or_default().push(one.span);
        }
        Self { project, found, programs, detections, suppressions, broken, by_rule }
    }

    /// Whether a file was not taken in whole: what follows from that alone is not worth saying.
    pub(crate) fn is_broken(&self, file: &str) -> bool {
        self.broken.contains(file)
    }

    /// Whether loading the project found that a rule is broken within a stretch of a file.
    pub(crate) fn was_found(&self, rule: &'static str, file: &str, span: Option<Span>) -> bool {
        self.by_rule.get(&(rule, file)).into_iter().flatten().any(|found| match (span, found) {
            (Some(span), Some(found)) => span.start <= found.start && found.end <= span.end,
            (None, _) | (_, None) => true,
        })
    }

    /// Whether a file with errors may declare columns of a program's rows that were not taken in.
    pub(crate) fn is_partly_declared(&self, program: &Compiled<'_>) -> bool {
        declared_in(self.project, &program.source).iter().any(|file| self.is_broken(file))
    }

    /// Names of enrichment tables.
    pub(crate) fn enrichment_tables(&self) -> Vec<&'a str> {
        self.project.enrichment.keys().map(|name| name.as_str()).collect()
    }
}

/// The files that declare the columns of the rows that a program makes.
fn declared_in<'a>(project: &'a Project, program: &VrlProgram) -> Vec<&'a str> {
    let table = program.table.as_ref().and_then(|name| project.tables.get(name));
    let source = program.log_source.as_ref().and_then(|name| project.log_sources.get(name));
    let enrichment = program.enrichment.as_ref().and_then(|name| project.enrichment.get(name));
    let mut files: Vec<&str> = table.into_iter().flat_map(|table| &table.files).map(String::as_str).collect();
    files.extend(source.map(|source| source.file.as_str()));
    files.extend(enrichment.map(|table| table.file.as_str()));
    files
}

/// Every comment that silences a rule, in the project's own files.
fn suppressions(project: &Project, detections: &[Code<'_>]) -> Vec<Suppression> {
    let docs = project.docs.values().filter(|doc| !is_managed(doc.file()));
    let in_yaml = docs.flat_map(|doc| suppression::of_yaml(doc.source()));
    let in_python = detections.iter().flat_map(|code| &code.files).flat_map(|file| {
        let comments = file.module.comments().map(|range| range.start().to_usize());
        suppression::in_comments(&file.source, comments)
    });
    in_yaml.chain(in_python).collect()
}

/// Whether a file comes with matano, so that the reader cannot mend it.
pub(crate) fn is_managed(file: &str) -> bool {
    file.starts_with(FILE_PREFIX)
}

impl<'a> Code<'a> {
    fn new(detection: &'a Detection) -> Self {
        let texts = detection.files.iter().filter(|(name, _)| name.ends_with(".py"));
        let files = texts.filter_map(|(name, bytes)| {
            let text = std::str::from_utf8(bytes).ok()?;
            let module = Module::parse(text);
            Some(Python { source: Source::new(&detection.path_of(name), text.to_owned()), module })
        });
        Self { detection, files: files.collect() }
    }

    /// The module that is called, where there is one.
    pub(crate) fn main(&self) -> Option<&Python> {
        let path = self.detection.path_of("detect.py");
        self.files.iter().find(|file| file.path() == path)
    }
}

impl Python {
    /// The path within the project.
    pub(crate) fn path(&self) -> &str {
        self.source.file()
    }

    /// The text, with its lines.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Lines and columns of a stretch of the text.
    pub(crate) fn span(&self, range: TextRange) -> Span {
        self.source.span(range.start().to_usize(), range.end().to_usize())
    }
}

/// Maps in order, in as many threads as there are processors.
fn in_parallel<T: Send, R: Send>(items: Vec<T>, map: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(items.len());
    if threads < 2 {
        return items.into_iter().map(map).collect();
    }
    let size = items.len().div_ceil(threads);
    let (mut chunks, mut items) = (Vec::new(), items.into_iter());
    loop {
        let chunk: Vec<T> = items.by_ref().take(size).collect();
        if chunk.is_empty() {
            break;
        }
        chunks.push(Mutex::new(chunk));
    }
    let work = |chunk: &Mutex<Vec<T>>| {
        let chunk = mem::take(&mut *chunk.lock().unwrap_or_else(PoisonError::into_inner));
        chunk.into_iter().map(&map).collect::<Vec<R>>()
    };
    let work = &work;
    thread::scope(|scope| {
        // the parsers of VRL and Python recurse
        let start = |chunk| thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, move || work(chunk));
        let threads: Vec<_> = chunks.iter().map(start).collect();
        let joined = threads.into_iter().zip(&chunks).flat_map(|(thread, chunk)| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // a machine that has no room for another thread has this one
            Err(_) => work(chunk),
        });
        joined.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_in_parallel_keeps_its_order() {
        for count in [0, 1, 2, 7, 100] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(in_parallel(items.clone(), |n| n * 2), items.iter().map(|n| n * 2).collect::<Vec<_>>());
        }
    }
}
