use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
};

use serde_json::Value;

use super::*;

fn small() -> SampleOptions {
    SampleOptions { events: 3000, objects: 4, flows: 1200, ..SampleOptions::default() }
}

fn text(directory: &Path, object: &Object) -> String {
    let mut text = String::new();
    let file = fs::File::open(directory.join(&object.key)).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    assert_eq!(text.len() as u64, object.bytes);
    text
}

fn events(directory: &Path, manifest: &Manifest) -> Vec<Value> {
    let objects = manifest.files.iter().filter(|object| object.key.starts_with("aws_cloudtrail/"));
    objects
        .flat_map(|object| {
            let document: Value = serde_json::from_str(&text(directory, object)).unwrap();
            let records = document["Records"].as_array().unwrap().clone();
            assert_eq!(records.len() as u64, object.events, "{}", object.key);
            records
        })
        .collect()
}

fn flows(directory: &Path, manifest: &Manifest) -> Vec<Vec<String>> {
    let objects = manifest.files.iter().filter(|object| object.key.starts_with("aws_vpcflow/"));
    let lines = objects.flat_map(|object| {
        let text = text(directory, object);
        let lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        assert_eq!(lines.len() as u64, object.flows);
        lines
    });
    lines.map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

#[test]
fn the_same_options_make_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let manifest = write(one.path(), &small()).unwrap();
    assert_eq!(write(two.path(), &small()).unwrap(), manifest);
    for object in &manifest.files {
        assert!(fs::read(one.path().join(&object.key)).unwrap() == fs::read(two.path().join(&object.key)).unwrap());
    }
    let other = write(two.path(), &SampleOptions { seed: 2, ..small() }).unwrap();
    assert_ne!(other.files, manifest.files);
}

#[test]
fn events_are_as_varied_and_as_long_as_those_of_a_company() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = write(directory.path(), &small()).unwrap();
    let events = events(directory.path(), &manifest);
    assert_eq!(events.len() as u64, manifest.events);
    let distinct = |pointer: &str| -> BTreeSet<String> {
        events.iter().filter_map(|event| Some(event.pointer(pointer)?.as_str()?.to_owned())).collect()
    };
    assert!(distinct("/eventName").len() >= 60, "{}", distinct("/eventName").len());
    assert!(distinct("/eventSource").len() >= 20, "{:?}", distinct("/eventSource"));
    assert!(distinct("/errorCode").len() >= 3);
    let kinds: Vec<String> = distinct("/userIdentity/type").into_iter().collect();
    assert_eq!(kinds, ["AWSService", "AssumedRole", "IAMUser", "Root"]);
    assert_eq!(distinct("/eventID").len(), events.len());
    let cloudtrail: u64 = manifest.files.iter().filter(|object| object.events > 0).map(|object| object.bytes).sum();
    let (mean, range) = (cloudtrail / manifest.events, 1400..1800);
    assert!(range.contains(&mean), "{mean}");
}

#[test]
fn keys_and_times_are_those_of_aws() {
    let directory = tempfile::tempdir().unwrap();
    let options = SampleOptions { objects: 1, ..small() };
    let manifest = write(directory.path(), &options).unwrap();
    let first = &manifest.files[0].key;
    let parts: Vec<&str> = first.split('/').collect();
    assert_eq!(parts[..2], ["aws_cloudtrail", "AWSLogs"]);
    assert_eq!(parts[5..8], ["2026", "03", "02"]);
    let (start, end) = ("2026-03-02T06:00:00Z", "2026-03-02T12:00:00Z");
    for event in events(directory.path(), &manifest) {
        let time = event["eventTime"].as_str().unwrap();
        assert!((start..end).contains(&time), "{time}");
    }
    for flow in flows(directory.path(), &manifest) {
        assert_eq!(flow.len(), 14);
        let time: i64 = flow[11].parse().unwrap();
        assert!((MONDAY..MONDAY + 6 * 3600).contains(&time));
    }
}

#[test]
fn every_step_of_the_attack_can_be_found() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = write(directory.path(), &small()).unwrap();
    let events = events(directory.path(), &manifest);
    let count = |is: &dyn Fn(&Value) -> bool| events.iter().filter(|event| is(event)).count() as u64;
    let named = |event: &Value, name: &str| event["eventName"] == name;
    let found: BTreeMap<&str, u64> = BTreeMap::from([
        (
            "root_login_without_mfa",
            count(&|e| {
                named(e, "ConsoleLogin")
                    && e["userIdentity"]["type"] == "Root"
                    && e["additionalEventData"]["MFAUsed"] == "No"
            }),
        ),
        (
            "console_bruteforce",
            count(&|e| {
                named(e, "ConsoleLogin")
                    && e["responseElements"]["ConsoleLogin"] == "Failure"
                    && e["sourceIPAddress"] == story::GUESSER
            }),
        ),
        (
            "access_key_for_another_user",
            count(&|e| {
                named(e, "CreateAccessKey") && e["requestParameters"]["userName"] != e["userIdentity"]["userName"]
            }),
        ),
        ("trail_stopped", count(&|e| named(e, "StopLogging"))),
        (
            "security_group_open_to_the_world",
            count(&|e| {
                named(e, "AuthorizeSecurityGroupIngress") && e["requestParameters"].to_string().contains("0.0.0.0/0")
            }),
        ),
        ("s3_exfiltration", count(&|e| named(e, "GetObject") && e["sourceIPAddress"] == story::EXFIL)),
    ]);
    let planted: BTreeMap<&str, u64> = manifest.planted.iter().map(|step| (step.name, step.count)).collect();
    for (name, count) in found {
        assert_eq!(planted.get(name), Some(&count), "{name}");
    }
    let scanned = |flow: &Vec<String>| flow[3] == story::SCANNER && flow[12] == "REJECT";
    let ports: BTreeSet<String> =
        flows(directory.path(), &manifest).into_iter().filter(scanned).map(|flow| flow[6].clone()).collect();
    assert_eq!((ports.len() as u64, planted["port_scan"]), (300, 300));
}

#[test]
fn every_day_is_quiet_without_the_attack() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = write(directory.path(), &SampleOptions { story: Story::Quiet, ..small() }).unwrap();
    assert_eq!(manifest.planted, []);
    for event in events(directory.path(), &manifest) {
        assert_ne!(event["userIdentity"]["type"], "Root");
        let quiet = !["StopLogging", "DeleteTrail", "CreateAccessKey"].iter().any(|name| event["eventName"] == *name);
        assert!(quiet && !event.to_string().contains("0.0.0.0/0"), "{event}");
        let address = event["sourceIPAddress"].as_str().unwrap();
        assert!(!address.starts_with("198.51.100."), "{address}");
    }
    let mut refused: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for flow in flows(directory.path(), &manifest).into_iter().filter(|flow| flow[12] == "REJECT") {
        refused.entry((flow[3].clone(), flow[4].clone())).or_default().insert(flow[6].clone());
    }
    assert!(refused.values().all(|ports| ports.len() < 20));
}

#[test]
fn the_bench_sample_has_the_size_it_is_named_for() {
    let options = SampleOptions::bench();
    assert_eq!((options.events, options.objects, options.flows), (200_000, 16, 0));
}
