//! Diagnostics as SARIF 2.1.0, for code scanning and other viewers.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html>, and what GitHub takes of it:
//! <https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support-for-code-scanning>

mod log; // the parts of the format that are written

use std::collections::{BTreeMap, BTreeSet};

use model::digest::Digest;
use project::{Diagnostic, FileSet, Level, Span, diagnostic::Fix};

use self::log::{
    ArtifactChange, ArtifactContent, ArtifactLocation, AutomationDetails, BaseId, Configuration, Driver, Invocation,
    Location, Log, MultiformatText, Notification, PhysicalLocation, Region, Replacement, Result, Rule, RuleProperties,
    Run, SarifFix, Text, Tool,
};
use super::{
    printable,
    repository::{Place, Repository, relative_uri},
    wording,
};
use crate::{RULES, explain};

/// GitHub refuses a run with more results.
const MOST_RESULTS: usize = 25_000;

/// What relative addresses are relative to: the root of the repository, wherever it is checked out.
const ROOT: &str = "%SRCROOT%";

/// What a log says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// Tells logs of one commit apart; those of one category replace each other. Without one: by the project's directory.
    pub category: Option<&'a str>,
    /// Where the page of rules can be read: `https://example.com/docs/rules.md`.
    pub rules_page: Option<&'a str>,
}

/// The log, indented, with a line break at its end. `files` has the lines that fingerprints are made of.
pub fn report(diagnostics: &[Diagnostic], repository: &Repository<'_>, files: &FileSet, origin: Origin<'_>) -> String {
    let kept = &diagnostics[..diagnostics.len().min(MOST_RESULTS)];
    let mut writer = Writer { repository, lines: lines(kept, repository, files), seen: BTreeMap::new() };
    let results = kept.iter().map(|diagnostic| writer.result(diagnostic)).collect();
    let category = match origin.category {
        Some(category) => category.trim_end_matches('/').to_owned(),
        None => format!("matano/{}", repository.directory()).trim_end_matches('/').to_owned(),
    };
    let log = Log {
        schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        version: "2.1.0",
        runs: vec![Run {
            tool: Tool { driver: driver(origin) },
            invocations: vec![invocation(diagnostics.len() - kept.len())],
            automation_details: AutomationDetails { id: format!("{category}/") },
            original_uri_base_ids: BTreeMap::from([(ROOT, BaseId { description: text("the root of the repository") })]),
            column_kind: "utf16CodeUnits",
            results,
        }],
    };
    let mut out = serde_json::to_string_pretty(&log).expect("the log has string keys and no floats");
    out.push('\n');
    out
}

fn driver(origin: Origin<'_>) -> Driver {
    Driver {
        name: "matano",
        semantic_version: env!("CARGO_PKG_VERSION"),
        information_uri: origin.rules_page.map(str::to_owned),
        rules: RULES.iter().map(|one| rule(one, origin)).collect(),
    }
}

fn rule(rule: &crate::Rule, origin: Origin<'_>) -> Rule {
    let crate::Rule { id, level, summary, why, bad, good, standing: _, check: _ } = *rule;
    let markdown =
        format!("{why}\n\nBreaks it:\n\n```\n{}\n```\n\nKeeps it:\n\n```\n{}\n```\n", bad.trim_end(), good.trim_end());
    Rule {
        id,
        name: pascal_case(id),
        short_description: text(summary),
        full_description: text(why),
        help: MultiformatText { text: explain::explain(id).unwrap_or_else(|_| why.to_owned()), markdown },
        help_uri: origin.rules_page.map(|page| format!("{page}#{id}")),
        default_configuration: Configuration { level: level_word(level) },
        properties: RuleProperties {
            tags: ["detections"],
            precision: "very-high",
            problem_severity: match level {
                Level::Error => "error",
                Level::Warning => "warning",
                Level::Note => "recommendation",
            },
        },
    }
}

fn invocation(left_out: usize) -> Invocation {
    let notification = Notification {
        level: "warning",
        message: text(&format!("{left_out} more findings are left out: a log holds {MOST_RESULTS} at most")),
    };
    Invocation {
        execution_successful: true,
        tool_execution_notifications: (left_out > 0).then_some(notification).into_iter().collect(),
    }
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    }
}

/// `unknown-table` as `UnknownTable`: SARIF wants names without punctuation.
fn pascal_case(id: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    id.split('-').map(capital).collect()
}

/// The lines of every file that is named, split once.
fn lines<'a>(
    diagnostics: &[Diagnostic],
    repository: &Repository<'_>,
    files: &'a FileSet,
) -> BTreeMap<String, Vec<&'a str>> {
    let named = diagnostics.iter().flat_map(|diagnostic| {
        let places = diagnostic.related.iter().map(|related| repository.place_related(related));
        places.chain([repository.place(diagnostic)]).map(|place| place.file)
    });
    let names: BTreeSet<String> = named.collect();
    let split = |name: String| {
        let text = std::str::from_utf8(files.get(&name)?).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Some((name, text.split('\n').collect()))
    };
    names.into_iter().filter_map(split).collect()
}

struct Writer<'a> {
    repository: &'a Repository<'a>,
    lines: BTreeMap<String, Vec<&'a str>>,
    /// How often each fingerprint was given.
    seen: BTreeMap<String, usize>,
}

impl Writer<'_> {
    fn result(&mut self, diagnostic: &Diagnostic) -> Result {
        let place = self.repository.place(diagnostic);
        let related = diagnostic.related.iter().enumerate().map(|(index, related)| Location {
            id: Some(index + 1),
            message: Some(message(&related.message)),
            ..self.location(&self.repository.place_related(related))
        });
        Result {
            rule_id: diagnostic.rule,
            rule_index: RULES.iter().position(|rule| rule.id == diagnostic.rule),
            level: level_word(diagnostic.severity),
            message: message(&wording::paragraphs(diagnostic, self.repository)),
            locations: [self.location(&place)],
            related_locations: related.collect(),
            partial_fingerprints: BTreeMap::from([("primaryLocationLineHash", self.fingerprint(diagnostic, &place))]),
            fixes: diagnostic.fix.iter().filter(|_| place.managed.is_none()).map(|fix| self.fix(fix, &place)).collect(),
        }
    }

    fn location(&self, place: &Place) -> Location {
        // viewers want a line; the first stands for the whole file
        let region = place.span.map_or_else(Region::first_line, |span| self.region(&place.file, span));
        Location {
            id: None,
            physical_location: PhysicalLocation { artifact_location: artifact(&place.path), region },
            message: None,
        }
    }

    fn region(&self, file: &str, span: Span) -> Region {
        let column = |line: usize, column: usize| match self.line(file, line) {
            Some(text) => utf16_column(text, column),
            None => column.max(1),
        };
        let (start_line, end_line) = (span.start.line.max(1), span.end.line.max(span.start.line).max(1));
        let start_column = column(start_line, span.start.column);
        let end_column = column(end_line, span.end.column);
        let end_column = if end_line == start_line { end_column.max(start_column) } else { end_column };
        Region { start_line, start_column, end_line, end_column }
    }

    fn line(&self, file: &str, number: usize) -> Option<&str> {
        self.lines.get(file)?.get(number.checked_sub(1)?).copied()
    }

    /// The same while the line only moves: rule, file, the line's text, and how many alike came before.
    fn fingerprint(&mut self, diagnostic: &Diagnostic, place: &Place) -> String {
        let line = diagnostic.span.and_then(|span| self.line(&diagnostic.file, span.start.line));
        let text = line.unwrap_or(&diagnostic.message).trim();
        let parts = [diagnostic.rule, &place.path, &diagnostic.file, text];
        let hash = Digest::of_parts(parts.map(str::as_bytes)).short(16);
        let count = self.seen.entry(hash.clone()).or_default();
        *count += 1;
        format!("{hash}:{count}")
    }

    fn fix(&self, fix: &Fix, place: &Place) -> SarifFix {
        let replacements = fix.edits.iter().map(|edit| Replacement {
            deleted_region: self.region(&place.file, edit.span),
            inserted_content: ArtifactContent { text: edit.text.clone() },
        });
        SarifFix {
            description: message(&printable::line(&fix.title)),
            artifact_changes: [ArtifactChange {
                artifact_location: artifact(&place.path),
                replacements: replacements.collect(),
            }],
        }
    }
}

/// Our columns count characters, SARIF's here UTF-16 code units.
fn utf16_column(line: &str, column: usize) -> usize {
    1 + line.chars().take(column.saturating_sub(1)).map(char::len_utf16).sum::<usize>()
}

fn artifact(path: &str) -> ArtifactLocation {
    ArtifactLocation { uri: relative_uri(path), uri_base_id: ROOT }
}

fn text(text: &str) -> Text {
    Text { text: text.to_owned() }
}

/// Text in which nothing is a link: `[a](b)` would be one, even in plain text.
fn message(words: &str) -> Text {
    Text { text: printable::lines(words).replace("](", "\\](") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_code_units() {
        assert_eq!(utf16_column("a🚀é x", 1), 1);
        assert_eq!(utf16_column("a🚀é x", 3), 4);
        assert_eq!(utf16_column("a🚀é x", 99), 7);
    }

    #[test]
    fn names_of_rules_have_no_punctuation() {
        assert_eq!(pascal_case("unknown-ecs-field"), "UnknownEcsField");
    }
}
