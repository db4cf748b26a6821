use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};

use model::schema::{FieldType, TableSchema};
use vrl::{
    compiler::{CompilationResult, CompileConfig, TimeZone, TypeState, compile_with_state, state::ExternalEnv},
    path::{OwnedSegment, OwnedTargetPath, PathPrefix},
    prelude::Field,
    value::{Kind, kind::Collection},
};

use crate::{
    EnrichmentTables,
    diagnostic::{VrlDiagnostic, VrlDiagnostics, VrlSeverity},
    expand,
    fit::{NeverFits, never_fits},
    functions,
};

/// Programs know no other time zone.
pub(crate) static UTC: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::parse("UTC").expect("every time zone database has UTC"));

/// Deeper nesting than any program needs; VRL's parser and compiler recurse.
const MAX_NESTING: usize = 200;
const MAX_BYTES: usize = 1 << 20;

/// What a program is for: what it sees, and what is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProgramKind {
    /// One record to one row: sees `.json` or `.message`, `.ts`, `.related`; the event it leaves is the row.
    Transform,
    /// One uploaded record to one row of an enrichment table: sees `.json` or `.message`.
    EnrichmentTransform,
    /// One object to its records: sees `.__raw`; its value is the list of records.
    Expand,
    /// One object to the table of its records: sees `.__metadata.s3`; its value is a name or null.
    SelectMetadata,
    /// One record to its table: sees what a transform sees; its value is a name or null.
    SelectRecord,
}

/// A compiled program.
#[derive(Debug, Clone)]
pub struct Program {
    pub(crate) vrl: vrl::compiler::Program,
    kind: ProgramKind,
    text: String,
    warnings: Vec<VrlDiagnostic>,
    not_columns: Vec<String>,
    never_fits: Vec<NeverFits>,
    streamed: Option<Vec<String>>,
}

/// What the value of a selector or an expand program can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultKind {
    /// A string, among others perhaps.
    pub string: bool,
    /// An array.
    pub array: bool,
    /// Null.
    pub null: bool,
    /// In VRL's words: `string or null`.
    pub words: String,
}

/// Compiles a program of a project.
///
/// `tables` are those that `get_enrichment_table_record` may name. With a `schema`, [`Program::not_columns`] says which
/// assigned paths the table has no column for, and [`Program::never_fits`] which columns can never hold what is assigned.
pub fn compile(
    text: &str,
    kind: ProgramKind,
    tables: &EnrichmentTables,
    schema: Option<&TableSchema>,
) -> Result<Program, VrlDiagnostics> {
    guard(text)?;
    let functions = functions::functions(tables);
    let attempt = |state: &TypeState| {
        let compiled = || compile_with_state(text, &functions, state, CompileConfig::default());
        catch_unwind(AssertUnwindSafe(compiled)).map_err(|_| {
            VrlDiagnostics(vec![VrlDiagnostic::error("the VRL compiler failed on this program", 0..text.len())])
        })
    };
    let typed = attempt(&environment(kind))?;
    let compiled = match typed {
        Ok(compiled) => compiled,
        Err(errors) => {
            // programs of the original were written against an event of which nothing was known but `.related`
            let untyped = attempt(&untyped_environment(kind))?;
            untyped.map_err(|_| VrlDiagnostics::new(&errors, text))?
        }
    };
    Ok(Program::new(compiled, kind, text, schema))
}

impl Program {
    fn new(compiled: CompilationResult, kind: ProgramKind, text: &str, schema: Option<&TableSchema>) -> Self {
        let VrlDiagnostics(warnings) = VrlDiagnostics::new(&compiled.warnings, text);
        let mut program = Self {
            vrl: compiled.program,
            kind,
            text: text.to_owned(),
            warnings,
            not_columns: Vec::new(),
            never_fits: Vec::new(),
            streamed: None,
        };
        if let Some(schema) = schema {
            let lost = |path: &String| !is_column(schema, path) && !is_ours(path);
            program.not_columns = program.assigned_paths().into_iter().filter(lost).collect();
            let end = program.vrl.final_type_info().state.external;
            program.never_fits = never_fits(end.target_kind(), schema);
        }
        if kind == ProgramKind::Expand {
            program.streamed = expand::streamed_path(text);
        }
        program
    }

    /// What it is for.
    pub fn kind(&self) -> ProgramKind {
        self.kind
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What VRL warned of: unused results, deprecated functions.
    pub fn warnings(&self) -> &[VrlDiagnostic] {
        &self.warnings
    }

    /// Every path of the event that the program assigns, dotted, up to the first index; `.` is the event itself.
    pub fn assigned_paths(&self) -> BTreeSet<String> {
        self.vrl.info().target_assignments.iter().filter_map(dotted).collect()
    }

    /// Every path of the event that the program reads or deletes.
    pub fn queried_paths(&self) -> BTreeSet<String> {
        self.vrl.info().target_queries.iter().filter_map(dotted).collect()
    }

    /// Assigned paths that the table has no column for: their values go nowhere.
    pub fn not_columns(&self) -> &[String] {
        &self.not_columns
    }

    /// Columns of the table that are null in every row, because what is assigned to them is of another type.
    pub fn never_fits(&self) -> &[NeverFits] {
        &self.never_fits
    }

    /// Whether it can drop a record with `abort`.
    pub fn can_abort(&self) -> bool {
        self.vrl.info().abortable
    }

    /// Whether it can fail on a record.
    pub fn can_fail(&self) -> bool {
        self.vrl.info().fallible
    }

    /// What its last expression can be.
    pub fn result(&self) -> ResultKind {
        let info = self.vrl.final_type_info();
        let kind = info.result.kind();
        ResultKind {
            string: kind.contains_bytes(),
            array: kind.contains_array(),
            null: kind.contains_null() || kind.contains_undefined(),
            words: kind.to_string(),
        }
    }

    /// Of an expand program: the key path of the array whose elements are the records, where the program says nothing
    /// else. Such an object is read as a stream, of any size.
    pub fn streamed(&self) -> Option<&[String]> {
        self.streamed.as_deref()
    }
}

fn is_column(schema: &TableSchema, path: &str) -> bool {
    let mut at = path;
    loop {
        match schema.get(at) {
            // below a string the value becomes part of its JSON text
            Some(FieldType::String) => return true,
            Some(_) => return at == path,
            None => (),
        }
        match at.rsplit_once('.') {
            Some((parent, _)) => at = parent,
            None => return false,
        }
    }
}

/// Paths that every program may use as it likes: the record, and places that only programs look at.
fn is_ours(path: &str) -> bool {
    let root = path.split('.').next().unwrap_or_default();
    matches!(root, "" | "json" | "message" | "__raw" | "__metadata") || root.starts_with('_')
}

fn dotted(path: &OwnedTargetPath) -> Option<String> {
    if path.prefix != PathPrefix::Event {
        return None;
    }
    let mut out = String::new();
    for segment in &path.path.segments {
        match segment {
            OwnedSegment::Field(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            OwnedSegment::Index(_) => break,
        }
    }
    Some(if out.is_empty() { ".".to_owned() } else { out })
}

/// What is known of the event before the program runs.
fn environment(kind: ProgramKind) -> TypeState {
    let event = match kind {
        ProgramKind::Transform | ProgramKind::SelectRecord => event_with_related().with_known("ts", Kind::timestamp()),
        ProgramKind::EnrichmentTransform => Collection::any().with_known("ts", Kind::timestamp()),
        ProgramKind::Expand => Collection::any().with_known("__raw", Kind::bytes()),
        ProgramKind::SelectMetadata => {
            let object = ["bucket", "key", "sequencer", "log_source"]
                .iter()
                .fold(Collection::any(), |object, name| object.with_known(*name, Kind::bytes()))
                .with_known("size", Kind::integer())
                .with_known("retry_depth", Kind::integer());
            let metadata = Collection::any().with_known("s3", Kind::object(object));
            Collection::any().with_known("__metadata", Kind::object(metadata))
        }
    };
    state(event)
}

fn untyped_environment(kind: ProgramKind) -> TypeState {
    state(match kind {
        ProgramKind::Transform => event_with_related(),
        ProgramKind::EnrichmentTransform
        | ProgramKind::Expand
        | ProgramKind::SelectMetadata
        | ProgramKind::SelectRecord => Collection::any(),
    })
}

fn event_with_related() -> Collection<Field> {
    let list = || Kind::array(Collection::any());
    let related = Collection::any().with_known("ip", list()).with_known("hash", list()).with_known("user", list());
    Collection::any().with_known("related", Kind::object(related))
}

fn state(event: Collection<Field>) -> TypeState {
    let external = ExternalEnv::new_with_kind(Kind::object(event), Kind::object(Collection::empty()));
    TypeState { external, ..TypeState::default() }
}

/// Refuses what would overflow the stack of VRL's recursive parser.
fn guard(text: &str) -> Result<(), VrlDiagnostics> {
    let refuse = |message: String, at: usize| Err(VrlDiagnostics(vec![VrlDiagnostic::error(message, at..at)]));
    if text.len() > MAX_BYTES {
        return refuse(format!("expected at most {MAX_BYTES} bytes of VRL, found {}", text.len()), 0);
    }
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            // brackets in strings and comments count too: programs do not have hundreds of those unclosed
            _ => (),
        }
        if depth > MAX_NESTING {
            return refuse(format!("expected at most {MAX_NESTING} brackets inside each other"), at);
        }
    }
    Ok(())
}

impl VrlDiagnostics {
    /// Whether any of them is an error; a failed compilation always has one.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|one| one.severity == VrlSeverity::Error)
    }
}
