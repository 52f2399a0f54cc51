//! Labels that do not agree with each other.

use super::*;
use crate::sample::Camera;

#[test]
fn a_box_that_is_not_that_of_its_mask_is_refused_by_sample_and_model() {
    let mut samples = samples();
    samples[7].labels.objects.as_mut().unwrap()[0].bbox_xywh[3] += 1.0;
    let out = tempfile::tempdir().unwrap();
    let error = emit(CONFIG, &samples, 5, out.path())
        .unwrap_err()
        .to_string();
    for part in [
        "split-000007",
        "object 0 (`one`, made from die.gltf)",
        "has the box",
        "help: ",
    ] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}

#[test]
fn keypoints_are_compared_with_poses_and_what_has_none_is_counted() {
    let camera = Camera {
        fx: 40.0,
        fy: 40.0,
        cx: 20.0,
        cy: 16.0,
    };
    let mut samples = samples();
    for (index, sample) in samples.iter_mut().enumerate() {
        sample.labels.camera = Some(camera);
        let object = &mut sample.labels.objects.as_mut().unwrap()[0];
        // Points of the model at these places, a metre before the camera and the model turned a little each time.
        let (sin, cos) = (0.2 * index as f32).sin_cos();
        object.pose = Some([
            cos,
            -sin,
            0.0,
            0.0,
            sin,
            cos,
            0.0,
            0.0,
            0.0,
            0.0,
            1.0,
            1.0 + 0.05 * index as f32,
        ]);
        for (number, keypoint) in object.keypoints.iter_mut().enumerate() {
            let (x, y) = (
                [0.2, 0.1, -0.2, 0.0][number],
                [0.0, 0.2, -0.1, -0.2][number],
            );
            let depth = 1.0 + 0.05 * index as f32;
            keypoint.x = camera.cx + camera.fx * (cos * x - sin * y) / depth;
            keypoint.y = camera.cy + camera.fy * (sin * x + cos * y) / depth;
        }
    }
    // Mirrored, and exchanged: `p0` where `p1` is.
    samples[3].labels.objects.as_mut().unwrap()[0].pose = None;
    let points = &mut samples[4].labels.objects.as_mut().unwrap()[0].keypoints;
    let second = (points[1].x, points[1].y);
    (points[0].x, points[0].y) = second;
    let out = tempfile::tempdir().unwrap();
    let summary = emit(CONFIG, &samples, 5, out.path()).unwrap();
    // Too few pictures show the class `two`.
    let expected = serde_json::json!({ "boxes": 15, "posed": 8, "odd": 1, "no_pose": 4 });
    assert_eq!(summary["proof"], expected);
    let card = std::fs::read_to_string(out.path().join("README.md")).unwrap();
    assert!(
        card.contains("15 boxes were compared with their masks, and the keypoints of 8 objects")
    );
}
