//! Frames of shapes as photos: which of them join, and with which boxes.

use super::*;
use crate::artifact::{self, parts};
use crate::sample::Extent;
use crate::tasks::detection::boxes::iou;
use crate::testing;

#[test]
fn photos_join_with_the_objects_that_they_show() {
    let extent = Extent::square(96);
    let labelled = testing::frames(60, extent, 1);
    let truths = testing::frames(20, extent, 2);
    let mut photos = truths.clone();
    for (number, photo) in photos.iter_mut().enumerate() {
        photo.id = format!("photos-{number:06}");
        photo.labels = Labels::default();
    }
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let inputs = [
        (
            "samples",
            testing::publish(folders[0].path(), &labelled, 64),
        ),
        ("photos", testing::publish(folders[1].path(), &photos, 7)),
    ];
    let stage: PseudoLabel = toml::from_str(
        "task = 'segmentation'\nnetworks = 1\nsteps = 500\nrounds = 1\nround_steps = 60\nbatch = 8\nchannels = 8\n\
         crop = 64\nrate = 4e-3\nkeep = 1.0\nconfidence = 0.4\nmirror = true",
    )
    .unwrap();
    let out = folders[2].path();
    let summary = testing::run_with(&stage, "pseudo_label", inputs, 64, out).unwrap();
    let files = artifact::walk(out).unwrap();
    let written = files
        .iter()
        .flat_map(|path| parts::read_part(path).unwrap());
    let joined: Vec<Sample> = written.skip(60).collect();
    assert_eq!(summary["photos"], 20);
    assert_eq!(summary["parts"], joined.len());
    assert!(summary["joined"].as_u64() <= summary["parts"].as_u64());
    assert!(joined.len() >= 4, "{summary}");
    let (mut boxes, mut right) = (0, 0);
    for photo in &joined {
        let parent = photo.provenance.parent.as_deref().unwrap();
        let number: usize = parent["photos-".len()..].parse().unwrap();
        let truth = truths[number].labels.objects();
        let corner = corner(&photo.provenance.transforms);
        for object in photo.labels.objects() {
            boxes += 1;
            let [x, y, width, height] = object.bbox_xywh;
            let bbox = [x + corner[0], y + corner[1], width, height];
            let same =
                |other: &Object| other.class == object.class && iou(other.bbox_xywh, bbox) > 0.5;
            let same = truth.iter().find(|other| same(other));
            right += usize::from(same.is_some());
            let mask = object.mask.as_ref().unwrap();
            assert_eq!(mask.bbox_xywh(photo.extent.height), Some(object.bbox_xywh));
            if let Some(mask_of_truth) = same.and_then(|same| same.mask.as_ref()) {
                let area = [mask, mask_of_truth].map(|mask| f64::from(mask.area()));
                assert!(
                    area[0] < 1.3 * area[1] && area[1] < 1.3 * area[0],
                    "{area:?}"
                );
            }
        }
        let (count, _) = super::super::read_note(&photo.provenance.transforms).unwrap();
        assert_eq!(count, format!("{} objects", photo.labels.objects().len()));
    }
    assert!(right * 10 >= boxes * 9, "{right} of {boxes}");
}

/// Where a part lies in its photo, as its transforms tell.
fn corner(transforms: &[String]) -> [f32; 2] {
    let part = transforms
        .iter()
        .find_map(|note| note.strip_prefix("part("));
    let mut sides = part.into_iter().flat_map(|part| part.split(", "));
    [(); 2].map(|()| sides.next().map_or(0.0, |side| side.parse().unwrap()))
}

#[test]
fn samples_without_objects_and_masks_are_refused() {
    let refused = |task: &str, samples: &[Sample]| {
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let inputs = [
            ("samples", testing::publish(folders[0].path(), samples, 4)),
            ("photos", testing::publish(folders[1].path(), samples, 4)),
        ];
        let stage: PseudoLabel = toml::from_str(&format!("task = '{task}'")).unwrap();
        let error = testing::run_with(&stage, "pseudo_label", inputs, 4, folders[2].path());
        error.unwrap_err().to_string()
    };
    let mut samples = testing::shapes(4, 16, 1);
    for sample in &mut samples {
        sample.labels.objects_mut()[0].mask = None;
    }
    let error = refused("segmentation", &samples);
    assert!(error.contains("needs the masks of objects"), "{error}");
    for sample in &mut samples {
        sample.labels.objects = None;
    }
    let error = refused("detection", &samples);
    assert!(error.contains("must show objects"), "{error}");
}
