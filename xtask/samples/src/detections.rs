//! A detections repo as large as one wants: what `check` and `test` are measured on.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::dice::Dice;

/// How large the repo is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepoOptions {
    /// Everything random comes from this.
    pub seed: u64,
    /// How many detections; each has four tests, two that fire and two that stay quiet.
    pub detections: usize,
}

/// What each log source is called, and what its events tell of.
const SOURCES: [(&str, &str); 8] = [
    ("directory", "iam"),
    ("mail", "email"),
    ("storage", "file"),
    ("gateway", "network"),
    ("registry", "package"),
    ("builder", "process"),
    ("portal", "web"),
    ("vault", "configuration"),
];

const VERBS: [&str; 12] = [
    "create", "delete", "update", "attach", "detach", "enable", "disable", "export", "share", "rotate", "grant",
    "revoke",
];

const NOUNS: [&str; 10] = ["user", "role", "key", "policy", "bucket", "secret", "token", "mailbox", "image", "tunnel"];

const TECHNIQUES: [&str; 8] = ["t1078.004", "t1098", "t1110", "t1530", "t1537", "t1562.008", "t1552", "t1046"];

/// Writes the repo: log sources with wide tables, an enrichment table, a destination, and the detections.
///
/// # Errors
/// When a file cannot be written.
pub fn write_repo(directory: &Path, options: RepoOptions) -> Result<()> {
    let file = |name: &str, text: &str| -> Result<()> {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    };
    file("matano.config.yml", "target: embedded\n")?;
    file("integrations/destinations/terminal.yml", "name: terminal\ntype: stdout\n")?;
    for (name, category) in SOURCES {
        file(&format!("log_sources/{name}/log_source.yml"), &log_source(name, category))?;
    }
    for number in 0..options.detections {
        let mut dice = Dice::new(options.seed, &format!("detection {number}"));
        let one = Detection::new(number, &mut dice);
        file(&format!("detections/{}/detection.yml", one.name), &one.yaml())?;
        file(&format!("detections/{}/detect.py", one.name), &one.python())?;
    }
    Ok(())
}

fn log_source(name: &str, category: &str) -> String {
    format!(
        "name: {name}\n\
         ingest: {{s3_source: {{key_prefix: {name}/}}}}\n\
         schema:\n  \
           ecs_field_names: [cloud, event, source, destination, user, user_agent, host, file, process, url, http, network, related]\n  \
           fields: [{{name: risk, type: long}}]\n\
         transform: |\n  \
           .event.action = .json.action\n  \
           .event.category = [\"{category}\"]\n  \
           .event.outcome = .json.outcome\n  \
           .user.name = .json.user\n  \
           .source.ip = .json.ip\n  \
           .risk = to_int(.json.risk) ?? 0\n"
    )
}

struct Detection {
    name: String,
    table: &'static str,
    actions: Vec<String>,
    least: u64,
    severity: &'static str,
    technique: &'static str,
}

impl Detection {
    fn new(number: usize, dice: &mut Dice) -> Self {
        let (table, _) = SOURCES[number % SOURCES.len()];
        let mut word = || format!("{}-{}", VERBS[dice.index(VERBS.len())], NOUNS[dice.index(NOUNS.len())]);
        // the last word is its own, so that a row of one detection means little to others
        let actions = vec![word(), word(), format!("{}-{number}", word())];
        Self {
            name: format!("{table}_{number:04}"),
            table,
            actions,
            least: 10 + dice.below(80),
            severity: ["low", "medium", "high", "critical"][dice.index(4)],
            technique: TECHNIQUES[dice.index(TECHNIQUES.len())],
        }
    }

    fn python(&self) -> String {
        let Self { actions, least, severity, .. } = self;
        let actions: Vec<String> = actions.iter().map(|action| format!("    \"{action}\",\n")).collect();
        format!(
            "ACTIONS = {{\n{}}}\n\n\n\
             def detect(r):\n    \
                 if r.deepget(\"event.outcome\") != \"success\" or r.deepget(\"event.action\") not in ACTIONS:\n        \
                     return False\n    \
                 return (r.get(\"risk\") or 0) >= {least} and not (r.deepget(\"user.name\") or \"\").startswith(\"svc-\")\n\n\n\
             def title(r):\n    \
                 return f\"{{r.deepget('event.action')}} by {{r.deepget('user.name')}} from {{r.deepget('source.ip')}}\"\n\n\n\
             def dedupe(r):\n    \
                 return r.deepget(\"user.name\")\n\n\n\
             def severity(r):\n    \
                 return \"critical\" if (r.get(\"risk\") or 0) > 95 else \"{severity}\"\n\n\n\
             def alert_context(r):\n    \
                 return {{\"risk\": r.get(\"risk\"), \"agent\": r.deepget(\"user_agent.original\", \"unknown\")}}\n",
            actions.concat()
        )
    }

    fn yaml(&self) -> String {
        let Self { name, table, actions, least, severity, technique } = self;
        let own = &actions[2];
        let event = |outcome: &str, user: &str, risk: u64| {
            format!(
                "event: {{event: {{action: {own}, outcome: {outcome}}}, user.name: {user}, source.ip: 198.51.100.7, risk: {risk}}}"
            )
        };
        format!(
            "name: {name}\n\
             display_name: A risky change in {table}\n\
             description: >-\n  \
               Someone changed what few people change, and what is known of the change says that it is risky. It may be an\n  \
               administrator at work; it may be someone who wants to stay.\n\
             runbook: |\n  \
               1. Ask who it was on a channel of their own.\n  \
               2. Undo the change where nobody knows of it.\n  \
               3. Look at what else the same user did in the hour before.\n\
             references: [https://example.com/runbooks/{name}]\n\
             false_positives: [Planned work.]\n\
             tags: [attack.{technique}]\n\
             tables: [{table}]\n\
             alert: {{severity: {severity}, deduplication_window: 1 hour, destinations: [terminal]}}\n\
             tests:\n  \
               - name: a risky change fires\n    {}\n    expect: {{title: {own} by dana from 198.51.100.7, dedupe: dana, severity: {severity}}}\n  \
               - name: the riskiest is critical\n    {}\n    expect: {{severity: critical, context: {{risk: 99}}}}\n  \
               - name: one that failed is quiet\n    {}\n    fires: false\n  \
               - name: a service is quiet\n    {}\n    fires: false\n",
            event("success", "dana", *least),
            event("success", "dana", 99),
            event("failure", "dana", 99),
            event("success", "svc-deploy", 99),
        )
    }
}
