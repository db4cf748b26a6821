use super::repo::Repo;

const SOURCE: &str = "name: web\nschema: {ecs_field_names: [source.ip]}\ntransform: .source.ip = .json.ip\n";
const BROKEN: &str = "name: bad\ntables: [webs]   # all of it\nalert: {severity: hgih}\ntests:\n  - name: a\n    event: {source.ip: 192.0.2.1}\n    fires: true\n  - name: b\n    event: {source.ip: 192.0.2.2}\n    fires: false\n";
const PYTHON: &str = "def detect(r):\n    return r.get(\"source.ip\") == \"192.0.2.1\"  # one\n";

fn repo() -> Repo {
    Repo::with(&[
        ("matano.config.yml", ""),
        ("log_sources/web/log_source.yml", SOURCE),
        ("detections/bad/detection.yml", BROKEN),
        ("detections/bad/detect.py", PYTHON),
    ])
}

fn read(repo: &Repo, file: &str) -> String {
    std::fs::read_to_string(repo.path().join(file)).unwrap()
}

#[test]
fn what_is_certain_is_mended_in_the_files() {
    let repo = repo();
    assert_eq!(repo.run(&["check"]).code, 1);
    let ended = repo.fine(&["check", "--fix"]);
    assert!(
        ended.out.contains("fixed[unknown-table]: replace `webs` with `web`\n  --> detections/bad/detection.yml:2:10"),
        "{}",
        ended.out
    );
    // the column is judged when the table is known
    assert!(ended.out.contains("fixed 3 findings in 2 files"), "{}", ended.out);
    assert!(ended.out.ends_with("no problems found\n"), "{}", ended.out);
    assert_eq!(read(&repo, "detections/bad/detection.yml"), BROKEN.replace("[webs]", "[web]").replace("hgih", "high"));
    assert_eq!(read(&repo, "detections/bad/detect.py"), PYTHON.replace("get", "deepget"));
    let names = |directory: &str| {
        let entries = std::fs::read_dir(repo.path().join(directory)).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with('.'))
            .count()
    };
    assert_eq!(names("detections/bad"), 0, "a temporary file was left");
    assert!(!repo.fine(&["check", "--fix"]).out.contains("fixed"));
}

#[test]
fn a_diff_shows_the_fixes_and_changes_nothing() {
    let repo = repo();
    let ended = repo.run(&["check", "--fix", "--diff"]);
    assert_eq!(ended.code, 1);
    for line in ["--- a/detections/bad/detect.py", "-tables: [webs]   # all of it", "+tables: [web]   # all of it"] {
        assert!(ended.out.lines().any(|found| found == line), "{line}: {}", ended.out);
    }
    assert_eq!(read(&repo, "detections/bad/detection.yml"), BROKEN);
    assert_eq!(repo.run(&["check", "--diff"]).code, 2, "--diff is a way to fix");
}

#[test]
fn fixes_are_in_the_json_next_to_what_is_left() {
    let repo = repo();
    repo.write("detections/bad/extra.py", b"import detection.enrichment as e\ne.nowhere\n");
    let ended = repo.run(&["--output", "json", "check", "--fix"]);
    let document = ended.json();
    let rules = |key: &str| -> Vec<String> {
        document[key].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(rules("fixed"), ["unknown-table", "invalid-value", "unknown-record-column"]);
    assert_eq!(rules("diagnostics"), ["unknown-enrichment"]);
    assert_eq!(ended.code, 1);
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let repo = repo();
    let shared = repo.write("detections/shared.txt", PYTHON.as_bytes());
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = repo.path().join("detections/bad/detect.py");
    std::fs::remove_file(&link).unwrap();
    symlink("../shared.txt", &link).unwrap();
    repo.fine(&["check", "--fix"]);
    assert!(link.symlink_metadata().unwrap().file_type().is_symlink());
    assert_eq!(shared.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(read(&repo, "detections/shared.txt").contains("deepget"));
}
