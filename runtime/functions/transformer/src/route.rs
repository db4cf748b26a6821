//! Which log source an object belongs to.

use std::collections::BTreeMap;

use model::{
    name::LogSourceName,
    release::{LogSource, Release},
};
use regex::Regex;

/// The sources of a release, uploads to enrichment tables among them, by what their objects are called. Same release, bucket and key: same answer.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    sources: BTreeMap<LogSourceName, (LogSource, Option<Regex>)>,
}

/// A pattern that is no regular expression. `matano check` finds it first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("log source `{log_source}`: `key_pattern` is no regular expression: {problem}")]
pub struct RouteError {
    /// The log source.
    pub log_source: LogSourceName,
    /// What is wrong with it.
    pub problem: String,
}

/// How well an object fits: the longer prefix first, then the one with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    prefix: usize,
    has_pattern: bool,
    own_bucket: bool,
}

impl Routes {
    /// Compiles the patterns of a release.
    pub fn new(release: &Release) -> Result<Self, RouteError> {
        let mut sources = BTreeMap::new();
        for (name, source) in release.sources() {
            let pattern = source.objects.key_pattern.as_deref().map(Regex::new).transpose();
            let pattern =
                pattern.map_err(|error| RouteError { log_source: name.clone(), problem: error.to_string() })?;
            sources.insert(name, (source, pattern));
        }
        Ok(Self { sources })
    }

    /// The log source of an object. The longest `key_prefix` wins, then one with a `key_pattern`, then one with a bucket of
    /// its own, then the first by name. Where no prefix fits, the first directory of the key may be the name of a log source.
    ///
    /// Local files have no key but their absolute path: what follows any of its directories counts as one.
    pub fn route(&self, bucket: &str, key: &str) -> Option<&LogSourceName> {
        let local = bucket == store::objects::FILE_BUCKET;
        let keys: Vec<&str> = if local { below(key) } else { vec![key] };
        let best = |key: &&str| self.best(bucket, key);
        let fits = keys.iter().filter_map(best);
        // of the same fit, the first name; `max_by` would take the last
        let best = fits.max_by(|(left, a), (right, b)| left.cmp(right).then_with(|| b.cmp(a)));
        best.map(|(_, name)| name).or_else(|| {
            let named = |key: &&str| {
                let (first, _) = key.split_once('/')?;
                self.sources.get_key_value(first).filter(|(_, (source, _))| source.objects.bucket.is_none())
            };
            keys.iter().rev().find_map(named).map(|(name, _)| name)
        })
    }

    fn best(&self, bucket: &str, key: &str) -> Option<(Fit, &LogSourceName)> {
        let fit = |(name, (source, pattern)): (_, &(LogSource, Option<Regex>))| {
            let objects = &source.objects;
            let bucket_fits = objects.bucket.as_deref().is_none_or(|own| own == bucket);
            // a source of the common bucket that says nothing about its keys would take everybody's
            let says_nothing = objects.bucket.is_none() && objects.key_prefix.is_empty() && pattern.is_none();
            let fits = bucket_fits
                && !says_nothing
                && key.starts_with(&objects.key_prefix)
                && pattern.as_ref().is_none_or(|pattern| pattern.is_match(key));
            let fit = Fit {
                prefix: objects.key_prefix.len(),
                has_pattern: pattern.is_some(),
                own_bucket: objects.bucket.is_some(),
            };
            fits.then_some((fit, name))
        };
        self.sources
            .iter()
            .filter_map(fit)
            .max_by(|(left, a): &(Fit, &LogSourceName), (right, b)| left.cmp(right).then_with(|| b.cmp(a)))
    }
}

/// `b/c` and `c` for `/a/b/c`, the longest first: without the directories above.
fn below(path: &str) -> Vec<&str> {
    path.match_indices('/').map(|(at, _)| &path[at + 1..]).filter(|rest| !rest.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use model::release::{FORMAT, ObjectMatch};

    use super::*;

    fn routes(sources: &[(&str, Option<&str>, &str, Option<&str>)]) -> Routes {
        let log_sources = sources.iter().map(|(name, bucket, prefix, pattern)| {
            let name = LogSourceName::parse(name).unwrap();
            let source = LogSource {
                name: name.clone(),
                managed: None,
                objects: ObjectMatch {
                    bucket: bucket.map(str::to_owned),
                    key_prefix: (*prefix).to_owned(),
                    key_pattern: pattern.map(str::to_owned),
                },
                cloudwatch_envelope: false,
                select_table_from_metadata: None,
                select_table_from_record: None,
                max_record_bytes: NonZeroU64::MIN,
                tables: BTreeMap::new(),
            };
            (name, source)
        });
        let release = Release {
            format: FORMAT,
            log_sources: log_sources.collect(),
            tables: BTreeMap::new(),
            detections: BTreeMap::new(),
            enrichment: BTreeMap::new(),
            destinations: BTreeMap::new(),
        };
        Routes::new(&release).unwrap()
    }

    fn check(routes: &Routes, bucket: &str, key: &str, expected: Option<&str>) {
        assert_eq!(routes.route(bucket, key).map(LogSourceName::as_str), expected, "{bucket} {key}");
    }

    #[test]
    fn the_longest_prefix_wins_and_the_first_directory_is_a_fallback() {
        let routes =
            routes(&[("a", None, "logs/", None), ("b", None, "logs/b/", None), ("c", None, "elsewhere/", None)]);
        check(&routes, "ingest", "logs/x", Some("a"));
        check(&routes, "ingest", "logs/b/x", Some("b"));
        check(&routes, "ingest", "c/x", Some("c"));
        check(&routes, "ingest", "x/logs/b/y", None);
        check(&routes, "ingest", "c", None);
    }

    #[test]
    fn buckets_and_patterns_must_hold_too() {
        let routes = routes(&[
            ("own", Some("mine"), "", None),
            ("csv", Some("mine"), "", Some(r"\.csv$")),
            ("nothing", None, "", None),
        ]);
        check(&routes, "mine", "a.json", Some("own"));
        check(&routes, "mine", "a.csv", Some("csv"));
        check(&routes, "theirs", "a.csv", None);
        check(&routes, "theirs", "nothing/a.csv", Some("nothing"));
        check(&routes, "theirs", "own/a.csv", None);
    }

    #[test]
    fn a_local_file_is_matched_below_any_of_its_directories() {
        let routes = routes(&[("trail", None, "AWSLogs/", None), ("zeek", None, "zeek/", None)]);
        check(&routes, "file", "/home/me/AWSLogs/1/x.json.gz", Some("trail"));
        check(&routes, "file", "/zeek/AWSLogs/x", Some("trail"));
        check(&routes, "file", "/data/zeek/conn.log", Some("zeek"));
        check(&routes, "file", "/data/conn.log", None);
    }

    #[test]
    fn of_equal_fits_the_first_by_name_wins() {
        let routes = routes(&[("y", None, "k/", None), ("x", None, "k/", None)]);
        check(&routes, "b", "k/1", Some("x"));
    }
}
