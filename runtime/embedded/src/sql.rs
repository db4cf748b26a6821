//! SQL over the lake through DataFusion, and the check of a query before there are rows.
//!
//! Queries read one snapshot a table. Nothing but a query is allowed: no DDL, no writes, no settings.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    catalog::TableProvider,
    common::TableReference,
    datasource::empty::EmptyTable,
    error::DataFusionError,
    execution::{
        SendableRecordBatchStream,
        context::{SQLOptions, SessionConfig, SessionContext},
        runtime_env::RuntimeEnvBuilder,
    },
    sql::sqlparser::{
        dialect::GenericDialect,
        tokenizer::{Location, Token, Tokenizer},
    },
};
use lake::Lake;
use model::{ecs::closest, name::TableName, schema::TableSchema, time::Timestamp};

use crate::{table::LakeTable, views};

/// The only namespace of a lake: `SELECT ... FROM matano.aws_cloudtrail` works as it does in Athena.
const NAMESPACE: &str = "matano";

/// What a query may hold in memory, in bytes; sorts and groupings beyond it spill to disk.
const MEMORY_LIMIT: usize = 2 * 1024 * 1024 * 1024;

/// Why a query did not run.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The query is wrong.
    #[error("{}", .0.message)]
    Query(SqlMistake),
    /// The lake could not be read.
    #[error("reading the lake failed: {0}")]
    Lake(#[from] lake::LakeError),
    /// The query is right and could not be carried out.
    #[error("the query failed: {0}")]
    Execution(String),
}

/// What is wrong with a query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlMistake {
    /// In words.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
    /// Bytes of the query that it is about, where that is known.
    pub range: Option<Range<usize>>,
}

/// A running query.
pub struct Rows {
    /// Names and types of its columns.
    pub schema: SchemaRef,
    /// Its rows, read as they are pulled.
    pub stream: SendableRecordBatchStream,
}

/// Runs a query over the lake as it is now.
pub async fn query(lake: &Lake, sql: &str) -> Result<Rows, SqlError> {
    let context = session()?;
    let tables: Vec<String> = lake.table_names().await?.iter().map(ToString::to_string).collect();
    let views: Vec<String> = tables.iter().map(|table| views::name(table)).collect();
    for name in named_tables(&context, sql, tables.iter().chain(&views).map(String::as_str))? {
        // a table of a view's name is the table
        let is_table = tables.iter().any(|table| *table == name.as_str());
        match views::table(name.as_str()).and_then(|table| TableName::parse(table).ok()) {
            Some(table) if !is_table => {
                let view = views::of(&context, provider(lake, &table).await?);
                register(&context, &name, view.map_err(|error| SqlError::Execution(error.to_string()))?)?;
            }
            Some(_) | None => register(&context, &name, provider(lake, &name).await?)?,
        }
    }
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(sql, options).await.map_err(|error| mistake(sql, &error))?;
    let stream = frame.execute_stream().await.map_err(|error| SqlError::Execution(error.to_string()))?;
    Ok(Rows { schema: stream.schema(), stream })
}

async fn provider(lake: &Lake, table: &TableName) -> Result<Arc<dyn TableProvider>, SqlError> {
    Ok(Arc::new(LakeTable::new(lake.load(table).await?)?))
}

/// Runs a query over tables held in memory: the fixture tables of a scheduled detection's test.
pub async fn query_fixtures(tables: Vec<(TableName, RecordBatch)>, sql: &str) -> Result<Vec<RecordBatch>, SqlError> {
    let context = session()?;
    for (name, batch) in tables {
        let table = datafusion::datasource::MemTable::try_new(batch.schema(), vec![vec![batch]])
            .map_err(|error| SqlError::Execution(error.to_string()))?;
        register(&context, &name, Arc::new(table))?;
    }
    let frame = context.sql(sql).await.map_err(|error| mistake(sql, &error))?;
    frame.collect().await.map_err(|error| SqlError::Execution(error.to_string()))
}

/// Checks a scheduled detection's query against the columns its tables will have. `None` where it is right.
pub async fn check(sql: &str, tables: &BTreeMap<TableName, TableSchema>) -> Option<SqlMistake> {
    let bounds = parameters(sql);
    let missing = [":start", ":end"].into_iter().find(|name| !bounds.iter().any(|(_, found)| found == name));
    // as long as what is replaced, so that positions stay
    let epoch = Timestamp::EPOCH;
    let bound = bind(sql, epoch, epoch);
    let found = match plan(&bound, tables).await {
        Ok(()) => missing.map(|name| SqlMistake {
            message: format!("the query does not use `{name}`, so every run would see rows of other windows again"),
            help: Some("add `ts >= :start AND ts < :end` to its WHERE".to_owned()),
            range: None,
        }),
        Err(SqlError::Query(mistake)) => Some(mistake),
        Err(error) => Some(SqlMistake { message: error.to_string(), help: None, range: None }),
    }?;
    Some(SqlMistake { range: found.range.map(|range| unbind(sql, range)), ..found })
}

async fn plan(sql: &str, tables: &BTreeMap<TableName, TableSchema>) -> Result<(), SqlError> {
    let context = session()?;
    for name in named_tables(&context, sql, tables.keys().map(TableName::as_str))? {
        let schema = columns::arrow_schema(&tables[&name], None);
        register(&context, &name, Arc::new(EmptyTable::new(schema)))?;
    }
    let state = context.state();
    let plan = state.create_logical_plan(sql).await.map_err(|error| mistake(sql, &error))?;
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(&plan).map_err(|error| mistake(sql, &error))?;
    state.optimize(&plan).map_err(|error| mistake(sql, &error))?;
    Ok(())
}

/// Puts a window's bounds in for `:start` and `:end`, as literals that DataFusion and Athena both read.
pub fn bind(sql: &str, start: Timestamp, end: Timestamp) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut at = 0;
    for (range, name) in parameters(sql) {
        out.push_str(&sql[at..range.start]);
        out.push_str(&literal(if name == ":start" { start } else { end }));
        at = range.end;
    }
    out.push_str(&sql[at..]);
    out
}

fn literal(time: Timestamp) -> String {
    format!("TIMESTAMP '{}'", time.to_datetime().format("%Y-%m-%d %H:%M:%S%.6f"))
}

/// A range of the bound query as a range of the query as written.
fn unbind(sql: &str, range: Range<usize>) -> Range<usize> {
    let length = literal(Timestamp::EPOCH).len();
    let back = |mut offset: usize| {
        for (parameter, name) in parameters(sql) {
            if offset <= parameter.start {
                break;
            }
            let inside = offset < parameter.start + length;
            offset = if inside { parameter.start } else { offset + name.len() - length };
        }
        offset.min(sql.len())
    };
    back(range.start)..back(range.end)
}

/// Where `:start` and `:end` stand, those in strings and comments left out.
fn parameters(sql: &str) -> Vec<(Range<usize>, String)> {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location() else { return Vec::new() };
    tokens
        .windows(2)
        .filter_map(|pair| match (&pair[0].token, &pair[1].token) {
            (Token::Colon, Token::Word(word)) if matches!(word.value.as_str(), "start" | "end") => {
                let start = offset(sql, pair[0].span.start)?;
                Some((start..start + 1 + word.value.len(), format!(":{}", word.value)))
            }
            _ => None,
        })
        .collect()
}

/// The byte at a 1-based line and column of characters.
fn offset(sql: &str, location: Location) -> Option<usize> {
    let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
    let start = if line == 0 { 0 } else { sql.match_indices('\n').nth(line - 1)?.0 + 1 };
    let rest = &sql[start..];
    Some(start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at))
}

fn session() -> Result<SessionContext, SqlError> {
    let mut config = SessionConfig::new().with_default_catalog_and_schema("lake", NAMESPACE);
    config.options_mut().sql_parser.collect_spans = true;
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(MEMORY_LIMIT, 1.0)
        .build_arc()
        .map_err(|error| SqlError::Execution(error.to_string()))?;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

fn register(context: &SessionContext, name: &TableName, provider: Arc<dyn TableProvider>) -> Result<(), SqlError> {
    context
        .register_table(TableReference::bare(name.as_str()), provider)
        .map(|_| ())
        .map_err(|error| SqlError::Execution(error.to_string()))
}

/// The tables that a query reads. One that does not exist is a mistake here already, with the one that was meant.
fn named_tables<'a>(
    context: &SessionContext,
    sql: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Result<Vec<TableName>, SqlError> {
    let state = context.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(sql, &dialect).map_err(|error| mistake(sql, &error))?;
    let references = state.resolve_table_references(&statement).map_err(|error| mistake(sql, &error))?;
    let mut names = Vec::new();
    for reference in references {
        let name = reference.table();
        if !known.clone().any(|table| table == name) {
            let start = sql.find(name);
            return Err(SqlError::Query(SqlMistake {
                message: format!("table `{name}` does not exist"),
                help: Some(match closest(name, known.clone()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!(
                        "the tables are {}",
                        known.map(|table| format!("`{table}`")).collect::<Vec<_>>().join(", ")
                    ),
                }),
                range: start.map(|start| start..start + name.len()),
            }));
        }
        names.extend(TableName::parse(name).ok());
    }
    Ok(names)
}

/// DataFusion's error with its place in the query.
fn mistake(sql: &str, error: &DataFusionError) -> SqlError {
    let root = error.find_root();
    if let Some(diagnostic) = error.diagnostic() {
        let range = diagnostic.span.and_then(|span| {
            let place = |line, column| offset(sql, Location { line, column });
            Some(place(span.start.line, span.start.column)?..place(span.end.line, span.end.column)?)
        });
        let help = diagnostic.helps.iter().chain([]).map(|help| help.message.clone()).next();
        let notes = diagnostic.notes.iter().map(|note| note.message.clone()).next();
        return SqlError::Query(SqlMistake { message: diagnostic.message.clone(), help: help.or(notes), range });
    }
    let help = reserved_word(sql);
    let message = root.strip_backtrace();
    let message = message.rsplit_once("sql parser error: ").map_or(message.as_str(), |(_, rest)| rest);
    SqlError::Query(SqlMistake { range: place_in_message(sql, message), message: message.to_owned(), help })
}

/// Groups of ECS that are words of SQL: `user.name` is read as a call of the function `user`.
fn reserved_word(sql: &str) -> Option<String> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().ok()?;
    tokens.windows(2).find_map(|pair| match (&pair[0], &pair[1]) {
        (Token::Word(word), Token::Period) if word.quote_style.is_none() => {
            let group = word.value.to_ascii_lowercase();
            let is_reserved = ["user", "group"].contains(&group.as_str());
            is_reserved
                .then(|| format!("`{group}` is a word of SQL: write `\"{group}\".` in quotes, like `\"user\".name`"))
        }
        _ => None,
    })
}

/// The parser ends its messages with `at Line: 3, Column: 5`.
fn place_in_message(sql: &str, message: &str) -> Option<Range<usize>> {
    let (_, place) = message.rsplit_once("Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let column: String = column.chars().take_while(char::is_ascii_digit).collect();
    let start = offset(sql, Location { line: line.parse().ok()?, column: column.parse().ok()? })?;
    let length = sql[start..].find(|c: char| c.is_whitespace()).unwrap_or(sql.len() - start);
    Some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::schema::FieldType;

    fn tables() -> BTreeMap<TableName, TableSchema> {
        let mut schema = TableSchema::default();
        for (path, kind) in [("ts", FieldType::Timestamp), ("event.action", FieldType::String), ("n", FieldType::Long)]
        {
            schema.insert(path, kind).unwrap();
        }
        BTreeMap::from([(TableName::parse("aws_cloudtrail").unwrap(), schema)])
    }

    async fn mistake_in(sql: &str) -> (String, Option<String>, Option<String>) {
        let mistake = check(sql, &tables()).await.expect("a mistake");
        let text = mistake.range.map(|range| sql[range].to_owned());
        (mistake.message, mistake.help, text)
    }

    #[tokio::test]
    async fn a_right_query_has_no_mistake() {
        let sql = "SELECT event.action AS action, count(*) AS n FROM aws_cloudtrail\nWHERE ts >= :start AND ts < :end\nGROUP BY 1";
        assert_eq!(check(sql, &tables()).await, None);
    }

    #[tokio::test]
    async fn an_unknown_table_gets_a_suggestion_at_its_place() {
        let (message, help, text) = mistake_in("SELECT 1 FROM aws_cloudtrial WHERE ts >= :start AND ts < :end").await;
        assert_eq!(message, "table `aws_cloudtrial` does not exist");
        assert_eq!(help.as_deref(), Some("did you mean `aws_cloudtrail`?"));
        assert_eq!(text.as_deref(), Some("aws_cloudtrial"));
    }

    #[tokio::test]
    async fn an_unknown_column_is_found_behind_a_bound_parameter() {
        let (message, _, text) =
            mistake_in("SELECT n FROM aws_cloudtrail WHERE ts >= :start AND ts < :end AND m = 1").await;
        assert!(message.contains('m'), "{message}");
        assert_eq!(text.as_deref(), Some("m"));
    }

    #[tokio::test]
    async fn a_syntax_error_has_its_place() {
        let (_, _, text) =
            mistake_in("SELECT n\nFROM aws_cloudtrail\nWHERE ts >= :start AND ts < :end GROUP ORDER n").await;
        assert_eq!(text.as_deref(), Some("GROUP"));
    }

    #[tokio::test]
    async fn a_group_of_ecs_that_is_a_word_of_sql_gets_a_hint() {
        let (_, help, _) = mistake_in("SELECT user.name FROM aws_cloudtrail WHERE ts >= :start AND ts < :end").await;
        assert!(help.unwrap().contains("`user` is a word of SQL"));
    }

    #[tokio::test]
    async fn a_query_without_its_bounds_is_a_mistake() {
        let (message, help, _) = mistake_in("SELECT n FROM aws_cloudtrail WHERE ts >= :start").await;
        assert!(message.contains("`:end`"), "{message}");
        assert!(help.unwrap().contains("ts < :end"));
    }

    #[tokio::test]
    async fn nothing_but_a_query_is_accepted() {
        for sql in ["DROP TABLE aws_cloudtrail", "SET a = 1", "INSERT INTO aws_cloudtrail SELECT * FROM aws_cloudtrail"]
        {
            assert!(check(sql, &tables()).await.is_some(), "{sql}");
        }
    }

    #[test]
    fn parameters_in_strings_and_comments_are_left_alone() {
        let bound = bind("SELECT ':start' -- :end\nWHERE ts < :end", Timestamp::EPOCH, Timestamp::EPOCH);
        assert_eq!(bound, "SELECT ':start' -- :end\nWHERE ts < TIMESTAMP '1970-01-01 00:00:00.000000'");
    }
}
