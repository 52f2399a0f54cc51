//! Bars with a dot: renders from above at known turns, and photos of them elsewhere.

use glam::DVec3;

use super::view::tests::bar;
use super::*;
use crate::sample::{Keypoint, Labels, Visibility};
use crate::testing;

/// The focal length in pixels: long, so that an object looks the same anywhere in the picture.
const FOCAL: f64 = 800.0;

const CAMERA: Camera = Camera {
    fx: FOCAL as f32,
    fy: FOCAL as f32,
    cx: 80.0,
    cy: 60.0,
};

/// A bar that lies flat, `distance` from the camera, its middle above a pixel; its dot is a keypoint at (12, 2, 0) in its
/// own coordinates, in pixels at the distance 800.
fn sample(number: u64, middle: [f64; 2], angle: f64, distance: f64) -> Sample {
    let (picture, mask) = bar(middle, angle, FOCAL / distance);
    let (sin, cos) = angle.sin_cos();
    let shift = [0, 1].map(|axis| (middle[axis] - [80.0, 60.0][axis]) * distance / FOCAL);
    let pose = [
        cos, -sin, 0.0, shift[0], sin, cos, 0.0, shift[1], 0.0, 0.0, 1.0, distance,
    ]
    .map(|value| value as f32);
    let dot = project(pose, [12.0, 2.0, 0.0]);
    let mut sample = testing::picture_of(160, 120);
    sample.id = format!("render-{number:06}");
    sample.index = number;
    sample.image = crate::sample::image::encode_png(&picture).unwrap();
    let object = Object {
        pose: Some(pose),
        keypoints: vec![Keypoint {
            name: "dot".into(),
            x: dot[0],
            y: dot[1],
            visibility: Visibility::Visible,
        }],
        ..Object::new("bar", mask.bbox_xywh(120).unwrap()).with_mask(mask)
    };
    sample.labels = Labels {
        objects: Some(vec![object]),
        camera: Some(CAMERA),
        ..Labels::default()
    };
    sample
}

fn project(pose: [f32; 12], point: [f64; 3]) -> [f32; 2] {
    let row = |first: usize| {
        let [a, b, c, shift] = [0, 1, 2, 3].map(|place| f64::from(pose[first + place]));
        DVec3::new(a, b, c).dot(point.into()) + shift
    };
    let [x, y, z] = [row(0), row(4), row(8)];
    [(FOCAL * x / z + 80.0) as f32, (FOCAL * y / z + 60.0) as f32]
}

/// The samples that the stage makes of `photos`.
fn posed(config: &str, renders: &[Sample], photos: &[Sample]) -> (Vec<Sample>, serde_json::Value) {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let inputs = [
        ("samples", testing::publish(folders[0].path(), photos, 4)),
        ("renders", testing::publish(folders[1].path(), renders, 4)),
    ];
    let stage: Pose = toml::from_str(config).unwrap();
    let out = folders[2].path();
    let summary = testing::run_with(&stage, "pose", inputs, 4, out).unwrap();
    let paths = part_files::in_folder(out).unwrap();
    let read = paths
        .iter()
        .flat_map(|path| part_files::read_part(path).unwrap());
    (read.collect(), summary)
}

fn renders() -> Vec<Sample> {
    let sample = |number: u64| {
        let place = [70.0 + number as f64, 55.0 + number as f64];
        sample(
            number,
            place,
            0.2 * number as f64,
            720.0 + 16.0 * number as f64,
        )
    };
    (0..8).map(sample).collect()
}

fn photo(number: u64, middle: [f64; 2], angle: f64, distance: f64) -> (Sample, Object) {
    let mut sample = sample(number, middle, angle, distance);
    sample.id = format!("photos-{number:06}");
    sample.provenance.domain = Domain::Photo;
    sample.provenance.transforms.clear();
    let truth = sample.labels.objects()[0].clone();
    let object = &mut sample.labels.objects_mut()[0];
    object.pose = None;
    object.keypoints.clear();
    (sample, truth)
}

#[test]
fn a_photo_gets_the_pose_in_which_it_was_taken() {
    let cases = [
        photo(0, [60.0, 70.0], 2.4, 880.0),
        photo(1, [100.0, 50.0], -0.7, 600.0),
    ];
    let photos = cases.clone().map(|(photo, _)| photo);
    let (made, summary) = posed("", &renders(), &photos);
    assert_eq!(
        (&summary["explained"], &summary["objects"]),
        (&2.into(), &2.into())
    );
    for (made, (_, truth)) in made.iter().zip(cases) {
        let object = &made.labels.objects()[0];
        let (found, truth_pose) = (object.pose.unwrap(), truth.pose.unwrap());
        // Turned by less than 6° apart, a twentieth of the distance off, and the dot within three pixels.
        let trace: f32 = [0, 1, 2, 4, 5, 6, 8, 9, 10]
            .iter()
            .map(|&i| found[i] * truth_pose[i])
            .sum();
        let angle = ((trace - 1.0) / 2.0).clamp(-1.0, 1.0).acos().to_degrees();
        assert!(angle < 6.0, "{angle}");
        assert!((found[11] / truth_pose[11] - 1.0).abs() < 0.05, "{found:?}");
        let [seen, dot] = [&object.keypoints[0], &truth.keypoints[0]];
        assert!(
            (seen.x - dot.x).hypot(seen.y - dot.y) < 3.0,
            "{seen:?} {dot:?}"
        );
        // Pose and keypoint agree.
        let [x, y] = project(found, [12.0, 2.0, 0.0]);
        assert!((seen.x - x).hypot(seen.y - y) < 2.0, "{seen:?} {x} {y}");
        assert_eq!(object.mask, truth.mask);
    }
}

#[test]
fn what_another_class_explains_better_does_not_stay() {
    let (mut wrong, _) = photo(0, [60.0, 70.0], 2.4, 880.0);
    wrong.labels.objects_mut()[0].class = "plate".into();
    let photos = [wrong, photo(1, [100.0, 50.0], -0.7, 600.0).0];
    let (made, summary) = posed("", &renders(), &photos);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].provenance.parent.as_ref(), Some(&photos[1].id));
    assert_eq!(summary["classes"], json!({ "bar": 1 }));
    // Or it stays without a pose.
    let (made, summary) = posed("drop = false", &renders(), &photos);
    assert_eq!(made.len(), 2);
    assert_eq!(
        (&summary["explained"], &summary["objects"]),
        (&1.into(), &2.into())
    );
    assert!(made[0].labels.objects()[0].pose.is_none());
}

#[test]
fn a_photo_without_a_camera_gets_one_only_with_a_pose() {
    let photos = [0, 1].map(|number| {
        let mut photo = photo(number, [60.0, 70.0], 2.4, 880.0).0;
        photo.labels.camera = None;
        photo
    });
    let [known, mut unknown] = photos;
    unknown.labels.objects_mut()[0].class = "plate".into();
    let (made, _) = posed("drop = false", &renders(), &[known, unknown]);
    // It sees as wide as the renders, through the middle.
    assert_eq!(made[0].labels.camera, Some(CAMERA));
    let notes = &made[0].provenance.transforms;
    assert_eq!(notes[0], "assumed_camera(800.0)");
    assert_eq!(made[1].labels.camera, None);
}

#[test]
fn renders_and_photos_without_masks_pass_as_they_are() {
    let mut photo = photo(1, [60.0, 70.0], 2.4, 880.0).0;
    photo.labels.objects_mut()[0].mask = None;
    let samples = [renders().remove(0), photo];
    let (made, summary) = posed("", &renders(), &samples);
    let labels = |samples: &[Sample]| samples.iter().map(|s| s.labels.clone()).collect::<Vec<_>>();
    assert_eq!(labels(&made), labels(&samples));
    assert_ne!(made[0].id, made[1].id);
    assert_eq!(made[1].provenance.parent.as_ref(), Some(&samples[1].id));
    assert_eq!(summary["objects"], 0);
}

#[test]
fn renders_without_poses_are_refused() {
    let mut flat = renders();
    flat.iter_mut()
        .for_each(|sample| sample.labels.objects_mut()[0].pose = None);
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let inputs = ["samples", "renders"].map(|role| {
        let folder = folders[usize::from(role == "renders")].path();
        (role, testing::publish(folder, &flat, 4))
    });
    let error = testing::run_with(&Pose::default(), "pose", inputs, 4, folders[2].path());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("shows no object with mask, pose and camera"),
        "{error}"
    );
    for text in ["templates = 0", "masks = 2.0", "edges = -1.0"] {
        let config: Pose = toml::from_str(text).unwrap();
        assert!(config.check().is_err(), "{text}");
    }
}

#[test]
fn notes_are_read_as_they_were_written() {
    let note = Note {
        class: "stop, or go".into(),
        template: "render-000001#3".into(),
        explained: true,
    };
    let read = Note::read(&note.text()).unwrap();
    assert_eq!(
        (read.class, read.template, read.explained),
        (note.class, note.template, true)
    );
    assert!(Note::read("part(0, 0, 64)").is_none());
}
