use std::collections::BTreeMap;

use alert::{console, decide, fold, news::News, slack, webhook};
use model::{
    alert::{Alert, MatchId, RuleMatch},
    delivery::DeliveryKey,
    digest::Digest,
    name::DestinationName,
    release::{DestinationKind, ReleaseId},
};
use serde_json::{Value, json};

use super::Trial;

/// An alert as it would be sent, with what each destination would hear.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialAlert {
    /// All matches of one dedupe key and window.
    pub alert: Alert,
    /// What `alert_context` said of the first of them.
    pub context: Value,
    /// Whether it has reached its threshold: others are kept and sent nowhere.
    pub is_active: bool,
    /// By destination: Slack's message and the reply in its thread, a webhook's JSON, the lines on a terminal.
    pub messages: BTreeMap<DestinationName, Value>,
}

impl Trial {
    /// Matches folded into alerts, in the order of their first matches.
    pub fn alerts(&self, matches: &[RuleMatch]) -> Vec<TrialAlert> {
        // which release it was must not change what a test finds
        let release = ReleaseId(Digest::of(b""));
        let matches: Vec<RuleMatch> = matches.iter().map(|found| RuleMatch { release, ..found.clone() }).collect();
        let first: BTreeMap<MatchId, usize> =
            matches.iter().enumerate().rev().map(|(at, found)| (found.id, at)).collect();
        let mut order = BTreeMap::new();
        for found in &matches {
            let at = first.get(&found.id).copied().unwrap_or(usize::MAX);
            order.entry(found.alert_id()).or_insert((at, &found.context));
        }
        let mut alerts: Vec<(usize, TrialAlert)> = fold::fold(&matches)
            .into_iter()
            .map(|(id, state)| {
                let alert = state.alert();
                let (at, context) = order.get(&id).map_or((usize::MAX, Value::Null), |(at, one)| (*at, (*one).clone()));
                let (is_active, messages) = (alert.is_active(), self.messages(&alert));
                (at, TrialAlert { alert, context, is_active, messages })
            })
            .collect();
        alerts.sort_by_key(|(at, _)| *at);
        alerts.into_iter().map(|(_, alert)| alert).collect()
    }

    /// What each destination hears of a new alert; nothing where it is sent nowhere.
    fn messages(&self, alert: &Alert) -> BTreeMap<DestinationName, Value> {
        let known = &self.bundle.release.destinations;
        let deliveries = decide::deliveries(&BTreeMap::new(), alert, known);
        let news = News::between(None, alert);
        let heard = deliveries.into_iter().filter_map(|delivery| {
            let kind = &known.get(&delivery.destination)?.kind;
            Some((delivery.destination, message(kind, &news, delivery.key)?))
        });
        heard.collect()
    }
}

/// `None` where this target has no words for it.
fn message(kind: &DestinationKind, news: &News<'_>, key: DeliveryKey) -> Option<Value> {
    Some(match kind {
        // a channel is what a bot needs, see the forwarder
        DestinationKind::Slack { channel: Some(_) } => json!({
            "message": slack::alert_message(news.alert),
            "thread": slack::thread_message(news),
        }),
        DestinationKind::Slack { channel: None } => json!({ "message": slack::webhook_message(news) }),
        DestinationKind::Webhook { .. } => serde_json::from_slice(&webhook::body(news, key)).ok()?,
        DestinationKind::Stdout => json!(console::lines(news)),
        DestinationKind::Ses { .. } => return None,
    })
}
