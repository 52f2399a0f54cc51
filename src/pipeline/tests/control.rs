//! Requirements before publishing, and what is and is not removed from the cache.

use std::fs;
use std::path::Path;

use super::TEST_STAGES;
use super::running::Place;
use crate::artifact::run::Status;
use crate::pipeline::gc;
use crate::pipeline::plan::Choice;
use crate::pipeline::spec::Spec;
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

fn spec(require: &str, sets: &[&str]) -> Spec {
    let text = format!("[require]\n{require}\n{PIPELINE}");
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    match Spec::parse(Path::new("test.toml"), &text, &sets, TEST_STAGES) {
        Ok(spec) => spec,
        Err(error) => panic!("{error}"),
    }
}

fn try_run(place: &Place, require: &str, sets: &[&str]) -> Result<()> {
    let outcome = place.execute(&spec(require, sets), Choice::default(), true);
    outcome.map(|_| ())
}

#[test]
fn what_meets_the_requirements_is_published() {
    let place = Place::new();
    let met = "'count.counted' = '>= 5'\n'solid.samples_per_class' = '== 2'\nsolid.samples = '< 6'";
    try_run(&place, met, &["shelve.text=first"]).unwrap();
    assert_eq!(place.published(), "first");
    let judged = place.last_record().requirements;
    assert_eq!(judged.len(), 3);
    assert!(judged.iter().all(|judgement| judgement.met));
    assert_eq!(judged[1].value, Some(2.0));
}

#[test]
fn what_does_not_meet_them_is_not_published_and_says_so() {
    let place = Place::new();
    try_run(&place, "", &["shelve.text=old"]).unwrap();
    let require = "'count.counted' = '>= 6'\n'solid.samples' = '> 4'";
    let error = try_run(&place, require, &["shelve.text=new"]).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let message = error.to_string();
    for piece in [
        "1 of 2 requirements",
        "UNMET  count.counted is 5, required >= 6",
        "met    solid.samples is 5: > 4",
    ] {
        assert!(message.contains(piece), "no `{piece}` in {message}");
    }
    assert_eq!(place.published(), "old");
    assert_eq!(place.last_record().status, Status::Unmet);
    assert!(place.last_record().datasets.is_empty());
    // The work is not lost.
    try_run(&place, "", &["shelve.text=new"]).unwrap();
    assert_eq!(place.published(), "new");
}

#[test]
fn a_path_to_nothing_is_an_error_with_the_names_that_are_near() {
    let place = Place::new();
    let error = try_run(&place, "'count.conted' = '> 1'", &[]).unwrap_err();
    assert!(matches!(error, Error::Pipeline { line: 2, .. }));
    let message = error.to_string();
    assert!(
        message.contains("did you mean `count.counted`?"),
        "{message}"
    );
    assert!(!place.outputs().join("datasets").exists());
}

#[test]
fn a_stage_that_was_left_out_has_met_nothing() {
    let place = Place::new();
    place
        .execute(&spec("", &[]), Choice::default(), false)
        .unwrap();
    assert!(!place.outputs().join("datasets").exists(), "not to publish");
    let only = |id: &str| Choice {
        only: vec![id.to_owned()],
        ..Choice::default()
    };
    let spec = spec("'count.counted' = '> 1'", &[]);
    let error = place.execute(&spec, only("shelve"), true).err().unwrap();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("is not measured"), "{error}");
    // Nothing would be published, so nothing is required.
    place.execute(&spec, only("copy"), true).unwrap();
}

#[test]
fn what_no_kept_run_needs_is_collected_and_nothing_else() {
    let place = Place::new();
    try_run(&place, "", &["copy.tag=a"]).unwrap();
    try_run(&place, "", &["copy.tag=b"]).unwrap();
    let holdings = gc::collect(&place.outputs(), 2).unwrap();
    assert_eq!((holdings.runs, holdings.unneeded.len()), (2, 0));

    let before = gc::holdings(&place.outputs(), 1).unwrap();
    let names: Vec<&str> = before
        .unneeded
        .iter()
        .map(|entry| entry.name.split('-').next().unwrap())
        .collect();
    // `solid` is the same in both runs; the results of `copy` differ.
    assert_eq!(names, ["copy", "count", "shelve"]);
    assert!(before.unneeded.iter().all(|entry| entry.bytes > 0));
    let cache = place.outputs().join("cache");
    fs::create_dir_all(cache.join("mine")).unwrap();
    let removed = gc::collect(&place.outputs(), 1).unwrap();
    assert_eq!(removed.unneeded, before.unneeded);
    assert_eq!(gc::holdings(&place.outputs(), 1).unwrap().unneeded, []);
    assert!(cache.join("mine").exists(), "is no result");

    // What was kept is complete.
    let outcome = place
        .execute(&spec("", &["copy.tag=b"]), Choice::default(), true)
        .unwrap();
    assert!(outcome.record.stages.iter().all(|stage| stage.cached));
}

#[test]
fn nothing_is_collected_while_a_run_holds_the_cache() {
    let place = Place::new();
    try_run(&place, "", &[]).unwrap();
    let held = gc::hold(&place.outputs()).unwrap();
    let another = gc::hold(&place.outputs()).unwrap();
    let error = gc::collect(&place.outputs(), 0).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("a run is using"), "{error}");
    drop((held, another));
    let removed = gc::collect(&place.outputs(), 0).unwrap();
    assert_eq!(removed.unneeded.len(), 4);
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(gc::collect(nothing.path(), 0).unwrap().unneeded, []);
}
