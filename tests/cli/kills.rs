//! Runs killed at random moments leave complete results, and the next run makes the same bytes.
//!
//! `VERISMO_KILLS` sets the number of kills, `VERISMO_KILLS_SEED` the seed of their moments.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::RngExt;
use sha2::{Digest, Sha256};
use verismo::artifact::{self, Artifact};
use verismo::seed::Seed;

use crate::project::{Project, names};

const RUN: [&str; 4] = ["run", "tiny.toml", "--device", "cpu"];

/// Starts a run in the background.
fn start(project: &Project, arguments: &[&str]) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin!("verismo"))
        .current_dir(project.path(""))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The digest of every artifact in the cache, by folder.
fn cached(project: &Project) -> BTreeMap<String, String> {
    let cache = project.path("outputs/cache");
    let artifact = |name: String| {
        let artifact = Artifact::open(&cache.join(&name)).ok()?;
        Some((name, artifact.manifest.digest))
    };
    // Hidden folders were about to be moved into place; the next run removes them.
    let shown = names(&cache).into_iter().filter(|n| !n.starts_with('.'));
    shown.filter_map(artifact).collect()
}

/// The checksums of the dataset that `latest` points to, after checking its files; `None` if there is no
/// dataset yet.
fn dataset(project: &Project) -> Option<String> {
    let latest = project.path("outputs/datasets/tiny/latest");
    std::fs::symlink_metadata(&latest).ok()?;
    let sums = std::fs::read_to_string(latest.join("SHA256SUMS")).unwrap();
    let mut listed = 0;
    for line in sums.lines() {
        let (sum, file) = line.split_once("  ").unwrap();
        let hash = Sha256::digest(std::fs::read(latest.join(file)).unwrap());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, sum, "{file}");
        listed += 1;
    }
    let files = artifact::walk(&std::fs::canonicalize(&latest).unwrap()).unwrap();
    assert_eq!(files.len(), listed + 1, "files beside those listed");
    Some(sums)
}

fn leftovers(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            found.extend(leftovers(&entry.path()));
        }
        if name.starts_with(".tmp-") {
            found.push(name);
        }
    }
    found
}

fn variable(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().unwrap())
}

#[test]
fn a_run_killed_again_and_again_ends_with_the_same_bytes() {
    let project = Project::every_stage();
    let began = Instant::now();
    project.verismo(&RUN).assert().success();
    let whole = began.elapsed();
    let (expected, artifacts) = (dataset(&project).unwrap(), cached(&project));
    let target = variable("VERISMO_KILLS", 4);
    let mut stream = Seed::new(variable("VERISMO_KILLS_SEED", 1), "kills").stream(0);
    let mut kills = 0;
    while kills < target {
        std::fs::remove_dir_all(project.path("outputs")).unwrap();
        let before = kills;
        loop {
            let moment = whole.mul_f64(stream.random_range(0.0..0.6));
            let mut child = start(&project, &RUN);
            std::thread::sleep(moment);
            let ended = child.try_wait().unwrap();
            if let Some(status) = ended {
                assert!(status.success(), "{status}");
                break;
            }
            if kills == target {
                assert!(child.wait().unwrap().success());
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            println!(
                "killed after {moment:.2?}, cached: {}",
                cached(&project).len()
            );
            for (name, digest) in cached(&project) {
                assert_eq!(artifacts.get(&name), Some(&digest), "{name}");
            }
            if let Some(found) = dataset(&project) {
                assert_eq!(found, expected);
            }
        }
        println!("whole after {} kills", kills - before);
        // One more run, in case the last one was killed at its very end.
        project.verismo(&RUN).assert().success();
        assert_eq!(dataset(&project).unwrap(), expected);
        assert_eq!(cached(&project), artifacts);
        assert_eq!(leftovers(&project.path("outputs")), Vec::<String>::new());
    }
}

/// Starts a run and kills it once `seen` returns true.
fn kill_when(project: &Project, arguments: &[&str], seen: impl Fn() -> bool) {
    let mut child = start(project, arguments);
    while !seen() {
        assert!(child.try_wait().unwrap().is_none(), "ended too early");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The step of the newest training checkpoint; 0 if there is none.
fn trained(project: &Project) -> u64 {
    let resume = project.path("outputs/cache/resume");
    let training = names(&resume).into_iter().find(|n| n.starts_with("train-"));
    let checkpoints = training.map_or(Vec::new(), |name| names(&resume.join(name)));
    let steps = checkpoints.iter().filter(|name| name.starts_with("step-"));
    let steps = steps.filter_map(|name| name.rsplit('-').next()?.parse().ok());
    steps.max().unwrap_or(0)
}

/// The blake3 hash of each file in the training's artifact, which contains averaged weights and curves.
fn weights(project: &Project, steps: u64) -> BTreeMap<String, String> {
    let cache = project.path("outputs/cache");
    let trained = names(&cache)
        .into_iter()
        .filter(|n| n.starts_with("train-"));
    let mut found = trained
        .filter_map(|name| Artifact::open(&cache.join(name)).ok())
        .filter(|artifact| artifact.manifest.config["steps"] == steps);
    let files = found.next().unwrap().manifest.files;
    let files = files.into_iter().map(|entry| (entry.file, entry.blake3));
    files.filter(|(name, _)| name != "key.json").collect()
}

#[test]
fn a_killed_training_goes_on_bit_by_bit_and_further_when_asked_to() {
    let train = |steps: &'static str| {
        let set = ["--set", steps, "--only", "train"];
        [&RUN[..], &set].concat()
    };
    let all = ["render", "photos", "augment_source", "task"];
    let inputs: Vec<&str> = all.iter().flat_map(|id| ["--only", *id]).collect();
    let whole = Project::every_stage();
    whole
        .verismo(&[&RUN[..], &inputs].concat())
        .assert()
        .success();
    whole.verismo(&train("train.steps=37")).assert().success();
    let expected = weights(&whole, 37);
    assert!(expected.contains_key("generator.bpk"), "{expected:?}");

    let killed = Project::every_stage();
    killed
        .verismo(&[&RUN[..], &inputs].concat())
        .assert()
        .success();
    for step in [1, 4, 10, 11] {
        kill_when(&killed, &train("train.steps=23"), || {
            trained(&killed) >= step
        });
    }
    let ends = predicates::str::contains("of 23 steps carried over");
    killed
        .verismo(&train("train.steps=23"))
        .assert()
        .success()
        .stderr(ends);
    let ends = predicates::str::contains("23 of 37 steps carried over");
    killed
        .verismo(&train("train.steps=37"))
        .assert()
        .success()
        .stderr(ends);
    assert_eq!(weights(&killed, 37), expected);
}

#[test]
fn a_second_run_waits_until_the_first_is_gone_however_it_went() {
    let project = Project::every_stage();
    let render = [&RUN[..], &["--only", "render"]].concat();
    let mut first = start(
        &project,
        &[&render[..], &["--set", "render.count=1000000"]].concat(),
    );
    let begun = || names(&project.path("outputs/cache")).len() > 1;
    while !begun() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut second = Command::new(assert_cmd::cargo::cargo_bin!("verismo"))
        .current_dir(project.path(""))
        .args(&render)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut messages = BufReader::new(second.stderr.take().unwrap());
    messages.read_line(&mut line).unwrap();
    let holder = format!(
        "waiting for another run of this pipeline: process {} on ",
        first.id()
    );
    assert!(line.contains(&holder) && line.contains("since 2"), "{line}");
    first.kill().unwrap();
    first.wait().unwrap();
    std::io::copy(&mut messages, &mut std::io::sink()).unwrap();
    assert!(second.wait().unwrap().success());
}
