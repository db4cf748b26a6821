//! Every rule, one file each; those that loading a project enforces are documented in `loading`.

use crate::rule::Rule;

mod loading; // what `project` finds while it loads

mod vrl_compile;
mod vrl_migration;
mod vrl_type;
mod vrl_warning;

mod invalid_utf8;
mod unknown_column;
mod unknown_enrichment;

mod function_signature;
mod missing_detect;
mod python_syntax;
mod python_version;
mod unknown_record_column;

mod dedupe_cardinality;
mod hard_coded_secret;
mod invalid_reference;
mod missing_severity;
mod one_sided_tests;
mod unknown_attack_id;

mod mandatory_rule;
mod unknown_rule;
mod unused_suppression; // found when all others have been

mod sql_query; // found by the caller, who has a query engine
mod unknown_test_column;
mod untested_detection;

pub(crate) use mandatory_rule::RULE as MANDATORY_RULE;
pub use sql_query::RULE as SQL_QUERY;
pub(crate) use unused_suppression::RULE as UNUSED_SUPPRESSION;

/// The rule of an id.
pub fn of(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// Every rule. Each id that a diagnostic can have is here.
pub const RULES: &[Rule] = &[
    // loading: files
    loading::files::YAML_SYNTAX,
    loading::files::DUPLICATE_KEY,
    loading::files::UNSUPPORTED_YAML,
    loading::files::YAML_LIMIT,
    loading::files::MISSING_CONFIG,
    loading::files::MISSING_FILE,
    loading::files::MISPLACED_FILE,
    loading::files::PATH_OUTSIDE_PROJECT,
    // loading: keys
    loading::keys::UNKNOWN_KEY,
    loading::keys::MATANO_ONLY_KEY,
    loading::keys::MISPLACED_KEY,
    loading::keys::MISSING_KEY,
    loading::keys::INVALID_VALUE,
    loading::keys::INVALID_SCHEDULE,
    loading::keys::INVALID_DATA,
    loading::keys::DESTINATION_ON_INFO,
    // loading: names
    loading::names::INVALID_NAME,
    loading::names::RESERVED_NAME,
    loading::names::DUPLICATE_NAME,
    loading::names::UNKNOWN_MANAGED_TYPE,
    loading::names::MANAGED_SOURCE_MISSING,
    loading::names::MANAGED_NAME_PREFIX,
    loading::names::UNKNOWN_MANAGED_TABLE,
    // loading: references
    loading::references::UNKNOWN_TABLE,
    loading::references::UNKNOWN_DESTINATION,
    loading::references::UNKNOWN_ECS_FIELD,
    loading::references::SCHEMA_CONFLICT,
    loading::references::ECS_CONFLICT,
    loading::references::OVERLAPPING_SOURCES,
    // VRL
    vrl_compile::RULE,
    vrl_migration::RULE,
    vrl_warning::RULE,
    vrl_type::RULE,
    // found while loading, and here
    invalid_utf8::RULE,
    unknown_column::RULE,
    unknown_enrichment::RULE,
    // Python
    python_syntax::RULE,
    python_version::RULE,
    missing_detect::RULE,
    function_signature::RULE,
    unknown_record_column::RULE,
    // SQL
    sql_query::RULE,
    // tests
    unknown_test_column::RULE,
    untested_detection::RULE,
    one_sided_tests::QUIET,
    one_sided_tests::FIRING,
    // what an alert says, and to whom
    missing_severity::RULE,
    dedupe_cardinality::RULE,
    invalid_reference::RULE,
    unknown_attack_id::RULE,
    hard_coded_secret::RULE,
    // rules about rules
    unknown_rule::RULE,
    mandatory_rule::RULE,
    unused_suppression::RULE,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::RULES;

    #[test]
    fn ids_are_unique_and_in_kebab_case() {
        let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), RULES.len());
        for id in ids {
            let words = id.split('-').all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric()));
            assert!(words && id == id.to_lowercase(), "{id}");
        }
    }

    #[test]
    fn every_rule_of_loading_is_documented_as_it_is_enforced() {
        for loading in project::rules::RULES {
            let rule = RULES.iter().find(|rule| rule.id == loading.id).expect(loading.id);
            assert_eq!((rule.level, rule.summary), (loading.level, loading.about));
        }
    }
}
