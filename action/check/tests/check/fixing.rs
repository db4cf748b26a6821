use project::FileSet;

use crate::golden;

/// Applies safe fixes until there are none, and gives the texts and the rules that are still broken.
fn fixed(files: &FileSet) -> (FileSet, Vec<&'static str>) {
    let mut files = files.clone();
    for _ in 0..10 {
        let found = golden::check(&files);
        let changed = check::fix::apply(&files, &found).files;
        if changed.is_empty() {
            return (files, found.iter().map(|one| one.rule).collect());
        }
        changed.iter().for_each(|(path, bytes)| files.insert(path, bytes));
    }
    panic!("fixes give rise to others without end")
}

const BROKEN: &[(&str, &str)] = &[
    (
        "matano.config.yml",
        "# where it runs\ntraget: 'embeded' # not yet\ncheck: {rules: {untested-detections: 'off'}}\n",
    ),
    (
        "log_sources/web/log_source.yml",
        "name: web\nschema:\n  ecs_field_names: [source.addres,   \"user.name\"] # who\ntransform: |\n  # in VRL\n  \
         .source.adress = dwncase(.json.a) ?? null\r\n  .user.name = .json.user\n",
    ),
    ("integrations/destinations/secops.yml", "name: secops\ntype: stdot\n"),
    (
        "enrichment/bad_ips/enrichment.yml",
        "name: bad_ips\nenrichment_type: dynamic\nlookup_keys: [adress]\nschema: {fields: [{name: address, type: string}]}\n",
    ),
    (
        "detections/login/detection.yml",
        "name: login\ntables: [ webs ]\nalert: {severity: hgih, destinations: [secop]}\ntags: [attack.t1078.4]\n",
    ),
    (
        "detections/login/detect.py",
        "from detection.enrichment import bad_ip # ours\n\n\ndef detct(r):\n    return bad_ip.get(r.deepget('source.adress')) or r.get(\"user.name\")  # both\n",
    ),
];

const FIXED: &[(&str, &str)] = &[
    (
        "matano.config.yml",
        "# where it runs\ntarget: 'embedded' # not yet\ncheck: {rules: {untested-detection: 'off'}}\n",
    ),
    (
        "log_sources/web/log_source.yml",
        "name: web\nschema:\n  ecs_field_names: [source.address,   \"user.name\"] # who\ntransform: |\n  # in VRL\n  \
         .source.address = downcase(.json.a) ?? null\r\n  .user.name = .json.user\n",
    ),
    ("integrations/destinations/secops.yml", "name: secops\ntype: stdout\n"),
    (
        "enrichment/bad_ips/enrichment.yml",
        "name: bad_ips\nenrichment_type: dynamic\nlookup_keys: [address]\nschema: {fields: [{name: address, type: string}]}\n",
    ),
    (
        "detections/login/detection.yml",
        "name: login\ntables: [ web ]\nalert: {severity: high, destinations: [secops]}\ntags: [attack.t1078.004]\n",
    ),
    (
        "detections/login/detect.py",
        "from detection.enrichment import bad_ips as bad_ip # ours\n\n\ndef detect(r):\n    return bad_ip.get(r.deepget('source.address')) or r.deepget(\"user.name\")  # both\n",
    ),
];

#[test]
fn slips_are_mended_and_comments_and_layout_stay() {
    let (files, left) = fixed(&BROKEN.iter().copied().collect());
    for (path, expected) in FIXED {
        assert_eq!(std::str::from_utf8(files.get(path).unwrap()).unwrap(), *expected, "{path}");
    }
    assert_eq!(left, [] as [&str; 0]);
}

#[test]
fn what_could_be_meant_otherwise_is_left_to_people() {
    let files: FileSet = [
        ("matano.config.yml", ""),
        ("log_sources/web_a/log_source.yml", "name: web_a\ningest: {s3_source: {key_prefix: a/}}\n"),
        ("log_sources/web_b/log_source.yml", "name: web_b\ningest: {s3_source: {key_prefix: b/}}\n"),
        // two tables are as near; the right key is there already
        ("detections/d/detection.yml", "name: d\ntables: [web_c]\nalert: {severity: low, severty: high}\n"),
        // the function is called by its name
        ("detections/d/detect.py", "def detct(r):\n    return detct(r)\n"),
    ]
    .into_iter()
    .collect();
    assert_eq!(fixed(&files).0, files);
}

#[test]
fn the_twenty_mistakes_keep_every_line_that_is_not_mended() {
    let files = golden::read(&golden::fixtures().join("twenty_mistakes"));
    let before = golden::check(&files).len();
    let (after, left) = fixed(&files);
    assert!(left.len() < before, "{left:?}");
    for (path, bytes) in files.iter() {
        let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
        let (old, new) = (lines(bytes), lines(after.get(path).unwrap()));
        assert_eq!(old.len(), new.len(), "{path}");
        for (old, new) in old.iter().zip(&new).filter(|(old, new)| old != new) {
            let comment = |line: &str| line.split_once(" # ").map(|(_, comment)| comment.to_owned());
            assert_eq!(comment(old), comment(new), "{path}");
        }
    }
}
