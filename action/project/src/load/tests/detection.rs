//! The tests of detections.

use std::collections::BTreeMap;

use model::name::{DestinationName, DetectionName};
use serde_json::{Map, Value};

use super::{
    super::{Loader, references},
    fixture::Fixtures,
    input, mocks,
};
use crate::{
    diagnostic::Diagnostic,
    project::{Detection, DetectionTest, Expect, Expectation, Step, Trigger},
    rules,
    spec::test::{DetectionTestSpec, ExpectSpec, ExpectationSpec},
    yaml::Doc,
};

/// The tests of a detection.
pub fn of_detection(
    loader: &mut Loader<'_>,
    detection: &Detection,
    doc: &Doc,
    written: Vec<DetectionTestSpec>,
    named: &BTreeMap<String, Map<String, Value>>,
) -> Vec<DetectionTest> {
    let fixtures = Fixtures { doc, directory: &detection.directory, named };
    let mut out = Vec::new();
    for (index, mut spec) in written.into_iter().enumerate() {
        let pointer = format!("/tests/{index}");
        let fires = fires(loader, doc, &pointer, &spec);
        let (input, steps) = match &detection.trigger {
            Trigger::Streaming => input::streaming(loader, detection, &fixtures, &pointer, &mut spec),
            Trigger::Scheduled(_) => (input::scheduled(loader, detection, doc, &pointer, &mut spec), Vec::new()),
        };
        let mocks = mocks::mocks(loader, doc, &format!("{pointer}/mocks"), spec.mocks.take().unwrap_or_default());
        let expect = expectation(loader, doc, &format!("{pointer}/expect"), spec.expect.take());
        if let (Some(name), Some(input)) = (spec.name, input) {
            out.push(DetectionTest {
                name,
                file: doc.file().to_owned(),
                span: doc.point(&format!("{pointer}/name")),
                pointer,
                input,
                fires,
                matches: spec.matches,
                alerts: spec.alerts,
                steps,
                mocks,
                also_fires: spec.also_fires.unwrap_or_default().into_iter().collect(),
                expect,
            });
        }
    }
    same_names(loader, doc, &out);
    out
}

/// Results, snapshots and filters know a test by its name.
fn same_names(loader: &mut Loader<'_>, doc: &Doc, tests: &[DetectionTest]) {
    let mut known: BTreeMap<&str, &DetectionTest> = BTreeMap::new();
    for test in tests {
        let Some(first) = known.insert(&test.name, test) else { continue };
        let message = format!("the test `{}` exists already", test.name);
        let diagnostic = doc.at(&rules::DUPLICATE_NAME, &format!("{}/name", test.pointer), message);
        loader.report(diagnostic.related(&first.file, Some(first.span), "the other one is here"));
    }
}

fn fires(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, spec: &DetectionTestSpec) -> bool {
    let steps = spec.sequence.as_deref().unwrap_or_default();
    let all_quiet = !steps.is_empty() && steps.iter().all(|step| step.fires == Some(false));
    let fires = spec.fires.unwrap_or(spec.matches != Some(0) && !all_quiet);
    let contradiction = match (fires, spec.matches, spec.alerts) {
        (true, Some(0), _) => Some("matches"),
        (false, Some(1..), _) => Some("matches"),
        (false, _, Some(1..)) => Some("alerts"),
        (false, _, _) if spec.expect.is_some() => Some("expect"),
        (true, None | Some(1..), _) | (false, None | Some(0), None | Some(0)) => None,
    };
    if let Some(key) = contradiction {
        let message = format!("`{key}` contradicts `fires: {fires}`");
        loader
            .report(doc.at_key(&rules::INVALID_VALUE, &format!("{pointer}/{key}"), message).help("remove one of them"));
    }
    for (index, step) in steps.iter().enumerate() {
        if (step.fires, fires) == (Some(true), false) {
            let message = format!("`fires: true` contradicts `fires: {fires}` of the test");
            let pointer = format!("{pointer}/sequence/{index}/fires");
            loader.report(doc.at_key(&rules::INVALID_VALUE, &pointer, message).help("remove one of them"));
        }
    }
    fires
}

fn expectation(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, spec: Option<ExpectationSpec>) -> Expectation {
    match spec {
        None => Expectation::Parts(Box::default()),
        Some(ExpectationSpec::Snapshot(_)) => Expectation::Snapshot,
        Some(ExpectationSpec::Parts(parts)) => Expectation::Parts(Box::new(expect(loader, doc, pointer, *parts))),
    }
}

fn expect(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, spec: ExpectSpec) -> Expect {
    let destinations: Option<Vec<DestinationName>> = spec.destinations.map(|names| {
        let at = |index: usize| format!("{pointer}/destinations/{index}");
        let names = names.iter().enumerate();
        names.filter_map(|(index, name)| references::destination(loader, doc, &at(index), name)).collect()
    });
    let messages = spec.messages.map(|messages| {
        let mut out = BTreeMap::new();
        for (name, expected) in messages {
            let at = format!("{pointer}/messages/{}", crate::yaml::escape(&name));
            if let Some(name) = references::destination(loader, doc, &at, &name)
                && is_message(loader, doc, &at, &expected)
            {
                out.insert(name, expected);
            }
        }
        out
    });
    Expect {
        title: spec.title,
        severity: spec.severity.map(Into::into),
        dedupe: spec.dedupe,
        description: spec.description,
        runbook: spec.runbook,
        references: spec.references,
        destinations,
        context: spec.context.map(Value::Object),
        false_positives: spec.false_positives,
        messages,
    }
}

/// Whether this can be expected of a message.
fn is_message(loader: &mut Loader<'_>, doc: &Doc, pointer: &str, expected: &Value) -> bool {
    let fine = match expected {
        Value::Null | Value::String(_) | Value::Object(_) => true,
        Value::Array(texts) => texts.iter().all(Value::is_string),
        Value::Bool(_) | Value::Number(_) => false,
    };
    if !fine {
        let message = "expected a text or a list of texts that the message must hold, or parts of its JSON";
        loader.report(doc.at(&rules::INVALID_VALUE, pointer, message));
    }
    fine
}

/// Detections that other detections' tests name, once all are known.
pub fn also_fires(loader: &mut Loader<'_>) {
    let known: Vec<&str> = loader.project.detections.keys().map(DetectionName::as_str).collect();
    let mut out: Vec<Diagnostic> = Vec::new();
    for detection in loader.project.detections.values() {
        let Some(doc) = loader.project.doc(&detection.file) else { continue };
        for test in &detection.tests {
            for name in test.also_fires.iter().filter(|name| !known.contains(&name.as_str())) {
                if loader.may_be_unread(name) {
                    continue;
                }
                let message = format!("detection `{name}` does not exist");
                let diagnostic = doc.at(&rules::INVALID_VALUE, &format!("{}/also_fires", test.pointer), message);
                out.push(diagnostic.suggest(name, known.iter().copied()));
            }
        }
    }
    loader.diagnostics.extend(out);
}

/// A step that holds nothing is not worth looking at.
pub fn worth(steps: Vec<Step>) -> Vec<Step> {
    steps.into_iter().filter(|step| step.fires.is_some() || step.alerts.is_some()).collect()
}
