//! A rule's documentation as text: what `matano explain` prints, and the reference page.

use std::fmt::Write as _;

use model::ecs::closest;

use crate::{
    rule::{Rule, Standing},
    rules::{self, RULES},
};

/// There is no such rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownRule {
    /// The id of a rule that was perhaps meant.
    pub suggestion: Option<&'static str>,
}

/// The rule of this id.
pub fn rule(id: &str) -> Result<&'static Rule, UnknownRule> {
    rules::of(id).ok_or_else(|| UnknownRule { suggestion: closest(id, RULES.iter().map(|rule| rule.id)) })
}

/// A rule's documentation for a terminal, ready to print.
pub fn explain(id: &str) -> Result<String, UnknownRule> {
    let Rule { id, level, standing, summary, why, bad, good, check: _ } = rule(id)?;
    let mut out = String::new();
    let _ = writeln!(out, "{level}[{id}]: {summary}\n");
    for line in wrapped(why, 80) {
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(out, "\n{}", decided(*standing));
    for (title, example) in [("breaks it", bad), ("keeps it", good)] {
        let _ = writeln!(out, "\n{title}:\n");
        for line in example.lines() {
            let _ = writeln!(out, "{}", format!("    {line}").trim_end());
        }
    }
    Ok(out)
}

/// Who decides how much it matters, as a sentence.
fn decided(standing: Standing) -> &'static str {
    match standing {
        Standing::Adjustable => "A project may set its level, and silence it on a line.",
        Standing::Required => "Required: no project can be released without it.",
        Standing::ErrorsRequired => "Its errors are required; a project may set the level of its warnings.",
    }
}

/// Every rule as a page in Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# Rules\n\n\
         What `matano check` holds a project to. This page is generated from the rules themselves; `matano explain <rule>`\n\
         prints one of them.\n\n\
         An **error** keeps a project from being deployed, a **warning** is probably not meant, a **note** is worth knowing.\n\
         [A project sets the levels](check.md#levels), but for those that are *required*.\n\n\
         | rule | level | |\n|---|---|---|\n",
    );
    let mut rules: Vec<&Rule> = RULES.iter().collect();
    rules.sort_by_key(|rule| rule.id);
    for Rule { id, level, standing, summary, .. } in &rules {
        let required = if *standing == Standing::Required { ", required" } else { "" };
        let _ = writeln!(out, "| [`{id}`](#{id}) | {level}{required} | {} |", summary.replace('|', "\\|"));
    }
    for Rule { id, level, standing, summary, why, bad, good, check: _ } in rules {
        let _ = writeln!(out, "\n## {id}\n\n*{level}*: {summary}.\n\n{why}\n\n{}\n", decided(*standing));
        let _ =
            writeln!(out, "Breaks it:\n\n```\n{}\n```\n\nKeeps it:\n\n```\n{}\n```", bad.trim_end(), good.trim_end());
    }
    out
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_explains_itself() {
        for rule in RULES {
            let text = explain(rule.id).unwrap();
            assert!(text.contains("breaks it:") && text.contains("keeps it:"), "{text}");
            assert!(!rule.summary.ends_with('.') && rule.why.ends_with(['.', '?']), "{}", rule.id);
            assert!(rule.bad != rule.good && !rule.bad.is_empty() && !rule.good.is_empty(), "{}", rule.id);
        }
    }

    #[test]
    fn an_unknown_rule_gets_a_suggestion() {
        assert_eq!(explain("unknown-tabel"), Err(UnknownRule { suggestion: Some("unknown-table") }));
        assert_eq!(explain("qqqqqqqqqqqqqqqq"), Err(UnknownRule { suggestion: None }));
    }
}
