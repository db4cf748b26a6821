//! VRL programs compiled, and what the compiler says placed in the files that the programs come from.

use model::schema::TableSchema;
use project::{Kind, Project, VrlProgram};
use transform::{EnrichmentTables, Program, ProgramKind, VrlDiagnostic, VrlDiagnostics, VrlSeverity, compile};

mod advice; // what old programs must change
mod assignments; // what a program says about its assignments
mod placed; // diagnostics of the compiler as ours

pub(crate) use advice::{Advice, advice};
pub(crate) use assignments::assignments;
pub(crate) use placed::placed;

/// One program and what became of it.
pub(crate) struct Compiled<'a> {
    pub(crate) source: VrlProgram,
    /// The columns of the rows it makes, where it makes rows.
    pub(crate) schema: Option<&'a TableSchema>,
    pub(crate) outcome: Result<Program, VrlDiagnostics>,
}

impl<'a> Compiled<'a> {
    pub(crate) fn new(source: VrlProgram, schema: Option<&'a TableSchema>, tables: &EnrichmentTables) -> Self {
        let outcome = compile(&source.text, kind(source.kind), tables, schema);
        Self { source, schema, outcome }
    }

    /// Errors of the compiler, none where the program compiles.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &VrlDiagnostic> {
        let found = self.outcome.as_ref().err().into_iter().flat_map(|VrlDiagnostics(all)| all);
        found.filter(|one| one.severity == VrlSeverity::Error && !self.follows_from_another(one))
    }

    /// A variable whose assignment did not compile is unknown everywhere after it.
    fn follows_from_another(&self, error: &VrlDiagnostic) -> bool {
        const UNDEFINED_VARIABLE: &str = "E701";
        if error.code.as_deref() != Some(UNDEFINED_VARIABLE) {
            return false;
        }
        let name = &self.source.text[error.span.clone()];
        let before = &self.source.text[..error.span.start];
        assignments::variables(before).contains(&name)
    }

    /// Warnings and notes, of programs that compile and of those that do not.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &VrlDiagnostic> {
        let all: &[VrlDiagnostic] = match &self.outcome {
            Ok(program) => program.warnings(),
            Err(VrlDiagnostics(all)) => all,
        };
        all.iter().filter(|one| one.severity != VrlSeverity::Error)
    }
}

/// Every program that says something, with the columns of the rows it makes.
pub(crate) fn programs(project: &Project) -> Vec<(VrlProgram, Option<&TableSchema>)> {
    let programs = project.programs().into_iter().filter(|program| !program.text.trim().is_empty());
    programs
        .map(|program| {
            let schema = match program.kind {
                Kind::Transform => {
                    program.table.as_ref().and_then(|name| project.tables.get(name)).map(|table| table.schema.as_ref())
                }
                Kind::EnrichmentTransform => {
                    program.enrichment.as_ref().and_then(|name| project.enrichment.get(name)).map(|table| &table.schema)
                }
                Kind::Expand | Kind::SelectMetadata | Kind::SelectRecord => None,
            };
            (program, schema)
        })
        .collect()
}

/// The tables that programs may look up, as declared.
pub(crate) fn lookup_tables(project: &Project) -> EnrichmentTables {
    let tables = project.enrichment.iter();
    EnrichmentTables::declared(tables.map(|(name, table)| (name, table.lookup_keys.as_slice())))
}

fn kind(kind: Kind) -> ProgramKind {
    match kind {
        Kind::Transform => ProgramKind::Transform,
        Kind::Expand => ProgramKind::Expand,
        Kind::SelectMetadata => ProgramKind::SelectMetadata,
        Kind::SelectRecord => ProgramKind::SelectRecord,
        Kind::EnrichmentTransform => ProgramKind::EnrichmentTransform,
    }
}
