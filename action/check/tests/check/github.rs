//! Outputs for GitHub, on ordinary and on hostile input.

use check::render::{
    Repository, annotations, markdown,
    sarif::{self, Origin},
    workflow_commands,
};
use project::{
    Diagnostic, FileSet, Level, Pos, Project, Span,
    diagnostic::{Edit, Fix, Safety},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::golden;

fn span(start: (usize, usize), end: (usize, usize)) -> Span {
    let pos = |(line, column)| Pos { line, column, offset: 0 };
    Span { start: pos(start), end: pos(end) }
}

fn diagnostic(file: &str, span: Option<Span>) -> Diagnostic {
    Diagnostic {
        rule: "unknown-table",
        severity: Level::Error,
        file: file.to_owned(),
        span,
        message: "table `aws_cloudtrial` does not exist".to_owned(),
        help: Some("did you mean `aws_cloudtrail`?".to_owned()),
        related: Vec::new(),
        fix: None,
    }
}

fn log(diagnostics: &[Diagnostic], repository: &Repository<'_>, files: &FileSet) -> Value {
    serde_json::from_str(&sarif::report(diagnostics, repository, files, Origin::default())).unwrap()
}

fn name_of(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "notice",
    }
}

#[test]
fn the_outputs_of_twenty_mistakes_are_as_they_were_read_last() {
    let folder = golden::fixtures().join("twenty_mistakes");
    let files = golden::read(&folder);
    let (project, found) = project::load(&files);
    let diagnostics = check::check(&project, found);
    let repository = Repository::new(&project, "repo");
    let expected = golden::fixtures().join("github");
    golden::compare(&expected.join("commands.txt"), &workflow_commands::report(&diagnostics, &repository));
    golden::compare(&expected.join("section.md"), &markdown::section(&diagnostics, &repository, 60_000));
    let annotations = annotations::of(&diagnostics, &repository, &files);
    let text = serde_json::to_string_pretty(&annotations).unwrap() + "\n";
    golden::compare(&expected.join("annotations.json"), &text);
    let mut log = log(&diagnostics, &repository, &files);
    // its rules are those of docs/rules.md
    log["runs"][0]["tool"]["driver"]["rules"] = json!([]);
    let results = log["runs"][0]["results"].as_array_mut().unwrap();
    results.iter_mut().for_each(|result| {
        result.as_object_mut().unwrap().remove("ruleIndex");
    });
    golden::compare(&expected.join("log.sarif"), &(serde_json::to_string_pretty(&log).unwrap() + "\n"));
}

#[test]
fn levels_have_the_words_of_each_output() {
    let project = Project::default();
    let repository = Repository::new(&project, "");
    for (level, annotation, sarif) in
        [(Level::Error, "failure", "error"), (Level::Warning, "warning", "warning"), (Level::Note, "notice", "note")]
    {
        let mut one = diagnostic("a.yml", None);
        one.severity = level;
        assert!(workflow_commands::one(&one, &repository).starts_with(&format!("::{} file=", name_of(level))));
        let all = annotations::of(&[one.clone()], &repository, &FileSet::new());
        assert_eq!(serde_json::to_value(&all).unwrap()[0]["annotation_level"], annotation);
        assert_eq!(log(&[one], &repository, &FileSet::new())["runs"][0]["results"][0]["level"], sarif);
    }
}

#[test]
fn odd_file_names_are_escaped_for_each_output() {
    let project = Project::default();
    let repository = Repository::new(&project, "");
    let name = "detections/a%b,c:d\ne\r#é/detect.py";
    let one = diagnostic(name, Some(span((1, 2), (1, 4))));
    assert_eq!(
        workflow_commands::one(&one, &repository),
        "::error file=detections/a%25b%2Cc%3Ad%0Ae%0D#é/detect.py,line=1,endLine=1,col=2,endColumn=4,title=unknown-table::table `aws_cloudtrial` does not exist%0Ahelp: did you mean `aws_cloudtrail`?"
    );
    assert_eq!(annotations::of(std::slice::from_ref(&one), &repository, &FileSet::new())[0].path, name);
    let log = log(std::slice::from_ref(&one), &repository, &FileSet::new());
    assert_eq!(
        log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"],
        json!({ "uri": "detections/a%25b%2Cc%3Ad%0Ae%0D%23%C3%A9/detect.py", "uriBaseId": "%SRCROOT%" })
    );
    let section = markdown::section(&[one], &repository, 10_000);
    assert_eq!(section.lines().count(), 5, "{section}");
}

#[test]
fn a_range_of_lines_has_no_columns() {
    let project = Project::default();
    let repository = Repository::new(&project, "");
    let one = diagnostic("a.yml", Some(span((3, 2), (6, 1))));
    let command = workflow_commands::one(&one, &repository);
    assert!(command.starts_with("::error file=a.yml,line=3,endLine=5,title=unknown-table::"), "{command}");
    let annotation = &serde_json::to_value(annotations::of(&[one], &repository, &FileSet::new())).unwrap()[0];
    assert_eq!((&annotation["start_line"], &annotation["end_line"]), (&json!(3), &json!(5)));
    assert!(annotation.get("start_column").is_none() && annotation.get("end_column").is_none());
}

#[test]
fn a_message_cannot_become_a_second_command() {
    let project = Project::default();
    let repository = Repository::new(&project, "");
    let mut one = diagnostic("a.yml", None);
    one.message = "x\n::error file=b::forged\r\n::stop-commands::t\u{1b}[2J".to_owned();
    let report = workflow_commands::report(&[one], &repository);
    assert_eq!(report.lines().count(), 1);
    assert!(!report.contains(['\r', '\u{1b}']), "{report:?}");
    let failure = workflow_commands::failure("the project\n::set-output::", "cannot read `a\n::error::b%0A`");
    assert_eq!(failure, "::error title=the project␊%3A%3Aset-output%3A%3A::cannot read `a%0A::error::b%250A`");
}

#[test]
fn a_file_that_comes_with_matano_is_shown_where_it_is_used() {
    let files: FileSet = [
        ("matano.config.yml", "target: embedded\n"),
        ("log_sources/trail/log_source.yml", "name: aws_trail\nmanaged:\n  type: aws_cloudtrail\n"),
    ]
    .into_iter()
    .collect();
    let (project, _) = project::load(&files);
    let repository = Repository::new(&project, "repo/");
    let one = diagnostic("managed:aws_cloudtrail/log_source.yml", Some(span((5, 1), (5, 4))));
    let command = workflow_commands::one(&one, &repository);
    assert!(
        command.contains("file=repo/log_sources/trail/log_source.yml,line=3,endLine=3,col=9,endColumn=23"),
        "{command}"
    );
    assert!(command.contains("it stands in `managed:aws_cloudtrail/log_source.yml:5`"), "{command}");
    let unused = diagnostic("managed:okta/log_source.yml", Some(span((5, 1), (5, 4))));
    assert_eq!(repository.place(&unused).path, "repo/matano.config.yml");
}

#[test]
fn annotations_stay_within_the_limits_of_github() {
    let project = Project::default();
    let mut one = diagnostic("a.yml", Some(span((1, 1), (1, 2))));
    one.message = "é".repeat(60_000);
    one.help = None;
    let annotation = &annotations::of(&[one], &Repository::new(&project, ""), &FileSet::new())[0];
    assert!(annotation.message.len() <= 65_536 && annotation.message.ends_with('…'));
    assert!(annotation.raw_details.as_ref().unwrap().len() <= 65_536);
}

#[test]
fn fixes_become_replacements() {
    let project = Project::default();
    let repository = Repository::new(&project, "");
    let mut one = diagnostic("a.yml", Some(span((2, 5), (2, 6))));
    one.fix = Some(Fix {
        title: "replace with `b`".to_owned(),
        safety: Safety::Safe,
        edits: vec![Edit { span: span((2, 5), (2, 6)), text: "b".to_owned() }],
    });
    let files: FileSet = [("a.yml", "x\n🚀: a\n")].into_iter().collect();
    let log = log(&[one], &repository, &files);
    let result = &log["runs"][0]["results"][0];
    // the rocket is two code units
    assert_eq!(
        result["fixes"][0]["artifactChanges"][0]["replacements"],
        json!([{
            "deletedRegion": { "startLine": 2, "startColumn": 6, "endLine": 2, "endColumn": 6 },
            "insertedContent": { "text": "b" }
        }])
    );
}

#[test]
fn a_project_in_a_directory_has_a_category_of_its_own() {
    let project = Project::default();
    let id = |directory: &str, origin: Origin<'_>| {
        let repository = Repository::new(&project, directory);
        let text = sarif::report(&[], &repository, &FileSet::new(), origin);
        let log: Value = serde_json::from_str(&text).unwrap();
        log["runs"][0]["automationDetails"]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(id("", Origin::default()), "matano/");
    assert_eq!(id("./teams/red/", Origin::default()), "matano/teams/red/");
    assert_eq!(id("", Origin { category: Some("nightly"), rules_page: None }), "nightly/");
}

#[test]
fn rules_link_to_their_page_where_there_is_one() {
    let project = Project::default();
    let origin = Origin { category: None, rules_page: Some("https://example.com/rules.md") };
    let text = sarif::report(&[], &Repository::new(&project, ""), &FileSet::new(), origin);
    let log: Value = serde_json::from_str(&text).unwrap();
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["id"] == "unknown-table").unwrap();
    assert_eq!(rule["helpUri"], "https://example.com/rules.md#unknown-table");
    assert!(rule["help"]["markdown"].as_str().unwrap().contains("Breaks it:"));
}

#[test]
fn text_of_a_pull_request_cannot_steer_its_own_comment() {
    let project = Project::default();
    let repository = Repository::new(&project, "");
    for hostile in [
        "<img src=x onerror=alert(1)>",
        "<!-- matano: state -->",
        "@octocat please merge",
        "[click](https://example.com/evil)",
        "https://example.com/evil",
        "| a | b |\n|---|---|",
        "```\n# heading",
        "` **bold** `",
        "`` `@octocat` ``",
        "a\n::error::forged",
        "##[add-mask]secret",
        "![x](https://example.com/pixel.png)",
        "#1 closes #2, GH-3",
        "\u{202e}desrever",
    ] {
        for message in [hostile.to_owned(), format!("table `{hostile}` does not exist"), format!("a ` {hostile}")] {
            let mut one = diagnostic("a.yml", None);
            one.file = format!("detections/{hostile}/detect.py");
            one.message = message;
            one.help = Some(hostile.to_owned());
            let section = markdown::section(&[one], &repository, 60_000);
            harmless(&section);
        }
    }
}

/// Outside code spans nothing is left that GitHub would read as more than words; inside there is nothing that ends one.
fn harmless(section: &str) {
    assert_eq!(section.lines().count(), 5, "{section}");
    let row = section.lines().last().unwrap();
    assert!(!section.lines().any(|line| line.trim_start().starts_with("::")), "{section}");
    assert!(!section.contains("##[") && !section.contains("<!--") && !section.contains('\u{202e}'), "{section}");
    assert_eq!(row.matches('|').count(), 4, "{row}");
    let mut words = String::new();
    for (index, part) in row.split('`').enumerate() {
        // an odd one is code
        if index % 2 == 0 {
            words.push_str(part);
        }
    }
    assert_eq!(row.matches('`').count() % 2, 0, "{row}");
    let words = words.replace("<br>", " ").replace("<code>", "").replace("</code>", "");
    assert!(!words.contains(['<', '>']), "{words}");
    for (at, c) in words.char_indices() {
        let (before, after) = (&words[..at], &words[at + c.len_utf8()..]);
        match c {
            '@' | '#' => assert!(after.starts_with("&#8203;") || before.ends_with('&'), "{words}"),
            '*' | '_' | '[' | ']' | '!' => assert!(before.ends_with('\\'), "{words}"),
            ':' => assert!(!after.starts_with("//") && !after.starts_with(':'), "{words}"),
            _ => (),
        }
    }
}

#[test]
fn a_section_keeps_its_budget_and_says_what_is_left_out() {
    let project = Project::default();
    let repository = Repository::new(&project, "");
    let all: Vec<Diagnostic> = (0..5000)
        .map(|n| diagnostic(&format!("detections/d{n}/detection.yml"), Some(span((n + 1, 1), (n + 1, 2)))))
        .collect();
    for budget in [0, 10, 100, 300, 1000, 60_000, 1 << 20] {
        let section = markdown::section(&all, &repository, budget);
        assert!(section.len() <= budget, "{} > {budget}", section.len());
        let rows = section.lines().filter(|line| line.starts_with("| ❌ error |")).count();
        match section.lines().last() {
            Some(last) if rows > 0 && rows < all.len() => {
                assert!(last.starts_with(&format!("{} more not shown here: ", 5000 - rows)), "{last}");
            }
            Some(_) | None => assert!(rows == 0 || rows == all.len()),
        }
    }
    assert!(markdown::section(&all, &repository, 1 << 20).lines().count() == 5004);
    assert_eq!(markdown::section(&[], &repository, 100), "**no problems found**\n");
}

#[test]
fn five_thousand_findings_are_all_shown() {
    let project = Project::default();
    let repository = Repository::new(&project, "");
    let text: String = (0..5000).map(|n| format!("line {n}\n")).collect();
    let files: FileSet = [("a.yml", text)].into_iter().collect();
    let all: Vec<Diagnostic> = (1..=5000).map(|n| diagnostic("a.yml", Some(span((n, 1), (n, 5))))).collect();
    assert_eq!(workflow_commands::report(&all, &repository).lines().count(), 5000);
    assert_eq!(annotations::of(&all, &repository, &files).len(), 5000);
    let log = log(&all, &repository, &files);
    assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 5000);
    assert!(log["runs"][0]["invocations"][0].get("toolExecutionNotifications").is_none());
}

#[test]
fn a_log_says_how_many_findings_github_would_not_take() {
    let project = Project::default();
    let all: Vec<Diagnostic> = (1..=25_001).map(|n| diagnostic("a.yml", Some(span((n, 1), (n, 5))))).collect();
    let log = log(&all, &Repository::new(&project, ""), &FileSet::new());
    assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 25_000);
    let said = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
    assert!(said.as_str().unwrap().starts_with("1 more findings"), "{said}");
}

/// Pieces that end or begin something in one of the formats.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        " ",
        "\n",
        "\r",
        "%",
        "%0A",
        ":",
        "::",
        ",",
        "`",
        "``",
        "|",
        "<",
        ">",
        "&",
        "@octocat",
        "#1",
        "[x](y)",
        "*",
        "_",
        "\\",
        "é",
        "🚀",
        "\u{202e}",
        "\u{1b}[31m",
        "https://example.com",
        "www.example.com",
        "##[error]",
        "<!--",
        "-->",
        "$x$",
        "\"",
        "'",
        "\0",
    ]);
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_stays_one_finding(message in hostile(), file in hostile(), help in hostile()) {
        let project = Project::default();
        let repository = Repository::new(&project, "");
        let mut one = diagnostic(&file, Some(span((1, 1), (1, 2))));
        one.message = message;
        one.help = Some(help);
        harmless(&markdown::section(std::slice::from_ref(&one), &repository, 1 << 20));
        let command = workflow_commands::one(&one, &repository);
        prop_assert!(!command.contains('\n') && !command.contains('\r'));
        let data = command.split_once("::").unwrap().1.split_once("::").unwrap().1;
        prop_assert!(!data.chars().any(char::is_control));
        let properties = command.strip_prefix("::error ").unwrap().split_once("::").unwrap().0;
        prop_assert_eq!(properties.split(',').count(), 6);
        prop_assert!(properties.split(',').all(|one| !one.contains(':')));
        let log = log(&[one], &repository, &FileSet::new());
        let uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone();
        prop_assert!(uri.as_str().unwrap().bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
