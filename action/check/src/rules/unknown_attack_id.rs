//! Tags that look like ATT&CK and name nothing there.

use project::{
    Diagnostic, Level,
    attack::{self, Tag, Unknown, VERSION},
};

use crate::{
    context::Context,
    rule::{Rule, Standing},
};

/// Ids of ATT&CK exist.
pub const RULE: Rule = Rule {
    id: "unknown-attack-id",
    level: Level::Warning,
    standing: Standing::Adjustable,
    summary: "tags that look like MITRE ATT&CK name a technique or tactic that there is",
    why: "Coverage is counted by the techniques that tags name, so one with a typo counts nowhere. Tags are written \
          `attack.t1078.004`, `attack.initial_access` or `T1078.004`. Techniques for mobile devices share the notation and are \
          not in the list: silence their lines.",
    bad: "tags: [attack.t1078.44, attack.inital_access]\n",
    good: "tags: [attack.t1078.004, attack.initial_access]\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for detection in context.project.detections.values() {
        let Some(doc) = context.project.doc(&detection.file) else { continue };
        for (index, text) in detection.tags.iter().enumerate() {
            let Tag::Unknown(unknown) = attack::tag(text) else { continue };
            let message = format!("`{text}` is not in MITRE ATT&CK Enterprise {VERSION}");
            let span = doc.point(&format!("/tags/{index}"));
            let diagnostic = RULE.diagnostic(&detection.file, Some(span), message);
            out.push(with_help(diagnostic, text, &unknown));
        }
    }
    out
}

fn with_help(diagnostic: Diagnostic, text: &str, unknown: &Unknown) -> Diagnostic {
    let Unknown { suggestion, parent } = unknown;
    if let Some(candidate) = suggestion {
        // another way to write the same id, or the only tactic that is like it
        let certain = parent.is_some() || model::ecs::alike(text, [candidate.as_str()]).is_some_and(|one| one.certain);
        return diagnostic.meant(text, model::ecs::Alike { candidate, certain });
    }
    let Some(parent) = parent else { return diagnostic };
    let parts: Vec<&str> = parent.sub_techniques().map(|part| part.id).collect();
    let name = format!("`{}` ({})", parent.id, parent.name);
    diagnostic.help(match parts.as_slice() {
        [] => format!("{name} has no sub-techniques"),
        [only] => format!("{name} has the sub-technique `{only}`"),
        [first, .., last] => format!("{name} has the sub-techniques `{first}` to `{last}`"),
    })
}
