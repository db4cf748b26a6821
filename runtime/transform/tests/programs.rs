//! What compiles, what does not, and what is said about it.
#![allow(clippy::unwrap_used, reason = "the functions of a test are tests too")]

use model::{
    name::EnrichmentName,
    schema::{FieldType, TableSchema},
    system,
};
use transform::{EnrichmentTables, Program, ProgramKind, VrlDiagnostics, VrlSeverity, compile, runs_over_slots};

fn transform(text: &str) -> Result<Program, VrlDiagnostics> {
    compile(text, ProgramKind::Transform, &EnrichmentTables::none(), None)
}

#[track_caller]
fn compiles(text: &str) {
    if let Err(diagnostics) = transform(text) {
        panic!("{text}: {diagnostics}");
    }
}

#[test]
fn programs_of_the_original_compile_unchanged() {
    for text in [
        "",
        ".related.ip = push(.related.ip, .json.ip)\n.related.user = push(.related.user, \"x\")",
        ".ts = to_timestamp!(.json.time)",
        ".ts = to_timestamp!(int!(.json.time), \"milliseconds\")",
        ".flag = bitwise_and(int!(.json.flags), 4)",
        ".related.ip = unique(append(.related.ip, array!(.json.ips)))",
        ". = compact(.)",
        "del(.json)",
    ] {
        compiles(text);
    }
}

#[test]
fn the_time_is_a_timestamp_and_may_be_asserted_to_be_one() {
    compiles(".day = format_timestamp!(.ts, \"%F\")");
    compiles(".day = format_timestamp(.ts, \"%F\") ?? \"\"\n.x = to_unix_timestamp(.ts)");
    compiles(".x = to_unix_timestamp!(.ts)");
    compiles(".x = to_unix_timestamp(timestamp!(.ts))");
}

#[test]
fn nothing_reaches_outside_of_the_record() {
    for call in [
        "get_env_var!(\"HOME\")",
        "get_hostname!()",
        "get_timezone_name!()",
        "dns_lookup!(\"a\")",
        "reverse_dns!(\"1.1.1.1\")",
        "http_request!(\"http://a\")",
        "get_secret(\"a\")",
        "parse_proto!(\"a\", \"/etc/x.desc\", \"m\")",
        "encode_proto!({}, \"/etc/x.desc\", \"m\")",
        "parse_etld!(\"a\", psl: \"/etc/passwd\")",
        "validate_json_schema!(\"{}\", \"/etc/passwd\")",
        "parse_groks!(\"a\", patterns: [\"%{a}\"], alias_sources: [\"/etc/passwd\"])",
        "parse_groks!(\"a\", [\"%{a}\"], {}, [\"/etc/passwd\"])",
    ] {
        let diagnostics = transform(&format!(".x = {call}")).unwrap_err();
        assert!(diagnostics.has_errors(), "{call}");
        let codes: Vec<_> = diagnostics.0.iter().filter_map(|one| one.code.as_deref()).collect();
        // undefined function, unknown keyword, too many arguments
        assert!(codes.iter().any(|code| ["E105", "E108", "E106"].contains(code)), "{call}: {codes:?}");
    }
    compiles(".x = parse_groks!(.message, [\"%{a}\"], {\"a\": \"%{word:b}\"})");
}

#[test]
fn mistakes_are_named_with_their_place() {
    let text = ".a = \"ä\"\n.b = upcase(.json.x)\n";
    let VrlDiagnostics(diagnostics) = transform(text).unwrap_err();
    let first = &diagnostics[0];
    assert_eq!((first.severity, first.code.as_deref()), (VrlSeverity::Error, Some("E103")));
    assert!(first.message.contains("unhandled fallible assignment"), "{first:?}");
    assert_eq!(text.get(first.span.clone()), Some("upcase(.json.x)"));
    assert!(first.labels.iter().any(|label| label.message.contains("fallible")), "{first:?}");
    assert!(!first.notes.is_empty());
    let VrlDiagnostics(syntax) = transform(".a = (1").unwrap_err();
    assert!(syntax[0].span.end <= 7 && syntax[0].severity == VrlSeverity::Error, "{syntax:?}");
}

#[test]
fn deeply_nested_text_is_refused_rather_than_parsed() {
    let text = format!(".a = {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let VrlDiagnostics(diagnostics) = transform(&text).unwrap_err();
    assert!(diagnostics[0].message.contains("brackets inside each other"));
}

#[test]
fn unused_results_are_warnings() {
    let program = transform("upcase(\"a\")\n.a = 1").unwrap();
    assert_eq!(program.warnings()[0].severity, VrlSeverity::Warning);
}

#[test]
fn paths_that_are_no_column_are_listed() {
    let mut schema = system::row_columns();
    schema.insert("dns.answers", FieldType::List(Box::new(FieldType::Struct(vec![])))).unwrap();
    let text =
        ".source.ipp = 1\n.labels.env = 2\n.ts = now()\n.json.x = 1\n._tmp = 3\n.dns.answers[0].x = 1\n.tags.x = 1";
    let program = compile(text, ProgramKind::Transform, &EnrichmentTables::none(), Some(&schema)).unwrap();
    assert_eq!(program.not_columns(), ["source.ipp", "tags.x"]);
    assert!(program.assigned_paths().contains("dns.answers"));
}

#[test]
fn an_enrichment_table_must_be_declared() {
    let name = EnrichmentName::parse("users").unwrap();
    let keys = ["id".to_owned()];
    let tables = EnrichmentTables::declared([(&name, keys.as_slice())]);
    let program = |table: &str| {
        let text = format!(".x = get_enrichment_table_record!({table}, .json.id)");
        compile(&text, ProgramKind::Transform, &tables, None)
    };
    assert!(program("\"users\"").is_ok() && program("\"enrich_users\"").is_ok());
    let error = program("\"user\"").unwrap_err().to_string();
    assert!(error.contains("users") || error.contains("enum variant"), "{error}");
    assert!(program(".json.table").is_err());
}

#[test]
fn results_of_selectors_and_expanders_are_known() {
    let result = |text: &str, kind| compile(text, kind, &EnrichmentTables::none(), None).unwrap().result();
    let selector = result("if contains(.__metadata.s3.key, \"dns\") { \"dns\" }", ProgramKind::SelectMetadata);
    assert!(selector.string && selector.null && !selector.array, "{selector:?}");
    let expander = result("array!(parse_json!(.__raw).Records)", ProgramKind::Expand);
    assert!(expander.array && !expander.null && !expander.string, "{expander:?}");
    // the original knew nothing of these types
    result("contains!(.__metadata.s3.key, \"x\")\nnull", ProgramKind::SelectMetadata);
    result("split!(.__raw, \"\\n\")", ProgramKind::Expand);
}

#[test]
fn only_programs_that_slots_can_hold_run_over_slots() {
    let mut schema = TableSchema::default();
    for (path, kind) in [("ts", FieldType::Timestamp), ("message", FieldType::String), ("a.b", FieldType::String)] {
        schema.insert(path, kind).unwrap();
    }
    let reason = |text: &str| runs_over_slots(&transform(text).unwrap(), &schema).err().unwrap_or_default();
    for text in [
        "",
        ".a.b = .json.x.y",
        "x = del(.json.x)\n.a = {\"b\": x}",
        ".other.x = 1\n.a.b = .other",
        ".a.b = encode_json(.json)\ndel(.json)",
        ".related.ip = push(.related.ip, 1)\n.x = .related",
        ".a.b[0].c = 1",
    ] {
        assert_eq!(reason(text), "", "{text}");
    }
    for (text, expected) in [
        (". = compact(.)", "whole event"),
        (". = merge(., {\"a\": 1})", "whole event"),
        (".json.x = 1", "writes `.json.x`"),
        (".a.b = get!(., [\"json\"])", "whole event"),
        (".x = unnest!(.json.x)", "`unnest`"),
        ("%a = 1", "not part of the event"),
        (".message.x = .ts.x", ""),
    ] {
        assert!(reason(text).contains(expected), "{text}: {}", reason(text));
    }
}
