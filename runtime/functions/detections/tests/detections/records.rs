use proptest::{
    prelude::*,
    test_runner::{Config, TestError},
};
use serde_json::{Map, Value, json};

use crate::case::{Case, fired, only};

/// Runs `check(r, d)` in Python, where `d` is what the record should equal.
fn check(row: &Value, code: &str) {
    let whole = format!("{PLAIN}\ndef detect(r):\n    d = plain(r)\n    check(r, d)\n    return True\n{code}\n");
    let report = Case::new(&[("one", &whole)]).detect(std::slice::from_ref(row));
    assert_eq!((fired(&report).len(), report.failures.as_slice()), (1, [].as_slice()));
}

/// Reads a record item by item into plain dictionaries.
const PLAIN: &str = "
def plain(r):
    return {k: plain(r[k]) for k in r} if isinstance(r, dict) else [plain(v) for v in r] if isinstance(r, list) else r
";

fn row() -> Value {
    json!({
        "event": {"action": "login"}, "user": {"name": "ann", "roles": ["a", "b"]}, "count": 7, "ratio": 0.5, "flag": true,
        "day": "2024-02-29", "pairs": [{"key": "k", "value": "v"}],
    })
}

#[test]
fn a_record_holds_values_of_pythons_types_and_none_for_what_is_missing() {
    check(
        &row(),
        "
from datetime import date, datetime, timezone
def check(r, d):
    assert r['ts'] == datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=timezone.utc), r['ts']
    assert r['ts'].tzinfo is not None
    assert r['day'] == date(2024, 2, 29) and r['count'] == 7 and r['ratio'] == 0.5 and r['flag'] is True
    assert r['user'] == {'name': 'ann', 'roles': ['a', 'b'], 'address': None}, r['user']
    assert r['pairs'] == [{'key': 'k', 'value': 'v'}]
    assert r['message'] is None and r['related'] is None and 'message' in r and 'nope' not in r
    try: r['nope']
    except KeyError as error: assert error.args == ('nope',)
    else: assert False
",
    );
}

#[test]
fn deepget_never_raises() {
    check(
        &row(),
        "
def check(r, d):
    assert r.deepget('user.name') == 'ann' == r.deepget(['user', 'name']) == r['user'].deepget('name')
    assert r.deepget('user.address.city') is None and r.deepget('user.address.city', 'x') == 'x'
    assert r.deepget('user.name.first', 1) == 1 and r.deepget('user.roles.a', 2) == 2 and r.deepget('count.x', 3) == 3
    assert r.deepget('nope.nope', default=4) == 4 and r.deepget('related.ip', 5) == 5 and r.deepget('message', 6) == 6
    assert r.deepget('user.roles') == ['a', 'b'] and r.deepget('') is None and r.deepget('a..b') is None
    assert r.deepget([], 1) is r and r.deepget(['pairs', 0]) is None
    assert r.deepget(path='user.name') == r.deepget(default=1, path='user.name') == 'ann'
    for wrong in (lambda: r.deepget(), lambda: r.deepget(1), lambda: r.deepget('a', 'b', 'c'), lambda: r.deepget('a', x=1),
                  lambda: r.deepget('a', path='b'), lambda: r.get(), lambda: r.get('a', 'b', 'c'), lambda: r.get([])):
        try: wrong()
        except TypeError: pass
        else: assert False
",
    );
}

#[test]
fn a_record_is_a_dict_to_everything_that_takes_one() {
    check(
        &row(),
        "
import copy, json, pickle
from collections.abc import Mapping
def check(r, d):
    whole = json.dumps(d, default=str)
    assert isinstance(r, dict) and isinstance(r['user'], dict) and isinstance(r, Mapping)
    assert json.dumps(r, default=str) == whole and json.dumps(r.to_dict(), default=str) == whole
    assert json.dumps(r['user']) == json.dumps(d['user'])
    assert (lambda **named: named)(**r) == d and {**r} == d and dict(r) == d and dict(r.items()) == d
    assert r == d and d == r and not r != d and r != {} and r == r.to_dict() and r['user'] == d['user']
    for copied in (r.copy(), copy.copy(r), copy.deepcopy(r), pickle.loads(pickle.dumps(r)), r.to_dict()):
        assert copied == d and type(copied) is dict
    assert type(r.to_dict()['user']) is dict and r.to_dict()['user'] is not r['user']
    assert list(r) == list(d) == list(r.keys()) == [k for k, v in r.items()] and len(r) == len(d)
    assert list(reversed(r)) == list(reversed(d)) and list(r.values()) == list(d.values())
    assert repr(r) == repr(d) and str(r['user']) == str(d['user']) and f'{r}' == str(d)
    assert (r | {'x': 1}) == (d | {'x': 1}) and ({'x': 1} | r) == ({'x': 1} | d)
    assert '{user[name]} {count}'.format_map(r) == 'ann 7' and '%(count)s' % r == '7'
    match r:
        case {'user': {'name': name}, 'count': 7}: assert name == 'ann'
        case _: assert False
    try: hash(r)
    except TypeError: pass
    else: assert False
    assert bool(r) and type(r)() == {} and not type(r)() and sorted(r) == sorted(d)
    target = {}
    target.update(r)
    assert target == d and set(r) == set(d) and (r.get('user') or {}).get('name') == 'ann'
",
    );
}

#[test]
fn json_of_an_untouched_record_is_whole() {
    let code = "import json\ndef detect(r): return True\ndef title(r): return json.dumps(r['user'])\ndef dedupe(r): return json.dumps(r, default=str)";
    let report = Case::new(&[("one", code)]).detect(&[row()]);
    assert_eq!(report.matches[0].title, r#"{"name": "ann", "roles": ["a", "b"], "address": null}"#);
    let whole: Value = serde_json::from_str(&report.matches[0].dedupe).unwrap();
    assert_eq!((&whole["count"], &whole["user"]["name"]), (&json!(7), &json!("ann")));
}

#[test]
fn a_change_is_seen_by_the_same_detection_and_by_no_other() {
    let reads = "def detect(r): return True\ndef title(r): return f\"{r.deepget('user.name')} {r['user']['roles']} {r.get('new')} {len(r)}\"";
    let changes = [
        ("assign", "r['user'] = {'name': 'eve', 'roles': []}"),
        ("nested", "r['user']['name'] = 'eve'"),
        ("list", "r['user']['roles'].append('eve')"),
        ("dicts", "r['pairs'][0]['key'] = 'eve'"),
        ("add", "r['new'] = 'eve'"),
        ("delete", "del r['user']['name']"),
        ("pop", "r.pop('user')"),
        ("clear", "r.clear()"),
        ("update", "r.update(new=1)"),
        ("merge", "r |= {'new': 'eve'}"),
        ("default", "r.setdefault('new', 'eve')"),
    ];
    let own: Vec<(String, String)> = changes
        .iter()
        .map(|(name, change)| {
            let code = "def detect(r):\n    before = repr(r)\n    CHANGE\n    return repr(r) != before\ndef title(r): return 'changed'";
            ((*name).to_owned(), code.replace("CHANGE", change))
        })
        .collect();
    let mut detections: Vec<(&str, &str)> = own.iter().map(|(name, code)| (name.as_str(), code.as_str())).collect();
    let readers: Vec<String> = changes.iter().map(|(name, _)| format!("{name}_after")).collect();
    detections.extend(readers.iter().map(|name| (name.as_str(), reads)));
    let report = Case::new(&detections).detect(&[row(), row()]);
    assert_eq!(report.failures, []);
    assert_eq!(report.matches.len(), 2 * 2 * changes.len());
    let columns = crate::case::schema().fields.len();
    for found in &report.matches {
        let expected = if found.detection.as_str().ends_with("_after") {
            format!("ann ['a', 'b'] None {columns}")
        } else {
            "changed".to_owned()
        };
        assert_eq!(found.title, expected, "{}", found.detection);
    }
}

#[test]
fn the_functions_of_a_detection_see_what_detect_has_put_into_the_record() {
    let code = "
def detect(r):
    r['mine'] = {'x': 1}
    r['user']['name'] = 'eve'
    return True
def title(r): return f\"{r.deepget('mine.x')} {r.deepget('user.name')}\"
";
    let report = Case::new(&[("one", code)]).detect(&[row()]);
    assert_eq!(report.matches[0].title, "1 eve");
    assert_eq!(report.matches[0].event["user"]["name"], "ann");
}

#[test]
fn a_record_kept_beyond_its_call_stays_what_it_was() {
    let code = "
kept = []
def detect(r):
    kept.append(r)
    return len(kept) == 3
def title(r): return ' '.join(k.deepget('event.action') + str(k['count']) for k in kept)
";
    let rows: Vec<Value> = (0..3).map(|count| json!({"count": count, "event": {"action": "a"}})).collect();
    let report = Case::new(&[("one", code)]).detect(&rows);
    assert_eq!(report.matches[0].title, "a0 a1 a2");
}

/// More rows than it takes to learn what detections ask for: from then on records move from row to row.
#[test]
fn every_row_has_its_own_values_also_when_records_move_on() {
    let checks = "
kept = []
def expected(n):
    user = None if n % 10 == 3 else {'name': f'n{n}', 'roles': [f'r{n}', 'x'], 'address': None}
    return {'count': n, 'event': f'a{n}', 'user': user}
def as_it_was(n, r):
    return {'count': r['count'], 'event': r['event']['action'], 'user': r['user']} == expected(n)
def detect(r):
    n = r['count']
    assert as_it_was(n, r) and r.deepget('event.action') == f'a{n}' and r['message'] is None, (n, r)
    assert r.deepget('user.roles') == (None if n % 10 == 3 else [f'r{n}', 'x']) and (r.get('user') or {}).get('no') is None
    if n % 5 == 1: assert r['ratio'] == n + 0.5 and len(list(r.items())) == len(r)
    if n % 50 == 7: kept.append((n, r))
    if n % 50 == 9: kept.append((n, {'count': n, 'event': r['event'], 'user': r['user']}))
    return n == 299 and len(kept) == 12 and all(as_it_was(n, r) for n, r in kept)
";
    let changes = "
def detect(r):
    n = r['count']
    if n % 10 == 3 or n % 50 in (7, 9): return
    if n % 3 == 0: r['user']['roles'].append('eve')
    if n % 7 == 0: r['user']['name'] = 'eve'
    if n % 11 == 0: del r['event']
    if n % 13 == 0: raise ValueError(n)
";
    let row = |n: i64| {
        let mut row = json!({"count": n, "ratio": n as f64 + 0.5, "event": {"action": format!("a{n}")}});
        if n % 10 != 3 {
            row["user"] = json!({"name": format!("n{n}"), "roles": [format!("r{n}"), "x"]});
        }
        row
    };
    let detections = [("before", checks), ("changes", changes), ("after", checks)];
    let report = Case::new(&detections).detect(&(0..300).map(row).collect::<Vec<_>>());
    let failed: Vec<&str> = report.failures.iter().map(|failure| failure.detection.as_str()).collect();
    assert_eq!(failed, ["changes"], "{:?}", report.failures);
    assert_eq!(fired(&report).len(), 2);
}

#[test]
fn a_failing_assertion_would_be_noticed() {
    let report = Case::new(&[("one", "def detect(r):\n    assert r['count'] == 8")]).detect(&[row()]);
    assert_eq!(only(&report).message, "AssertionError");
}

/// One operation on both, by name and argument; results and exceptions must be the same.
const DIFFER: &str = "
import copy, json
OPERATIONS = {
    'get': lambda r, k, v: r.get(k), 'get_default': lambda r, k, v: r.get(k, v), 'item': lambda r, k, v: r[k],
    'in': lambda r, k, v: k in r, 'len': lambda r, k, v: len(r), 'list': lambda r, k, v: list(r),
    'keys': lambda r, k, v: list(r.keys()), 'values': lambda r, k, v: list(r.values()), 'items': lambda r, k, v: list(r.items()),
    'set': lambda r, k, v: r.__setitem__(k, v), 'del': lambda r, k, v: r.__delitem__(k), 'pop': lambda r, k, v: r.pop(k),
    'pop_default': lambda r, k, v: r.pop(k, v), 'popitem': lambda r, k, v: r.popitem(),
    'setdefault': lambda r, k, v: r.setdefault(k, v), 'update': lambda r, k, v: r.update({k: v}, z=v),
    'merge': lambda r, k, v: r.__ior__({k: v}) and None, 'or': lambda r, k, v: r | {k: v}, 'ror': lambda r, k, v: {k: v} | r,
    'clear': lambda r, k, v: r.clear(), 'copy': lambda r, k, v: r.copy(), 'deepcopy': lambda r, k, v: copy.deepcopy(r),
    'dumps': lambda r, k, v: json.dumps(r, default=str), 'repr': lambda r, k, v: repr(r), 'star': lambda r, k, v: dict(**r),
    'eq': lambda r, k, v: r == {k: v}, 'reversed': lambda r, k, v: list(reversed(r)), 'bool': lambda r, k, v: bool(r),
    'append': lambda r, k, v: r['user']['roles'].append(k), 'nested_set': lambda r, k, v: r['user'].__setitem__(k, v),
    'nested_del': lambda r, k, v: r['user'].__delitem__(k), 'nested_items': lambda r, k, v: list(r['user'].items()),
    'unhashable': lambda r, k, v: r.get([k]), 'number': lambda r, k, v: r.get(1), 'nested_dumps': lambda r, k, v: json.dumps(r['user']),
}
def run(name, r, k, v):
    try: return repr(OPERATIONS[name](r, k, copy.deepcopy(v)))
    except Exception as error: return f'{type(error).__name__}: {error}'
def detect(r):
    d = r.to_dict()
    for name, key, value in STEPS:
        left, right = run(name, r, key, value), run(name, d, key, value)
        assert left == right, f'{name}({key!r}): {left} != {right}'
    assert r == d and json.dumps(r, default=str) == json.dumps(d, default=str) and list(r) == list(d)
    return True
";

const OPERATIONS: &[&str] = &[
    "get",
    "get_default",
    "item",
    "in",
    "len",
    "list",
    "keys",
    "values",
    "items",
    "set",
    "del",
    "pop",
    "pop_default",
    "popitem",
    "setdefault",
    "update",
    "merge",
    "or",
    "ror",
    "clear",
    "copy",
    "deepcopy",
    "dumps",
    "repr",
    "star",
    "eq",
    "reversed",
    "bool",
    "append",
    "nested_set",
    "nested_del",
    "nested_items",
    "unhashable",
    "number",
    "nested_dumps",
];
const KEYS: &[&str] = &["user", "count", "name", "roles", "event", "nope", "", "message", "pairs", "matano"];

fn rows() -> impl Strategy<Value = Value> {
    let text = proptest::option::of("[a-zé\"\\\\]{0,4}");
    let roles = proptest::option::of(proptest::collection::vec("[a-z]{0,2}", 0..3));
    (text.clone(), text, roles, proptest::option::of(any::<i64>()), proptest::option::of(-1e9..1e9f64)).prop_map(
        |(action, name, roles, count, ratio)| {
            let mut row = Map::new();
            row.insert("event".into(), json!({"action": action}));
            row.insert("user".into(), json!({"name": name, "roles": roles}));
            row.insert("count".into(), json!(count));
            row.insert("ratio".into(), json!(ratio));
            Value::Object(row)
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<(&'static str, &'static str, Value)>> {
    let values = prop_oneof![Just(json!("v")), Just(json!(1)), Just(json!(["x"])), Just(json!({"y": 2}))];
    let step = (proptest::sample::select(OPERATIONS), proptest::sample::select(KEYS), values);
    proptest::collection::vec(step, 0..12)
}

#[test]
fn a_record_behaves_as_the_dict_of_its_row_under_any_operations() {
    // one host for many cases: each case is a detection of one release
    let mut runner = proptest::test_runner::TestRunner::new(Config {
        cases: 1,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    });
    let strategy = proptest::collection::vec((rows(), steps()), 300);
    let result = runner.run(&strategy, |cases| {
        let rows: Vec<Value> = cases
            .iter()
            .enumerate()
            .map(|(number, (row, _))| {
                let mut row = row.clone();
                row["message"] = json!(number.to_string());
                row
            })
            .collect();
        let steps: Vec<&Vec<_>> = cases.iter().map(|(_, steps)| steps).collect();
        let code = format!(
            "import json\nALL = json.loads({:?})\n{}",
            serde_json::to_string(&steps).unwrap(),
            DIFFER.replace("for name, key, value in STEPS", "for name, key, value in ALL[int(d['message'])]")
        );
        let report = Case::new(&[("one", &code)]).detect(&rows);
        let told: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
        prop_assert_eq!(told, Vec::<String>::new());
        prop_assert_eq!(report.matches.len(), cases.len());
        Ok(())
    });
    // without the input, which is long: the assertion names operation, key and both results
    if let Err(TestError::Fail(reason, _) | TestError::Abort(reason)) = result {
        panic!("{reason}");
    }
}
