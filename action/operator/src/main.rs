//! `matano`: the commands of a detections repo.
//!
//! [`cli`] says what there is, [`commands`] does it, one module each; [`judge`] loads and checks a project, [`target`] plans
//! and applies. Only here are files of a project, the environment and the clock.

mod cli; // the command line as a value
mod exit; // how a command ends
mod terminal; // what people see

mod fix; // safe fixes, written whole or not at all
mod judge; // loaded and checked
mod moment; // times as people type them
mod requirements; // Python packages of detections
mod target; // observed, planned, applied
mod workspace; // the repo on disk

mod commands; // one module a command

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;
use clap::{CommandFactory as _, Parser as _};
use cli::{Cli, Command};
use exit::Outcome;
use terminal::Terminal;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // clap's own code for a wrong command line is 2, as ours for broken input
        Err(error) => {
            if error.use_stderr() && cli::wants_json(std::env::args_os().skip(1)) {
                let _ = writeln!(std::io::stdout().lock(), "{:#}", exit::usage(&error));
            }
            error.exit()
        }
    };
    logging(cli.global.verbose);
    let terminal = Terminal::new(&cli.global, std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(&cli, terminal)),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = &result {
        let word = terminal.paint("1;31", "error");
        let _ = writeln!(std::io::stderr().lock(), "{word}: {}", exit::words(error));
        if terminal.is_json() {
            let _ = writeln!(std::io::stdout().lock(), "{:#}", exit::document(error));
        }
    }
    exit::code(&result)
}

async fn run(cli: &Cli, terminal: Terminal) -> Result<Outcome> {
    let global = &cli.global;
    match &cli.command {
        Command::Init(arguments) => commands::init::run(arguments, terminal),
        Command::Check(arguments) => commands::check::run(global, arguments, terminal).await,
        Command::Test(arguments) => commands::test::run(global, arguments, terminal).await,
        Command::Plan(arguments) => commands::plan::run(global, arguments, terminal).await,
        Command::Deploy(arguments) => commands::deploy::run(global, arguments, terminal).await,
        Command::Ingest(arguments) => commands::ingest::run(global, arguments, terminal).await,
        Command::Run(arguments) => commands::run::run(global, arguments, terminal).await,
        Command::Query(arguments) => commands::query::run(global, arguments, terminal).await,
        Command::Alerts(arguments) => commands::alerts::run(global, arguments, terminal).await,
        Command::Replay(arguments) => commands::replay::run(global, arguments, terminal).await,
        Command::Info => commands::info::run(global, terminal).await,
        Command::Destroy(arguments) => commands::destroy::run(global, arguments, terminal).await,
        Command::Action(arguments) => commands::action::run(global, arguments, terminal).await,
        Command::Explain { rule } => commands::explain::run(rule.as_deref(), terminal),
        Command::Lsp => commands::lsp::run(global),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "matano", &mut std::io::stdout());
            Ok(Outcome::Fine)
        }
    }
}

/// Warnings by default; payloads are never logged.
fn logging(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "info",
        _ => "debug",
    };
    let ours = [
        "embedded",
        "transformer",
        "transform",
        "lake",
        "lake_writer",
        "detections",
        "alert_writer",
        "alert_forwarder",
        "store",
        "github",
    ];
    let filter: Vec<String> = ours.iter().map(|target| format!("{target}={level}")).collect();
    let filter = std::env::var("MATANO_LOG").unwrap_or_else(|_| filter.join(","));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .try_init();
}
