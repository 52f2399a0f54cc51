//! What a run reuses from one that was stopped or made less: the same bytes for less work.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::TEST_STAGES;
use crate::Result;
use crate::pipeline::events::RunEvent;
use crate::pipeline::plan::Choice;
use crate::pipeline::run::{Options, Outcome, run};
use crate::pipeline::spec::Spec;
use crate::stage::{DeviceChoice, Event};

const PIPELINE: &str = "\
part_size = 4
[stages.solid]
count = 10
[stages.copy]
from = { samples = 'solid' }
";

/// Runs, and returns what each stage reused and the digests of the artifacts.
fn run_in(outputs: &Path, sets: &[&str], choice: Choice) -> (Result<Outcome>, Vec<String>) {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let spec = Spec::parse(Path::new("test.toml"), PIPELINE, &sets, TEST_STAGES).unwrap();
    let notes = Mutex::new(Vec::new());
    let options = Options {
        outputs,
        publish: true,
        choice,
        device: DeviceChoice::Cpu,
        device_name: "cpu".into(),
        interrupted: &AtomicBool::new(false),
        listener: &|line| {
            if let RunEvent::Stage(Event::Note { text }) = &line.event {
                let id = line.stage.clone().unwrap_or_default();
                notes.lock().unwrap().push(format!("{id}: {text}"));
            }
        },
    };
    let outcome = run(&spec, &options);
    (outcome, notes.into_inner().unwrap())
}

fn digests(outcome: Result<Outcome>) -> BTreeMap<String, String> {
    let stages = outcome.unwrap().record.stages.into_iter();
    stages
        .map(|stage| {
            let artifact = crate::artifact::Artifact::open(&stage.folder).unwrap();
            (stage.id, artifact.manifest.digest)
        })
        .collect()
}

/// The digests of a run from nothing.
fn from_nothing(sets: &[&str]) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    digests(run_in(folder.path(), sets, Choice::default()).0)
}

#[test]
fn a_stopped_stage_goes_on_at_the_first_missing_part() {
    let folder = tempfile::tempdir().unwrap();
    let run = |sets: &[&str]| run_in(folder.path(), sets, Choice::default());
    // The place to stop must not enter any key: it is left out of this stage's configuration.
    std::fs::write(folder.path().join("stop"), "9").unwrap();
    let stop = format!("solid.stop_file={}", folder.path().join("stop").display());
    let (stopped, _) = run(&[&stop]);
    assert!(stopped.is_err());
    std::fs::remove_file(folder.path().join("stop")).unwrap();
    let (outcome, notes) = run(&[&stop]);
    assert_eq!(
        notes,
        ["solid: 8 of 10 samples carried over from earlier runs"]
    );
    assert_eq!(digests(outcome), from_nothing(&[]));
}

#[test]
fn more_samples_are_just_those_more() {
    let folder = tempfile::tempdir().unwrap();
    let run = |sets: &[&str]| run_in(folder.path(), sets, Choice::default());
    run(&[]).0.unwrap();
    // Ten samples fill two parts and half of a third.
    let (outcome, notes) = run(&["solid.count=17"]);
    assert_eq!(
        notes,
        [
            "solid: 10 of 17 samples carried over from earlier runs",
            "copy: 10 of 17 samples carried over from earlier runs"
        ]
    );
    assert_eq!(digests(outcome), from_nothing(&["solid.count=17"]));
    let (outcome, notes) = run(&["solid.count=9"]);
    assert_eq!(
        notes[0],
        "solid: 8 of 9 samples carried over from earlier runs"
    );
    assert_eq!(digests(outcome), from_nothing(&["solid.count=9"]));
}

#[test]
fn what_was_made_of_a_file_that_changed_meanwhile_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let palette = folder.path().join("palette.txt");
    std::fs::write(&palette, "red").unwrap();
    let sets = [format!("solid.palette={}", palette.display())];
    let spec = Spec::parse(Path::new("test.toml"), PIPELINE, &sets, TEST_STAGES).unwrap();
    let options = Options {
        outputs: &folder.path().join("outputs"),
        publish: true,
        choice: Choice::default(),
        device: DeviceChoice::Cpu,
        device_name: "cpu".into(),
        interrupted: &AtomicBool::new(false),
        listener: &|line| {
            if let RunEvent::Start { .. } = line.event {
                std::fs::write(&palette, "blue").unwrap();
            }
        },
    };
    let error = run(&spec, &options).err().unwrap().to_string();
    assert!(
        error.contains("changed while stage `solid` read it"),
        "{error}"
    );
    assert!(run(&spec, &options).is_ok());
}

#[test]
fn other_settings_take_nothing_over() {
    let folder = tempfile::tempdir().unwrap();
    let run = |sets: &[&str]| run_in(folder.path(), sets, Choice::default());
    run(&[]).0.unwrap();
    for set in ["solid.colour.red=3", "seed=2"] {
        let (outcome, notes) = run(&[set]);
        assert_eq!(notes, Vec::<String>::new(), "{set}");
        assert_eq!(digests(outcome), from_nothing(&[set]));
    }
}

#[test]
fn what_is_forced_takes_nothing_over() {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), &[], Choice::default()).0.unwrap();
    let choice = Choice {
        from: Some("solid".into()),
        ..Choice::default()
    };
    let (outcome, notes) = run_in(folder.path(), &[], choice);
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(digests(outcome), from_nothing(&[]));
}
