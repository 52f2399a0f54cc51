//! A labelled picture for all tests, and what the stage as a whole guarantees.

mod appearance;
mod configuration;
mod labels;

use image::{Rgb, RgbImage};
use toml::de::DeTable;

use super::*;
use crate::sample::image::encode_png;
use crate::sample::maps::{self, depth};
use crate::sample::{Camera, Domain, Keypoint, Labels, Maps, Mask, Object, Visibility};
use crate::seed::Seed;
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
