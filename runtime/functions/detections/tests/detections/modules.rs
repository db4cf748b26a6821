use std::{collections::BTreeMap, io::Write, sync::Arc};

use detections::CacheAccess;
use model::{
    name::EnrichmentName,
    release::{Bundle, EnrichmentTable, WriteMode},
    schema::{FieldType, TableSchema},
    time::Timestamp,
};
use serde_json::json;
use store::cache_sqlite::SqliteCache;

use crate::case::{Case, actions, failures, fired, name, only};

#[test]
fn a_detection_imports_the_modules_beside_it_and_not_those_of_others() {
    let mut case = Case::new(&[]);
    for detection in ["one", "two"] {
        let helper = format!("def who(): return '{detection}'");
        let code = "
from .helper import who as relative
import helper
def detect(r): return True
def title(r):
    import helper as late
    assert late is helper
    return relative() + helper.who()
";
        case.add(detection, &[("detect.py", code), ("helper.py", &helper)]);
    }
    case.add(
        "three",
        &[("detect.py", "from one.helper import who\ndef detect(r): return True\ndef title(r): return who()")],
    );
    let report = case.detect(&actions(&["x", "y"]));
    assert_eq!(report.failures, []);
    let titles: Vec<&str> = report.matches.iter().map(|found| found.title.as_str()).collect();
    assert_eq!(titles, ["oneone", "one", "twotwo", "oneone", "one", "twotwo"]);
}

#[test]
fn a_detection_has_its_own_requirements() {
    let mut case = Case::new(&[]);
    for (detection, version) in [("one", "1"), ("two", "2")] {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (path, text) in [("lib/__init__.py", "from .version import VERSION\n"), ("lib/version.py", "VERSION = ")] {
            zip.start_file(path, zip::write::SimpleFileOptions::default()).unwrap();
            write!(zip, "{text}{}", if text.ends_with("= ") { version } else { "" }).unwrap();
        }
        let bytes = zip.finish().unwrap().into_inner();
        let code = "
import lib
def detect(r): return True
def title(r):
    import lib.version
    return f'{lib.VERSION} {lib.version.VERSION}'
";
        let digest = Bundle::add(&mut case.bundle.resources, bytes);
        case.add(detection, &[("detect.py", code)]).site_packages = Some(digest);
    }
    case.add("zzz", &[("detect.py", "import lib\ndef detect(r): return True")]);
    let report = case.detect(&actions(&["x"]));
    let titles: Vec<&str> = report.matches.iter().map(|found| found.title.as_str()).collect();
    assert_eq!(titles, ["1 1", "2 2"]);
    assert_eq!(failures(&report, "zzz"), ["import detections/zzz/detect.py:1"]);
}

#[test]
fn a_module_beside_a_detection_does_not_hide_the_standard_library() {
    let mut case = Case::new(&[]);
    let code =
        "import json\nimport colorsys\ndef detect(r): return colorsys.rgb_to_hsv(1, 1, 1) and json.dumps(1) == '1'";
    case.add("one", &[("detect.py", code), ("json.py", "nope = 1"), ("colorsys.py", "nope = 1")]);
    assert_eq!(fired(&case.detect(&actions(&["x"]))), ["one@r0"]);
}

#[test]
fn a_worker_has_nothing_in_its_environment() {
    let code = "
import os, sys
def detect(r): return True
def alert_context(r):
    return {'environment': sorted(os.environ), 'here': os.listdir('.'), 'arguments': sys.argv, 'stdin': sys.stdin.read()}
";
    let report = Case::new(&[("look", code)]).detect(&actions(&["x"]));
    let mut expected = vec!["MALLOC_ARENA_MAX", "TMPDIR", "TZ"];
    expected.extend(std::env::var_os("LD_LIBRARY_PATH").map(|_| "LD_LIBRARY_PATH"));
    expected.sort_unstable();
    let mut context = report.matches[0].context.clone();
    // Python itself sets it for the C locale
    context["environment"].as_array_mut().unwrap().retain(|name| name != "LC_CTYPE");
    assert_eq!(context, json!({"environment": expected, "here": [], "arguments": [""], "stdin": ""}));
}

fn tor_exits(case: &mut Case, keys: &[&str], lines: &str) {
    let mut schema = TableSchema::default();
    schema.insert("ip", FieldType::String).unwrap();
    schema.insert("seen.first", FieldType::Timestamp).unwrap();
    schema.insert("seen.count", FieldType::Long).unwrap();
    let table = EnrichmentName::parse("tor_exits").unwrap();
    let data = Bundle::add(&mut case.bundle.resources, lines);
    case.bundle.release.enrichment = BTreeMap::from([(
        table.clone(),
        EnrichmentTable {
            name: table,
            schema,
            lookup_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            write_mode: WriteMode::Overwrite,
            primary_key: vec![],
            data: Some(data),
            transform: None,
        },
    )]);
}

const EXITS: &str = "{\"ip\": \"1.1.1.1\", \"seen\": {\"count\": 1}}
{\"ip\": \"2.2.2.2\", \"seen.count\": 2, \"seen.first\": \"2024-01-01T00:00:00Z\"}
{\"ip\": \"1.1.1.1\", \"seen\": {\"count\": 3}}
";

#[test]
fn an_enrichment_table_is_looked_up_by_its_keys() {
    let code = "
from detection.enrichment import tor_exits
def detect(r): return True
def alert_context(r):
    row = tor_exits.get('2.2.2.2', lookup_key='ip')
    row['ip'] = 'changed'
    return {
        'last': tor_exits.get('1.1.1.1', 'ip'), 'none': tor_exits.get('3.3.3.3', 'ip'), 'null': tor_exits.get(None, 'ip'),
        'number': tor_exits.get(2, lookup_key='seen.count'), 'type': type(tor_exits.get(2, 'seen.count')['seen']['first']).__name__,
    }
";
    let mut case = Case::new(&[("look", code)]);
    tor_exits(&mut case, &["ip", "seen.count"], EXITS);
    let report = case.detect(&actions(&["x"]));
    assert_eq!(report.failures, []);
    let expected = json!({
        "last": {"ip": "1.1.1.1", "seen": {"first": null, "count": 3}}, "none": null, "null": null,
        "number": {"ip": "2.2.2.2", "seen": {"first": "2024-01-01T00:00:00Z", "count": 2}}, "type": "datetime",
    });
    assert_eq!(report.matches[0].context, expected);
}

#[test]
fn a_lookup_that_can_not_work_says_why() {
    let code = "
from detection.enrichment import tor_exits
def detect(r): return tor_exits.get('1.1.1.1')
def title(r): return tor_exits.get('1.1.1.1')['ip']
";
    let missing = "from detection.enrichment import tor_exit\ndef detect(r): return True";
    let mut case = Case::new(&[("look", code), ("miss", missing)]);
    for (keys, expected) in [
        (
            vec![],
            "ValueError: enrichment table `tor_exits` has no lookup keys; add `lookup_keys` to its enrichment.yml",
        ),
        (
            vec!["ip", "seen.count"],
            "ValueError: enrichment table `tor_exits` has several lookup keys; pass `lookup_key`, one of: ip, seen.count",
        ),
    ] {
        tor_exits(&mut case, &keys, EXITS);
        let report = case.detect(&actions(&["x"]));
        assert_eq!(report.failures[0].message, expected);
        let missing = "ImportError: there is no enrichment table `tor_exit`; there are: tor_exits";
        assert_eq!(report.failures[1].message, missing);
    }
    tor_exits(&mut case, &["ip"], EXITS);
    case.bundle.release.detections.remove(&name("miss"));
    assert_eq!(case.detect(&actions(&["x"])).matches[0].title, "1.1.1.1");
}

const REMEMBERS: &str = "
from detection import remotecache
cache = remotecache('logins', ttl=60)
def detect(r):
    action = r['event']['action']
    if action == 'look': return True
    if action == 'forget': del cache['k'], cache['n'], cache['s']
    if action == 'learn':
        cache['k'] = {'a': [1, 2.5, 'ü', None]}
        cache['t'] = 'text'
        assert cache.increment_counter('n') == 1
        assert cache.increment_counter('n', 41) == 42
        assert cache.decrement_counter('n', 2) == 40
        assert cache.add_to_string_set('s', ['b', 'a']) == ['a', 'b']
        assert cache.add_to_string_set('s', 'c') == ['a', 'b', 'c']
        assert cache.remove_from_string_set('s', ['a', 'nope']) == ['b', 'c']
        assert cache.remove_from_string_set('gone', 'x') == []
        cache['set'] = {'y', 'x'}
    return False
def alert_context(r):
    other = remotecache('other')
    return {'k': cache['k'], 'get': cache.get('k2', 'd'), 'in': 'k' in cache, 'n': cache['n'], 's': cache['s'],
            't': cache['t'], 'other': other['k'], 'set': cache['set']}
";

#[test]
fn a_cache_remembers_until_it_is_told_to_forget_or_time_is_up() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut case = Case::new(&[("remembers", REMEMBERS)]);
    let clock = Arc::new(std::sync::Mutex::new(Timestamp::EPOCH));
    let now = clock.clone();
    case.config.cache = Some(CacheAccess {
        cache: Arc::new(SqliteCache::open(&case.directory.path().join("cache.db")).unwrap()),
        runtime: runtime.handle().clone(),
        now: Arc::new(move || *now.lock().unwrap()),
    });
    let host = case.host();
    let see = |action: &str| {
        let report = host.detect(&[case.stage("a.parquet", &actions(&[action]))]).unwrap();
        assert_eq!(report.failures, []);
        report.matches.into_iter().next().map(|found| found.context)
    };
    let nothing = json!({
        "k": null, "get": "d", "in": false, "n": null, "s": null, "t": null, "other": null, "set": null
    });
    let everything = json!({
        "k": {"a": [1, 2.5, "ü", null]}, "get": "d", "in": true, "n": 40, "s": ["b", "c"], "t": "text", "other": null,
        "set": ["x", "y"],
    });
    assert_eq!(see("look"), Some(nothing.clone()));
    assert_eq!(see("learn"), None);
    assert_eq!(see("look"), Some(everything.clone()));
    *clock.lock().unwrap() = Timestamp::EPOCH.plus_seconds(59);
    assert_eq!(see("look"), Some(everything));
    assert_eq!(see("forget"), None);
    let mut rest = nothing.clone();
    (rest["t"], rest["set"]) = (json!("text"), json!(["x", "y"]));
    assert_eq!(see("look"), Some(rest));
    *clock.lock().unwrap() = Timestamp::EPOCH.plus_seconds(61);
    assert_eq!(see("look"), Some(nothing));
}

#[test]
fn a_cache_that_is_not_there_or_is_used_wrongly_says_so() {
    let report = Case::new(&[("remembers", REMEMBERS)]).detect(&actions(&["learn"]));
    assert_eq!(only(&report).message, "RuntimeError: remotecache('logins'): there is no remote cache here");
    let code = "from detection import remotecache\nremotecache('x', ttl=0)\ndef detect(r): return True";
    let report = Case::new(&[("wrong", code)]).detect(&actions(&["x"]));
    assert!(only(&report).message.starts_with("ValueError: `ttl` is 0, expected a number of seconds"));
}
