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
fn frames_that_keep_their_shape_have_all_objects_of_their_photo() {
    let (_folder, mut config) = frames(Extent::square(32));
    config.labelled = Some(Labelled::Few);
    config.keep_shape = true;
    let (samples, ..) = run(&config, 2).unwrap();
    // The photos measure 100 × 80 and 64 × 64.
    let extents: Vec<Extent> = samples.iter().map(|s| s.extent).collect();
    assert_eq!(extents, [Extent::new(32, 26), Extent::square(32)]);
    for sample in &samples {
        let pixels = sample.pixels().unwrap();
        assert_eq!(Extent::from(pixels.dimensions()), sample.extent);
        assert_eq!(sample.labels.objects().len(), 2);
    }
    // To half a pixel, since sides are whole numbers.
    let found = samples[0].labels.objects()[0].bbox_xywh;
    let scaled = [3.2, 6.4, 6.4, 6.4];
    let is_near = |(a, b): (&f32, f32)| (a - b).abs() < 0.5;
    assert!(found.iter().zip(scaled).all(is_near), "{found:?}");
    assert_eq!(config.foresee(&Givens::default()).unwrap().extent, None);

    config.cut = Some(Cut::Objects);
    assert!(config.check().unwrap_err().contains("`keep_shape`"));
}

#[test]
fn frames_have_no_tracks() {
    let config: Ingest =
        toml::from_str("path = 'a'\nboxes = 'b.csv'\ncut = 'frames'\ntrack = 'id'").unwrap();
    assert!(config.check().unwrap_err().contains("`track`"));
}
