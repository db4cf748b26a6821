//! The ratios of docs/performance.md.

use anyhow::Result;

use crate::step::{self, cargo, environment};

/// Builds the bench and the module that its workers load, both in release mode, and passes its arguments on.
pub fn run(arguments: &[&str]) -> Result<()> {
    let python = environment("bench")?;
    step::run("build the Python module", &mut cargo(&["build", "--release", "--quiet", "--package", "detect"]))?;
    let mut bench = cargo(&["run", "--release", "--quiet", "--package", "bench", "--", "--python"]);
    step::run("bench", bench.arg(python).args(arguments))
}
