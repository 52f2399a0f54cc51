//! What a cache promises: damage is noticed and mended, two pipelines can share it, and the number of threads
//! changes nothing.
//!
//! `VERISMO_RACES` sets the number of rounds in which two pipelines run at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use verismo::artifact::walk;

use crate::project::{Project, Tiny, names};

fn run(project: &Project, more: &[&str]) -> std::process::Output {
    let arguments = [&["run", "tiny.toml", "--device", "cpu"], more].concat();
    project.verismo(&arguments).output().unwrap()
}

/// The names of the versions that were published.
fn versions(project: &Project) -> Vec<String> {
    let mut versions = names(&project.path("outputs/datasets/tiny"));
    versions.retain(|name| name != "latest");
    versions
}

/// The checksums of the published dataset, which its files match.
fn published(project: &Project) -> String {
    let folder = project.path("outputs/datasets/tiny/latest");
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    for (hash, name) in sums.lines().filter_map(|line| line.split_once("  ")) {
        let found = verismo::artifact::soundness::sha256_file(&folder.join(name)).unwrap();
        assert_eq!(found, hash, "{name}");
    }
    sums
}

/// The files of all results in the cache.
fn cached(project: &Project) -> Vec<PathBuf> {
    let cache = project.path("outputs/cache");
    let folders = names(&cache).into_iter().filter(|name| name.contains('-'));
    folders
        .flat_map(|folder| walk(&cache.join(folder)).unwrap())
        .collect()
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // In place, so that the file's other names see it too.
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_is_mended_wherever_it_is_in_the_cache() {
    let pipeline = Tiny::new("part_size = 3")
        .dice(6, 24)
        .stages("[stages.augment]\nfrom = { samples = \"render\" }\ncopies = 1")
        .publish("augment");
    let project = Project::new().file("tiny.toml", pipeline);
    assert!(run(&project, &[]).status.success());
    let sums = published(&project);
    for path in cached(&project) {
        // First with nothing to do but to publish, then with stages that read the others' results.
        for more in [&[][..], &["--from", "augment"]] {
            if !path.exists() {
                continue;
            }
            flip(&path);
            std::fs::remove_dir_all(project.path("outputs/datasets")).unwrap();
            let output = run(&project, more);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {errors}", path.display());
            assert_eq!(published(&project), sums, "{}: {errors}", path.display());
        }
    }
}

#[test]
fn damage_is_reported_and_only_the_damaged_part_is_made_again() {
    let pipeline = Tiny::new("part_size = 3")
        .dice(9, 24)
        .stages("[stages.augment]\nfrom = { samples = \"render\" }")
        .publish("augment");
    let project = Project::new().file("tiny.toml", pipeline);
    assert!(run(&project, &[]).status.success());
    let cached = cached(&project).into_iter();
    let is_part = |path: &PathBuf| {
        let path = path.to_string_lossy();
        path.contains("render-") && path.ends_with("part-00001.parquet")
    };
    flip(&cached.into_iter().find(is_part).unwrap());
    let output = run(&project, &["--set", "augment.copies=3"]);
    assert!(output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("is damaged (part-00001.parquet"),
        "{errors}"
    );
    assert!(errors.contains("6 of 9 samples"), "{errors}");
}

#[test]
fn a_crafted_cache_writes_nothing_outside() {
    let pipeline = Tiny::new("").dice(6, 24).publish("render");
    let project = Project::new().file("tiny.toml", pipeline);
    assert!(run(&project, &[]).status.success());
    let sums = published(&project);
    let mut cached = cached(&project).into_iter();
    let path = cached
        .find(|path| path.ends_with("artifact.json") && path.to_string_lossy().contains("/emit-"));
    let path = path.unwrap();
    let mut description = project.json(path.to_str().unwrap());
    description["digest"] = "../../../x".into();
    let text = description.to_string();
    std::fs::write(&path, &text).unwrap();
    let hash = blake3::hash(text.as_bytes()).to_hex();
    std::fs::write(path.with_file_name("artifact.blake3"), hash.as_str()).unwrap();
    std::fs::remove_dir_all(project.path("outputs/datasets")).unwrap();
    let output = run(&project, &[]);
    assert!(output.status.success());
    assert_eq!(published(&project), sums);
    assert_eq!(names(&project.path("")), ["outputs", "tiny.toml"]);
}

#[test]
fn two_pipelines_that_share_stages_run_at_once() {
    let rounds = std::env::var("VERISMO_RACES").ok();
    let rounds = rounds.and_then(|text| text.parse().ok()).unwrap_or(2);
    for round in 0..rounds {
        let project = Project::every_stage()
            .file("a.toml", "extends = \"tiny.toml\"\nname = \"a\"\n")
            .file("b.toml", "extends = \"tiny.toml\"\nname = \"b\"\n");
        let start = |pipeline: &str| {
            Command::new(assert_cmd::cargo::cargo_bin!("verismo"))
                .current_dir(project.path(""))
                .args(["run", pipeline, "--device", "cpu"])
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        for child in ["a.toml", "b.toml"].map(start) {
            let output = child.wait_with_output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "round {round}: {errors}");
        }
        assert_eq!(versions(&project).len(), 1, "round {round}");
        published(&project);
    }
}

#[test]
fn the_whole_pipeline_makes_the_same_dataset_with_any_number_of_threads() {
    let made: BTreeSet<Vec<String>> = ["1", "2", "3", "8"]
        .map(|threads| {
            let project = Project::every_stage();
            let output = run(&project, &["--threads", threads]);
            assert!(output.status.success(), "{threads} threads");
            versions(&project)
        })
        .into();
    assert_eq!(made.len(), 1, "{made:?}");
}
