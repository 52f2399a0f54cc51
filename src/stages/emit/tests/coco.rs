//! COCO's files, read back by hotcoco.

use super::*;

#[test]
fn coco_reads_back_with_boxes_masks_and_keypoints() {
    let (out, _) = dataset();
    let samples = samples();
    for (split, range) in [("train", 0..8), ("val", 8..12)] {
        let path = out
            .path()
            .join(format!("annotations/instances_{split}.json"));
        let coco = hotcoco::COCO::new(&path).unwrap();
        let names: Vec<String> = (1..=3).map(|id| coco.cat_name(id)).collect();
        assert_eq!(names, ["one", "other", "two"]);
        assert_eq!(
            coco.get_cat(1).unwrap().keypoints.as_ref().unwrap().len(),
            4
        );
        assert!(coco.get_cat(2).unwrap().keypoints.is_none());
        let images = coco.get_img_ids(&[], &[]);
        assert_eq!(images.len(), range.len());
        for (id, sample) in images.iter().zip(&samples[range]) {
            let image = coco.get_img(*id).unwrap();
            let bytes = std::fs::read(out.path().join(&image.file_name)).unwrap();
            assert_eq!(bytes, sample.image);
            let found = coco.load_anns(coco.get_ann_ids_for_img(*id));
            assert_eq!(found.len(), sample.labels.objects().len());
            for (annotation, object) in found.iter().zip(sample.labels.objects()) {
                check_annotation(&coco, annotation, object);
            }
        }
    }
}

fn check_annotation(coco: &hotcoco::COCO, found: &hotcoco::types::Annotation, object: &Object) {
    assert_eq!(coco.cat_name(found.category_id), object.class);
    let bbox = found.bbox.unwrap().map(|v| v as f32);
    assert_eq!(bbox, object.bbox_xywh);
    assert_eq!(
        found.area.unwrap() as u32,
        object.mask.as_ref().unwrap().area()
    );
    assert!(!found.iscrowd);
    let mask = coco.ann_to_mask(found).unwrap();
    // hotcoco's masks are column-major, as COCO's run lengths.
    let bitmap = object.mask.as_ref().unwrap().to_bitmap(SIZE.0, SIZE.1);
    for (x, y) in (0..SIZE.0).flat_map(|x| (0..SIZE.1).map(move |y| (x, y))) {
        let set = mask[(x * SIZE.1 + y) as usize] != 0;
        assert_eq!(set, bitmap[(y * SIZE.0 + x) as usize]);
    }
    let seen = |v: Visibility| v != Visibility::Outside;
    let count = object
        .keypoints
        .iter()
        .filter(|k| seen(k.visibility))
        .count();
    match &found.keypoints {
        Some(flat) => {
            assert_eq!(flat.len(), 3 * object.keypoints.len());
            assert_eq!(flat[0] as f32, object.keypoints[0].x);
            assert_eq!(found.num_keypoints, Some(count as u32));
        }
        None => assert_eq!(object.class, "other"),
    }
}

#[test]
fn poses_and_cameras_go_on_where_all_are_known() {
    let mut samples = samples();
    let camera = crate::sample::Camera {
        fx: 70.0,
        fy: 71.0,
        cx: 2.0,
        cy: 1.5,
    };
    samples[0].labels.camera = Some(camera);
    samples[1].labels.camera = None;
    for object in samples[0].labels.objects_mut() {
        object.pose = Some([0.5; 12]);
    }
    let out = tempfile::tempdir().unwrap();
    emit(CONFIG, &samples, 5, out.path()).unwrap();
    #[derive(serde::Deserialize)]
    struct Geometry {
        camera: Option<Vec<f32>>,
        poses: Option<Vec<f32>>,
    }
    let rows: Vec<Geometry> = table::read(&out.path().join("manifest.parquet")).unwrap();
    let lengths = |row: &Geometry| {
        let length = |values: &Option<Vec<f32>>| values.as_ref().map(Vec::len);
        (length(&row.camera), length(&row.poses))
    };
    let objects = samples[0].labels.objects().len();
    assert_eq!(lengths(&rows[0]), (Some(4), Some(12 * objects)));
    assert_eq!(lengths(&rows[1]), (None, None));
    let text = std::fs::read_to_string(out.path().join("annotations/instances_train.json"));
    let coco: serde_json::Value = serde_json::from_str(&text.unwrap()).unwrap();
    assert_eq!(coco["images"][0]["camera"]["fy"], 71.0);
    assert_eq!(coco["annotations"][0]["pose"][11], 0.5);
    assert!(coco["images"][1].get("camera").is_none());
}

#[test]
fn coco_boxes_are_clipped_and_never_empty() {
    let mut sample = samples().remove(1);
    let mut boxes = |bbox: [f32; 4]| {
        sample.labels.objects_mut()[0].bbox_xywh = bbox;
        sample.labels.objects_mut()[0].mask = None;
        let out = tempfile::tempdir().unwrap();
        emit("", &[sample.clone()], 5, out.path()).unwrap();
        let path = out.path().join("annotations/instances_train.json");
        let coco = hotcoco::COCO::new(&path).unwrap();
        let found = coco.load_anns(&coco.get_ann_ids(&[], &[], None, None));
        found.iter().map(|a| a.bbox.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(boxes([-2.0, 1.0, 10.0, 90.0]), [[0.0, 1.0, 8.0, 31.0]]);
    assert!(boxes([50.0, 1.0, 10.0, 5.0]).is_empty());
    assert!(boxes([5.0, 1.0, 0.0, 5.0]).is_empty());
}

#[test]
fn a_photo_without_boxes_is_no_picture_of_nothing_to_coco() {
    let mut samples = samples();
    for sample in &mut samples[..4] {
        sample.provenance.domain = crate::sample::Domain::Photo;
        sample.labels.objects = None;
    }
    let out = tempfile::tempdir().unwrap();
    emit(CONFIG, &samples, 5, out.path()).unwrap();
    let listed: usize = ["train", "val"]
        .map(|split| {
            let path = out
                .path()
                .join(format!("annotations/instances_{split}.json"));
            let text = std::fs::read_to_string(path).unwrap();
            let coco: serde_json::Value = serde_json::from_str(&text).unwrap();
            coco["images"].as_array().unwrap().len()
        })
        .iter()
        .sum();
    assert_eq!(listed, 8);
    let files = artifact::walk(&out.path().join("train")).unwrap().len()
        + artifact::walk(&out.path().join("val")).unwrap().len();
    // Every picture, and the metadata of both splits.
    assert_eq!(files, 12 + 2);
    let card = std::fs::read_to_string(out.path().join("README.md")).unwrap();
    assert!(card.contains("4 images are photos, and their class is a guess"));
    assert!(card.contains("- die.gltf: 8 images"), "{card}");
}

#[test]
fn tracks_have_numbers_that_are_read_again() {
    let mut samples = samples();
    // Two clips of four frames with one object in each, and one without tracks.
    for sample in &mut samples[..8] {
        sample.labels.objects_mut()[0].track = Some(format!("clip {}", sample.index / 4));
        sample.labels.objects.as_mut().unwrap().truncate(1);
    }
    let out = tempfile::tempdir().unwrap();
    emit(CONFIG, &samples, 5, out.path()).unwrap();
    let path = out.path().join("annotations/instances_train.json");
    let coco: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let annotations = coco["annotations"].as_array().unwrap();
    let ids: Vec<Option<u64>> = annotations.iter().map(|a| a["track_id"].as_u64()).collect();
    let expected = [1, 1, 1, 1, 2, 2, 2, 2].map(Some);
    assert_eq!(ids, expected);
    let read = FormatName::find("coco").unwrap();
    let read = read.entry().pictures(out.path()).unwrap();
    let track = |at: usize| read[at].labels.objects()[0].track.clone();
    assert_eq!(track(0).as_deref(), Some("1"));
    assert_eq!(track(3), track(0));
    assert_eq!(track(4).as_deref(), Some("2"));
    assert_eq!(track(8), None);
}
