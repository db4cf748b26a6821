use model::{
    alert::{MatchId, RuleMatch, Severity},
    digest::Digest,
    name::{DestinationName, TableName},
    release::{Detection, Release, ReleaseId},
    time::Timestamp,
    worker::{Failure, FailureKind, Function, Match},
};
use serde_json::{Value, json};

/// A row as its file and its columns identify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `matano.record_id`.
    pub record_id: String,
    /// `ts`.
    pub ts: Timestamp,
}

impl Identity {
    /// From the row's own columns; what is missing there comes from its place.
    pub fn of(event: &Value, file: &str, row: u64) -> Self {
        let column = |path: &str| event.pointer(path).and_then(Value::as_str);
        let record_id = column("/matano/record_id")
            .map_or_else(|| Digest::of_parts([file.as_bytes(), &row.to_le_bytes()]).short(32), str::to_owned);
        Self { record_id, ts: ts_of(event).unwrap_or(Timestamp::EPOCH) }
    }

    /// Of a row that a query made; it has a time of its own only where the query gives it one.
    pub fn of_query(event: &Value, record_id: String, ts: Timestamp) -> Self {
        Self { record_id, ts: ts_of(event).unwrap_or(ts) }
    }
}

/// The row's `ts`.
fn ts_of(event: &Value) -> Option<Timestamp> {
    event.get("ts").and_then(Value::as_str).and_then(|ts| ts.parse().ok())
}

/// The rule match of a row: what the detection's code says, else what its YAML says. What its code says and nobody can
/// use comes second.
pub fn resolve(
    (release, release_id): (&Release, ReleaseId),
    detection: &Detection,
    table: &TableName,
    found: Match,
    identity: Identity,
    event: Value,
) -> (RuleMatch, Vec<Failure>) {
    let mut wrong = Vec::new();
    let name = &detection.name;
    let title = found
        .title
        .or_else(|| detection.display_name.clone().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| name.to_string());
    let dedupe = found.dedupe.unwrap_or_else(|| title.clone());
    let mut refuse = |function, message| wrong.push(failure(found.detection, found.row, function, message));
    let severity = match found.severity.as_deref().map(str::parse::<Severity>) {
        Some(Ok(severity)) => severity,
        Some(Err(error)) => {
            refuse(Function::Severity, format!("`severity` returned {error}"));
            detection.alert.severity
        }
        None => detection.alert.severity,
    };
    let destinations = match found.destinations {
        None => detection.alert.destinations.clone(),
        Some(names) => match known(release, &names) {
            (known, None) => known,
            (known, Some(message)) => {
                refuse(Function::Destinations, message);
                if known.is_empty() { detection.alert.destinations.clone() } else { known }
            }
        },
    };
    let destinations = if severity == Severity::Info { Vec::new() } else { destinations };
    let Identity { record_id, ts } = identity;
    let rule_match = RuleMatch {
        id: MatchId::of(name, &record_id),
        detection: name.clone(),
        release: release_id,
        table: table.clone(),
        record_id,
        ts,
        title,
        dedupe,
        severity,
        description: found.description.or_else(|| detection.description.clone()),
        runbook: found.runbook.or_else(|| detection.runbook.clone()),
        references: found.references.unwrap_or_else(|| detection.references.clone()),
        false_positives: detection.false_positives.clone(),
        destinations,
        context: found.context.unwrap_or_else(|| json!({})),
        event,
        threshold: detection.alert.threshold,
        window_seconds: detection.alert.window_seconds,
    };
    (rule_match, wrong)
}

/// The destinations that exist, each once, and a word about the others.
fn known(release: &Release, names: &[String]) -> (Vec<DestinationName>, Option<String>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match release.destinations.get_key_value(name.as_str()) {
            Some((name, _)) if known.contains(name) => (),
            Some((name, _)) => known.push(name.clone()),
            None => unknown.push(format!("`{name}`")),
        }
    }
    if unknown.is_empty() {
        return (known, None);
    }
    let all: Vec<String> = release.destinations.keys().map(|name| format!("`{name}`")).collect();
    let all = if all.is_empty() { "there are none".to_owned() } else { format!("expected one of {}", all.join(", ")) };
    (known, Some(format!("`destinations` returned {}, which is no destination: {all}", unknown.join(", "))))
}

fn failure(detection: u32, row: u64, function: Function, message: String) -> Failure {
    let (file, line, traceback) = (None, None, String::new());
    Failure { detection, row: Some(row), function, kind: FailureKind::Output, message, file, line, traceback }
}
