//! What is committed together, decided from what waits. Pure.

use std::collections::BTreeMap;

use model::{name::TableName, object::ObjectId, time::Timestamp};
use store::ledger::Pending;

use crate::{Arrival, Flush, WriteOptions};

/// More files than this are not committed at once: the rest makes the next batch.
pub(crate) const MAX_FILES: usize = 1000;

/// What is decided about files that wait.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Keys to be committed together, by table; a table may have several batches.
    pub(crate) batches: Vec<(TableName, Vec<String>)>,
    /// When the first of the others has waited long enough.
    pub(crate) next_due: Option<Timestamp>,
}

pub(crate) fn decide(
    pending: &[Pending],
    options: impl Fn(&TableName) -> WriteOptions,
    flush: Flush,
    now: Timestamp,
) -> Decision {
    let mut by_table: BTreeMap<&TableName, Vec<&Pending>> = BTreeMap::new();
    for waiting in pending {
        by_table.entry(&waiting.file.table).or_default().push(waiting);
    }
    let mut decision = Decision::default();
    for (table, waiting) in by_table {
        let options = options(table);
        match options.arrival {
            Arrival::Together => (),
            Arrival::InTurn(_) => {
                decision.batches.extend(by_object(&waiting).into_iter().map(|keys| (table.clone(), keys)));
                continue;
            }
        }
        let bytes: u64 = waiting.iter().map(|pending| pending.file.bytes).sum();
        let since = waiting.iter().map(|pending| pending.since).min().unwrap_or(now);
        let due = since.plus_seconds(i64::from(options.commit_delay_seconds));
        if flush == Flush::All || bytes >= options.target_file_bytes.get() || due <= now || waiting.len() >= MAX_FILES {
            for files in waiting.chunks(MAX_FILES) {
                let keys = files.iter().map(|pending| pending.file.key.clone()).collect();
                decision.batches.push((table.clone(), keys));
            }
        } else {
            decision.next_due = Some(decision.next_due.map_or(due, |earlier| earlier.min(due)));
        }
    }
    decision
}

/// Keys by object, in the order in which they were staged.
fn by_object(waiting: &[&Pending]) -> Vec<Vec<String>> {
    let mut objects: Vec<(ObjectId, Vec<String>)> = Vec::new();
    for pending in waiting {
        match objects.iter_mut().find(|(object, _)| *object == pending.file.object) {
            Some((_, keys)) => keys.push(pending.file.key.clone()),
            None => objects.push((pending.file.object, vec![pending.file.key.clone()])),
        }
    }
    objects.into_iter().map(|(_, keys)| keys).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use model::{digest::Digest, object::ObjectId, release::ReleaseId, staged::StagedFile};

    use super::*;

    fn pending(table: &str, key: &str, bytes: u64, since: i64) -> Pending {
        let file = StagedFile {
            table: TableName::parse(table).unwrap(),
            key: key.to_owned(),
            rows: 1,
            bytes,
            ts_range: (Timestamp::EPOCH, Timestamp::EPOCH),
            object: ObjectId(Digest::of(key.as_bytes())),
            release: ReleaseId(Digest::of(b"r")),
        };
        Pending { file, since: Timestamp::EPOCH.plus_seconds(since) }
    }

    fn check(pending: &[Pending], flush: Flush, now: i64, batches: &[(&str, &[&str])], next_due: Option<i64>) {
        let options = |_: &TableName| WriteOptions {
            target_file_bytes: NonZeroU64::new(100).unwrap(),
            commit_delay_seconds: 10,
            arrival: Arrival::Together,
        };
        let decision = decide(pending, options, flush, Timestamp::EPOCH.plus_seconds(now));
        let expected: Vec<(TableName, Vec<String>)> = batches
            .iter()
            .map(|(table, keys)| (TableName::parse(table).unwrap(), keys.iter().map(|key| (*key).to_owned()).collect()))
            .collect();
        assert_eq!(decision.batches, expected);
        assert_eq!(decision.next_due, next_due.map(|seconds| Timestamp::EPOCH.plus_seconds(seconds)));
    }

    #[test]
    fn a_table_waits_for_its_delay() {
        let waiting = [pending("a", "1", 10, 0), pending("a", "2", 10, 5), pending("b", "3", 10, 7)];
        check(&waiting, Flush::Due, 9, &[], Some(10));
        check(&waiting, Flush::Due, 10, &[("a", &["1", "2"])], Some(17));
        check(&waiting, Flush::All, 0, &[("a", &["1", "2"]), ("b", &["3"])], None);
    }

    #[test]
    fn a_table_with_enough_bytes_does_not_wait() {
        let waiting = [pending("a", "1", 60, 0), pending("a", "2", 40, 0), pending("b", "3", 99, 0)];
        check(&waiting, Flush::Due, 0, &[("a", &["1", "2"])], Some(10));
    }

    #[test]
    fn objects_that_come_in_turn_do_not_wait_and_are_not_mixed() {
        let mut waiting = [pending("a", "2", 1, 0), pending("a", "1", 1, 0), pending("a", "2b", 1, 5)];
        waiting[2].file.object = waiting[0].file.object;
        let options = |_: &TableName| WriteOptions {
            arrival: Arrival::InTurn(lake::Effect::Overwrite),
            ..WriteOptions::default()
        };
        let decision = decide(&waiting, options, Flush::Due, Timestamp::EPOCH);
        let keys: Vec<Vec<String>> = decision.batches.into_iter().map(|(_, keys)| keys).collect();
        assert_eq!(keys, [vec!["2", "2b"], vec!["1"]]);
        assert_eq!(decision.next_due, None);
    }

    #[test]
    fn very_many_files_make_several_batches() {
        let waiting: Vec<Pending> = (0..=MAX_FILES).map(|n| pending("a", &n.to_string(), 0, 0)).collect();
        let options = |_: &TableName| WriteOptions::default();
        let decision = decide(&waiting, options, Flush::Due, Timestamp::EPOCH);
        assert_eq!(decision.batches.iter().map(|(_, keys)| keys.len()).collect::<Vec<_>>(), [MAX_FILES, 1]);
    }
}
