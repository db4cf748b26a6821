use arrow::{
    array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StructArray, new_null_array},
    buffer::NullBuffer,
    datatypes::{DataType, Fields, SchemaRef},
};
use std::{collections::HashMap, sync::Arc};

use model::{
    schema::{Field, FieldType, TableSchema},
    time::Timestamp,
};

use crate::{
    ColumnsError, FieldIds, Misfit, coerce,
    column::{At, Builder, Intake},
    schema::{arrow_schema, join},
    values::{Json, Values, View, is_blank},
};

/// Where misfits are kept in the row itself.
const ERRORS: &str = "matano.errors";

/// The rows of one table on their way into columns.
///
/// A value goes to a [`Column`], resolved once by its path, or a whole event at once with [`RowBuilder::push_event`]; then
/// [`RowBuilder::end_row`]. Columns that nobody touched are null and cost nothing. Null, `""`, `{}` and `[]` are null too.
pub struct RowBuilder {
    schema: SchemaRef,
    root: Group,
    groups: Vec<Group>,
    leaves: Vec<Leaf>,
    rows: usize,
    bytes: usize,
    intake: Intake,
    misfits: Vec<Misfit>,
    errors: Option<usize>,
}

/// A column of a [`RowBuilder`]: a leaf, or a struct whose members are columns of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column(Place);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Leaf(usize),
    Group(usize),
}

struct Group {
    path: String,
    /// In the order of the schema.
    children: Vec<Place>,
    /// By name, for looking up.
    names: Vec<(String, Place)>,
}

struct Leaf {
    path: String,
    data_type: DataType,
    builder: Builder,
    /// Rows that are in the builder; those since then are null.
    len: usize,
}

impl Leaf {
    /// Brings the column up to the row before `row`; false where that row has its value already.
    fn reach(&mut self, row: usize) -> bool {
        if self.len > row {
            return false;
        }
        if self.len < row {
            self.builder.append_nulls(row - self.len);
        }
        self.len = row + 1;
        true
    }
}

impl RowBuilder {
    /// For a table's rows. With `ids` the batches carry Iceberg's field ids.
    pub fn new(schema: &TableSchema, ids: Option<&FieldIds>) -> Self {
        let arrow = arrow_schema(schema, ids);
        let (mut groups, mut leaves) = (Vec::new(), Vec::new());
        let root = group("", &schema.fields, arrow.fields(), &mut groups, &mut leaves);
        let mut builder = Self {
            schema: arrow,
            root,
            groups,
            leaves,
            rows: 0,
            bytes: 0,
            intake: Intake::default(),
            misfits: Vec::new(),
            errors: None,
        };
        if let Some(Column(Place::Leaf(index))) = builder.column(ERRORS)
            && matches!(schema.get(ERRORS), Some(FieldType::List(_)))
        {
            builder.errors = Some(index);
        }
        builder
    }

    /// The Arrow schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The column or struct at a dotted path. Columns inside lists have no place of their own.
    pub fn column(&self, path: &str) -> Option<Column> {
        self.column_at(path.split('.'))
    }

    /// The column or struct at a path of names.
    pub fn column_at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<Column> {
        let mut at = &self.root;
        let mut parts = path.into_iter().peekable();
        loop {
            let place = at.find(parts.next()?)?;
            match (place, parts.peek()) {
                (place, None) => return Some(Column(place)),
                (Place::Group(index), Some(_)) => at = &self.groups[index],
                (Place::Leaf(_), Some(_)) => return None,
            }
        }
    }

    /// Whether a column is a struct with columns below it.
    pub fn is_struct(&self, column: Column) -> bool {
        matches!(column.0, Place::Group(_))
    }

    /// A value of any shape into a column, or an object into a struct's columns.
    pub fn push<S: Values>(&mut self, column: Column, value: &S::Value) {
        match column.0 {
            Place::Leaf(index) => self.push_leaf::<S>(index, value),
            Place::Group(index) => {
                let view = S::view(value);
                if matches!(view, View::Object) {
                    self.push_members::<S>(Some(index), value);
                } else if !is_blank::<S>(value) {
                    self.intake.misfits.push(Misfit {
                        row: self.rows,
                        column: self.groups[index].path.clone(),
                        error: format!("expected an object, found {}", coerce::found(&view)),
                        value: coerce::shown::<S>(value, Misfit::VALUE_BYTES),
                    });
                }
            }
        }
    }

    /// Every member of an object into the column of its name. Members that are no columns are left out.
    pub fn push_event<S: Values>(&mut self, event: &S::Value) {
        self.push_members::<S>(None, event);
    }

    /// Text into a column of type string; into any other it is coerced.
    pub fn push_text(&mut self, column: Column, text: &str) {
        if let Place::Leaf(index) = column.0 {
            let leaf = &mut self.leaves[index];
            if text.is_empty() {
                return;
            }
            if matches!(leaf.builder, Builder::Text(_)) && leaf.reach(self.rows) {
                leaf.builder.append_text(text);
                self.intake.bytes += text.len() + 4;
                return;
            }
        }
        self.push::<Json>(column, &serde_json::Value::String(text.to_owned()));
    }

    /// A time into a column of type timestamp; into any other it goes as RFC 3339 text.
    pub fn push_timestamp(&mut self, column: Column, time: Timestamp) {
        if let Place::Leaf(index) = column.0 {
            let leaf = &mut self.leaves[index];
            if matches!(leaf.builder, Builder::Timestamp(_)) && leaf.reach(self.rows) {
                leaf.builder.append_timestamp(time.micros());
                self.intake.bytes += 8;
                return;
            }
        }
        self.push::<Json>(column, &serde_json::Value::String(time.to_string()));
    }

    /// Completes the row.
    pub fn end_row(&mut self) {
        if !self.intake.misfits.is_empty() {
            let mut misfits = std::mem::take(&mut self.intake.misfits);
            if let Some(errors) = self.errors {
                let entries = misfits
                    .iter()
                    .map(|m| serde_json::json!({"column": m.column, "error": m.error, "value": m.value}))
                    .collect();
                self.push_leaf::<Json>(errors, &serde_json::Value::Array(entries));
            }
            misfits.iter_mut().for_each(|misfit| misfit.row = self.rows);
            self.misfits.append(&mut misfits);
        }
        self.bytes += std::mem::take(&mut self.intake.bytes);
        self.rows += 1;
    }

    /// How many rows are complete.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// About how many bytes of values the rows hold.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What did not fit since the last call. Where the table has `matano.errors`, the rows hold it too.
    pub fn take_misfits(&mut self) -> Vec<Misfit> {
        std::mem::take(&mut self.misfits)
    }

    /// The complete rows as a batch; the builder is empty afterwards.
    pub fn finish(&mut self) -> Result<RecordBatch, ColumnsError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let mut arrays = Vec::with_capacity(self.leaves.len());
        // most columns of a wide table have no value, and all of those of a type are the same
        let mut nulls: HashMap<DataType, ArrayRef> = HashMap::new();
        for leaf in &mut self.leaves {
            if leaf.len == 0 {
                let null = || new_null_array(&leaf.data_type, rows);
                arrays.push(nulls.entry(leaf.data_type.clone()).or_insert_with(null).clone());
                continue;
            }
            leaf.builder.append_nulls(rows - leaf.len);
            leaf.len = 0;
            arrays.push(leaf.builder.finish()?);
        }
        let columns = self.assemble(&self.root, self.schema.fields(), &arrays)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    fn push_leaf<S: Values>(&mut self, index: usize, value: &S::Value) {
        let leaf = &mut self.leaves[index];
        if leaf.reach(self.rows) {
            leaf.builder.append::<S>(value, &At { path: &leaf.path, member: None }, &mut self.intake);
        }
    }

    fn push_members<S: Values>(&mut self, group: Option<usize>, object: &S::Value) {
        // members of most values come sorted: each is looked for after the one before it
        let mut from = 0;
        S::members(object, &mut |name, value| {
            let names = match group {
                None => &self.root.names,
                Some(group) => &self.groups[group].names,
            };
            if from > 0 && names[from - 1].0.as_str() >= name {
                from = 0;
            }
            match names[from..].binary_search_by(|(have, _)| have.as_str().cmp(name)) {
                Ok(found) => {
                    let place = names[from + found].1;
                    from += found + 1;
                    self.push::<S>(Column(place), value);
                }
                Err(next) => from += next,
            }
        });
    }

    /// Structs from their members; a struct is null where all of them are.
    fn assemble(&self, group: &Group, fields: &Fields, arrays: &[ArrayRef]) -> Result<Vec<ArrayRef>, ColumnsError> {
        let one = |(place, field): (&Place, &Arc<arrow::datatypes::Field>)| match (place, field.data_type()) {
            (Place::Leaf(index), _) => Ok(arrays[*index].clone()),
            (Place::Group(index), DataType::Struct(members)) => {
                let columns = self.assemble(&self.groups[*index], members, arrays)?;
                let nulls = any_valid(&columns);
                let array: ArrayRef = Arc::new(StructArray::try_new(members.clone(), columns, nulls)?);
                Ok(array)
            }
            (Place::Group(_), other) => unreachable!("a group of columns is a struct, not {other}"),
        };
        group.children.iter().zip(fields).map(one).collect()
    }
}

fn any_valid(columns: &[ArrayRef]) -> Option<NullBuffer> {
    let mut valid: Option<arrow::buffer::BooleanBuffer> = None;
    for column in columns {
        match (column.nulls(), &valid) {
            (None, _) => return None,
            (Some(nulls), _) if nulls.null_count() == nulls.len() && valid.is_some() => (),
            (Some(nulls), None) => valid = Some(nulls.inner().clone()),
            (Some(nulls), Some(have)) => valid = Some(have | nulls.inner()),
        }
    }
    valid.map(NullBuffer::new)
}

impl Group {
    fn find(&self, name: &str) -> Option<Place> {
        let found = self.names.binary_search_by(|(have, _)| have.as_str().cmp(name)).ok()?;
        Some(self.names[found].1)
    }
}

fn group(path: &str, fields: &[Field], arrow: &Fields, groups: &mut Vec<Group>, leaves: &mut Vec<Leaf>) -> Group {
    let mut out = Group { path: path.to_owned(), children: Vec::new(), names: Vec::new() };
    for (field, arrow) in fields.iter().zip(arrow) {
        let path = join(path, &field.name);
        let place = match (&field.kind, arrow.data_type()) {
            // a struct without members cannot be stored; nothing below it can be given either
            (FieldType::Struct(members), DataType::Struct(arrow)) if !members.is_empty() => {
                let inner = group(&path, members, arrow, groups, leaves);
                groups.push(inner);
                Place::Group(groups.len() - 1)
            }
            (kind, data_type) => {
                leaves.push(Leaf {
                    path,
                    data_type: data_type.clone(),
                    builder: Builder::new(kind, data_type),
                    len: 0,
                });
                Place::Leaf(leaves.len() - 1)
            }
        };
        out.children.push(place);
        out.names.push((field.name.clone(), place));
    }
    out.names.sort_by(|a, b| a.0.cmp(&b.0));
    out
}
