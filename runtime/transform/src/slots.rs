//! A program over slots instead of trees.
//!
//! VRL's compiler says which paths of the event a program reads and assigns. Each path under `.json` that is read becomes
//! an input slot, filled straight from the text of the record; everything else in the record is skipped. Each other path
//! becomes an output slot, from which a column takes its value. The program itself is the stock one: it runs over a
//! [`vrl::compiler::Target`] that finds the slot of a path by the path's place in the program.
//!
//! That is the same as running over the whole event only where no path reaches around the slots. [`Plan::prove`] says so
//! or gives the reason why not; then the stock target is used. Statements that only move a value of the record to a column
//! are taken out of the program: the column takes the value itself ([`Plan::take_moves`]). Where one path is the beginning of another, both share the
//! slot of the shorter, so no two slots ever hold parts of each other.

mod fill; // JSON text into input slots
mod inputs; // the tree of paths that are read
mod moves; // statements that need no interpreter
mod target; // what the program runs over

use std::collections::BTreeSet;

use columns::{Column, RowBuilder};
use model::schema::{FieldType, TableSchema};
use vrl::{
    parser::ast::{Expr, QueryTarget, RootExpr},
    path::{OwnedSegment, OwnedTargetPath, OwnedValuePath, PathPrefix},
};

use crate::{Program, ProgramKind, event::RELATED};

use inputs::Inputs;
pub(crate) use target::Slots;

/// Where the record's object stands in the event.
const JSON: &str = "json";

/// Functions of VRL that read the whole event without naming a path.
const READS_ALL: &[&str] = &["unnest"];

/// Which slots a program needs, and where their values go.
#[derive(Debug)]
pub(crate) struct Plan {
    inputs: Inputs,
    outputs: Vec<Output>,
    /// Output slots by the path of fields; none is the beginning of another.
    ts: usize,
    message: usize,
}

/// One output slot.
#[derive(Debug)]
pub(crate) struct Output {
    path: Vec<String>,
    /// Its column, or the struct of its columns; `None` where the table has none.
    pub column: Option<Column>,
    /// The input slot, and the path below it, from which it has its value without any help of the program.
    pub from: Option<(usize, Option<OwnedValuePath>)>,
}

/// Where a path of the program leads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// An input slot, and a path below it.
    Input(usize, Option<OwnedValuePath>),
    /// An output slot, and a path below it.
    Output(usize, Option<OwnedValuePath>),
    /// `.json` itself, where it is only ever deleted.
    AllInputs,
    /// Nothing that could ever be there.
    Nowhere,
}

/// Whether a program runs over slots when its rows go to this table; else the reason why it runs over whole events,
/// which takes two to three times as long.
pub fn runs_over_slots(program: &Program, schema: &TableSchema) -> Result<(), String> {
    Plan::prove(program, schema, &RowBuilder::new(schema, None)).map(drop)
}

impl Plan {
    /// Proves that the program does the same over slots, or says what it does that slots cannot.
    pub fn prove(program: &Program, schema: &TableSchema, columns: &RowBuilder) -> Result<Self, String> {
        let info = program.vrl.info();
        for path in info.target_queries.iter().chain(&info.target_assignments) {
            supported(path)?;
        }
        if let Some(name) = READS_ALL.iter().find(|name| program.text().contains(**name)) {
            return Err(format!("it calls `{name}`, which reads the whole event"));
        }
        if let Some(path) = info.target_assignments.iter().find(|path| is_json(path)) {
            return Err(format!("it writes `{path}`, which is part of the record"));
        }
        let queried = info.target_queries.iter().filter(|path| is_json(path));
        let mut inputs: Vec<&[OwnedSegment]> = queried.map(|path| &path.path.segments[1..]).collect();
        // the value of a transform is not looked at, so neither is that of its last statement
        if program.kind() == ProgramKind::Transform
            && deletes_json(program) == inputs.iter().filter(|path| path.is_empty()).count()
        {
            inputs.retain(|path| !path.is_empty());
        }
        let outputs = info.target_queries.iter().chain(&info.target_assignments).filter(|path| !is_json(path));
        let mut paths: BTreeSet<Vec<String>> = outputs.map(|path| slot_path(&path.path.segments, schema)).collect();
        paths.insert(vec!["ts".to_owned()]);
        paths.insert(vec!["message".to_owned()]);
        paths.extend(RELATED.iter().map(|name| vec!["related".to_owned(), (*name).to_owned()]));
        let outputs = shortest(paths)
            .into_iter()
            .map(|path| Output { column: column(&path, columns), path, from: None })
            .collect();
        Self::new(Inputs::new(&inputs), outputs)
    }

    fn new(inputs: Inputs, outputs: Vec<Output>) -> Result<Self, String> {
        let find = |name: &str| {
            let slot = outputs.iter().position(|output| output.path == [name]);
            slot.ok_or_else(|| format!("it uses `.{name}` as an object"))
        };
        let (ts, message) = (find("ts")?, find("message")?);
        Ok(Self { inputs, outputs, ts, message })
    }

    /// Takes over what only moves values from the record to columns, and returns the program without it; `None` where there
    /// is nothing of that kind.
    pub fn take_moves<E>(
        &mut self,
        program: &Program,
        compile: impl FnOnce(&str) -> Result<Program, E>,
    ) -> Option<Program> {
        let info = program.vrl.info();
        let mut touched = vec![0; self.outputs.len()];
        for path in info.target_queries.iter().chain(&info.target_assignments) {
            if let Place::Output(slot, _) = self.place(path) {
                touched[slot] += 1;
            }
        }
        let mut taken = Vec::new();
        for one in moves::moves(program.text()) {
            if let (Place::Output(slot, None), Place::Input(input, rest)) = (self.place(&one.to), self.place(&one.from))
                && touched[slot] == 1
                && slot != self.ts
                && slot != self.message
            {
                taken.push((slot, (input, rest), one));
            }
        }
        if taken.is_empty() {
            return None;
        }
        let rest = compile(&moves::without(program.text(), taken.iter().map(|(_, _, one)| one))).ok()?;
        for (slot, from, _) in taken {
            self.outputs[slot].from = Some(from);
        }
        Some(rest)
    }

    /// How many input slots there are.
    pub fn input_slots(&self) -> usize {
        self.inputs.slots()
    }

    /// The output slots.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The slot of `.ts`.
    pub fn ts(&self) -> usize {
        self.ts
    }

    /// The slot of `.message`.
    pub fn message(&self) -> usize {
        self.message
    }

    /// The slot that holds a path of fields, and the rest of the path below it.
    pub fn output<'a>(&self, path: &'a [&'a str]) -> Option<(usize, &'a [&'a str])> {
        self.outputs.iter().enumerate().find_map(|(slot, output)| {
            let starts = path.len() >= output.path.len() && output.path.iter().zip(path).all(|(a, b)| a == b);
            starts.then(|| (slot, &path[output.path.len()..]))
        })
    }

    /// Where a path of the program leads.
    pub fn place(&self, path: &OwnedTargetPath) -> Place {
        let segments = &path.path.segments;
        if is_json(path) {
            return self.inputs.place(&segments[1..]);
        }
        let found = self.outputs.iter().position(|output| starts_with(segments, &output.path));
        match found {
            Some(slot) => Place::Output(slot, rest(&segments[self.outputs[slot].path.len()..])),
            None => Place::Nowhere,
        }
    }
}

fn supported(path: &OwnedTargetPath) -> Result<(), String> {
    match (path.prefix, path.path.segments.first()) {
        (PathPrefix::Metadata, _) => Err(format!("it uses `{path}`, which is not part of the event")),
        (PathPrefix::Event, None) => Err("it uses the whole event as `.`".to_owned()),
        (PathPrefix::Event, Some(OwnedSegment::Index(_))) => Err(format!("it uses the event as an array: `{path}`")),
        (PathPrefix::Event, Some(OwnedSegment::Field(_))) => Ok(()),
    }
}

fn is_json(path: &OwnedTargetPath) -> bool {
    matches!(path.path.segments.first(), Some(OwnedSegment::Field(name)) if name.as_str() == JSON)
}

/// How many statements of the program are `del(.json)` and nothing else.
fn deletes_json(program: &Program) -> usize {
    let Ok(parsed) = vrl::parser::parse(program.text()) else { return 0 };
    let is_delete = |root: &RootExpr| {
        let RootExpr::Expr(expression) = root else { return false };
        let Expr::FunctionCall(call) = expression.inner() else { return false };
        let call = call.inner();
        let [argument] = call.arguments.as_slice() else { return false };
        let Expr::Query(query) = argument.inner().expr.inner() else { return false };
        call.ident.inner().clone().into_inner() == "del"
            && matches!(query.inner().target.inner(), QueryTarget::External(PathPrefix::Event))
            && matches!(query.inner().path.inner().segments.as_slice(), [OwnedSegment::Field(name)] if name.as_str() == JSON)
    };
    parsed.0.iter().filter(|root| is_delete(root.inner())).count()
}

/// The path whose slot holds this path: up to the first index, and no further than a column that is no struct.
fn slot_path(segments: &[OwnedSegment], schema: &TableSchema) -> Vec<String> {
    let mut path = Vec::new();
    let mut fields = Some(&schema.fields);
    for segment in segments {
        let OwnedSegment::Field(name) = segment else { break };
        path.push(name.to_string());
        let Some(members) = fields else { continue };
        match members.iter().find(|field| field.name == name.as_str()).map(|field| &field.kind) {
            Some(FieldType::Struct(members)) => fields = Some(members),
            Some(_) => break,
            // no column: whatever stands below has a slot of its own
            None => fields = None,
        }
    }
    path
}

/// Paths of which no other is the beginning.
fn shortest(paths: BTreeSet<Vec<String>>) -> Vec<Vec<String>> {
    let mut out: Vec<Vec<String>> = Vec::new();
    // sorted: a beginning comes right before all that it begins
    for path in paths {
        if !out.last().is_some_and(|last| path.starts_with(last)) {
            out.push(path);
        }
    }
    out
}

/// A slot at a path that is the beginning of no column, such as `.matano`, goes nowhere.
fn column(path: &[String], columns: &RowBuilder) -> Option<Column> {
    if path.first().is_some_and(|root| root == crate::row::RESERVED) {
        return None;
    }
    columns.column_at(path.iter().map(String::as_str))
}

fn starts_with(segments: &[OwnedSegment], path: &[String]) -> bool {
    segments.len() >= path.len()
        && segments.iter().zip(path).all(|(segment, name)| match segment {
            OwnedSegment::Field(field) => field.as_str() == name,
            OwnedSegment::Index(_) => false,
        })
}

fn rest(segments: &[OwnedSegment]) -> Option<OwnedValuePath> {
    if segments.is_empty() { None } else { Some(segments.to_vec().into()) }
}
