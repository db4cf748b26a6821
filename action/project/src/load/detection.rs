//! detections/<dir>/detection.yml with detect.py and requirements.txt.

use std::{collections::BTreeMap, num::NonZeroU32};

use model::{
    alert::Severity,
    name::{DestinationName, DetectionName, TableName},
    release::{AlertPolicy, Cadence},
};

use super::{Loader, references, tests};
use crate::{
    diagnostic::Diagnostic,
    program::Block,
    project::{Detection, Schedule, Trigger},
    rules, schedule,
    spec::{DetectionSpec, FileKind, detection::AlertSpec, quantity::DurationSpec},
    yaml::Doc,
};

const DIRECTORY: &str = "detections";
const DEFAULT_LATENESS: u64 = 5 * 60;
const DEFAULT_WINDOW: u32 = 60 * 60;

pub fn load(loader: &mut Loader<'_>) {
    for directory in loader.files.directories(DIRECTORY) {
        let path = format!("{DIRECTORY}/{directory}");
        let file = format!("{path}/detection.yml");
        let Some(bytes) = loader.files.get(&file) else { continue };
        if let Some((doc, spec)) = loader.read::<DetectionSpec>(FileKind::Detection, &file, bytes)
            && let Some(detection) = resolve(loader, &path, &doc, spec)
        {
            loader.project.detections.insert(detection.name.clone(), detection);
        }
    }
}

fn resolve(loader: &mut Loader<'_>, directory: &str, doc: &Doc, mut spec: DetectionSpec) -> Option<Detection> {
    let written = (std::mem::take(&mut spec.tests), std::mem::take(&mut spec.fixtures));
    let name = spec.name.take()?;
    let name = loader.name(doc, "/name", DetectionName::parse(&name))?;
    if !loader.claim("detection", name.as_str(), doc, "/name") {
        return None;
    }
    let files = python_files(loader, directory);
    let trigger = trigger(loader, doc, &spec);
    let tables = tables(loader, doc, &spec);
    if !files.contains_key("detect.py") && spec.schedule.is_none() && spec.query.is_none() {
        let message = format!("the detection has no {directory}/detect.py");
        let help = "add it with a function `detect(record)`, or give the detection a `schedule` and a `query`";
        loader.report(doc.at(&rules::MISSING_FILE, "/name", message).help(help));
    }
    let alert = alert_policy(loader, doc, spec.alert.as_ref(), &files);
    let requirements = loader.files.get(&format!("{directory}/requirements.txt"));
    let requirements = requirements.and_then(|bytes| text(loader, &format!("{directory}/requirements.txt"), bytes));
    let mut detection = Detection {
        name,
        file: doc.file().to_owned(),
        span: doc.point("/name"),
        directory: directory.to_owned(),
        enabled: spec.enabled.unwrap_or(true),
        trigger: trigger?,
        tables,
        files,
        requirements,
        display_name: spec.display_name,
        description: spec.description,
        runbook: spec.runbook,
        references: spec.reference.into_iter().chain(spec.references.unwrap_or_default()).collect(),
        false_positives: spec.false_positives.unwrap_or_default(),
        tags: spec.tags.unwrap_or_default(),
        alert,
        tests: Vec::new(),
    };
    detection.references.dedup();
    detection.tests = tests::of_detection(loader, &detection, doc, written.0, &written.1);
    Some(detection)
}

/// Every Python file below the detection's directory, by path relative to it.
fn python_files(loader: &Loader<'_>, directory: &str) -> BTreeMap<String, Vec<u8>> {
    let hidden = |path: &str| path.split('/').any(|part| part.starts_with('.') || part == "__pycache__");
    let files = loader.files.below(directory).filter(|(path, _)| path.ends_with(".py") && !hidden(path));
    files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect()
}

fn text(loader: &mut Loader<'_>, file: &str, bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(_) => {
            loader.report(Diagnostic::new(&rules::INVALID_UTF8, file, None, "expected UTF-8 text"));
            None
        }
    }
}

/// `None` for a schedule that cannot be understood; a detection with half of one is taken for a streaming one.
fn trigger(loader: &mut Loader<'_>, doc: &Doc, spec: &DetectionSpec) -> Option<Trigger> {
    match (&spec.schedule, &spec.query) {
        (None, None) => {
            if spec.lateness.is_some() {
                let message = "`lateness` has no effect without a `schedule`";
                loader.report(doc.at_key(&rules::MISPLACED_KEY, "/lateness", message).help("remove it"));
            }
            Some(Trigger::Streaming)
        }
        (Some(_), None) => {
            let message = "a detection with a `schedule` needs a `query`";
            loader.report(doc.at_key(&rules::MISSING_KEY, "/schedule", message));
            None
        }
        (None, Some(_)) => {
            let message = "a detection with a `query` needs a `schedule`";
            let help = "add `schedule: rate(1 hour)`";
            loader.report(doc.at_key(&rules::MISSING_KEY, "/query", message).help(help));
            None
        }
        (Some(text), Some(_)) => {
            let cadence = cadence(loader, doc, text);
            let lateness_seconds = seconds(loader, doc, "/lateness", spec.lateness.as_ref());
            let query = Block::of(doc, "/query")?;
            let lateness_seconds = lateness_seconds.unwrap_or(DEFAULT_LATENESS);
            Some(Trigger::Scheduled(Schedule { cadence: cadence?, query, lateness_seconds }))
        }
    }
}

fn cadence(loader: &mut Loader<'_>, doc: &Doc, text: &str) -> Option<Cadence> {
    schedule::parse(text)
        .map_err(|error| loader.report(doc.at(&rules::INVALID_SCHEDULE, "/schedule", error.problem).help(error.help)))
        .ok()
}

fn seconds(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, written: Option<&DurationSpec>) -> Option<u64> {
    written?.seconds().map_err(|problem| loader.report(doc.at(&rules::INVALID_VALUE, pointer, problem))).ok()
}

fn tables(loader: &mut Loader<'_>, doc: &Doc, spec: &DetectionSpec) -> Vec<TableName> {
    let scheduled = spec.schedule.is_some() || spec.query.is_some();
    let Some(written) = &spec.tables else {
        if !scheduled && doc.node("/tables").is_none() {
            let message = "the key `tables` is missing";
            let help = "name the tables whose rows the detection sees: `tables: [aws_cloudtrail]`";
            loader.report(doc.at(&rules::MISSING_KEY, "", message).help(help));
        }
        return Vec::new();
    };
    if written.is_empty() && !scheduled {
        let message = "expected at least one table, found an empty list";
        loader.report(doc.at(&rules::INVALID_VALUE, "/tables", message));
    }
    let mut out: Vec<TableName> = Vec::new();
    for (index, name) in written.iter().enumerate() {
        let pointer = format!("/tables/{index}");
        if let Some(table) = references::table(loader, doc, &pointer, name, scheduled)
            && !out.contains(&table)
        {
            out.push(table);
        }
    }
    out
}

fn alert_policy(
    loader: &mut Loader<'_>,
    doc: &Doc,
    spec: Option<&AlertSpec>,
    files: &BTreeMap<String, Vec<u8>>,
) -> AlertPolicy {
    let default = AlertSpec::default();
    let spec = spec.unwrap_or(&default);
    let written: &[String] = spec.destinations.as_deref().unwrap_or_default();
    let mut destinations: Vec<DestinationName> = Vec::new();
    for (index, name) in written.iter().enumerate() {
        let pointer = format!("/alert/destinations/{index}");
        if let Some(name) = references::destination(loader, doc, &pointer, name)
            && !destinations.contains(&name)
        {
            destinations.push(name);
        }
    }
    let severity = match spec.severity {
        Some(severity) => severity.into(),
        None if written.is_empty() => Severity::Info,
        None => Severity::Notice,
    };
    if !written.is_empty() {
        destination_on_info(loader, doc, spec, files);
    }
    let one = NonZeroU32::MIN;
    AlertPolicy {
        severity,
        threshold: spec.threshold.and_then(NonZeroU32::new).unwrap_or(one),
        window_seconds: window(loader, doc, spec),
        destinations,
    }
}

/// Destinations without a severity that reaches them; a severity that the code decides is the code's business.
fn destination_on_info(loader: &mut Loader<'_>, doc: &Doc, spec: &AlertSpec, files: &BTreeMap<String, Vec<u8>>) {
    let code = files.get("detect.py").and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
    if code.lines().any(|line| line.starts_with("def severity(") || line.starts_with("severity =")) {
        return;
    }
    let diagnostic = match spec.severity.map(Severity::from) {
        Some(Severity::Info) => {
            let message = "alerts of severity `info` are not sent to the destinations below";
            doc.at(&rules::DESTINATION_ON_INFO, "/alert/severity", message)
                .help("raise the severity, or remove `destinations`")
        }
        None if doc.node("/alert/severity").is_none() => {
            let message = "alerts are sent with the severity `notice`, because none is given";
            doc.at_key(&rules::DESTINATION_ON_INFO, "/alert/destinations", message)
                .help("add `severity: notice`, or the one you mean")
        }
        None | Some(Severity::Notice | Severity::Low | Severity::Medium | Severity::High | Severity::Critical) => {
            return;
        }
    };
    loader.report(diagnostic);
}

fn window(loader: &mut Loader<'_>, doc: &Doc, spec: &AlertSpec) -> NonZeroU32 {
    const SECONDS: &str = "/alert/deduplication_window";
    const MINUTES: &str = "/alert/deduplication_window_minutes";
    let default = NonZeroU32::new(DEFAULT_WINDOW).expect("an hour is not zero");
    if spec.deduplication_window.is_some() && spec.deduplication_window_minutes.is_some() {
        let message = "`deduplication_window_minutes` and `deduplication_window` say the same thing twice";
        loader.report(doc.at_key(&rules::INVALID_VALUE, MINUTES, message).help("remove one of them"));
    }
    let minutes = spec.deduplication_window_minutes.map(|minutes| u64::from(minutes) * 60);
    let (pointer, seconds) = match seconds(loader, doc, SECONDS, spec.deduplication_window.as_ref()) {
        Some(seconds) => (SECONDS, seconds),
        None => match minutes {
            Some(seconds) => (MINUTES, seconds),
            None => return default,
        },
    };
    let valid = u32::try_from(seconds).ok().and_then(NonZeroU32::new);
    valid.unwrap_or_else(|| {
        let most = u64::from(u32::MAX);
        let message = format!("expected a window of 1 to {most} seconds, found `{seconds}`");
        loader.report(doc.at(&rules::INVALID_VALUE, pointer, message));
        default
    })
}
