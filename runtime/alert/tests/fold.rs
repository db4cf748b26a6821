//! An alert depends on the set of its matches alone.
#![allow(clippy::unwrap_used)] // a test may panic

mod example;

use std::num::NonZeroU32;

use alert::{
    context::{COUNTED_EXACTLY, FIELDS, VALUE_LENGTH, VALUES_PER_FIELD},
    fold::{AlertState, Summary, fold},
};
use example::{alert_of, found};
use model::{
    alert::{RuleMatch, Severity},
    digest::Digest,
    name::DestinationName,
    release::ReleaseId,
};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

fn a_match(record: u16) -> impl Strategy<Value = RuleMatch> {
    let values = prop::collection::vec(0..40_u32, 0..4);
    (0..4_i64, values, 0..6_usize, 1..5_u32, 0..3_u8).prop_map(move |(seconds, values, severity, threshold, kind)| {
        let mut found = found(&record.to_string(), seconds, json!({"source": {"ip": values}, "k": {"n": kind}}));
        found.severity = Severity::ALL[severity];
        found.title = format!("title {record}");
        found.threshold = NonZeroU32::new(threshold).unwrap();
        found.release = ReleaseId(Digest::of(&[kind]));
        found.references = vec![format!("https://example.com/{kind}"), "https://example.com".to_owned()];
        found.destinations = vec![DestinationName::parse(&format!("d{kind}")).unwrap()];
        found
    })
}

/// Up to 40 different matches.
fn matches() -> impl Strategy<Value = Vec<RuleMatch>> {
    (1..40_u16).prop_flat_map(|count| (0..count).map(a_match).collect::<Vec<_>>())
}

/// Matches with so many values that every limit is passed.
fn wide_matches() -> impl Strategy<Value = Vec<RuleMatch>> {
    let values = prop::collection::vec(0..500_u32, 60);
    prop::collection::vec((0..3_i64, values), 1..12).prop_map(|events| {
        let each = events.into_iter().enumerate();
        each.map(|(record, (seconds, values))| found(&record.to_string(), seconds, json!({"n": values}))).collect()
    })
}

fn state(matches: &[RuleMatch]) -> AlertState {
    fold(matches).into_values().next().expect("there is a match")
}

/// The same matches in another order, some of them more than once, in several parts that are folded apart and merged.
fn reshuffled(matches: &[RuleMatch], order: &[Index], again: &[Index], parts: usize) -> AlertState {
    let mut all = matches.to_vec();
    for at in 0..all.len() {
        all.swap(at, order[at % order.len()].index(matches.len()));
    }
    all.extend(again.iter().map(|index| index.get(matches).clone()));
    let size = all.len().div_ceil(parts);
    let mut states = all.chunks(size).map(state);
    let mut whole = states.next().expect("there is a match");
    for part in states {
        whole.merge(&part);
    }
    whole
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn order_batches_and_repetition_do_not_show(
        matches in prop_oneof![3 => matches(), 1 => wide_matches()],
        order in prop::collection::vec(any::<Index>(), 40),
        again in prop::collection::vec(any::<Index>(), 0..20),
        parts in 1..6_usize,
    ) {
        let straight = state(&matches);
        let other = reshuffled(&matches, &order, &again, parts);
        prop_assert_eq!(straight.alert(), other.alert());
        prop_assert_eq!(straight.alert().is_active(), other.alert().is_active());
        // not only what shows: what later matches will build on, too
        prop_assert_eq!(&straight, &other);
    }

    #[test]
    fn merging_is_associative_commutative_and_idempotent(
        matches in prop_oneof![matches(), wide_matches()],
        first in any::<Index>(),
        second in any::<Index>(),
    ) {
        let (first, second) = (first.index(matches.len()), second.index(matches.len()));
        let (a, b, c) = (state(&matches[first..]), state(&matches[second..]), state(&matches[..=first]));
        let merged = |left: &AlertState, right: &AlertState| {
            let mut left = left.clone();
            left.merge(right);
            left
        };
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&a, &a), a);
    }

    #[test]
    fn a_summary_survives_being_stored(matches in prop_oneof![matches(), wide_matches()]) {
        let mut straight = Summary::of(&matches[0]);
        let mut stored = straight.clone();
        for found in &matches[1..] {
            straight.absorb(found);
            stored = Summary::from_json(&stored.to_json()).unwrap();
            stored.absorb(found);
        }
        prop_assert_eq!(straight, stored);
    }
}

#[test]
fn a_match_counts_once_however_often_it_arrives() {
    let one = found("r1", 0, json!({}));
    let mut state = AlertState::of(&one);
    assert!(!state.absorb(&one));
    assert!(state.absorb(&found("r2", 0, json!({}))));
    assert_eq!(state.alert().match_count, 2);
}

#[test]
fn keys_and_windows_keep_alerts_apart() {
    let mut other_key = found("r2", 0, json!({}));
    other_key.dedupe = "other".to_owned();
    let next_hour = found("r3", 3600, json!({}));
    assert_eq!(fold(&[found("r1", 0, json!({})), other_key, next_hour]).len(), 3);
}

#[test]
fn the_earliest_match_gives_the_title_and_the_worst_the_severity() {
    let mut late = found("r1", 9, json!({}));
    late.title = "late".to_owned();
    late.severity = Severity::Critical;
    let mut early = found("r2", 1, json!({}));
    early.title = "early".to_owned();
    early.runbook = Some("call".to_owned());
    let alert = alert_of(&[late, early]);
    assert_eq!((alert.title.as_str(), alert.severity), ("early", Severity::Critical));
    assert_eq!(alert.runbook.as_deref(), Some("call"));
    assert_eq!((alert.first_matched_at, alert.last_matched_at), (example::at(1), example::at(9)));
}

#[test]
fn context_has_each_value_once_in_order_of_first_appearance() {
    let second = found("r1", 5, json!({"source": {"ip": "b"}, "related": {"ip": ["a", "c"]}}));
    let first = found("r2", 1, json!({"source": {"ip": "a"}, "related": {"ip": ["c", "d"]}}));
    let alert = alert_of(&[second, first]);
    assert_eq!(alert.context["source.ip"], ["a", "b"]);
    assert_eq!(alert.context["related.ip"], ["c", "d", "a"]);
}

#[test]
fn context_leaves_out_what_differs_in_every_event() {
    let mut found = found(
        "r1",
        0,
        json!({
            "ts": "x", "message": "x", "matano": {"table": "x"}, "ecs": {"version": "9"}, "user": {"name": "root", "id": null},
            "event": {"id": "x", "created": "x", "kind": "x", "duration": 1, "original": "x", "action": "ConsoleLogin"},
            "items": [{"a": 1}, {"a": 2, "b": [true]}],
        }),
    );
    found.context = json!({"account": {"id": 1}, "event.id": 7});
    let context = alert_of(&[found]).context;
    let fields: Vec<(&str, Value)> = context.iter().map(|(field, values)| (field.as_str(), json!(values))).collect();
    assert_eq!(
        fields,
        [
            ("alert_context.account.id", json!([1])),
            ("alert_context.event.id", json!([7])),
            ("event.action", json!(["ConsoleLogin"])),
            ("items.a", json!([1, 2])),
            ("items.b", json!([true])),
            ("user.name", json!(["root"])),
        ]
    );
}

#[test]
fn context_is_bounded_and_counts_the_rest() {
    let values: Vec<usize> = (0..VALUES_PER_FIELD + 50).collect();
    let fields: serde_json::Map<String, Value> = (0..FIELDS + 5).map(|n| (format!("f{n:06}"), json!(1))).collect();
    let long = "x".repeat(VALUE_LENGTH * 2);
    let alert = alert_of(&[found("r1", 0, json!({"a": values, "b": long, "c": fields}))]);
    assert_eq!(alert.context["a"].len(), VALUES_PER_FIELD);
    assert_eq!(alert.context["a"][0], 0);
    assert_eq!(alert.context_more["a"], 50);
    assert_eq!(alert.context["b"][0].as_str().unwrap().chars().count(), VALUE_LENGTH);
    assert_eq!(alert.context.len(), FIELDS);
    assert!(!alert.context_more.contains_key("b"));
}

#[test]
fn many_values_are_counted_about_right() {
    let count = 20_000_u64;
    let values: Vec<u64> = (0..count).collect();
    let alert = alert_of(&[found("r1", 0, json!({"n": values}))]);
    let counted = alert.context_more["n"] + VALUES_PER_FIELD as u64;
    assert!(counted > COUNTED_EXACTLY as u64 && counted.abs_diff(count) < count / 5, "{counted}");
}

#[test]
fn a_summary_of_a_newer_format_is_refused() {
    let json = String::from_utf8(Summary::of(&found("r1", 0, json!({}))).to_json()).unwrap();
    let error = Summary::from_json(json.replace("\"format\":1", "\"format\":2").as_bytes()).unwrap_err();
    assert_eq!(error, "summary has format 2, expected at most 1");
}
