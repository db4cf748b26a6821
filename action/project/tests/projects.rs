//! Every folder of tests/projects is a project with its mistakes; expected.txt says what loading it must tell.
//!
//! `UPDATE_GOLDEN=1` rewrites the expectations.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use project::{Diagnostic, FileSet, Span, load, lower, rules::RULES};

fn root() -> PathBuf {
    PathBuf::from("tests/projects")
}

fn read(root: &Path, directory: &Path, files: &mut FileSet) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, files);
        } else if path != root.join("expected.txt") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

fn cases() -> Vec<(String, FileSet)> {
    let mut out: Vec<(String, FileSet)> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| {
            let mut files = FileSet::new();
            read(&path, &path, &mut files);
            (path.file_name().unwrap().to_str().unwrap().to_owned(), files)
        })
        .collect();
    out.sort_by(|left, right| left.0.cmp(&right.0));
    out
}

fn at(file: &str, span: Option<Span>) -> String {
    match span {
        None => file.to_owned(),
        Some(Span { start, end }) if start.line == end.line => {
            format!("{file}:{}:{}-{}", start.line, start.column, end.column)
        }
        Some(Span { start, end }) => format!("{file}:{}:{}-{}:{}", start.line, start.column, end.line, end.column),
    }
}

fn told(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for one in diagnostics {
        writeln!(out, "{} {}[{}]: {}", at(&one.file, one.span), one.severity, one.rule, one.message).unwrap();
        for related in &one.related {
            writeln!(out, "    {}: {}", at(&related.file, related.span), related.message).unwrap();
        }
        if let Some(help) = &one.help {
            writeln!(out, "    help: {help}").unwrap();
        }
    }
    if out.is_empty() { "nothing\n".to_owned() } else { out }
}

#[test]
fn each_project_is_told_its_mistakes_at_their_places() {
    let mut wrong = Vec::new();
    for (name, files) in cases() {
        let told = told(&load(&files).1);
        let path = root().join(&name).join("expected.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &told).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != told {
            wrong.push(format!("--- {name}\n{told}"));
        }
    }
    assert!(wrong.is_empty(), "these are not as expected (UPDATE_GOLDEN=1 rewrites):\n{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_project_that_breaks_it() {
    let broken: BTreeSet<&str> =
        cases().iter().flat_map(|(_, files)| load(files).1.into_iter().map(|one| one.rule)).collect();
    let untested: Vec<&str> = RULES.iter().map(|rule| rule.id).filter(|id| !broken.contains(id)).collect();
    assert_eq!(untested, Vec::<&str>::new());
}

#[test]
fn every_message_reads_like_the_others() {
    for (name, files) in cases() {
        for one in load(&files).1 {
            let texts = [Some(&one.message), one.help.as_ref()];
            for text in texts.into_iter().flatten().chain(one.related.iter().map(|related| &related.message)) {
                let first = text.chars().next().unwrap();
                assert!(!first.is_uppercase() || first == '`', "{name}: {text}");
                assert!(!text.ends_with('.') && !text.contains('\n') && !text.contains('"'), "{name}: {text}");
                assert_eq!(text.matches('`').count() % 2, 0, "{name}: {text}");
            }
        }
    }
}

#[test]
fn a_project_with_mistakes_can_be_lowered_all_the_same() {
    for (_, files) in cases() {
        let (project, _) = load(&files);
        let bundle = lower(&project, &Default::default());
        for digest in bundle.release.resources() {
            assert!(bundle.resources.contains_key(&digest));
        }
    }
}
