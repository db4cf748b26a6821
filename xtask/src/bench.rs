//! The ratios of docs/performance.md.

use anyhow::Result;

use crate::step::{self, cargo};

/// Builds the bench in release mode and passes its arguments on.
pub fn run(arguments: &[&str]) -> Result<()> {
    let mut bench = cargo(&["run", "--release", "--quiet", "--package", "bench", "--"]);
    run_bench(bench.args(arguments))
}

fn run_bench(command: &mut std::process::Command) -> Result<()> {
    step::run("build the Python module", &mut cargo(&["build", "--release", "--quiet", "--package", "detect"]))?;
    step::run("bench", command)
}
