//! Whole frames of photos that a CSV of boxes names.

use super::*;
use crate::sample::Extent;

fn frames(size: Extent) -> (tempfile::TempDir, Ingest) {
    let (folder, mut config) = example();
    config.cut = Some(Cut::Frames);
    config.size = size;
    (folder, config)
}

#[test]
fn every_photo_becomes_one_frame_without_labels() {
    let (_folder, config) = frames(Extent::new(40, 20));
    let (samples, summary, _) = run(&config, 2).unwrap();
    let sources: Vec<&str> = samples.iter().map(|s| &*s.provenance.source).collect();
    let mut once = sources.clone();
    once.dedup();
    assert_eq!(sources, once, "no photo comes twice");
    assert_eq!(summary["photos"], samples.len());
    assert!(sources.iter().all(|source| !source.contains('#')));
    for (number, sample) in samples.iter().enumerate() {
        assert_eq!(sample.id, format!("photos-{number:06}"));
        assert_eq!(sample.labels, crate::sample::Labels::default());
        // What they measured is noted, as the boxes in them follow from it.
        let photo = crate::sample::crop::frame_of(&sample.provenance.transforms[0]);
        assert!(photo.is_some_and(|photo| photo != sample.extent));
    }
}

#[test]
fn labels_that_are_asked_for_come_with_all_objects_of_a_frame() {
    let (_folder, mut config) = frames(Extent::square(64));
    config.labelled = Some(Labelled::Few);
    let rows = config.boxes(config.boxes.as_ref().unwrap()).unwrap();
    let rows = rows.rows(&|| Ok(())).unwrap().len();
    let (samples, ..) = run(&config, 2).unwrap();
    let objects = samples.iter().map(|sample| sample.labels.objects().len());
    assert!((2..=rows).contains(&objects.sum::<usize>()));
    assert!(samples.len() < rows);
    assert!(samples.iter().all(|sample| sample.labels.objects.is_some()));
    assert!(samples.iter().all(|s| s.provenance.is_labelled_photo()));
}

#[test]
fn frames_have_no_tracks() {
    let config: Ingest =
        toml::from_str("path = 'a'\nboxes = 'b.csv'\ncut = 'frames'\ntrack = 'id'").unwrap();
    assert!(config.check().unwrap_err().contains("`track`"));
}
