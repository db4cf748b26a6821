//! `matano alerts`: what the detections found, folded.

use std::fmt::Write as _;

use anyhow::Result;
use embedded::{AlertFilter, StoredAlert};
use model::{alert::Severity, time::Timestamp};
use serde_json::{Value, json};

use crate::{
    cli::{Alerts, Global},
    exit::{Outcome, input},
    moment, target,
    terminal::Terminal,
};

/// How many values of a field are shown.
const VALUES: usize = 10;

/// Lists alerts, shows one, or deals with dead letters.
pub async fn run(global: &Global, arguments: &Alerts, terminal: Terminal) -> Result<Outcome> {
    let target = target::open_deployed(global, 1).await?;
    if arguments.redrive {
        let count = target.redrive(Timestamp::now()).await?;
        if terminal.is_json() {
            terminal.json(&json!({ "redriven": count }))?;
        } else {
            terminal
                .line(&format!("{count} deliveries will be tried again by the next `matano ingest` or `matano run`"));
        }
        return Ok(Outcome::Fine);
    }
    if arguments.dead_letters {
        return dead_letters(&target, terminal).await;
    }
    let severity =
        arguments.severity.as_deref().map(|word| word.parse::<Severity>().map_err(|error| input(error.to_string())));
    let since = arguments.since.as_deref().map(|text| moment::parse(text, Timestamp::now()));
    let filter = AlertFilter {
        since: since.transpose()?,
        severity: severity.transpose()?,
        detection: None,
        id_prefix: arguments.id.clone(),
        activated: !arguments.all && arguments.id.is_none(),
        limit: None,
    };
    let alerts = target.alerts(&filter).await?;
    if terminal.is_json() {
        terminal.json(&alerts.iter().map(to_json).collect::<Vec<_>>())?;
        return Ok(Outcome::Fine);
    }
    match (&arguments.id, alerts.as_slice()) {
        (Some(id), []) => return Err(input(format!("there is no alert `{id}`"))),
        (Some(_), [alert]) => terminal.write(&whole(alert, terminal)),
        (Some(_) | None, alerts) => {
            for alert in alerts {
                terminal.line(&line(alert, terminal));
            }
            if alerts.is_empty() {
                terminal.line("no alerts");
            }
        }
    }
    Ok(Outcome::Fine)
}

async fn dead_letters(target: &embedded::Embedded, terminal: Terminal) -> Result<Outcome> {
    let dead = target.dead_letters().await?;
    if terminal.is_json() {
        let rows: Vec<Value> = dead
            .iter()
            .map(|dead| {
                json!({
                    "alert": dead.delivery.alert.to_string(),
                    "destination": dead.delivery.destination.as_str(),
                    "reason": dead.reason,
                    "attempts": dead.attempts,
                    "at": dead.at.to_string(),
                })
            })
            .collect();
        terminal.json(&rows)?;
    } else {
        for dead in &dead {
            let alert = dead.delivery.alert.0.short(12);
            let (destination, at) = (&dead.delivery.destination, dead.at);
            terminal.line(&format!("{at}  {alert}  {destination}: {} ({} attempts)", dead.reason, dead.attempts));
        }
        let end = if dead.is_empty() { "no dead letters" } else { "`matano alerts --redrive` tries them again" };
        terminal.line(end);
    }
    Ok(if dead.is_empty() { Outcome::Fine } else { Outcome::Findings })
}

fn to_json(stored: &StoredAlert) -> Value {
    let mut value = serde_json::to_value(&stored.alert).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("created_at".to_owned(), stored.created_at.to_string().into());
        members.insert("updated_at".to_owned(), stored.updated_at.to_string().into());
        members.insert("activated_at".to_owned(), stored.activated_at.map(|at| at.to_string()).into());
    }
    value
}

fn paint(severity: Severity, terminal: Terminal) -> String {
    let word = format!("{:8}", severity.as_str());
    match severity {
        Severity::Critical | Severity::High => terminal.paint("1;31", &word),
        Severity::Medium => terminal.paint("33", &word),
        Severity::Low | Severity::Notice | Severity::Info => word,
    }
}

/// Control characters of log data would play with the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn line(stored: &StoredAlert, terminal: Terminal) -> String {
    let alert = &stored.alert;
    let matches = if alert.match_count == 1 { "match" } else { "matches" };
    let waiting = if alert.is_active() { String::new() } else { format!(" of {}", alert.threshold) };
    format!(
        "{}  {}  {}  {} [{}, {}{waiting} {matches}]",
        alert.id.0.short(12),
        &alert.first_matched_at.to_string()[..19],
        paint(alert.severity, terminal),
        plain(&alert.title),
        alert.detection,
        alert.match_count
    )
}

fn whole(stored: &StoredAlert, terminal: Terminal) -> String {
    let alert = &stored.alert;
    let mut out = format!("{}\n\n", line(stored, terminal));
    let destinations: Vec<&str> = alert.destinations.iter().map(|name| name.as_str()).collect();
    let tables: Vec<&str> = alert.tables.iter().map(|name| name.as_str()).collect();
    let rows = [
        ("id", Some(alert.id.to_string())),
        ("dedupe", Some(plain(&alert.dedupe))),
        ("window", Some(format!("{} to {}", alert.window.start, alert.window.end()))),
        (
            "matches",
            Some(format!("{} from {} to {}", alert.match_count, alert.first_matched_at, alert.last_matched_at)),
        ),
        ("tables", Some(tables.join(", "))),
        ("destinations", Some(destinations.join(", "))),
        ("release", Some(alert.release.short())),
        ("description", alert.description.clone()),
        ("runbook", alert.runbook.clone()),
        ("references", (!alert.references.is_empty()).then(|| alert.references.join("\n"))),
        ("false positives", (!alert.false_positives.is_empty()).then(|| alert.false_positives.join("\n"))),
    ];
    for (name, value) in rows {
        let Some(value) = value else { continue };
        let value = value.trim_end().replace('\n', &format!("\n{:17}", ""));
        let _ = writeln!(out, "{name:15}  {value}");
    }
    let _ = writeln!(out, "\ncontext");
    for (field, values) in &alert.context {
        let shown: Vec<String> =
            values.iter().take(VALUES).map(|value| plain(value.as_str().unwrap_or(&value.to_string()))).collect();
        let more = if values.len() > VALUES { format!(" and {} more", values.len() - VALUES) } else { String::new() };
        let _ = writeln!(out, "  {field}: {}{more}", shown.join(", "));
    }
    out
}
