use std::fs;

use super::repo::Repo;

/// Looks for a token wherever a runner may have one, and keeps quiet about it.
const SLY: &str = "import os, socket, subprocess

def attempt(call, *arguments):
    try:
        return call(*arguments)
    except OSError:
        return None


def detect(r):
    found = [
        os.environ.get('GITHUB_TOKEN'),
        attempt(open, f'/proc/{os.getppid()}/environ'),
        attempt(open, 'PLACE/secret'),
        attempt(socket.create_connection, ('192.0.2.1', 443)),
        attempt(subprocess.check_output, ['gh', 'auth', 'token']),
    ]
    return any(found)
";

fn repo() -> Repo {
    let repo = Repo::numbers();
    repo.write("secret", b"token");
    let place = fs::canonicalize(repo.path()).unwrap();
    repo.write("detections/sly/detect.py", SLY.replace("PLACE", place.to_str().unwrap()).as_bytes());
    let tests = "tests:\n  - name: quiet\n    event: {n: 1}\n    fires: false\n";
    repo.write("detections/sly/detection.yml", format!("name: sly\ntables: [web]\n{tests}").as_bytes());
    repo
}

#[test]
fn a_detection_that_looks_for_a_token_finds_none_and_is_told_on() {
    let repo = repo();
    let ended = repo.run(&["test", "--isolation", "required", "-v"]);
    assert_eq!(ended.code, 1, "{}\n{}", ended.out, ended.err);
    // it stayed quiet: the test itself passed
    assert!(ended.out.contains("pass sly/quiet"), "{}", ended.out);
    for line in [
        "refused: detections/sly/detect.py:5: tried to read `/proc/",
        "secret`",
        "refused: detections/sly/detect.py:5: tried to use the network: `192.0.2.1 443`",
        "refused: detections/sly/detect.py:5: tried to start a process: `gh auth token`",
        "detections were isolated: files held by Landlock",
    ] {
        assert!(ended.out.contains(line), "{line}\n{}", ended.out);
    }
    let json = repo.run(&["test", "--output", "json"]).json();
    assert_eq!(json["failed"], 0);
    let refused: Vec<&str> =
        json["refused"].as_array().unwrap().iter().map(|one| one["action"].as_str().unwrap()).collect();
    assert_eq!(refused, ["read", "read", "network", "process"]);
    assert_eq!(json["refused"][0]["place"], "detections/sly/detect.py:5");
    assert!(json["isolation"]["files"]["held"].as_str().unwrap().starts_with("Landlock"), "{json}");
}

#[test]
fn walls_that_are_down_are_said() {
    let ended = repo().run(&["test", "--isolation", "off"]);
    assert!(ended.err.contains("does not hold detections entirely"), "{}", ended.err);
    assert!(ended.err.contains("files: switched off"), "{}", ended.err);
}
