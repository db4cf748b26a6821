use std::{collections::BTreeSet, fs};

use check::{RULES, rules::SQL_QUERY};

use crate::golden;

#[test]
fn every_rule_has_a_fixture_that_triggers_it() {
    // a query is planned by the caller, whose tests have its fixture
    for rule in RULES.iter().filter(|rule| rule.id != SQL_QUERY.id) {
        let folder = golden::fixtures().join("rules").join(rule.id);
        assert!(folder.is_dir(), "no fixture for `{}`", rule.id);
        let diagnostics = golden::check_folder(&folder);
        assert!(diagnostics.iter().any(|diagnostic| diagnostic.rule == rule.id), "`{}` does not trigger", rule.id);
    }
}

#[test]
fn every_rule_has_a_fixture_that_keeps_it() {
    for rule in RULES.iter().filter(|rule| rule.id != SQL_QUERY.id) {
        let folder = golden::fixtures().join("rules").join(rule.id);
        assert!(folder.join(golden::MENDED).is_dir(), "no fixture that keeps `{}`", rule.id);
        let found = golden::check(&golden::mended(&folder));
        assert!(found.iter().all(|diagnostic| diagnostic.rule != rule.id), "`{}`: {found:#?}", rule.id);
        // nor is another rule broken instead
        assert!(found.iter().all(|diagnostic| !diagnostic.is_error()), "`{}`: {found:#?}", rule.id);
    }
}

#[test]
fn every_fixture_is_of_a_rule() {
    let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    for entry in fs::read_dir(golden::fixtures().join("rules")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(ids.contains(name.as_str()), "{name}");
    }
}
