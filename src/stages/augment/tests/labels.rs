//! Labels stay true for the pixels, or are dropped.

use super::*;
use crate::sample::mask::overlap;

/// Whether a pixel is red, despite changes of light, blur and noise.
fn red_bitmap(pixels: &RgbImage) -> Vec<bool> {
    pixels
        .pixels()
        .map(|Rgb([r, g, b])| f32::from(*r) - f32::midpoint(f32::from(*g), f32::from(*b)) > 65.0)
        .collect()
}

#[test]
fn every_transform_keeps_labels_on_the_pixels() {
    let sample = rectangle();
    for kind in TRANSFORMS {
        for index in 0..12 {
            let mut view = view(&sample);
            let applied = only(kind.name)
                .apply(&mut view, &Seed::new(5, "t").stream(index))
                .unwrap();
            assert_eq!(applied.len(), 1, "{}", kind.name);
            assert!(
                applied[0].starts_with(&format!("{}(", kind.name)),
                "{applied:?}"
            );
            let object = &view.labels.objects()[0];
            let mask = mask_of(object).to_bitmap(SIZE.0, SIZE.1);
            let overlap = overlap(&mask, &red_bitmap(&view.pixels));
            assert!(overlap > 0.92, "{applied:?}: IoU {overlap}");
            assert_eq!(Some(object.bbox_xywh), mask_of(object).bbox_xywh(SIZE.1));
            check_depth(&view, &mask, &applied);
            if kind.name != "erase" {
                check_corners(object, &applied);
            }
        }
    }
}

#[test]
fn an_object_that_the_frame_cuts_goes_on_with_its_mask() {
    for rectangle in [[60, 10, 36, 40], [0, 0, 30, 30], [20, 50, 40, 30]] {
        let sample = rectangle_at(rectangle);
        for (index, border) in (0..12).flat_map(|i| [(i, "replicate"), (i, "reflect")]) {
            let config = parse(&format!(
                "affine = {{ rotate = 20, translate = 0.1, border = '{border}' }}"
            ));
            let mut view = view(&sample);
            let mut stream = Seed::new(5, "t").stream(index);
            let affine = config.transform("affine");
            affine.apply(&mut view, &mut stream).unwrap();
            let object = &view.labels.objects()[0];
            let mask = mask_of(object).to_bitmap(SIZE.0, SIZE.1);
            let overlap = overlap(&mask, &red_bitmap(&view.pixels));
            assert!(
                overlap > 0.95,
                "{rectangle:?} {border} {index}: IoU {overlap}"
            );
            assert_eq!(Some(object.bbox_xywh), mask_of(object).bbox_xywh(SIZE.1));
        }
    }
}

fn mask_of(object: &Object) -> &Mask {
    object.mask.as_ref().unwrap()
}

/// Depth is known exactly where the mask is set.
fn check_depth(view: &View, mask: &[bool], applied: &[String]) {
    let png = view.labels.maps.get(&depth::MAP).unwrap();
    let (values, _) = maps::decode(&depth::MAP, png, "").unwrap();
    let known: Vec<bool> = values.iter().map(|v| v[0] == 3000).collect();
    assert_eq!(known, mask, "{applied:?}");
}

/// Every keypoint is within a pixel of a corner of the mapped rectangle: the extremes match the box, and the
/// area matches the mask.
fn check_corners(object: &Object, applied: &[String]) {
    let points: Vec<[f32; 2]> = object.keypoints.iter().map(|k| [k.x, k.y]).collect();
    let [x, y, w, h] = object.bbox_xywh;
    for (axis, low, high) in [(0, x, x + w), (1, y, y + h)] {
        let values = || points.iter().map(|p| p[axis]);
        let (first, last) = (
            values().fold(f32::MAX, f32::min),
            values().fold(0.0, f32::max),
        );
        assert!((first - low).abs() <= 1.0, "{applied:?}: {first} {low}");
        assert!((last - high).abs() <= 1.0, "{applied:?}: {last} {high}");
    }
    let next = points.iter().cycle().skip(1);
    let doubled: f32 = points
        .iter()
        .zip(next)
        .map(|(p, q)| p[0] * q[1] - q[0] * p[1])
        .sum();
    let (polygon, mask) = (doubled.abs() / 2.0, mask_of(object).area() as f32);
    assert!(
        (polygon / mask - 1.0).abs() < 0.04,
        "{applied:?}: {polygon} {mask}"
    );
}

/// The image position of the object's origin.
fn project(labels: &Labels) -> [f32; 2] {
    let (pose, camera) = (labels.objects()[0].pose.unwrap(), labels.camera.unwrap());
    let [x, y, z] = [pose[3], pose[7], pose[11]];
    [camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy]
}

#[test]
fn affine_moves_pose_and_camera_with_the_picture() {
    let mut sample = rectangle();
    let [x, y] = project(&sample.labels);
    let visibility = Visibility::Visible;
    let name = "origin".to_owned();
    let origin = Keypoint {
        name,
        x,
        y,
        visibility,
    };
    sample.labels.objects_mut()[0].keypoints.push(origin);
    for index in 0..12 {
        let mut view = view(&sample);
        only("affine")
            .apply(&mut view, &Seed::new(5, "t").stream(index))
            .unwrap();
        let [x, y] = project(&view.labels);
        let keypoint = &view.labels.objects()[0].keypoints[4];
        let distance = (x - keypoint.x).hypot(y - keypoint.y);
        assert!(distance < 1e-3, "{distance}");
    }
}

#[test]
fn rotation_without_square_pixels_drops_camera_and_poses() {
    let mut sample = rectangle();
    sample.labels.camera = Some(Camera {
        fx: 90.0,
        fy: 60.0,
        cx: 47.0,
        cy: 41.5,
    });
    let mut view = view(&sample);
    only("affine")
        .apply(&mut view, &Seed::new(5, "t").stream(0))
        .unwrap();
    assert_eq!(view.labels.camera, None);
    assert_eq!(view.labels.objects()[0].pose, None);
}

#[test]
fn what_leaves_the_frame_is_no_longer_visible() {
    let mut sample = rectangle();
    sample.labels.class = None;
    let config = parse("affine = { probability = 1, rotate = 0, scale = [1, 1], translate = 1 }");
    let (mut partly, mut gone) = (0, 0);
    for index in 0..60 {
        let mut view = view(&sample);
        config
            .transform("affine")
            .apply(&mut view, &mut Seed::new(5, "t").stream(index))
            .unwrap();
        let Some(object) = view.labels.objects().first() else {
            gone += 1;
            continue;
        };
        let full = (RECTANGLE[2] * RECTANGLE[3]) as f32;
        let share = mask_of(object).area() as f32 / full;
        assert!((object.visible_fraction - share).abs() < 0.05);
        partly += u8::from(share < 0.9);
        for keypoint in &object.keypoints {
            let inside = (0.0..=SIZE.0 as f32).contains(&keypoint.x)
                && (0.0..=SIZE.1 as f32).contains(&keypoint.y);
            assert_eq!(inside, keypoint.visibility == Visibility::Visible);
        }
    }
    assert!(partly > 5 && gone > 2, "{partly} {gone}");
}

#[test]
fn the_last_object_of_the_class_stays_in_the_frame() {
    let config = parse(
        "affine = { probability = 1, translate = 1 }
        erase = { probability = 1, size = [0.8, 1] }",
    );
    for index in 0..60 {
        let mut view = view(&rectangle());
        config
            .apply(&mut view, &Seed::new(5, "t").stream(index))
            .unwrap();
        assert_eq!(view.labels.objects().len(), 1);
    }
}

#[test]
fn a_box_without_a_mask_is_mapped_by_its_corners() {
    let mut sample = rectangle();
    let mut with_mask = view(&sample);
    sample.labels.objects_mut()[0].mask = None;
    let mut without = view(&sample);
    for view in [&mut with_mask, &mut without] {
        only("affine")
            .apply(view, &Seed::new(5, "t").stream(1))
            .unwrap();
    }
    let (a, b) = (&with_mask.labels.objects()[0], &without.labels.objects()[0]);
    for (a, b) in a.bbox_xywh.iter().zip(b.bbox_xywh) {
        assert!((a - b).abs() <= 2.0, "{a} {b}");
    }
    assert_eq!(b.mask, None);
}

#[test]
fn only_allowed_classes_are_mirrored() {
    let flipped = |flip: &str, sample: &Sample| {
        let config = parse(&format!("flip = {{ probability = 1, {flip} }}"));
        let flip = config.transform("flip");
        assert!(flip.check().is_ok());
        let mut view = view(sample);
        let applied = flip
            .apply(&mut view, &mut Seed::new(1, "t").stream(0))
            .unwrap();
        applied.map(|_| view.labels)
    };
    let six = rectangle();
    assert!(flipped("classes = []", &six).is_none());
    assert!(flipped("classes = ['two']", &six).is_none());
    let labels = flipped("classes = ['six']", &six).unwrap();
    assert_eq!(labels.objects()[0].pose, None);
    assert_eq!(labels.camera.unwrap().cx, SIZE.0 as f32 - 47.0);

    let swapped = flipped("swap = { nine = 'six' }", &six).unwrap();
    assert_eq!(swapped.class.as_deref(), Some("nine"));
    assert_eq!(swapped.objects()[0].class, "nine");

    let mut crowd = six.clone();
    let mut two = six.labels.objects()[0].clone();
    two.class = "two".into();
    crowd.labels.objects.as_mut().unwrap().push(two);
    assert!(flipped("classes = ['six']", &crowd).is_none());

    let mut photo = six.clone();
    photo.provenance.domain = Domain::Photo;
    assert!(flipped("classes = ['six']", &photo).is_none());
    photo.labels = Labels::default();
    assert!(flipped("classes = ['*']", &photo).is_some());
}
