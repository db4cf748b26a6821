//! The rules that loading a project holds it to: one list, each with its documentation.

use crate::diagnostic::Level;

/// A rule: its id, how much breaking it matters, and what it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Stable: annotations, SARIF and suppressions name it.
    pub id: &'static str,
    /// Of its diagnostics; a few are milder where they say so.
    pub level: Level,
    /// One sentence for the reference page.
    pub about: &'static str,
}

macro_rules! rules {
    ($($name:ident $id:literal $level:ident $about:literal;)*) => {
        $(
            #[doc = $about]
            pub const $name: Rule = Rule { id: $id, level: Level::$level, about: $about };
        )*
        /// Every rule of this crate.
        pub const RULES: &[Rule] = &[$($name),*];
    };
}

rules! {
    INVALID_UTF8 "invalid-utf8" Error "files of the project are UTF-8 text";
    YAML_SYNTAX "yaml-syntax" Error "a file is YAML 1.2";
    DUPLICATE_KEY "duplicate-key" Error "a key stands once in a mapping; YAML parsers disagree on which one counts";
    UNSUPPORTED_YAML "unsupported-yaml" Error "one document a file, keys are plain words, and only the tags of YAML itself";
    YAML_LIMIT "yaml-limit" Error "files are of a sane size, nesting and number of aliased nodes";
    UNKNOWN_KEY "unknown-key" Error "every key is one that matano knows, so that a typo does not switch something off";
    MATANO_ONLY_KEY "matano-only-key" Warning "a key that only the original Matano knew has no effect";
    MISPLACED_KEY "misplaced-key" Warning "a key has no effect in this file";
    MISSING_KEY "missing-key" Error "required keys are there";
    INVALID_VALUE "invalid-value" Error "values have the type and range that their key asks for";
    INVALID_NAME "invalid-name" Error "names can be used in SQL, file names and Python without quoting";
    RESERVED_NAME "reserved-name" Error "names that begin with `matano` or `enrich_` belong to matano";
    DUPLICATE_NAME "duplicate-name" Error "two things of one kind do not share a name, nor two tables one resolved name";
    MISSING_CONFIG "missing-config" Error "a project has a matano.config.yml at its root";
    MISSING_FILE "missing-file" Error "files that are named or needed are there";
    MISPLACED_FILE "misplaced-file" Warning "a file lies where matano looks for it";
    PATH_OUTSIDE_PROJECT "path-outside-project" Error "paths stay inside the project";
    UNKNOWN_MANAGED_TYPE "unknown-managed-type" Error "a managed source is one that there is";
    MANAGED_SOURCE_MISSING "managed-source-missing" Error "a managed source of the original that is not written yet is written as a custom one";
    MANAGED_NAME_PREFIX "managed-name-prefix" Error "the name of a managed source begins as its type asks";
    UNKNOWN_MANAGED_TABLE "unknown-managed-table" Error "a table file of a managed source stands for one of its tables";
    UNKNOWN_TABLE "unknown-table" Error "tables that are named exist";
    UNKNOWN_DESTINATION "unknown-destination" Error "destinations that are named exist";
    UNKNOWN_ENRICHMENT "unknown-enrichment" Error "enrichment tables that are looked up exist";
    UNKNOWN_ECS_FIELD "unknown-ecs-field" Error "entries of `ecs_field_names` are fields or groups of ECS";
    UNKNOWN_COLUMN "unknown-column" Error "columns that are named exist";
    SCHEMA_CONFLICT "schema-conflict" Error "a column has one type";
    ECS_CONFLICT "ecs-conflict" Error "a custom column that ECS defines has the type that ECS gives it";
    OVERLAPPING_SOURCES "overlapping-sources" Error "an object belongs to one log source";
    INVALID_SCHEDULE "invalid-schedule" Error "a schedule can be understood and comes due";
    INVALID_DATA "invalid-data" Error "data of static enrichment tables is one JSON object a line";
    DESTINATION_ON_INFO "destination-on-info" Warning "alerts of severity `info` are sent nowhere, so destinations need a severity";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_sentences_are_plain() {
        let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
        assert!(RULES.iter().all(|rule| !rule.about.ends_with('.')));
    }
}
