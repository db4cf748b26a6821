//! A table's columns as plain data: what a project declares, a release carries and a plan compares.
//!
//! Types are those of Iceberg that the original's format uses. Field ids are the lake's business.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The columns of one table, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// Top-level columns; every one is nullable.
    pub fields: Vec<Field>,
}

/// One column or one member of a struct.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// A single name without dots.
    pub name: String,
    /// The type, in Iceberg's words.
    #[serde(rename = "type")]
    pub kind: FieldType,
}

/// A type in Iceberg's words. Timestamps are without zone, in UTC microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldType {
    /// `boolean`
    Boolean,
    /// `int`, 32 bits
    Int,
    /// `long`, 64 bits
    Long,
    /// `float`, 32 bits
    Float,
    /// `double`, 64 bits
    Double,
    /// `string`, UTF-8
    String,
    /// `timestamp`, UTC microseconds
    Timestamp,
    /// `date`
    Date,
    /// `{type: struct, fields: [...]}`
    Struct(Vec<Field>),
    /// `{type: list, element: ...}`
    List(Box<FieldType>),
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Int => f.write_str("int"),
            Self::Long => f.write_str("long"),
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Date => f.write_str("date"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (index, field) in fields.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{}: {}", field.name, field.kind)?;
                }
                f.write_str(">")
            }
            Self::List(element) => write!(f, "list<{element}>"),
        }
    }
}

/// Names of the primitive types, as a project writes them.
pub const PRIMITIVES: &[&str] = &["boolean", "int", "long", "float", "double", "string", "timestamp", "date"];

impl FieldType {
    /// Those of a struct.
    pub fn members(&self) -> Option<&Vec<Field>> {
        match self {
            Self::Struct(fields) => Some(fields),
            Self::Boolean
            | Self::Int
            | Self::Long
            | Self::Float
            | Self::Double
            | Self::String
            | Self::Timestamp
            | Self::Date
            | Self::List(_) => None,
        }
    }

    /// A primitive by its Iceberg name.
    pub fn primitive(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "string" => Self::String,
            "timestamp" => Self::Timestamp,
            "date" => Self::Date,
            _ => return None,
        })
    }

    /// Whether every value of this type is exactly a value of `wider` (Iceberg's promotions: int to long, float to double).
    pub fn widens_to(&self, wider: &FieldType) -> bool {
        matches!((self, wider), (Self::Int, Self::Long) | (Self::Float, Self::Double))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Name(String),
    Nested(Nested),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Nested {
    Struct { fields: Vec<Field> },
    List { element: Box<FieldType> },
}

impl Serialize for FieldType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match self {
            Self::Struct(fields) => Written::Nested(Nested::Struct { fields: fields.clone() }),
            Self::List(element) => Written::Nested(Nested::List { element: element.clone() }),
            primitive => Written::Name(primitive.to_string()),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FieldType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Name(name) => Self::primitive(&name).ok_or_else(|| {
                D::Error::custom(format!("unknown type `{name}`, expected one of {}", PRIMITIVES.join(", ")))
            }),
            Written::Nested(Nested::Struct { fields }) => Ok(Self::Struct(fields)),
            Written::Nested(Nested::List { element }) => Ok(Self::List(element)),
        }
    }
}

/// Two schemas give one column two types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{path}` is `{left}` in one place and `{right}` in another")]
pub struct SchemaConflict {
    /// Dotted path of the column.
    pub path: String,
    /// The type met first.
    pub left: FieldType,
    /// The type met second.
    pub right: FieldType,
}

/// One difference between the columns a table has and those it should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum SchemaChange {
    /// A column that the table lacks.
    Add {
        /// Dotted path; `[]` stands for a list's element.
        path: String,
        /// Its type.
        kind: FieldType,
    },
    /// A column whose type grows without loss.
    Widen {
        /// Dotted path.
        path: String,
        /// What it is.
        from: FieldType,
        /// What it becomes.
        to: FieldType,
    },
    /// A column that the project no longer names: it stays, and new rows have null there.
    Retain {
        /// Dotted path.
        path: String,
    },
    /// A change that would lose or misread data: it is refused.
    Incompatible {
        /// Dotted path.
        path: String,
        /// What it is.
        from: FieldType,
        /// What the project wants.
        to: FieldType,
    },
}

impl TableSchema {
    /// The field at a dotted path, through structs and into the elements of lists of structs.
    pub fn get(&self, path: &str) -> Option<&FieldType> {
        let mut fields = &self.fields;
        let mut parts = path.split('.').peekable();
        loop {
            let part = parts.next()?;
            let kind = &fields.iter().find(|field| field.name == part)?.kind;
            if parts.peek().is_none() {
                return Some(kind);
            }
            fields = members(kind)?;
        }
    }

    /// Every leaf column with its dotted path, in order. A list is a leaf.
    pub fn leaves(&self) -> Vec<(String, &FieldType)> {
        fn walk<'a>(prefix: &str, fields: &'a [Field], out: &mut Vec<(String, &'a FieldType)>) {
            for field in fields {
                let path = join(prefix, &field.name);
                match &field.kind {
                    FieldType::Struct(fields) => walk(&path, fields, out),
                    leaf => out.push((path, leaf)),
                }
            }
        }
        let mut out = Vec::new();
        walk("", &self.fields, &mut out);
        out
    }

    /// Both sets of columns; structs are merged member by member, new columns follow the old ones.
    pub fn union(&self, other: &TableSchema) -> Result<TableSchema, SchemaConflict> {
        let mut fields = self.fields.clone();
        union_fields("", &mut fields, &other.fields)?;
        Ok(TableSchema { fields })
    }

    /// Adds one column in place, merged with a struct of its name. A column of one path is added whole or not at all.
    pub fn add(&mut self, field: Field) -> Result<(), SchemaConflict> {
        union_fields("", &mut self.fields, &[field])
    }

    /// Adds one leaf at a dotted path, making structs on the way.
    pub fn insert(&mut self, path: &str, kind: FieldType) -> Result<(), SchemaConflict> {
        let field = path.rsplit('.').fold(None, |inner: Option<Field>, name| {
            let kind = inner.map_or_else(|| kind.clone(), |field| FieldType::Struct(vec![field]));
            Some(Field { name: name.to_owned(), kind })
        });
        union_fields("", &mut self.fields, &field.into_iter().collect::<Vec<_>>())
    }

    /// What must happen to a table with these columns so that rows of `wanted` fit. Columns only here are retained.
    pub fn changes_to(&self, wanted: &TableSchema) -> Vec<SchemaChange> {
        let mut out = Vec::new();
        changes("", &self.fields, &wanted.fields, &mut out);
        out
    }
}

/// Those of a struct, or of the structs of a list.
fn members(kind: &FieldType) -> Option<&Vec<Field>> {
    match kind {
        FieldType::List(element) => members(element),
        kind => kind.members(),
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn union_fields(prefix: &str, into: &mut Vec<Field>, from: &[Field]) -> Result<(), SchemaConflict> {
    for field in from {
        match into.iter_mut().find(|have| have.name == field.name) {
            None => into.push(field.clone()),
            Some(have) => union_kind(&join(prefix, &field.name), &mut have.kind, &field.kind)?,
        }
    }
    Ok(())
}

fn union_kind(path: &str, into: &mut FieldType, from: &FieldType) -> Result<(), SchemaConflict> {
    match (into, from) {
        (FieldType::Struct(into), FieldType::Struct(from)) => union_fields(path, into, from),
        (FieldType::List(into), FieldType::List(from)) => union_kind(path, into, from),
        (left, right) if left == right => Ok(()),
        (left, right) => Err(SchemaConflict { path: path.to_owned(), left: left.clone(), right: right.clone() }),
    }
}

fn changes(prefix: &str, have: &[Field], want: &[Field], out: &mut Vec<SchemaChange>) {
    for field in want {
        let path = join(prefix, &field.name);
        match have.iter().find(|have| have.name == field.name) {
            None => out.push(SchemaChange::Add { path, kind: field.kind.clone() }),
            Some(have) => kind_changes(path, &have.kind, &field.kind, out),
        }
    }
    let wanted: BTreeSet<&str> = want.iter().map(|field| field.name.as_str()).collect();
    for field in have.iter().filter(|field| !wanted.contains(field.name.as_str())) {
        out.push(SchemaChange::Retain { path: join(prefix, &field.name) });
    }
}

fn kind_changes(path: String, have: &FieldType, want: &FieldType, out: &mut Vec<SchemaChange>) {
    match (have, want) {
        (FieldType::Struct(have), FieldType::Struct(want)) => changes(&path, have, want, out),
        (FieldType::List(have), FieldType::List(want)) => kind_changes(format!("{path}[]"), have, want, out),
        (have, want) if have == want => (),
        // a table that is already wider takes the narrower rows as they are
        (have, want) if want.widens_to(have) => (),
        (have, want) if have.widens_to(want) => {
            out.push(SchemaChange::Widen { path, from: have.clone(), to: want.clone() });
        }
        (have, want) => out.push(SchemaChange::Incompatible { path, from: have.clone(), to: want.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(json: &str) -> TableSchema {
        serde_json::from_str(&format!("{{\"fields\":{json}}}")).unwrap()
    }

    #[test]
    fn nested_types_are_read_as_the_original_writes_them() {
        let schema = schema(
            r#"[{"name":"a","type":{"type":"list","element":{"type":"struct","fields":[{"name":"b","type":"long"}]}}}]"#,
        );
        assert_eq!(schema.fields[0].kind.to_string(), "list<struct<b: long>>");
        assert_eq!(schema.get("a.b"), Some(&FieldType::Long));
        assert_eq!(serde_json::from_value::<TableSchema>(serde_json::to_value(&schema).unwrap()).unwrap(), schema);
    }

    #[test]
    fn an_unknown_type_names_the_ones_there_are() {
        let error = serde_json::from_str::<FieldType>("\"text\"").unwrap_err().to_string();
        assert!(error.contains("unknown type `text`, expected one of boolean, int"), "{error}");
    }

    #[test]
    fn a_union_merges_structs_and_names_the_conflicting_column() {
        let mut left = TableSchema::default();
        left.insert("a.b", FieldType::String).unwrap();
        let mut right = TableSchema::default();
        right.insert("a.c", FieldType::Long).unwrap();
        let both = left.union(&right).unwrap();
        assert_eq!(both.leaves().into_iter().map(|(path, _)| path).collect::<Vec<_>>(), ["a.b", "a.c"]);
        right.insert("a.b", FieldType::Long).unwrap();
        assert_eq!(left.union(&right).unwrap_err().path, "a.b");
    }

    #[test]
    fn changes_add_widen_retain_and_refuse() {
        let have = schema(r#"[{"name":"n","type":"int"},{"name":"s","type":"string"},{"name":"old","type":"date"}]"#);
        let want = schema(r#"[{"name":"n","type":"long"},{"name":"s","type":"long"},{"name":"new","type":"date"}]"#);
        assert_eq!(
            have.changes_to(&want),
            [
                SchemaChange::Widen { path: "n".into(), from: FieldType::Int, to: FieldType::Long },
                SchemaChange::Incompatible { path: "s".into(), from: FieldType::String, to: FieldType::Long },
                SchemaChange::Add { path: "new".into(), kind: FieldType::Date },
                SchemaChange::Retain { path: "old".into() },
            ]
        );
        assert_eq!(want.changes_to(&want), []);
    }

    #[test]
    fn a_wider_table_takes_narrower_rows() {
        let long = schema(r#"[{"name":"n","type":"long"}]"#);
        let int = schema(r#"[{"name":"n","type":"int"}]"#);
        assert_eq!(long.changes_to(&int), []);
    }
}
