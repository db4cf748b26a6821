//! The command line as a value. The words here are what `--help` teaches.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A git repository becomes a security lake with detections.
#[derive(Debug, Parser)]
#[command(
    name = "matano",
    version,
    about = "A git repository becomes a security lake with detections",
    after_help = "\
Start:    matano init my-detections && cd my-detections
Every day: matano check && matano test && matano plan
Deploy:   matano deploy, then matano ingest PATH... or matano run

Exit codes: 0 fine, 1 findings (mistakes, failed tests, rejects), 2 broken input, 3 configuration or environment."
)]
pub struct Cli {
    /// What is the same for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The detections repo: the directory with matano.config.yml [default: here or the nearest parent that has one]
    #[arg(
        long,
        short = 'C',
        global = true,
        value_name = "DIR",
        env = "MATANO_PROJECT",
        visible_alias = "user-directory"
    )]
    pub project: Option<PathBuf>,
    /// How results are written
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// When to use colours; `auto` is on a terminal, and NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, alias = "colour")]
    pub color: Colour,
    /// How much the operating system must hold the Python of detections: `required` runs none where it cannot hold them
    /// entirely, `preferred` goes on with a warning
    #[arg(long, global = true, value_enum, default_value_t = Isolation::Preferred, env = "MATANO_ISOLATION")]
    pub isolation: Isolation,
    /// Say more; twice for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// One JSON document on standard output, also of a failure
    Json,
}

/// How much the operating system must hold detections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Isolation {
    /// Entirely, or they are not run
    Required,
    /// As far as it can
    #[default]
    Preferred,
    /// Not at all: only for finding out why a detection does not work
    Off,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new detections repo: log sources, detections with tests, a destination
    Init(Init),
    /// Find every mistake of every file, at its line
    Check(Check),
    /// Run the tests of detections and log sources on the real runtime
    Test(Test),
    /// Show what a deploy would change, and why
    #[command(visible_alias = "diff")]
    Plan(PlanArgs),
    /// Apply the plan: tables first, the release pointer last
    Deploy(Deploy),
    /// Take raw logs into the lake and run the detections on them
    Ingest(Ingest),
    /// Watch a directory and the schedules until Ctrl-C
    Run(Run),
    /// Ask the lake in SQL
    Query(Query),
    /// List alerts, or show one
    Alerts(Alerts),
    /// Run rejected records or whole objects again after a fix; rows that are there are left alone
    Replay(Replay),
    /// Say what is deployed, where it is, and what it holds
    Info,
    /// Remove what is deployed; data goes only with --delete-data and each table's name typed out
    Destroy(Destroy),
    /// A job of the GitHub Action: what the runner says is read from its environment (docs/pull-requests.md)
    Action(Action),
    /// Explain a rule of `check`
    Explain {
        /// The id in brackets: error[unknown-table]
        rule: Option<String>,
    },
    /// Help in an editor: a language server on standard input and output, started by the editor (docs/editor.md)
    Lsp,
    /// Print shell completions: matano completions bash > /etc/bash_completion.d/matano
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// `matano init`
#[derive(Debug, Args)]
pub struct Init {
    /// Where; it must not hold a project yet
    #[arg(default_value = ".")]
    pub directory: PathBuf,
    /// Managed log sources to start with; asked for on a terminal when left out
    #[arg(long = "log-source", value_name = "TYPE")]
    pub log_sources: Vec<String>,
    /// The Slack channel for alerts; asked for on a terminal when left out
    #[arg(long, value_name = "CHANNEL")]
    pub slack_channel: Option<String>,
    /// Ask nothing: everything of the template that no flag names
    #[arg(long, short)]
    pub yes: bool,
}

/// `matano check`
#[derive(Debug, Args)]
pub struct Check {
    /// Write workflow commands instead of text: GitHub Actions shows them as annotations, the first ten of each level
    #[arg(long)]
    pub github: bool,
    /// Also write the findings as SARIF 2.1.0, for code scanning
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// Mend what is certain, such as a typo in a name; comments and layout stay as they are
    #[arg(long, conflicts_with_all = ["github", "sarif"])]
    pub fix: bool,
    /// With --fix: show what would change, and change nothing
    #[arg(long, requires = "fix")]
    pub diff: bool,
}

/// `matano test`
#[derive(Debug, Args)]
pub struct Test {
    /// The same as --filter
    #[arg(value_name = "TEXT", conflicts_with = "filter", hide = true)]
    pub text: Option<String>,
    /// Only tests whose `resource/test name` contains this
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Only what the changes of this branch touch, since it left REF [default: origin/HEAD, else main]
    #[arg(long, value_name = "REF", num_args = 0..=1, default_missing_value = "")]
    pub changed: Option<String>,
    /// Run again what a change touches, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// Write the snapshots of tests with `expect: snapshot` anew, and nothing else
    #[arg(long)]
    pub update: bool,
    /// Also run the tests of another checkout, such as the base of a pull request, and say which fire differently
    #[arg(long, value_name = "DIR", conflicts_with_all = ["changed", "watch", "update"])]
    pub against: Option<PathBuf>,
    /// Do not show detections the rows of other tests
    #[arg(long)]
    pub no_cross: bool,
    /// Show which detections lack tests, and which ATT&CK techniques are covered
    #[arg(long)]
    pub coverage: bool,
    /// Write the covered techniques as a layer for the ATT&CK Navigator
    #[arg(long, value_name = "FILE")]
    pub navigator: Option<PathBuf>,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// How many run at a time [default: the processors]
    #[arg(long, short)]
    pub jobs: Option<usize>,
}

/// `matano plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Exit with 1 when something would change
    #[arg(long)]
    pub exit_code: bool,
}

/// `matano deploy`
#[derive(Debug, Args)]
pub struct Deploy {
    /// Apply without asking
    #[arg(long, short)]
    pub yes: bool,
    /// How many removals (detections, log sources, detached tables, ...) the plan may hold
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub max_deletes: usize,
}

/// `matano ingest`
#[derive(Debug, Args)]
pub struct Ingest {
    /// Files, directories, s3://bucket/prefix, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// The log source, or `enrich_<table>` for uploads, where key prefixes do not tell
    #[arg(long, short, value_name = "NAME")]
    pub source: Option<String>,
    /// How many objects at a time [default: the processors]
    #[arg(long, short)]
    pub jobs: Option<usize>,
}

/// `matano run`
#[derive(Debug, Args)]
pub struct Run {
    /// Directories whose new files are taken in; files may not change once they are there
    #[arg(long = "watch", value_name = "DIR")]
    pub watch: Vec<PathBuf>,
    /// The log source, or `enrich_<table>` for uploads, where key prefixes do not tell
    #[arg(long, short, value_name = "NAME")]
    pub source: Option<String>,
    /// Seconds between looks
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    pub interval: u64,
    /// Also run the windows of scheduled detections since then: 90m, 24h, 7d, or an RFC 3339 time
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Where --since ends [default: now]
    #[arg(long, value_name = "TIME", requires = "since")]
    pub until: Option<String>,
    /// Do what is due now, then stop
    #[arg(long)]
    pub once: bool,
}

/// `matano query`
#[derive(Debug, Args)]
pub struct Query {
    /// SQL, or - to read it from standard input
    pub sql: String,
    /// How rows are written [default: table; json with --output json]
    #[arg(long, short, value_enum)]
    pub format: Option<Format>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One JSON object a line
    Json,
    /// With a header line
    Csv,
    /// An Arrow IPC stream, with types
    Arrow,
}

/// `matano alerts`
#[derive(Debug, Args)]
pub struct Alerts {
    /// The id of one alert, or its first digits
    pub id: Option<String>,
    /// Only alerts whose last match is this young: 90m, 24h, 7d, or an RFC 3339 time
    #[arg(long)]
    pub since: Option<String>,
    /// Only this severity and above
    #[arg(long)]
    pub severity: Option<String>,
    /// Also those below their threshold
    #[arg(long)]
    pub all: bool,
    /// List deliveries that were given up, with the reason
    #[arg(long)]
    pub dead_letters: bool,
    /// Try dead letters again
    #[arg(long)]
    pub redrive: bool,
}

/// `matano replay`
#[derive(Debug, Args)]
pub struct Replay {
    /// Whole objects to run again: the paths or s3:// URLs that were ingested
    #[arg(value_name = "PATH", required_unless_present = "rejects")]
    pub paths: Vec<String>,
    /// Run the records of matano_rejects again
    #[arg(long, conflicts_with = "paths")]
    pub rejects: bool,
    /// Only this log source
    #[arg(long, short, value_name = "NAME")]
    pub source: Option<String>,
}

/// `matano action`
#[derive(Debug, Args)]
pub struct Action {
    /// What to do
    #[arg(value_enum)]
    pub job: Job,
    /// What GitHub is asked with [env: also INPUT_TOKEN]; without one, findings are in the log and the summary only
    #[arg(long, env = "GITHUB_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Whether the pull request gets its comment
    #[arg(long, env = "INPUT_COMMENT", value_enum, default_value_t = When::Auto)]
    pub comment: When,
    /// How many removals need no approval
    #[arg(long, env = "INPUT_MAX_DELETES", value_name = "N", default_value_t = 0)]
    pub max_deletes: usize,
    /// Where report.json, results.sarif, junit.xml and plan.json are written [default: matano in the runner's temporary
    /// directory]
    #[arg(long, env = "INPUT_DIRECTORY", value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Whose comments and issues are ours: who the token writes as
    #[arg(long, env = "INPUT_AUTHOR", value_name = "LOGIN", default_value = "github-actions[bot]")]
    pub author: String,
    /// The artifact of the other run that `report` reads
    #[arg(long, env = "INPUT_ARTIFACT", value_name = "NAME", default_value = "matano-report")]
    pub artifact: String,
    /// The commit that the change starts from, for what `test` compares [default: HEAD^1 in a pull request]
    #[arg(long, env = "INPUT_BASE", value_name = "REF")]
    pub base: Option<String>,
}

/// A job of the GitHub Action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Job {
    /// Every mistake at its line
    Check,
    /// The tests, those that fail at their lines
    Test,
    /// What a merge would change on the target, as a comment
    Plan,
    /// After `workflow_run`: what the pull request's own run found, and the plan, as a comment
    Report,
    /// After the merge: apply the plan, if it is the one shown
    Deploy,
    /// Whether what is deployed is what the default branch says, as an issue
    Drift,
}

/// When something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// Where the token can
    Auto,
    /// Or the job fails
    Always,
    /// Not at all
    Never,
}

/// `matano destroy`
#[derive(Debug, Args)]
pub struct Destroy {
    /// Also delete the rows of every table named with --table, for good
    #[arg(long)]
    pub delete_data: bool,
    /// A table whose rows go; once for each table
    #[arg(long = "table", value_name = "TABLE", requires = "delete_data")]
    pub tables: Vec<String>,
    /// Ask nothing (what is deleted must still be named)
    #[arg(long, short)]
    pub yes: bool,
}

/// Whether a command line that cannot be parsed asks for JSON.
pub fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let words: Vec<OsString> = arguments.take_while(|word| word != "--").collect();
    let joined = |word: &OsString| ["--output=json", "-ojson", "-o=json"].iter().any(|flag| word == flag);
    words.iter().any(joined)
        || words.windows(2).any(|pair| (pair[0] == "--output" || pair[0] == "-o") && pair[1] == "json")
}
