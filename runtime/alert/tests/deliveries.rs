//! Who hears of an alert, and what is new to them.
#![allow(clippy::unwrap_used)] // a test may panic

mod example;

use std::{collections::BTreeMap, num::NonZeroU32};

use alert::{decide::deliveries, news::News};
use example::{alert_of, found};
use model::{
    alert::{Alert, RuleMatch, Severity},
    delivery::{DeliveryKind, Fate},
    name::DestinationName,
    release::{Destination, DestinationKind},
};
use serde_json::json;

fn name(name: &str) -> DestinationName {
    DestinationName::parse(name).unwrap()
}

fn known(names: &[&str]) -> BTreeMap<DestinationName, Destination> {
    let each = names.iter().map(|text| (name(text), Destination { name: name(text), kind: DestinationKind::Stdout }));
    each.collect()
}

fn told(alert: &Alert) -> BTreeMap<DestinationName, Alert> {
    alert.destinations.iter().map(|name| (name.clone(), alert.clone())).collect()
}

fn some(count: i64, threshold: u32) -> Vec<RuleMatch> {
    let each = (0..count).map(|n| {
        let mut found = found(&n.to_string(), n, json!({"n": n}));
        found.threshold = NonZeroU32::new(threshold).unwrap();
        found
    });
    each.collect()
}

fn kinds(told: &BTreeMap<DestinationName, Alert>, after: &Alert) -> Vec<DeliveryKind> {
    deliveries(told, after, &known(&["ops"])).into_iter().map(|delivery| delivery.kind).collect()
}

#[test]
fn a_first_match_is_new_a_further_one_an_update_and_the_same_nothing() {
    let (one, two) = (alert_of(&some(1, 1)), alert_of(&some(2, 1)));
    assert_eq!(kinds(&BTreeMap::new(), &one), [DeliveryKind::New]);
    assert_eq!(kinds(&told(&one), &two), [DeliveryKind::Update]);
    assert_eq!(kinds(&told(&two), &two), []);
}

#[test]
fn nothing_is_sent_below_the_threshold_and_everything_when_it_is_crossed() {
    let (two, three) = (alert_of(&some(2, 3)), alert_of(&some(3, 3)));
    assert_eq!(kinds(&BTreeMap::new(), &two), []);
    assert_eq!(kinds(&BTreeMap::new(), &three), [DeliveryKind::New]);
    let news = News::between(None, &three);
    assert_eq!(news.new_matches, 3);
    assert_eq!(news.new_context["n"], [0, 1, 2]);
}

#[test]
fn an_alert_that_was_told_is_told_on_when_its_threshold_rises() {
    let mut matches = some(2, 1);
    let before = alert_of(&matches[..1]);
    matches[1].threshold = NonZeroU32::new(100).unwrap();
    let after = alert_of(&matches);
    assert!(!after.is_active());
    assert_eq!(kinds(&told(&before), &after), [DeliveryKind::Update]);
}

#[test]
fn severity_info_goes_nowhere() {
    let mut matches = some(1, 1);
    matches[0].severity = Severity::Info;
    assert_eq!(kinds(&BTreeMap::new(), &alert_of(&matches)), []);
}

#[test]
fn an_unknown_destination_is_refused_and_the_others_are_served() {
    let mut matches = some(1, 1);
    matches[0].destinations = vec![name("gone"), name("ops")];
    let out = deliveries(&BTreeMap::new(), &alert_of(&matches), &known(&["ops"]));
    assert_eq!(out.len(), 2);
    let Fate::Refuse(reason) = &out[0].fate else { panic!("{out:?}") };
    assert!(reason.starts_with("destination `gone` is not in the project"), "{reason}");
    assert_eq!((&out[1].destination, &out[1].fate), (&name("ops"), &Fate::Send));
}

#[test]
fn a_destination_that_joins_later_hears_everything() {
    let mut matches = some(2, 1);
    let before = alert_of(&matches[..1]);
    matches[1].destinations.push(name("late"));
    let after = alert_of(&matches);
    let out = deliveries(&told(&before), &after, &known(&["ops", "late"]));
    let kinds: Vec<_> = out.iter().map(|delivery| (delivery.destination.as_str(), delivery.kind)).collect();
    assert_eq!(kinds, [("late", DeliveryKind::New), ("ops", DeliveryKind::Update)]);
}

#[test]
fn news_of_an_update_is_what_was_not_there_before() {
    let mut matches = some(3, 1);
    matches[0].severity = Severity::Low;
    matches[1].severity = Severity::Low;
    matches[2].event = json!({"n": 1, "user": {"name": "eve"}});
    let (before, after) = (alert_of(&matches[..2]), alert_of(&matches));
    let news = News::between(Some(&before), &after);
    assert_eq!((news.new_matches, news.raised_from), (1, Some(Severity::Low)));
    assert_eq!(json!(news.new_context), json!({"user.name": ["eve"]}));
    assert!(news.new_context_more.is_empty());
}

#[test]
fn news_counts_values_that_the_alert_no_longer_lists() {
    let early = found("r1", 0, json!({"n": (0..90).collect::<Vec<_>>()}));
    let late = found("r2", 1, json!({"n": (90..130).collect::<Vec<_>>()}));
    let (before, after) = (alert_of(std::slice::from_ref(&early)), alert_of(&[early, late]));
    let news = News::between(Some(&before), &after);
    assert_eq!((news.new_context["n"].len(), news.new_context_more["n"]), (10, 30));
}
