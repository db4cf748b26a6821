//! The project's own tasks: `cargo xtask demo`, `cargo xtask test`, `cargo xtask bench`. Each does all its own set-up.

mod bench;
mod demo;
mod description;
mod github;
mod ministack;
mod readers;
mod sarif;
mod step;
mod test;

use anyhow::{Result, bail};

const HELP: &str = "\
The project's own tasks.

Usage: cargo xtask <TASK>

  demo     build, then run the main job on sample logs in target/demo; --fresh starts it anew
           --pull-request plays a pull request: a bad change, a good one, the merge, and what GitHub shows of each
  test     format, lints, all tests, and the checks that need Python or npm packages (installed under target/)
           --fast leaves these checks out
  bench    measure the ratios of docs/performance.md; what it prints goes there
           --quick on a tenth of the data; --only transforms, pairs or commits
";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["demo"] => demo::run_demo(demo::Start::Continue),
        ["demo", "--pull-request"] => demo::run_pull_request(),
        ["demo", "--fresh"] => demo::run_demo(demo::Start::Fresh),
        ["test"] => test::run_tests(test::Depth::Full),
        ["test", "--fast"] => test::run_tests(test::Depth::Fast),
        ["bench", rest @ ..] => bench::run(rest),
        [] | ["help" | "--help" | "-h"] => {
            step::say(HELP);
            Ok(())
        }
        other => bail!("unknown task `{}`\n\n{HELP}", other.join(" ")),
    }
}
