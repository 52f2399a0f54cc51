//! What runs, what comes from the cache and why, and what failures leave behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::TEST_STAGES;
use crate::artifact::run::{RunRecord, Status};
use crate::pipeline::cache::Cache;
use crate::pipeline::gc;
use crate::pipeline::plan::{Choice, plan};
use crate::pipeline::run::{Options, Outcome, run, utc_stamp};
use crate::pipeline::spec::Spec;
use crate::stage::DeviceChoice;
use crate::{Error, Result};

const PIPELINE: &str = "\
[stages.solid]
[stages.copy]
from = { samples = 'solid' }
[stages.shelve]
from = { samples = 'copy' }
[stages.count]
from = { samples = 'copy' }
";

/// An output folder of its own.
pub(super) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Place {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn outputs(&self) -> PathBuf {
        self.folder.path().join("outputs")
    }

    fn run(&self, sets: &[&str]) -> Result<Outcome> {
        self.choose(sets, Choice::default())
    }

    fn choose(&self, sets: &[&str], choice: Choice) -> Result<Outcome> {
        self.execute(&spec(sets), choice, true)
    }

    pub(super) fn execute(&self, spec: &Spec, choice: Choice, publish: bool) -> Result<Outcome> {
        let options = Options {
            outputs: &self.outputs(),
            choice,
            device: DeviceChoice::Cpu,
            device_name: "cpu".into(),
            interrupted: &AtomicBool::new(false),
            listener: &|_| {},
            publish,
        };
        let mut outcome = run(spec, &options)?;
        outcome.unmet.take().map_or(Ok(outcome), Err)
    }

    /// The reason of each stage that would run.
    fn why(&self, sets: &[&str]) -> Vec<String> {
        let (spec, cache) = (spec(sets), Cache::new(&self.outputs()));
        let steps = plan(&spec, &cache, &Choice::default()).unwrap();
        let to_run = steps.iter().filter(|step| !step.is_cached());
        to_run
            .map(|s| format!("{}: {}", s.stage.id, s.reasons.join(", ")))
            .collect()
    }

    pub(super) fn last_record(&self) -> RunRecord {
        let text = fs::read_to_string(self.outputs().join("runs/test/latest/run.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(super) fn published(&self) -> String {
        let path = self.outputs().join("datasets/texts/latest/train/text.txt");
        fs::read_to_string(path).unwrap()
    }

    /// Names of temporary files and folders anywhere below the outputs.
    fn temporary(&self) -> Vec<PathBuf> {
        fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let name = entry.file_name();
                // The cache's lock file stays, since others may hold it.
                if name.to_string_lossy().starts_with('.') && name != ".lock" {
                    found.push(entry.path());
                }
                if entry.file_type().unwrap().is_dir() {
                    visit(&entry.path(), found);
                }
            }
        }
        let mut found = Vec::new();
        visit(&self.outputs(), &mut found);
        found
    }
}

fn spec(sets: &[&str]) -> Spec {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    Spec::parse(Path::new("test.toml"), PIPELINE, &sets, TEST_STAGES).unwrap()
}

/// The stages that actually ran.
fn ran(outcome: &Outcome) -> Vec<&str> {
    let stages = outcome.record.stages.iter().filter(|stage| !stage.cached);
    stages.map(|stage| stage.id.as_str()).collect()
}

#[test]
fn a_run_leaves_artifacts_a_record_and_a_dataset() {
    let place = Place::new();
    let outcome = place.run(&["shelve.text=hello"]).unwrap();
    assert_eq!(ran(&outcome), ["solid", "copy", "shelve", "count"]);
    assert_eq!(place.published(), "hello");
    assert_eq!(place.last_record(), outcome.record);
    assert_eq!(outcome.record.status, Status::Done);
    assert_eq!(outcome.record.metrics["count"]["counted"], 5);
    let solid = &outcome.record.stages[0];
    assert_eq!(solid.count, 5);
    assert_eq!((solid.classes["even"], solid.classes["odd"]), (3, 2));
    for file in ["run.json", "events.jsonl", "pipeline.toml"] {
        assert!(outcome.folder.join(file).exists(), "{file}");
    }
    let events = fs::read_to_string(outcome.folder.join("events.jsonl")).unwrap();
    for line in events.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            event["event"].is_string() && event["time"].is_number(),
            "{line}"
        );
    }
    assert_eq!(place.temporary(), Vec::<PathBuf>::new());
}

#[test]
fn the_key_is_the_hash_of_the_file_beside_the_artifact() {
    let place = Place::new();
    let outcome = place.run(&[]).unwrap();
    for stage in &outcome.record.stages {
        let key = fs::read(stage.folder.join("key.json")).unwrap();
        assert_eq!(blake3::hash(&key).to_hex().as_str(), stage.key);
    }
}

#[test]
fn a_second_run_takes_everything_from_the_cache() {
    let place = Place::new();
    place.run(&[]).unwrap();
    let began = std::time::Instant::now();
    assert_eq!(ran(&place.run(&[]).unwrap()), Vec::<&str>::new());
    assert!(began.elapsed().as_secs_f64() < 1.0);
    assert_eq!(place.why(&[]), Vec::<String>::new());
    let shelf = fs::read_dir(place.outputs().join("datasets/texts")).unwrap();
    assert_eq!(shelf.count(), 2, "one version and `latest`");
}

#[test]
fn a_change_runs_what_depends_on_it_and_says_why() {
    let place = Place::new();
    place.run(&[]).unwrap();
    let change = ["copy.tag=new"];
    assert_eq!(
        place.why(&change),
        [
            r#"copy: config changed: copy.tag "" -> "new""#,
            "shelve: after copy",
            "count: after copy"
        ]
    );
    assert_eq!(
        ran(&place.run(&change).unwrap()),
        ["copy", "shelve", "count"]
    );
    assert_eq!(place.why(&["seed=2"])[0], "solid: seed changed: 1 -> 2");
    assert_eq!(
        place.why(&["solid.colour.red=3"])[0],
        "solid: config changed: solid.colour.red 0 -> 3"
    );
    // The earlier result is still there.
    assert_eq!(ran(&place.run(&[]).unwrap()), Vec::<&str>::new());
}

#[test]
fn a_stage_whose_result_stays_the_same_runs_nothing_after_it() {
    let place = Place::new();
    place.run(&["solid.count=5"]).unwrap();
    // A limit beyond the last sample changes the key, but no byte of the result.
    let outcome = place.run(&["solid.interrupt_at=99"]).unwrap();
    assert_eq!(ran(&outcome), ["solid"]);
}

#[test]
fn a_file_counts_by_content() {
    let place = Place::new();
    let palette = place.folder.path().join("palette.txt");
    let set = format!("solid.palette={}", palette.display());
    let missing = place.run(&[&set]).err().unwrap();
    assert_eq!(missing.exit_code(), 2);
    let message = missing.to_string();
    assert!(
        message.contains("palette.txt") && message.contains("--set solid.palette=PATH"),
        "{message}"
    );

    fs::write(&palette, "red").unwrap();
    place.run(&[&set]).unwrap();
    fs::write(&palette, "red").unwrap();
    assert_eq!(place.why(&[&set]), Vec::<String>::new());
    fs::write(&palette, "rad").unwrap();
    assert_eq!(
        place.why(&[&set])[0],
        format!("solid: file {} changed", palette.display())
    );
}

#[test]
fn an_interrupted_run_leaves_nothing_half_made() {
    let place = Place::new();
    let error = place.run(&["solid.interrupt_at=3"]).err().unwrap();
    assert!(matches!(error, Error::Interrupted));
    assert_eq!(place.temporary(), Vec::<PathBuf>::new());
    let cache = fs::read_dir(place.outputs().join("cache")).unwrap();
    let left: Vec<_> = cache.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, [".lock"]);
    assert!(!place.outputs().join("datasets").exists());
    assert_eq!(place.last_record().status, Status::Interrupted);
}

#[test]
fn a_failing_stage_leaves_the_dataset_and_keeps_what_was_done() {
    let place = Place::new();
    place.run(&["shelve.text=old"]).unwrap();
    let changed = ["shelve.text=new", "count.fail=true"];
    let error = place.run(&changed).err().unwrap();
    assert_eq!(error.exit_code(), 1);
    assert_eq!(place.published(), "old");
    let record = place.last_record();
    assert_eq!(record.status, Status::Failed);
    assert!(record.error.unwrap().contains("fails on request"));
    assert_eq!(place.temporary(), Vec::<PathBuf>::new());
    let outcome = place.run(&["shelve.text=new"]).unwrap();
    assert_eq!(ran(&outcome), Vec::<&str>::new());
    assert_eq!(place.published(), "new");
    // Back to the earlier settings: the version already exists, and `latest` points to it again.
    place.run(&["shelve.text=old"]).unwrap();
    assert_eq!(place.published(), "old");
}

#[test]
fn a_version_of_the_users_own_is_never_replaced() {
    let place = Place::new();
    let own = "shelve.version='1.0'";
    place.run(&[own, "shelve.text=old"]).unwrap();
    place.run(&["shelve.text=between"]).unwrap();
    place.run(&[own, "shelve.text=old"]).unwrap();
    assert_eq!(place.published(), "old");
    let error = place.run(&[own, "shelve.text=new"]).err().unwrap();
    assert_eq!(error.exit_code(), 2);
    let message = error.to_string();
    for piece in [
        "datasets/texts/1.0",
        "different content",
        "another `version`",
    ] {
        assert!(message.contains(piece), "no `{piece}` in {message}");
    }
    assert_eq!(place.published(), "old");
}

#[test]
fn a_folder_in_the_place_of_latest_is_said_before_any_work() {
    let place = Place::new();
    let latest = place.outputs().join("datasets/texts/latest");
    fs::create_dir_all(&latest).unwrap();
    let error = place.run(&[]).err().unwrap().to_string();
    assert!(
        error.contains("datasets/texts/latest: is not a link"),
        "{error}"
    );
    assert!(!place.outputs().join("runs").exists());
    place.execute(&spec(&[]), Choice::default(), false).unwrap();
    assert!(fs::read_dir(latest).unwrap().next().is_none());
}

#[test]
fn a_stage_that_falls_over_is_a_failure_with_a_record() {
    let place = Place::new();
    let error = place.run(&["count.fall_over=true"]).err().unwrap();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("stage `count`"), "{error}");
    assert_eq!(place.last_record().status, Status::Failed);
}

#[test]
fn a_damaged_result_is_not_used() {
    let place = Place::new();
    let outcome = place.run(&[]).unwrap();
    let part = outcome.record.stages[1].folder.join("part-00000.parquet");
    fs::write(&part, "cut").unwrap();
    assert_eq!(
        place.why(&[])[0],
        "copy: earlier result damaged: part-00000.parquet has a different size"
    );
    assert_eq!(ran(&place.run(&[]).unwrap()), ["copy"]);
    fs::remove_file(&part).unwrap();
    assert_eq!(ran(&place.run(&[]).unwrap()), ["copy"]);
}

#[test]
fn what_dead_processes_left_is_removed_once_nobody_is_at_work() {
    let place = Place::new();
    let left = ["cache/.tmp-x-7-1", "datasets/dice/.tmp-latest-7-1"];
    let left = left.map(|name| place.outputs().join(name));
    left.iter()
        .for_each(|path| fs::create_dir_all(path).unwrap());
    let another = gc::hold(&place.outputs()).unwrap();
    // `hold` found no other run, and cleaned up.
    assert!(left.iter().all(|path| !path.exists()));
    left.iter()
        .for_each(|path| fs::create_dir_all(path).unwrap());
    place.run(&[]).unwrap();
    assert!(left.iter().all(|path| path.exists()));
    drop(another);
    place.run(&[]).unwrap();
    assert!(left.iter().all(|path| !path.exists()));
}

#[test]
fn stages_can_be_chosen() {
    let place = Place::new();
    let only = |ids: &[&str]| Choice {
        only: ids.iter().map(ToString::to_string).collect(),
        ..Choice::default()
    };
    let error = place.choose(&[], only(&["copy"])).err().unwrap();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("`solid`"), "{error}");
    let outcome = place.choose(&[], only(&["copy", "solid"])).unwrap();
    assert_eq!(ran(&outcome), ["solid", "copy"]);
    place.run(&[]).unwrap();

    let from = Choice {
        from: Some("copy".into()),
        ..Choice::default()
    };
    assert_eq!(
        ran(&place.choose(&[], from).unwrap()),
        ["copy", "shelve", "count"]
    );
    let force = Choice {
        force: vec!["copy".into()],
        ..Choice::default()
    };
    // The result is the same, so what depends on it stays cached.
    assert_eq!(ran(&place.choose(&[], force).unwrap()), ["copy"]);
    let error = place.choose(&[], only(&["cuont"])).err().unwrap();
    assert!(
        error.to_string().contains("did you mean `count`?"),
        "{error}"
    );
}

#[test]
fn an_unwritable_output_folder_is_said_before_any_work() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let options = Options {
        outputs: &file.path().join("outputs"),
        choice: Choice::default(),
        device: DeviceChoice::Cpu,
        device_name: "cpu".into(),
        interrupted: &AtomicBool::new(false),
        listener: &|line| panic!("no work may begin: {line:?}"),
        publish: true,
    };
    let error = run(&spec(&[]), &options).err().unwrap();
    assert_eq!(error.exit_code(), 1);
    let message = error.to_string();
    assert!(
        message.contains("cannot be written") && message.contains("--outputs"),
        "{message}"
    );
}

#[test]
fn seconds_become_dates() {
    assert_eq!(utc_stamp(0), "19700101-000000");
    assert_eq!(utc_stamp(951_782_399), "20000228-235959");
    assert_eq!(utc_stamp(951_827_696), "20000229-123456");
    assert_eq!(utc_stamp(1_795_308_312), "20261122-004512");
}
