//! Tests: a few rows to one detection alone, with stand-ins for what it uses.

use std::{path::Path, sync::Arc, time::Instant};

use model::worker::{Function, Report, StandIns, Try, TryRows};

use crate::{
    enrichment::{Content, EnrichmentTable},
    functions::{Functions, Site},
    row::Shown,
    run::{Rows, Runner},
    window::{RowFile, WINDOW, Window},
    worker::Stop,
};
use pyo3::Py;

/// Carries out every attempt whose detection could be imported. Returns dotted paths of the columns that were decoded.
pub fn run<'a>(
    mut rows: Rows<'a, '_>,
    order: &Try,
    functions: impl Fn(u32) -> Option<&'a Functions>,
) -> Result<Vec<String>, Stop> {
    let file = Arc::new(RowFile::open(Path::new(&order.file), 0)?);
    let windows: Vec<Arc<Window>> = Window::all(&file, 0..file.rows()).map(|(window, _)| window).collect();
    for attempt in &order.attempts {
        let Some(functions) = functions(attempt.detection) else { continue };
        let began = Instant::now();
        rows.caller.forget_failures();
        rows.runners = vec![Runner { detection: attempt.detection, functions, strikes: 0 }];
        one(&mut rows, attempt, &windows, file.rows())?;
        rows.caller.report_printed()?;
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        rows.worker.get().pipe.report(&Report::Tried { attempt: attempt.number, micros })?;
    }
    Ok(file.touched())
}

fn one(rows: &mut Rows<'_, '_>, attempt: &TryRows, windows: &[Arc<Window>], all: u64) -> Result<(), Stop> {
    let replaced = replace_tables(rows, &attempt.stand_ins)?;
    let mut ready = true;
    if !attempt.stand_ins.attributes.is_empty() {
        let site = Site { detection: attempt.detection, row: Some(attempt.first), function: Function::Detect };
        let attributes: Vec<(String, String)> = attempt
            .stand_ins
            .attributes
            .iter()
            .map(|(path, stand_in)| (path.clone(), serde_json::json!(stand_in).to_string()))
            .collect();
        ready = rows.caller.stand_in(site, &attributes)?.is_ok();
    }
    if ready {
        for row in attempt.first..attempt.end.min(all) {
            let Some((window, place)) = place_of(row, windows) else { break };
            if rows.runners[0].strikes >= model::worker::STRIKES {
                break;
            }
            let shown = Shown::new(rows.caller.py, window, place)?;
            rows.show(0, row, &shown, &[])?;
        }
    }
    if !attempt.stand_ins.attributes.is_empty() {
        rows.caller.stand_back()?;
    }
    for (table, content) in replaced {
        table.get().replace(content);
    }
    Ok(())
}

fn place_of(row: u64, windows: &[Arc<Window>]) -> Option<(&Arc<Window>, usize)> {
    let row = usize::try_from(row).ok()?;
    Some((windows.get(row / WINDOW)?, row % WINDOW))
}

/// A table and the rows it had.
type Replaced = (Py<EnrichmentTable>, Arc<Content>);

/// The tables that have other rows now, with the rows they had.
fn replace_tables(rows: &Rows<'_, '_>, stand_ins: &StandIns) -> Result<Vec<Replaced>, Stop> {
    let mut replaced = Vec::new();
    for load in &stand_ins.enrichment {
        let table = rows.worker.get().enrichment(&load.name)?;
        replaced.push((table.clone_ref(rows.caller.py), table.get().content()));
        table.get().replace(Arc::new(Content::new(load.clone())));
    }
    Ok(replaced)
}
