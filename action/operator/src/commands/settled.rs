//! What a run did, as text and as JSON: shared by the commands that move rows.

use embedded::{Ingested, Refused, Settled};
use serde_json::{Value, json};

use crate::terminal::{Terminal, grouped};

/// How many problems are shown one by one.
const SHOWN: usize = 20;

/// For `--output json`.
pub fn to_json(ingested: &Ingested, settled: &Settled, seconds: f64) -> Value {
    let Ingested { objects, known, bytes, records, rows, rejects, dropped, problems } = ingested;
    let Settled {
        commits,
        rows_seen,
        matches,
        new_matches,
        alerts,
        sent,
        windows,
        failures,
        printed,
        refused,
        unheld,
        problems: more,
        uncommitted,
    } = settled;
    json!({
        "objects": objects,
        "already_ingested": known,
        "bytes": bytes,
        "records": records,
        "rows": rows,
        "rejects": rejects,
        "dropped": dropped,
        "commits": commits,
        "rows_detected": rows_seen,
        "matches": matches,
        "new_matches": new_matches,
        "alerts": alerts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "deliveries": sent,
        "windows": windows,
        "detection_failures": failures.iter().map(|failure| failure.to_json()).collect::<Vec<_>>(),
        "printed": printed.iter().map(|printed| json!({
            "detection": printed.detection.as_str(), "text": printed.text, "dropped_bytes": printed.dropped,
        })).collect::<Vec<_>>(),
        "refused": refused.iter().map(Refused::to_json).collect::<Vec<_>>(),
        "unheld": unheld,
        "problems": problems.iter().chain(more).collect::<Vec<_>>(),
        "uncommitted": uncommitted,
        "seconds": seconds,
    })
}

/// Whether a person must look at something.
pub fn has_findings(ingested: &Ingested, settled: &Settled) -> bool {
    ingested.rejects > 0
        || !ingested.problems.is_empty()
        || !settled.failures.is_empty()
        || !settled.refused.is_empty()
        || !settled.problems.is_empty()
}

/// The lines about objects and rows.
pub fn show_ingested(ingested: &Ingested, seconds: f64, terminal: Terminal) {
    if ingested.objects > 0 {
        let rate = ingested.rows as f64 / seconds.max(0.001);
        terminal.line(&format!(
            "{} objects, {} records, {} rows in {seconds:.1} s ({} rows/s)",
            grouped(ingested.objects),
            grouped(ingested.records),
            grouped(ingested.rows),
            grouped(rate as u64)
        ));
    }
    if ingested.known > 0 {
        terminal.line(&format!("{} objects were ingested before: nothing was added", grouped(ingested.known)));
    }
    if ingested.dropped > 0 {
        terminal.line(&format!("{} records were dropped by `abort` in a transform", grouped(ingested.dropped)));
    }
    if ingested.rejects > 0 {
        let text = format!("{} records became no row", grouped(ingested.rejects));
        terminal.line(&format!(
            "{}: SELECT rule, error, count(*) FROM matano_rejects GROUP BY 1, 2; after a fix, `matano replay --rejects`",
            terminal.paint("31", &text)
        ));
    }
}

/// The lines about detections and alerts.
pub fn show_settled(settled: &Settled, terminal: Terminal) {
    if settled.windows > 0 {
        terminal.line(&format!("{} windows of scheduled detections were run", grouped(settled.windows)));
    }
    if settled.rows_seen > 0 || settled.matches > 0 {
        terminal.line(&format!(
            "{} rows seen by detections: {} matches, {} of them new; {} alerts new or grown; {} deliveries",
            grouped(settled.rows_seen),
            grouped(settled.matches),
            grouped(settled.new_matches),
            grouped(settled.alerts.len() as u64),
            grouped(settled.sent)
        ));
    }
    for failure in settled.failures.iter().take(SHOWN) {
        terminal.line(&format!("{} {failure}", terminal.paint("31", "detection failed:")));
        for line in failure.traceback.lines() {
            terminal.line(&format!("    {line}"));
        }
    }
    if let Some(missing) = &settled.unheld {
        note_unheld(missing, terminal);
    }
    show_refused(&settled.refused, terminal);
    for printed in &settled.printed {
        terminal.line(&format!("detection `{}` printed: {}", printed.detection, printed.text.trim_end()));
    }
}

/// What the operating system does not keep from detections, and why.
pub fn note_unheld(missing: &str, terminal: Terminal) {
    terminal.note(&format!(
        "the operating system does not hold detections entirely (`--isolation required` makes this an error): {missing}"
    ));
}

/// What detections tried and were refused.
pub fn show_refused(refused: &[Refused], terminal: Terminal) {
    for refused in refused {
        terminal.line(&format!("{} {refused}", terminal.paint("1;31", "refused:")));
    }
}

/// What did not happen, and why.
pub fn show_problems(ingested: &Ingested, settled: &Settled, terminal: Terminal) {
    let problems: Vec<&String> = ingested.problems.iter().chain(&settled.problems).collect();
    for problem in problems.iter().take(SHOWN) {
        terminal.line(&format!("{} {problem}", terminal.paint("33", "!")));
    }
    if problems.len() > SHOWN {
        terminal.line(&format!("! and {} more (all with --output json)", problems.len() - SHOWN));
    }
}
