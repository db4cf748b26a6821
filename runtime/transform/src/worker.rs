//! What one thread needs of its own: programs, slots and builders. Nothing is shared between threads while they work.

use std::{collections::BTreeMap, sync::Arc};

use columns::RowBuilder;
use model::{name::TableName, object::RejectRule, release::Table, time::Timestamp};
use vrl::{compiler::TargetValue, compiler::runtime::Runtime, value::Secrets, value::Value};

use crate::{
    Program, ProgramKind, TransformError,
    event::{self, Record},
    frame::Body,
    json,
    row::{self, Origin, OwnColumns},
    run::{Ended, run},
    slots::{Plan, Slots},
    source::Source,
};

/// Rows of a table are written out when there are about this many bytes of them in memory.
pub(crate) const FLUSH_BYTES: usize = 32 << 20;

/// A thread's own tools for one log source.
#[derive(Default)]
pub(crate) struct Worker {
    tables: BTreeMap<TableName, TableWorker>,
    selector: Option<Selector>,
    runtime: Runtime,
}

/// One table on one thread.
pub(crate) struct TableWorker {
    pub table: Table,
    pub builder: RowBuilder,
    own: OwnColumns,
    program: Program,
    /// With what is left of the program; nothing where it runs over whole events.
    slots: Option<(Slots, Program)>,
    selector_is_apart: bool,
}

struct Selector {
    program: Program,
    slots: Option<Slots>,
}

/// What became of a record.
pub(crate) enum Outcome {
    /// A row; of a table that has more of them in memory now than it should.
    Row {
        /// That table, if it has.
        full: Option<TableName>,
    },
    /// Nothing, because a program said so.
    Dropped,
    /// A reject, on its way to a table if it got that far.
    Reject { table: Option<TableName>, rule: RejectRule, error: String },
}

/// A record as it is worked on.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub body: Text<'a>,
    pub ts: Timestamp,
}

/// A record's text.
#[derive(Clone, Copy)]
pub(crate) enum Text<'a> {
    /// A JSON object, or something that looks like one.
    Json(&'a str),
    /// Text that may happen to be a JSON object.
    Line(&'a str),
}

impl<'a> Text<'a> {
    /// The text of a record as it was read, if it is text.
    pub fn of(body: Body<'a>) -> Result<Self, std::str::Utf8Error> {
        Ok(match body {
            Body::Json(bytes) => Self::Json(std::str::from_utf8(bytes)?),
            Body::Text(bytes) => Self::Line(std::str::from_utf8(bytes)?),
        })
    }
}

/// The table that was found for a record.
enum Choice {
    Table(TableName),
    Dropped,
    None(String),
}

impl Worker {
    /// Makes a row of a record, or says why there is none.
    pub fn transform(
        &mut self,
        source: &Source,
        default: Option<&TableName>,
        input: Input<'_>,
        origin: &Origin<'_>,
    ) -> Result<Outcome, TransformError> {
        let Some(program) = &source.select_record else {
            return match default {
                Some(table) => self.row_of(source, table, input, None, origin),
                None => Ok(reject(None, RejectRule::NoTable, no_default(source))),
            };
        };
        let selector = self.selector.get_or_insert_with(|| Selector::new(program));
        let (choice, event) = match selector.choose(source, default, input, &mut self.runtime) {
            Ok(chosen) => chosen,
            Err(error) => return Ok(reject(None, RejectRule::Malformed, error)),
        };
        match choice {
            Choice::Dropped => Ok(Outcome::Dropped),
            Choice::None(error) => Ok(reject(None, RejectRule::NoTable, error)),
            Choice::Table(table) => self.row_of(source, &table, input, event, origin),
        }
    }

    fn row_of(
        &mut self,
        source: &Source,
        table: &TableName,
        input: Input<'_>,
        selected: Option<Value>,
        origin: &Origin<'_>,
    ) -> Result<Outcome, TransformError> {
        let runtime = &mut self.runtime;
        let worker = match self.tables.get_mut(table) {
            Some(worker) => worker,
            None => {
                let made = TableWorker::new(source, table)?;
                self.tables.entry(table.clone()).or_insert(made)
            }
        };
        if worker.selector_is_apart {
            return Ok(worker.transform(table, input, runtime, origin));
        }
        // the transform sees what the selector made of the event
        let event = match (selected, &mut self.selector) {
            (Some(event), _) => event,
            (None, Some(selector)) => match selector.over_event(input, runtime) {
                Ok((_, event)) => event,
                Err(error) => return Ok(reject(Some(table), RejectRule::Malformed, error)),
            },
            (None, None) => unreachable!("only a selector is not apart"),
        };
        Ok(worker.over_event(table, event, runtime, origin))
    }

    /// The tables that have had rows.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.tables.keys()
    }

    /// About how many bytes of rows all tables have in memory.
    pub fn bytes(&self) -> usize {
        self.tables.values().map(|table| table.builder.bytes()).sum()
    }

    /// One table, which had a row.
    pub fn table(&mut self, table: &TableName) -> Option<&mut TableWorker> {
        self.tables.get_mut(table)
    }
}

impl Selector {
    fn new(program: &Program) -> Self {
        // a selector has no columns: its slots go nowhere
        let nothing = model::schema::TableSchema::default();
        let plan = Plan::prove(program, &nothing, &RowBuilder::new(&nothing, None)).ok();
        Self { program: program.clone(), slots: plan.map(|plan| Slots::new(Arc::new(plan))) }
    }

    /// The table of a record, and the event as the selector left it where it ran over the whole event.
    fn choose(
        &mut self,
        source: &Source,
        default: Option<&TableName>,
        input: Input<'_>,
        runtime: &mut Runtime,
    ) -> Result<(Choice, Option<Value>), String> {
        let (ended, event) = match &mut self.slots {
            Some(slots) => {
                load(slots, input)?;
                (run(&self.program, slots, runtime), None)
            }
            None => {
                let (ended, event) = self.over_event(input, runtime)?;
                (ended, Some(event))
            }
        };
        Ok((choice(source, default, ended), event))
    }

    fn over_event(&self, input: Input<'_>, runtime: &mut Runtime) -> Result<(Ended, Value), String> {
        let mut target = target(event(input)?);
        let ended = run(&self.program, &mut target, runtime);
        Ok((ended, target.value))
    }
}

impl TableWorker {
    fn new(source: &Source, name: &TableName) -> Result<Self, TransformError> {
        let Some(table) = source.tables.get(name) else {
            return Err(TransformError::UnknownTable { log_source: source.source.name.clone(), table: name.clone() });
        };
        let compiled = table.compiled(source)?;
        let builder = RowBuilder::new(&table.table.schema, table.ids.as_ref());
        Ok(Self {
            own: match table.kind {
                ProgramKind::EnrichmentTransform => OwnColumns::default(),
                ProgramKind::Transform
                | ProgramKind::Expand
                | ProgramKind::SelectMetadata
                | ProgramKind::SelectRecord => OwnColumns::new(&builder, table.table.storage.keep_original),
            },
            builder,
            table: table.table.clone(),
            // a clone has its own pools of regex caches
            program: compiled.program.clone(),
            slots: compiled.over_slots.clone().map(|(plan, rest)| (Slots::new(plan), rest)),
            selector_is_apart: compiled.selector_is_apart,
        })
    }

    fn transform(&mut self, name: &TableName, input: Input<'_>, runtime: &mut Runtime, origin: &Origin<'_>) -> Outcome {
        let Some((slots, program)) = &mut self.slots else {
            return match event(input) {
                Ok(event) => self.over_event(name, event, runtime, origin),
                Err(error) => reject(Some(name), RejectRule::Malformed, error),
            };
        };
        if let Err(error) = load(slots, input) {
            return reject(Some(name), RejectRule::Malformed, error);
        }
        match run(program, slots, runtime) {
            Ended::Done(_) => match row::from_slots(&mut self.builder, &self.own, slots, origin) {
                Ok(()) => self.row(name),
                Err(error) => reject(Some(name), RejectRule::NoTimestamp, error),
            },
            Ended::Aborted => Outcome::Dropped,
            Ended::Failed(error) => reject(Some(name), RejectRule::Transform, error),
        }
    }

    fn row(&self, name: &TableName) -> Outcome {
        Outcome::Row { full: (self.builder.bytes() >= FLUSH_BYTES).then(|| name.clone()) }
    }

    fn over_event(&mut self, name: &TableName, event: Value, runtime: &mut Runtime, origin: &Origin<'_>) -> Outcome {
        let mut target = target(event);
        match run(&self.program, &mut target, runtime) {
            Ended::Done(_) => match row::from_event(&mut self.builder, &self.own, &mut target.value, origin) {
                Ok(()) => self.row(name),
                Err(error) => {
                    let rule = if target.value.is_object() { RejectRule::NoTimestamp } else { RejectRule::Transform };
                    reject(Some(name), rule, error)
                }
            },
            Ended::Aborted => Outcome::Dropped,
            Ended::Failed(error) => reject(Some(name), RejectRule::Transform, error),
        }
    }
}

fn choice(source: &Source, default: Option<&TableName>, ended: Ended) -> Choice {
    match ended {
        Ended::Aborted => Choice::Dropped,
        Ended::Failed(error) => Choice::None(format!("`select_table_from_payload` failed: {error}")),
        Ended::Done(Value::Null) => match default {
            Some(table) => Choice::Table(table.clone()),
            None => Choice::None(no_default(source)),
        },
        Ended::Done(value) => match named_table(source, &value, "select_table_from_payload") {
            Ok(table) => Choice::Table(table),
            Err(error) => Choice::None(error),
        },
    }
}

/// The table that a selector's value names.
pub(crate) fn named_table(source: &Source, value: &Value, selector: &str) -> Result<TableName, String> {
    let Some(name) = value.to_str() else {
        return Err(format!("expected the name of a table or null from `{selector}`, found {}", value.kind_str()));
    };
    source.table(name).cloned().ok_or_else(|| {
        let tables: Vec<String> = source.source.tables.keys().map(|name| format!("`{name}`")).collect();
        format!("`{selector}` named `{name}`, expected one of {}", tables.join(", "))
    })
}

pub(crate) fn no_default(source: &Source) -> String {
    format!("nothing selects a table for this record, and log source `{}` has no table `default`", source.source.name)
}

fn reject(table: Option<&TableName>, rule: RejectRule, error: String) -> Outcome {
    Outcome::Reject { table: table.cloned(), rule, error }
}

fn target(value: Value) -> TargetValue {
    TargetValue { value, metadata: Value::Object(Default::default()), secrets: Secrets::new() }
}

/// Whether a line may be a JSON object, seen from outside.
fn may_be_object(line: &str) -> bool {
    let line = line.trim_ascii();
    line.starts_with('{') && line.ends_with('}')
}

fn load(slots: &mut Slots, input: Input<'_>) -> Result<(), String> {
    match input.body {
        Text::Json(text) => slots.load_json(text, input.ts).map_err(|error| malformed(&error)),
        Text::Line(line) => {
            if !may_be_object(line) || slots.load_json(line, input.ts).is_err() {
                slots.load_message(line, input.ts);
            }
            Ok(())
        }
    }
}

fn event(input: Input<'_>) -> Result<Value, String> {
    let record = match input.body {
        Text::Json(text) => Record::Json(json::parse_json(text).map_err(|error| malformed(&error))?),
        Text::Line(line) => match may_be_object(line).then(|| json::parse_json(line)) {
            Some(Ok(value)) => Record::Json(value),
            Some(Err(_)) | None => Record::Message(event::text(line)),
        },
    };
    Ok(event::initial(record, input.ts))
}

fn malformed(error: &sonic_rs::Error) -> String {
    // the parser adds lines of context with the text around; the first line says what and where
    let error = error.to_string();
    format!("expected a JSON object, found broken JSON: {}", error.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
