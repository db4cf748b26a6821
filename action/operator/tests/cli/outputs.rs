use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, process::Command};

use serde_json::Value;

use super::repo::{Ended, Repo};

const MISTAKE: &[(&str, &str)] = &[
    ("teams/red/matano.config.yml", "target: embedded\n"),
    ("teams/red/log_sources/web/log_source.yml", "name: web\nschema:\n  ecs_field_names: [event.outcom]\n"),
];

/// A git repository with a project in a directory of it.
fn repository() -> Repo {
    let repo = Repo::with(MISTAKE);
    fs::create_dir(repo.path().join(".git")).unwrap();
    repo
}

fn run(repo: &Repo, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matano"));
    let output = command.args(arguments).current_dir(repo.path().join("teams/red")).output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn workflow_commands_name_files_by_their_path_in_the_repository() {
    let repo = repository();
    let ended = run(&repo, &["check", "--github"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    let lines: Vec<&str> = ended.out.lines().collect();
    let [command, summary] = lines.as_slice() else { panic!("{}", ended.out) };
    assert!(
        command.starts_with(
            "::error file=teams/red/log_sources/web/log_source.yml,line=3,endLine=3,col=21,endColumn=33,title=unknown-ecs-field::"
        ),
        "{command}"
    );
    assert_eq!(*summary, "1 error in 1 file");
}

#[test]
fn sarif_is_written_beside_the_usual_output() {
    let repo = repository();
    let plain = run(&repo, &["check"]);
    let ended = run(&repo, &["check", "--sarif", "log.sarif"]);
    assert_eq!((ended.code, &ended.out), (1, &plain.out));
    let log: Value = serde_json::from_slice(&fs::read(repo.path().join("teams/red/log.sarif")).unwrap()).unwrap();
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(place, "teams/red/log_sources/web/log_source.yml");
    assert_eq!(log["runs"][0]["automationDetails"]["id"], "matano/teams/red/");
}

#[test]
fn commands_and_json_do_not_share_standard_output() {
    let ended = run(&repository(), &["--output", "json", "check", "--github"]);
    let out: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &out["error"]["kind"]), (2, &Value::from("input")));
}

#[test]
fn a_file_name_that_is_refused_becomes_one_annotation_and_no_command_of_its_own() {
    let repo = repository();
    let name = OsStr::from_bytes(b"x\n::error::forged \xff.py");
    let directory = repo.path().join("teams/red/detections/d");
    fs::create_dir_all(&directory).unwrap();
    if fs::write(directory.join(name), "").is_err() {
        // a file system that has no such names
        return;
    }
    let ended = run(&repo, &["check", "--github"]);
    assert_eq!(ended.code, 2);
    assert_eq!(
        ended.out,
        "::error title=matano check::the file name `detections/d/x%0A::error::forged \u{fffd}.py` is not UTF-8: rename it\n"
    );
    assert!(!ended.err.lines().any(|line| line.trim_start().starts_with("::")), "{}", ended.err);
}
