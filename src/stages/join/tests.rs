//! What becomes of samples that join others.

use super::*;
use crate::artifact;
use crate::sample::Sample;
use crate::testing;

/// What `join` makes of ten labelled pictures and three photos, in parts of four, and its warnings.
fn joined(repeat: u64, photos: &[Sample]) -> (Vec<Sample>, Vec<String>) {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let inputs = [
        (
            "samples",
            testing::publish(folders[0].path(), &testing::shapes(10, 8, 1), 4),
        ),
        ("others", testing::publish(folders[1].path(), photos, 4)),
    ];
    let out = folders[2].path();
    let run = |context: &Context| Join { repeat }.run(context);
    let (summary, warnings) = testing::in_context("join", inputs, 4, out, run);
    summary.unwrap();
    let files = artifact::walk(out).unwrap();
    let samples = files
        .iter()
        .flat_map(|path| parts::read_part(path).unwrap());
    (samples.collect(), warnings)
}

#[test]
fn all_samples_come_first_and_the_others_as_often_as_wanted() {
    let photos = testing::shapes(3, 8, 2);
    let (samples, warnings) = joined(2, &photos);
    assert_eq!(samples.len(), 16);
    assert_eq!(samples[9].id, "join-000009");
    assert_eq!(
        samples[9].provenance.parent.as_deref(),
        Some("render-000009")
    );
    for (copy, photo) in samples[10..].iter().zip(photos.iter().cycle()) {
        assert_eq!((&copy.image, &copy.labels), (&photo.image, &photo.labels));
        assert_eq!(copy.provenance.origin, photo.provenance.origin);
    }
    let numbers: Vec<u64> = samples.iter().map(|sample| sample.index).collect();
    assert_eq!(numbers, (0..16).collect::<Vec<_>>());
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn classes_of_other_names_are_told() {
    let mut photos = testing::shapes(3, 8, 2);
    photos[1].labels.class = Some("Disc".into());
    let (_, warnings) = joined(1, &photos);
    assert!(warnings[0].contains("does not have: Disc"), "{warnings:?}");
}

#[test]
fn copies_are_counted_and_none_is_an_error() {
    assert!(Join { repeat: 0 }.check().is_err());
    assert!(Join { repeat: 10_001 }.check().is_err());
    assert_eq!(Join::default().check(), Ok(()));
}
