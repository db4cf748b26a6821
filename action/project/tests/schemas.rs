//! The JSON Schemas that are committed are those of the types. `UPDATE_GOLDEN=1` rewrites them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use project::{json_schema::json_schema, spec::FileKind};

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let directory = Path::new("../../schemas");
    for kind in FileKind::ALL {
        let path = directory.join(format!("{}.schema.json", kind.schema_name()));
        let generated = format!("{}\n", serde_json::to_string_pretty(json_schema(kind)).unwrap());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == generated, "{} is out of date: run with UPDATE_GOLDEN=1", path.display());
    }
}
