//! `matano query`: SQL over the lake.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result};
use embedded::sql::{self, SqlError};

use crate::{
    cli::{Format, Global, Query},
    exit::{Outcome, environment, input},
    target,
    terminal::Terminal,
};

/// Rows go to standard output as they come, save for the table, whose widths need all of them.
pub async fn run(global: &Global, arguments: &Query, terminal: Terminal) -> Result<Outcome> {
    let text = match arguments.sql.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("read the query from standard input")?;
            text
        }
        text => text.to_owned(),
    };
    let format = arguments.format.unwrap_or(if terminal.is_json() { Format::Json } else { Format::Table });
    let target = target::open_deployed(global, target::jobs(None)).await?;
    let progress = terminal.progress("asking");
    let rows = sql::query(target.lake(), &text).await.map_err(|error| explained(&text, error))?;
    let mut written = Written { progress: Some(progress), rows: 0 };
    let result = match format {
        Format::Table => rows.write_table(|text| written.write(text)).await,
        Format::Json => rows.write_json(|text| written.write(text)).await,
        Format::Csv => rows.write_csv(|text| written.write(text)).await,
        Format::Arrow => rows.write_arrow(|bytes| written.write(bytes)).await,
    };
    written.end();
    written.rows = result.map_err(|error| explained(&text, error))?;
    if format == Format::Table {
        terminal.note(&format!("{} rows", written.rows));
    }
    Ok(Outcome::Fine)
}

/// Standard output, with the progress line gone before the first row.
struct Written {
    progress: Option<indicatif::ProgressBar>,
    rows: u64,
}

impl Written {
    fn write(&mut self, text: &[u8]) -> std::io::Result<()> {
        self.end();
        std::io::stdout().lock().write_all(text)
    }

    fn end(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.finish_and_clear();
        }
    }
}

/// The mistake with the part of the query that it is about.
fn explained(text: &str, error: SqlError) -> anyhow::Error {
    let SqlError::Query(mistake) = &error else { return environment(error.to_string()) };
    let mut out = mistake.message.clone();
    if let Some(range) = &mistake.range {
        let before = text.get(..range.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let carets = text.get(range.clone()).map_or(1, |part| part.lines().next().unwrap_or_default().chars().count());
        let indent = before[line_start..].chars().count();
        out.push_str(&format!("\n  {line}\n  {}{}", " ".repeat(indent), "^".repeat(carets.max(1))));
    }
    if let Some(help) = &mistake.help {
        out.push_str(&format!("\nhelp: {help}"));
    }
    input(out)
}
