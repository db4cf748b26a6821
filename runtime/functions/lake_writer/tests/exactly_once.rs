//! Every record reaches the lake once: whatever step a process stops at, however it stops, and whoever works beside it.

#![allow(clippy::unwrap_used)] // what a test's own functions cannot do ends the test

mod world;

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::{Arc, Mutex},
};

use world::{Failpoint, World, write_raw};

/// Every step of the way, with those of the lake and the detections.
fn steps() -> Vec<&'static str> {
    let mut steps = transformer::STEPS.to_vec();
    steps.extend(["detect: taken", "detect: seen"]);
    steps.extend(lake_writer::STEPS);
    steps.extend(["commit: data files written", "commit: snapshot committed"]);
    steps
}

/// Calls `stop` when a step is reached for the given time, counted from one.
fn at(step: &'static str, time: usize, stop: impl Fn() -> bool + Send + Sync + 'static) -> Failpoint {
    let seen: Mutex<BTreeMap<&'static str, usize>> = Mutex::default();
    Arc::new(move |reached| {
        let mut seen = seen.lock().unwrap();
        let count = seen.entry(reached).or_default();
        *count += 1;
        reached == step && *count == time && stop()
    })
}

const FILES: usize = 3;

#[tokio::test]
async fn without_a_crash_every_record_is_there_once() {
    let root = tempfile::tempdir().unwrap();
    write_raw(root.path(), FILES);
    let world = World::open(root.path(), "p1", None).await;
    world.work().await.unwrap();
    world.check(FILES).await;
    // everything again changes nothing
    world.work().await.unwrap();
    world.check(FILES).await;
}

#[tokio::test]
async fn a_failure_at_any_step_is_made_good_by_the_next_process() {
    for step in steps() {
        for time in 1..=FILES {
            let root = tempfile::tempdir().unwrap();
            write_raw(root.path(), FILES);
            let first = World::open(root.path(), "p1", Some(at(step, time, || true))).await;
            let stopped = first.work().await;
            drop(first);
            // twice in a row, at the same place
            let second = World::open(root.path(), "p2", Some(at(step, 1, || true))).await;
            let stopped_again = second.work().await;
            drop(second);
            if time == 1 {
                let error = stopped.unwrap_err();
                assert!(error.contains(step), "the step `{step}` was not reached: {error}");
            }
            drop(stopped_again);
            let third = World::open(root.path(), "p3", None).await;
            third.work().await.unwrap();
            third.check(FILES).await;
        }
    }
}

/// The child of the tests below: works in the directory it is given, and aborts at the step it is given. Without either,
/// a test like the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_works_until_it_is_told_to_abort() {
    let Ok(root) = env::var("MATANO_TEST_ROOT").map(PathBuf::from) else {
        let root = tempfile::tempdir().unwrap();
        write_raw(root.path(), 1);
        let world = World::open(root.path(), "alone", None).await;
        world.work().await.unwrap();
        world.check(1).await;
        return;
    };
    let step = env::var("MATANO_TEST_STEP").unwrap();
    let time: usize = env::var("MATANO_TEST_TIME").unwrap().parse().unwrap();
    let failpoint =
        steps().into_iter().find(|known| *known == step).map(|step| at(step, time, || std::process::abort()));
    let world = World::open(&root, &format!("p{}", std::process::id()), failpoint).await;
    world.work().await.unwrap();
}

fn child(root: &Path, step: &str, time: usize) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "a_process_works_until_it_is_told_to_abort", "--nocapture"])
        .env("MATANO_TEST_ROOT", root)
        .env("MATANO_TEST_STEP", step)
        .env("MATANO_TEST_TIME", time.to_string())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped());
    command
}

fn aborted(status: ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(6)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_at_any_step_loses_and_doubles_nothing() {
    for step in steps() {
        for time in [1, 2] {
            let root = tempfile::tempdir().unwrap();
            write_raw(root.path(), FILES);
            let output = child(root.path(), step, time).output().unwrap();
            assert!(
                aborted(output.status) || (time > 1 && output.status.success()),
                "`{step}` {time}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            let world = World::open(root.path(), "after", None).await;
            world.work().await.unwrap();
            world.check(FILES).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_work_at_once_do_everything_once() {
    let root = tempfile::tempdir().unwrap();
    write_raw(root.path(), 40);
    let children: Vec<_> = (0..3).map(|_| child(root.path(), "none", 1).spawn().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // what one of them still held when another looked
    let world = World::open(root.path(), "after", None).await;
    world.work().await.unwrap();
    world.check(40).await;
}

/// Runs a child with a limit on the size of files: writes beyond it fail, as on a full disk.
fn limited(root: &Path, blocks: u32) -> std::process::Output {
    let child = child(root, "none", 1);
    let mut command = Command::new("sh");
    // without the trap the signal would end the process before the write could fail
    command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("sh").arg(child.get_program());
    command.args(child.get_args());
    for (key, value) in child.get_envs() {
        command.env(key, value.unwrap());
    }
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_is_named_and_nothing_is_lost() {
    // the limits hit different files: databases, staged files, metadata
    for blocks in [4, 16, 48, 96] {
        let root = tempfile::tempdir().unwrap();
        write_raw(root.path(), FILES);
        let output = limited(root.path(), blocks);
        let errors = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert!(!output.status.success(), "{blocks} blocks were enough");
        assert!(
            ["too large", "disk i/o error", "full"].iter().any(|word| errors.contains(word)),
            "{blocks} blocks: {errors}"
        );
        let world = World::open(root.path(), "after", None).await;
        world.work().await.unwrap();
        world.check(FILES).await;
    }
}
