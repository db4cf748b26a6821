//! Secrets in the text of the project.

use project::{Diagnostic, Level, source::Source};

use crate::{
    context::{Context, is_managed},
    rule::{Rule, Standing},
    secret,
};

/// No secret stands in the project.
pub const RULE: Rule = Rule {
    id: "hard-coded-secret",
    level: Level::Error,
    standing: Standing::Adjustable,
    summary: "no secret stands in the project",
    why: "Whoever can read the repository, now or in its history, can use the secret: change it first, then take it out. \
          Destinations take their secrets from the environment. Keys of AWS, tokens of GitHub, GitLab, Slack and Stripe, \
          private keys, and random text that is assigned to a name such as `password` or `api_key` are found in YAML, VRL and \
          Python; ids of keys in the events of tests are not.",
    bad: "def detect(r):\n    password = \"correct-Horse-7-battery-Staple\"\n    return r.get(\"message\") == password\n",
    good: "def detect(r):\n    return \"password\" in (r.get(\"message\") or \"\")\n",
    check: Some(check),
};

fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let docs = context.project.docs.values().filter(|doc| !is_managed(doc.file()));
    let yaml = docs.flat_map(|doc| of_source(doc.source()));
    let python = context.detections.iter().flat_map(|code| &code.files).flat_map(|file| of_source(file.source()));
    yaml.chain(python).collect()
}

fn of_source(source: &Source) -> Vec<Diagnostic> {
    let found = secret::find(source.text()).into_iter();
    found
        .map(|secret| {
            let span = source.span(secret.range.start, secret.range.end);
            let message = format!("this looks like {}", secret.kind);
            let help = "change it where it is used, then take it out of the project and its history";
            RULE.diagnostic(source.file(), Some(span), message).help(help)
        })
        .collect()
}
