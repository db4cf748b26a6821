//! `samples DIRECTORY [--events N] [--objects N] [--flows N] [--hours N] [--seed N] [--quiet]`, or a detections repo with
//! `samples DIRECTORY --detections N [--seed N]`

use std::{io::Write as _, path::PathBuf};

use anyhow::{Context, Result, bail};
use samples::{RepoOptions, SampleOptions, Story};

const USAGE: &str = "usage: samples DIRECTORY [--events N] [--objects N] [--flows N] [--hours N] [--seed N] [--quiet]
       samples DIRECTORY --detections N [--seed N]";

fn main() -> Result<()> {
    let mut options = SampleOptions::default();
    let (mut directory, mut detections) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64> {
            let value = arguments.next().with_context(|| format!("`{argument}` needs a number\n{USAGE}"))?;
            value.parse().with_context(|| format!("`{argument}` expects a number, found `{value}`"))
        };
        match argument.as_str() {
            "--events" => options.events = number()?,
            "--detections" => detections = Some(usize::try_from(number()?)?),
            "--flows" => options.flows = number()?,
            "--seed" => options.seed = number()?,
            "--objects" => options.objects = u32::try_from(number()?)?,
            "--hours" => options.hours = u32::try_from(number()?)?,
            "--quiet" => options.story = Story::Quiet,
            other if other.starts_with('-') || directory.is_some() => bail!("unknown argument `{other}`\n{USAGE}"),
            other => directory = Some(PathBuf::from(other)),
        }
    }
    let directory = directory.context(USAGE)?;
    if let Some(detections) = detections {
        return samples::write_repo(&directory, RepoOptions { seed: options.seed, detections });
    }
    let manifest = samples::write(&directory, &options)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} objects, {} events, {} flows, {} bytes ({} stored) below {}",
        manifest.objects,
        manifest.events,
        manifest.flows,
        manifest.bytes,
        manifest.stored_bytes,
        directory.display()
    )?;
    for step in &manifest.planted {
        writeln!(out, "  {} in {}: {} rows from {}", step.name, step.table, step.count, step.source_ip)?;
    }
    Ok(())
}
