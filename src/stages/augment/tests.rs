//! Tests over every entry of [`TRANSFORMS`], and the guarantees of each kind.

mod appearance;

use image::{Rgb, RgbImage};

use serde_json::json;
use toml::de::DeTable;

use super::*;
use crate::sample::image::encode_png;
use crate::sample::maps::{self, depth};
use crate::sample::{Camera, Domain, Keypoint, Labels, Maps, Mask, Object, Visibility};
use crate::seed::Seed;
use crate::stage::Resolved;
use crate::testing;

const SIZE: (u32, u32) = (96, 80);
/// x, y, width, height of the red rectangle.
const RECTANGLE: [u32; 4] = [32, 26, 30, 24];

/// The red [`RECTANGLE`] on grey, with all labels.
fn rectangle() -> Sample {
    rectangle_at(RECTANGLE)
}

fn rectangle_at([x, y, w, h]: [u32; 4]) -> Sample {
    let inside = |px: u32, py: u32| (x..x + w).contains(&px) && (y..y + h).contains(&py);
    let pixels = RgbImage::from_fn(SIZE.0, SIZE.1, |px, py| {
        Rgb(if inside(px, py) {
            [200, 50, 50]
        } else {
            [120; 3]
        })
    });
    let positions = || (0..SIZE.1).flat_map(|py| (0..SIZE.0).map(move |px| (px, py)));
    let bitmap: Vec<bool> = positions().map(|(px, py)| inside(px, py)).collect();
    let depths = bitmap
        .iter()
        .map(|&b| if b { [3000, 0, 0] } else { depth::MAP.nothing });
    let mut maps = Maps::default();
    let png = maps::encode(&depth::MAP, &depths.collect::<Vec<_>>(), SIZE).unwrap();
    maps.insert(&depth::MAP, png);
    let corner = |x, y| Keypoint {
        name: format!("{x} {y}"),
        x: x as f32,
        y: y as f32,
        visibility: Visibility::Visible,
    };
    let mut sample = crate::artifact::parts::tests::examples().remove(0);
    sample.id = "render-000003".into();
    sample.index = 3;
    sample.extent = SIZE.into();
    sample.image = encode_png(&pixels).unwrap();
    sample.provenance.transforms = Vec::new();
    sample.labels = Labels {
        class: Some("six".into()),
        caption: None,
        objects: Some(vec![Object {
            mask: Some(Mask::from_bitmap(&bitmap, SIZE.0, SIZE.1)),
            keypoints: vec![
                corner(x, y),
                corner(x + w, y),
                corner(x + w, y + h),
                corner(x, y + h),
            ],
            pose: Some([
                1.0, 0.0, 0.0, 0.02, 0.0, 1.0, 0.0, -0.01, 0.0, 0.0, 1.0, 0.5,
            ]),
            ..Object::new("six", [x, y, w, h].map(|v| v as f32))
        }]),
        maps,
        camera: Some(Camera {
            fx: 90.0,
            fy: 90.0,
            cx: 47.0,
            cy: 41.5,
        }),
    };
    sample
}

fn view(sample: &Sample) -> View {
    View {
        name: sample.id.clone(),
        pixels: sample.pixels().unwrap(),
        labels: sample.labels.clone(),
        domain: sample.provenance.domain,
    }
}

/// Whether a pixel is red, despite changes of light, blur and noise.
fn red_bitmap(pixels: &RgbImage) -> Vec<bool> {
    pixels
        .pixels()
        .map(|Rgb([r, g, b])| f32::from(*r) - f32::midpoint(f32::from(*g), f32::from(*b)) > 65.0)
        .collect()
}

fn iou(a: &[bool], b: &[bool]) -> f64 {
    let count = |f: &dyn Fn(bool, bool) -> bool| {
        a.iter().zip(b).filter(|(a, b)| f(**a, **b)).count() as f64
    };
    count(&|a, b| a && b) / count(&|a, b| a || b)
}

/// The stage as `text` in TOML configures it.
fn configured(text: &str) -> Result<Augment, toml::de::Error> {
    let table = DeTable::parse(text)?;
    let span = table.span();
    Augment::read(Spanned::new(span, DeValue::Table(table.into_inner())))
}

fn parse(text: &str) -> Augment {
    configured(text).unwrap()
}

impl Augment {
    fn transform(&self, name: &str) -> &dyn Transform {
        let mut all = self.transforms();
        all.find(|(kind, _)| kind.name == name).unwrap().1
    }
}

/// A configuration with a single transform, always applied, at its default strength.
fn only(name: &str) -> Augment {
    let mut text = String::from("flip.classes = ['six']\n");
    for kind in TRANSFORMS {
        let probability = u8::from(kind.name == name);
        text += &format!("{}.probability = {probability}\n", kind.name);
    }
    parse(&text)
}

#[test]
fn every_name_is_a_table_of_the_configuration() {
    let default = parse("");
    assert!(Stage::check(&default).is_ok());
    let resolved = default.resolved();
    for kind in TRANSFORMS {
        assert!(
            resolved[kind.name]["probability"].is_number(),
            "{}",
            kind.name
        );
    }
    let tables = resolved
        .as_object()
        .unwrap()
        .values()
        .filter(|v| v.is_object());
    assert_eq!(tables.count(), TRANSFORMS.len());
}

/// Results in users' caches are found by it. A new transform adds a table and leaves these as they are.
#[test]
fn the_resolved_configuration_is_that_of_earlier_versions() {
    let known = json!({
        "copies": 2,
        "keep_original": false,
        "flip": { "probability": 0.5, "classes": [], "swap": {} },
        "affine": { "probability": 0.8, "border": "replicate", "rotate": 15.0,
            "scale": [0.9, 1.1], "translate": 0.05 },
        "erase": { "probability": 0.0, "size": [0.1, 0.25] },
        "shadow": { "probability": 0.0, "edge": [0.01, 0.1], "left": [0.5, 0.9] },
        "brightness": { "probability": 0.5, "amount": 0.2 },
        "contrast": { "probability": 0.5, "amount": 0.2 },
        "gamma": { "probability": 0.0, "amount": 0.3 },
        "saturation": { "probability": 0.5, "amount": 0.2 },
        "hue": { "probability": 0.3, "degrees": 8.0 },
        "motion_blur": { "probability": 0.0, "length": [0.01, 0.08] },
        "blur": { "probability": 0.3, "sigma": [0.2, 0.8] },
        "downscale": { "probability": 0.0, "scale": [0.5, 0.9] },
        "noise": { "probability": 0.5, "sigma": [0.0, 6.0] },
        "jpeg": { "probability": 0.5, "quality": [70, 95] },
    });
    let resolved = parse("").resolved();
    for (key, value) in known.as_object().unwrap() {
        assert_eq!(&resolved[key], value, "{key}");
    }
    let resolved = parse("copies = 7\nblur.sigma = [1, 2]").resolved();
    assert_eq!(resolved["copies"], 7);
    assert_eq!(
        resolved["blur"],
        json!({ "probability": 0.3, "sigma": [1.0, 2.0] })
    );
    assert_eq!(resolved["noise"], known["noise"]);
}

#[test]
fn the_schema_describes_every_table() {
    let schema = (STAGE.schema)().to_value();
    assert_eq!(schema["properties"]["copies"]["type"], "integer");
    for kind in TRANSFORMS {
        let table = &schema["properties"][kind.name];
        assert_eq!(table["description"], kind.about);
        let name = table["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        assert_eq!(schema["$defs"][name]["type"], "object", "{name}");
    }
}

#[test]
fn zero_strength_changes_nothing() {
    let strengths = parse(
        "affine = { probability = 1, rotate = 0, scale = [1, 1], translate = 0 }
         erase = { probability = 1, size = [0, 0] }
         flip = { probability = 1, classes = [] }
         brightness = { probability = 1, amount = 0 }
         shadow = { probability = 1, left = [1, 1] }
         contrast = { probability = 1, amount = 0 }
         gamma = { probability = 1, amount = 0 }
         saturation = { probability = 1, amount = 0 }
         hue = { probability = 1, degrees = 0 }
         blur = { probability = 1, sigma = [0, 0] }
         motion_blur = { probability = 1, length = [0, 0] }
         downscale = { probability = 1, scale = [1, 1] }
         noise = { probability = 1, sigma = [0, 0] }
         jpeg.probability = 0",
    );
    for config in [strengths, only("nothing")] {
        let sample = rectangle();
        let children = testing::run(&config, "augment", std::slice::from_ref(&sample), 7);
        for child in children {
            assert_eq!(child.pixels().unwrap(), sample.pixels().unwrap());
            assert_eq!(child.labels, sample.labels);
            assert!(child.provenance.transforms.is_empty());
        }
    }
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
            let overlap = iou(&mask, &red_bitmap(&view.pixels));
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
            let overlap = iou(&mask, &red_bitmap(&view.pixels));
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

#[test]
fn a_class_with_two_mirror_images_is_refused() {
    let config = parse("flip.swap = { a = 'b', b = 'c' }");
    assert!(Stage::check(&config).unwrap_err().contains("two partners"));
    assert!(Stage::check(&parse("flip.swap = { a = 'b', b = 'a' }")).is_ok());
}

#[test]
fn wrong_ranges_name_their_table() {
    for (text, named) in [
        ("affine.scale = [1.2, 0.8]", "affine: `scale`"),
        ("jpeg.quality = [0, 50]", "jpeg: `quality`"),
        ("noise.probability = 2", "noise: `probability`"),
        ("copies = 0", "copies"),
        ("copies = 1000000000000", "at most 10000"),
    ] {
        let problem = Stage::check(&parse(text)).unwrap_err();
        assert!(problem.contains(named), "{problem}");
    }
}

#[test]
fn a_wrong_key_is_reported_where_it_stands_with_the_known_ones() {
    let wrong = |text: &str| configured(text).err().unwrap();
    let error = wrong("copies = 1\nblur = { sgima = 1 }");
    assert_eq!(error.span(), Some(20..25));
    assert!(error.message().contains("`sgima`") && error.message().contains("`sigma`"));

    let error = wrong("copies = 1\n[blurr]\nsigma = [1, 2]");
    assert_eq!(error.span(), Some(12..17));
    let mut names = error.message().split('`').skip(1).step_by(2);
    assert_eq!(names.next(), Some("blurr"));
    let known: Vec<&str> = names.collect();
    let all = TRANSFORMS.iter().map(|kind| kind.name);
    let all: Vec<&str> = ["copies", "keep_original"].into_iter().chain(all).collect();
    assert_eq!(known, all);

    let error = wrong("jpeg = 3");
    assert_eq!(error.span(), Some(7..8), "{error}");
}

#[test]
fn children_carry_on_the_provenance() {
    let config = parse("copies = 2\nkeep_original = true");
    let parent = rectangle();
    let children = testing::run(&config, "augment", std::slice::from_ref(&parent), 7);
    let ids: Vec<&str> = children.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["augment-000009", "augment-000010", "augment-000011"]);
    assert_eq!(children[0].image, parent.image);
    for child in &children {
        assert_eq!(child.provenance.parent.as_deref(), Some(parent.id.as_str()));
        assert_eq!(child.provenance.origin, parent.provenance.origin);
    }
    assert_ne!(children[1].image, children[2].image);
}

#[test]
fn same_bytes_for_any_threads_and_part_size() {
    let samples: Vec<Sample> = (0..20)
        .map(|index| Sample {
            id: format!("render-{index:06}"),
            index,
            ..rectangle()
        })
        .collect();
    let run = |threads, part_size| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| testing::run(&parse(""), "augment", &samples, part_size))
    };
    let one = run(1, 7);
    assert_eq!(one.len(), 40);
    assert_eq!(one, run(2, 256));
    assert_eq!(one, run(2, 7));
}

#[test]
fn unlabelled_photos_pass() {
    let mut photo = rectangle();
    photo.labels = Labels::default();
    photo.provenance.domain = Domain::Photo;
    let children = testing::run(&parse(""), "augment", &[photo], 7);
    assert_eq!(children.len(), 2);
    assert!(children.iter().all(|c| c.labels == Labels::default()));
}
