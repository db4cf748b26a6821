//! What is wrong and where: data until the last line. Renderers stand in `check`.

use std::fmt;

use model::ecs::Alike;
use serde::Serialize;

use crate::rules::Rule;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Pos {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// Counted from 0, in bytes of the file.
    pub offset: usize,
}

/// A stretch of a file; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// The first character.
    pub start: Pos,
    /// The one behind the last.
    pub end: Pos,
}

impl Span {
    /// The part that holds a name of `length` bytes: all of it, or what stands between quotes. `None` where the span holds
    /// something else, such as a name with escapes.
    fn unquoted(self, length: usize) -> Option<Self> {
        let step = |pos: Pos| Pos { column: pos.column + 1, offset: pos.offset + 1, ..pos };
        let bytes = self.end.offset.checked_sub(self.start.offset)?;
        match bytes.checked_sub(length)? {
            0 => Some(self),
            2 if self.start.line == self.end.line => {
                let end = Pos { column: self.end.column - 1, offset: self.end.offset - 1, ..self.end };
                Some(Self { start: step(self.start), end })
            }
            _ => None,
        }
    }
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The project cannot be released like this.
    Error,
    /// It works, but probably not as meant.
    Warning,
    /// Worth knowing.
    Note,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One thing that is wrong at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The rule it breaks: `unknown-table`.
    pub rule: &'static str,
    /// How much it matters.
    pub severity: Level,
    /// Path within the project; `managed:<type>/<path>` for files that come with matano.
    pub file: String,
    /// Where in the file; `None` where the file as a whole is meant.
    pub span: Option<Span>,
    /// Lower case, no final full stop, values in backticks, expected before found.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
    /// A change of the text that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

/// A change of the text that mends a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What it does, as an editor offers it: "replace with `event.outcome`".
    pub title: String,
    /// Whether it may be applied unseen.
    pub safety: Safety,
    /// All in the file of the diagnostic; none overlaps another.
    pub edits: Vec<Edit>,
}

impl Fix {
    /// One word for another.
    pub fn replacement(span: Span, old: &str, new: &str, safety: Safety) -> Self {
        let edits = vec![Edit { span, text: new.to_owned() }];
        Self { title: format!("replace `{old}` with `{new}`"), safety, edits }
    }
}

/// Whether a fix may be applied unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// `check --fix` applies it.
    Safe,
    /// A person must choose it, in an editor.
    Suggested,
}

/// One stretch of a file and what stands there afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// What is replaced; empty where text is put in.
    pub span: Span,
    /// The new text.
    pub text: String,
}

/// Another place that belongs to a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Related {
    /// Path within the project.
    pub file: String,
    /// Where in the file.
    pub span: Option<Span>,
    /// What is there.
    pub message: String,
}

impl Diagnostic {
    /// With the level of its rule.
    pub fn new(rule: &Rule, file: &str, span: Option<Span>, message: impl Into<String>) -> Self {
        Self {
            rule: rule.id,
            severity: rule.level,
            file: file.to_owned(),
            span,
            message: message.into(),
            help: None,
            related: Vec::new(),
            fix: None,
        }
    }

    /// Says what to do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Offers the candidate that is most like `name`, which stands at the diagnostic's place, where one is alike; else
    /// lists them, if there are few.
    pub fn suggest<'a>(self, name: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        if let Some(alike) = model::ecs::alike(name, candidates.clone()) {
            return self.meant(name, alike);
        }
        let mut all: Vec<&str> = candidates.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        match all.len() {
            0 => self,
            1..=30 => {
                let all: Vec<String> = all.iter().map(|name| format!("`{name}`")).collect();
                self.help(format!("expected one of {}", all.join(", ")))
            }
            _ => self,
        }
    }

    /// Offers what was probably meant by `name`, which stands at the diagnostic's place.
    pub fn meant(self, name: &str, alike: Alike<'_>) -> Self {
        let Alike { candidate, certain } = alike;
        let safety = if certain { Safety::Safe } else { Safety::Suggested };
        let span = self.span.and_then(|span| span.unquoted(name.len()));
        let diagnostic = self.help(format!("did you mean `{candidate}`?"));
        match span {
            Some(span) => diagnostic.fix(Fix::replacement(span, name, candidate, safety)),
            None => diagnostic,
        }
    }

    /// Points to another place that belongs to it.
    pub fn related(mut self, file: &str, span: Option<Span>, message: impl Into<String>) -> Self {
        self.related.push(Related { file: file.to_owned(), span, message: message.into() });
        self
    }

    /// Offers a change of the text that mends it.
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// Offers no change of the text, because what is wrong does not stand at the diagnostic's place.
    pub fn without_fix(mut self) -> Self {
        self.fix = None;
        self
    }

    /// Whether it keeps the project from being released.
    pub fn is_error(&self) -> bool {
        self.severity == Level::Error
    }

    fn order(&self) -> (&str, Option<usize>, &str, Option<usize>, &str) {
        let start = self.span.map(|span| span.start);
        (&self.file, start.map(|pos| pos.line), self.rule, start.map(|pos| pos.column), &self.message)
    }
}

/// Sorts by file, line and rule, and drops what was said twice.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|left, right| left.order().cmp(&right.order()));
    diagnostics.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rules, source::Source};

    #[test]
    fn diagnostics_are_sorted_by_file_line_and_rule_and_said_once() {
        let source = Source::new("b", "x\ny\n".to_owned());
        let of = |rule: &Rule, file: &str, offset| Diagnostic::new(rule, file, Some(source.span(offset, offset)), "m");
        let mut all = vec![
            of(&rules::UNKNOWN_TABLE, "b", 2),
            of(&rules::UNKNOWN_KEY, "b", 2),
            of(&rules::UNKNOWN_TABLE, "b", 0),
            of(&rules::UNKNOWN_TABLE, "a", 2),
            of(&rules::UNKNOWN_TABLE, "b", 0),
        ];
        sort(&mut all);
        let order: Vec<_> = all.iter().map(|one| (one.file.as_str(), one.span.unwrap().start.line, one.rule)).collect();
        assert_eq!(
            order,
            [("a", 2, "unknown-table"), ("b", 1, "unknown-table"), ("b", 2, "unknown-key"), ("b", 2, "unknown-table")]
        );
    }

    #[test]
    fn a_name_is_replaced_where_it_stands_and_its_quotes_stay() {
        let fixed = |text: &str, name: &str| {
            let source = Source::new("f", text.to_owned());
            let diagnostic = Diagnostic::new(&rules::UNKNOWN_TABLE, "f", Some(source.span(0, text.len())), "m");
            let fix = diagnostic.suggest(name, ["aws_cloudtrail", "okta"]).fix?;
            let Edit { span, text: new } = &fix.edits[0];
            let (start, end) = (span.start, span.end);
            assert_eq!((start.column, end.column), (start.offset + 1, end.offset + 1));
            Some((fix.safety, format!("{}{new}{}", &text[..start.offset], &text[end.offset..])))
        };
        assert_eq!(fixed("aws_cloudtrial", "aws_cloudtrial"), Some((Safety::Safe, "aws_cloudtrail".to_owned())));
        assert_eq!(fixed("'aws_cloudtrial'", "aws_cloudtrial"), Some((Safety::Safe, "'aws_cloudtrail'".to_owned())));
        assert_eq!(fixed("okt", "okt"), Some((Safety::Suggested, "okta".to_owned())));
        assert_eq!(fixed("enrich_aws_cloudtrial", "aws_cloudtrial"), None);
    }

    #[test]
    fn a_suggestion_names_the_likely_one_or_the_few_there_are() {
        let help = |name: &str| {
            Diagnostic::new(&rules::UNKNOWN_TABLE, "f", None, "m").suggest(name, ["okta", "cloudtrail"]).help.unwrap()
        };
        assert_eq!(help("oktta"), "did you mean `okta`?");
        assert_eq!(help("zeek_dns"), "expected one of `cloudtrail`, `okta`");
    }
}
