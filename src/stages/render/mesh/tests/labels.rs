//! Poses, keypoints, masks, boxes and depth agree with each other and with the pixels, in any shape.

use super::*;

/// A square, one that is wide and one that is high.
const SHAPES: [Extent; 3] = [Extent::square(64), Extent::new(96, 64), Extent::new(64, 96)];

/// Pictures of some dice in a shape.
fn in_shape(mesh: &Mesh, count: u64, size: Extent) -> Vec<Sample> {
    let samples = render_with(mesh, BTreeMap::new(), count, size, 2, 256).unwrap();
    for sample in &samples {
        assert_eq!(sample.extent, size);
        assert_eq!(sample.pixels().unwrap().dimensions(), size.dimensions());
    }
    samples
}

#[test]
fn pose_camera_keypoints_masks_and_boxes_agree() {
    let mut hidden = 0;
    for size in SHAPES {
        for sample in in_shape(&crowded(), 6, size) {
            let main = &sample.labels.objects()[0];
            assert_eq!(sample.labels.class.as_ref(), Some(&main.class));
            assert!(main.visible_fraction >= 0.6);
            for object in sample.labels.objects() {
                let mask = mask_of(object);
                assert_eq!(mask.bbox_xywh(size.height), Some(object.bbox_xywh));
                assert!((0.0..=1.0).contains(&object.visible_fraction));
                hidden += keypoints_agree(&sample, object);
            }
        }
    }
    assert!(hidden < 45, "{hidden} keypoints of top faces hidden");
}

/// Whether keypoints are where pose and camera say, and in the mask if they are visible; how many are
/// hidden.
fn keypoints_agree(sample: &Sample, object: &crate::sample::Object) -> usize {
    let Extent { width, height } = sample.extent;
    let camera = sample.labels.camera.unwrap();
    let model = Model::read(
        &Source::plain(Path::new(&sample.provenance.source)),
        1.0,
        &|| Ok(()),
    )
    .unwrap();
    let face = model.faces.iter().find(|f| f.name == object.class).unwrap();
    assert_eq!(object.keypoints.len(), face.keypoints.len());
    let pose = object.pose.unwrap();
    let bitmap = mask_of(object).to_bitmap(width, height);
    for (keypoint, (_, point)) in object.keypoints.iter().zip(&face.keypoints) {
        let [x, y, z] = [0, 4, 8].map(|r| {
            pose[r] * point.x + pose[r + 1] * point.y + pose[r + 2] * point.z + pose[r + 3]
        });
        let u = x / z * camera.fx + camera.cx;
        let v = y / z * camera.fy + camera.cy;
        // Neighbours may be of the other model, whose pips lie elsewhere.
        if std::ptr::eq(object, &sample.labels.objects()[0]) {
            assert!(
                (u - keypoint.x).hypot(v - keypoint.y) < 0.01,
                "{u} {v} {keypoint:?}"
            );
        }
        let inside =
            (0.0..width as f32).contains(&keypoint.x) && (0.0..height as f32).contains(&keypoint.y);
        assert_eq!(inside, keypoint.visibility != Visibility::Outside);
        if keypoint.visibility == Visibility::Visible {
            let pixel = keypoint.y as usize * width as usize + keypoint.x as usize;
            assert!(bitmap[pixel], "{}: {keypoint:?}", sample.id);
        }
    }
    let hidden = |k: &&crate::sample::Keypoint| k.visibility == Visibility::Hidden;
    object.keypoints.iter().filter(hidden).count()
}

#[test]
fn an_object_is_as_large_and_as_central_as_asked_for_in_any_shape() {
    let mut mesh = dice();
    mesh.neighbours.count = [0, 0];
    mesh.camera.object_scale = [0.5, 0.5];
    mesh.camera.off_centre = 0.0;
    for size in SHAPES {
        for sample in in_shape(&mesh, 4, size) {
            let [x, y, width, height] = sample.labels.objects()[0].bbox_xywh;
            assert!(
                (width.max(height) - 32.0).abs() <= 1.5,
                "{size}: {width} {height}"
            );
            let (x, y) = (x + width / 2.0, y + height / 2.0);
            let middle = [size.width, size.height].map(|side| side as f32 / 2.0);
            assert!(
                (x - middle[0]).abs() <= 1.0 && (y - middle[1]).abs() <= 1.0,
                "{x} {y}"
            );
        }
    }
}

#[test]
fn an_object_goes_anywhere_in_a_wide_picture() {
    let mut mesh = dice();
    mesh.neighbours.count = [0, 0];
    mesh.camera.object_scale = [0.3, 0.3];
    mesh.camera.off_centre = 0.5;
    let samples = in_shape(&mesh, 40, Extent::new(64, 24));
    let middles: Vec<f32> = samples
        .iter()
        .map(|sample| sample.labels.objects()[0].bbox_xywh)
        .map(|[x, _, width, _]| x + width / 2.0)
        .collect();
    assert!(middles.iter().any(|x| *x < 12.0) && middles.iter().any(|x| *x > 52.0));
}

#[test]
fn depth_is_that_of_the_top_face_at_its_keypoints() {
    let shapes = SHAPES.map(|size| in_shape(&dice(), 4, size));
    for sample in shapes.into_iter().flatten() {
        let depths = image::load_from_memory(sample.labels.maps.get(&depth::MAP).unwrap())
            .unwrap()
            .into_luma16();
        assert_eq!(depths.dimensions(), sample.extent.dimensions());
        let main = &sample.labels.objects()[0];
        let model = Model::read(
            &Source::plain(Path::new(&sample.provenance.source)),
            1.0,
            &|| Ok(()),
        )
        .unwrap();
        let face = model.faces.iter().find(|f| f.name == main.class).unwrap();
        let pose = main.pose.unwrap();
        for (keypoint, (_, p)) in main.keypoints.iter().zip(&face.keypoints) {
            let along = pose[8] * p.x + pose[9] * p.y + pose[10] * p.z + pose[11];
            let steps = depths.get_pixel(keypoint.x as u32, keypoint.y as u32).0[0];
            let measured = f32::from(steps) * sample.labels.maps.step(&depth::MAP).unwrap();
            // The pip is a dent of about half a millimetre; a pixel is about as wide.
            assert!((measured - along).abs() < 1.5e-3, "{measured} m, {along} m");
        }
    }
}
