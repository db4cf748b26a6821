//! A repository with 120 planted mistakes: every output shows all of them, at their lines.

use std::collections::BTreeSet;

use check::render::{
    Repository, annotations,
    sarif::{self, Origin},
    terminal::{self, Terminal},
    workflow_commands,
};
use project::{Diagnostic, FileSet, Project};

/// Rule, path, line and column.
type Place = (String, String, usize, usize);

const DIRECTORY: &str = "security/detections, 100%";

/// 120 mistakes of four kinds, each at another line.
fn planted() -> FileSet {
    let mut files: FileSet = [
        ("matano.config.yml", "target: embedded\n"),
        ("log_sources/web/log_source.yml", "name: web\nschema:\n  ecs_field_names: [message]\n"),
    ]
    .into_iter()
    .collect();
    for number in 0..30 {
        let directory = format!("detections/planted_{number}");
        let blank = "\n".repeat(number);
        let detection = format!(
            "name: planted_{number}\n{blank}tables:\n  - web\n  - nowhere_{number}_at_all\nalert:\n  severity: hgh\n  destinatons: []\ntests:\n  - name: fires\n    event: {{message: a}}\n    fires: true\n  - name: is quiet\n    event: {{message: b}}\n    fires: false\n",
        );
        files.insert(format!("{directory}/detection.yml"), detection);
        files.insert(
            format!("{directory}/detect.py"),
            format!("{blank}def detect(record):\n    return record.get('message') == 'a')\n"),
        );
    }
    files
}

fn check() -> (FileSet, Project, Vec<Diagnostic>) {
    let files = planted();
    let (project, found) = project::load(&files);
    let diagnostics = check::check(&project, found);
    (files, project, diagnostics)
}

/// What the mistakes are, told apart from any renderer.
fn expected(diagnostics: &[Diagnostic]) -> BTreeSet<Place> {
    let place = |one: &Diagnostic| {
        let start = one.span.unwrap().start;
        (one.rule.to_owned(), format!("{DIRECTORY}/{}", one.file), start.line, start.column)
    };
    diagnostics.iter().map(place).collect()
}

#[test]
fn all_of_them_are_found_where_they_were_planted() {
    let (_, _, diagnostics) = check();
    assert_eq!(diagnostics.len(), 120, "{:#?}", diagnostics.last());
    let found: BTreeSet<(&str, String, usize)> =
        diagnostics.iter().map(|one| (one.rule, one.file.clone(), one.span.unwrap().start.line)).collect();
    for number in 0..30 {
        let file = |name: &str| format!("detections/planted_{number}/{name}");
        for place in [
            ("unknown-table", file("detection.yml"), number + 4),
            ("invalid-value", file("detection.yml"), number + 6),
            ("unknown-key", file("detection.yml"), number + 7),
            ("python-syntax", file("detect.py"), number + 2),
        ] {
            assert!(found.contains(&place), "{place:?}");
        }
    }
}

#[test]
fn the_terminal_shows_all_of_them() {
    let (files, _, diagnostics) = check();
    let report = terminal::report(&diagnostics, &files, Terminal::default());
    let mut rule = "";
    let mut shown = BTreeSet::new();
    for line in report.lines() {
        if let Some((_, rest)) = line.split_once('[').filter(|(level, _)| *level == "error") {
            rule = rest.split_once(']').unwrap().0;
        } else if let Some(place) = line.trim_start().strip_prefix("--> ") {
            let mut parts = place.rsplitn(3, ':');
            let (column, line) = (parts.next().unwrap().parse().unwrap(), parts.next().unwrap().parse().unwrap());
            shown.insert((rule.to_owned(), format!("{DIRECTORY}/{}", parts.next().unwrap()), line, column));
        }
    }
    assert_eq!(shown, expected(&diagnostics));
    assert!(report.ends_with("120 errors in 60 files\n"));
}

#[test]
fn workflow_commands_show_all_of_them() {
    let (_, project, diagnostics) = check();
    let report = workflow_commands::report(&diagnostics, &Repository::new(&project, DIRECTORY));
    let shown: BTreeSet<Place> = report.lines().map(|line| read_command(line).0).collect();
    assert_eq!(report.lines().count(), 120);
    assert_eq!(shown, expected(&diagnostics));
}

/// A workflow command as the runner reads it: its place and its message.
fn read_command(line: &str) -> (Place, String) {
    let rest = line.strip_prefix("::error ").unwrap();
    let (properties, data) = rest.split_once("::").unwrap();
    let property = |name: &str| {
        let found = properties.split(',').find_map(|one| one.strip_prefix(name)?.strip_prefix('='));
        let found = found.unwrap_or_else(|| panic!("no {name} in {line}"));
        found.replace("%2C", ",").replace("%3A", ":").replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    };
    let place =
        (property("title"), property("file"), property("line").parse().unwrap(), property("col").parse().unwrap());
    (place, data.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%"))
}

#[test]
fn a_check_run_shows_all_of_them() {
    let (files, project, diagnostics) = check();
    let annotations = annotations::of(&diagnostics, &Repository::new(&project, DIRECTORY), &files);
    let shown: BTreeSet<Place> = annotations
        .iter()
        .map(|one| (one.title.clone(), one.path.clone(), one.start_line, one.start_column.unwrap()))
        .collect();
    assert_eq!(annotations.len(), 120);
    assert_eq!(shown, expected(&diagnostics));
}

#[test]
fn sarif_shows_all_of_them() {
    let (files, project, diagnostics) = check();
    let repository = Repository::new(&project, DIRECTORY);
    let log: serde_json::Value =
        serde_json::from_str(&sarif::report(&diagnostics, &repository, &files, Origin::default())).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let rules = &log["runs"][0]["tool"]["driver"]["rules"];
    let shown: BTreeSet<Place> = results
        .iter()
        .map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            let path = place["artifactLocation"]["uri"].as_str().unwrap();
            let path = path.replace("%2C", ",").replace("%20", " ").replace("%25", "%");
            let number = |name: &str| usize::try_from(place["region"][name].as_u64().unwrap()).unwrap();
            let rule = result["ruleId"].as_str().unwrap();
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], rule);
            (rule.to_owned(), path, number("startLine"), number("startColumn"))
        })
        .collect();
    assert_eq!(results.len(), 120);
    assert_eq!(shown, expected(&diagnostics));
    let fingerprints: BTreeSet<&str> = results
        .iter()
        .map(|result| result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap())
        .collect();
    assert_eq!(fingerprints.len(), 120);
}

#[test]
fn fingerprints_stay_when_lines_move() {
    let fingerprints = |files: &FileSet| -> BTreeSet<String> {
        let (project, found) = project::load(files);
        let diagnostics = check::check(&project, found);
        let repository = Repository::new(&project, "");
        let log: serde_json::Value =
            serde_json::from_str(&sarif::report(&diagnostics, &repository, files, Origin::default())).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        let hash = |result: &serde_json::Value| result["partialFingerprints"]["primaryLocationLineHash"].to_string();
        results.iter().map(hash).collect()
    };
    let files = planted();
    let moved: FileSet = files
        .iter()
        .map(|(path, bytes)| {
            let comment = if path.starts_with("detections/") { "# moved\n\n" } else { "" };
            (path.to_owned(), [comment.as_bytes(), bytes].concat())
        })
        .collect();
    assert_eq!(fingerprints(&files), fingerprints(&moved));
    let mut changed = files.clone();
    changed.insert("detections/planted_0/detect.py", "def detect(record):\n    return record.get('other') == 'a')\n");
    assert_ne!(fingerprints(&files), fingerprints(&changed));
}
