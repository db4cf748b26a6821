//! Events one after the other, on a clock of their own.

use model::{schema::TableSchema, time::Timestamp};
use serde_json::Value;

use super::{super::Loader, detection, fixture::Fixtures, input};
use crate::{
    project::{FIXED_TIME, Step},
    rules,
    spec::test::StepSpec,
};

/// No sequence is longer: a mistyped `repeat` must not fill the memory.
const LONGEST: usize = 100_000;

/// The events of a sequence with their times, and what must hold after each step. `None` where there is a mistake.
pub fn events(
    loader: &mut Loader<'_>,
    fixtures: &Fixtures<'_>,
    schema: &TableSchema,
    (pointer, fixture): (&str, (&str, Option<&str>)),
    written: &[StepSpec],
) -> Option<(Vec<Value>, Vec<Step>)> {
    let doc = fixtures.doc;
    let (mut events, mut steps, mut fine) = (Vec::new(), Vec::new(), true);
    let mut now: Option<Timestamp> = None;
    for (index, step) in written.iter().enumerate() {
        let pointer = format!("{pointer}/sequence/{index}");
        let own = format!("{pointer}/fixture");
        let fixture = step.fixture.as_deref().map_or(fixture, |name| (own.as_str(), Some(name)));
        let event = fixtures.event(loader, schema, fixture, step.event.as_ref());
        let Some((first, every)) = times(loader, fixtures, &pointer, step, event.as_ref(), now) else {
            fine = false;
            continue;
        };
        let Some(event) = event else {
            fine = false;
            continue;
        };
        let repeat = step.repeat.unwrap_or(1);
        if events.len() + repeat as usize > LONGEST {
            let message = format!("expected a sequence of at most {LONGEST} events");
            loader.report(doc.at(&rules::INVALID_VALUE, &format!("{pointer}/repeat"), message));
            return None;
        }
        let from = events.len();
        for time in 0..repeat {
            let at = first.plus_seconds(every.saturating_mul(i64::from(time)));
            let mut event = event.clone();
            if let Value::Object(members) = &mut event {
                members.insert("ts".to_owned(), at.to_string().into());
            }
            events.push(event);
            now = Some(at);
        }
        steps.push(Step {
            span: doc.point(&pointer),
            events: from..events.len(),
            fires: step.fires,
            alerts: step.alerts,
        });
    }
    if written.is_empty() {
        let message = "expected at least one event";
        loader.report(doc.at(&rules::INVALID_VALUE, &format!("{pointer}/sequence"), message));
        return None;
    }
    fine.then(|| (events, detection::worth(steps)))
}

/// When a step happens first, and after how many seconds again.
fn times(
    loader: &mut Loader<'_>,
    fixtures: &Fixtures<'_>,
    pointer: &str,
    step: &StepSpec,
    event: Option<&Value>,
    before: Option<Timestamp>,
) -> Option<(Timestamp, i64)> {
    let doc = fixtures.doc;
    let after = match &step.after {
        None => None,
        Some(after) => match after.seconds() {
            Ok(seconds) => Some(i64::try_from(seconds).unwrap_or(i64::MAX)),
            Err(problem) => {
                loader.report(doc.at(&rules::INVALID_VALUE, &format!("{pointer}/after"), problem));
                return None;
            }
        },
    };
    let every = after.unwrap_or(0);
    if let Some(ts) = &step.ts {
        if after.is_some() && step.repeat.unwrap_or(1) < 2 {
            let message = "`after` contradicts `ts`";
            let help = "remove one of them";
            loader.report(doc.at_key(&rules::INVALID_VALUE, &format!("{pointer}/after"), message).help(help));
        }
        return Some((input::time(loader, doc, &format!("{pointer}/ts"), ts)?, every));
    }
    let own = event.and_then(|event| event.get("ts")).and_then(Value::as_str).and_then(|ts| ts.parse().ok());
    let start = || FIXED_TIME.parse().unwrap_or(Timestamp::EPOCH);
    Some(match (after, before, own) {
        (Some(after), Some(before), _) => (before.plus_seconds(after), every),
        (None, _, Some(own)) => (own, every),
        (None, Some(before), None) => (before, every),
        (Some(_) | None, None, own) => (own.unwrap_or_else(start), every),
    })
}
