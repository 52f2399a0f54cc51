//! Clips of an object that moves, with its key points.

use glam::{DVec2, dvec2};
use image::RgbImage;
use rand::RngExt;

use super::shapes;
use crate::sample::image::encode_png;
use crate::sample::{Extent, Keypoint, Mask, Object, Sample, Visibility};
use crate::seed::Seed;

/// So many clips of so many frames of `side` pixels: bright tiles with dark points slide over a darker ground. Every other
/// one has one point, the others three.
pub(crate) fn clips(count: u64, frames: u64, side: u32, seed: u64) -> Vec<Sample> {
    let seed = Seed::new(seed, "clips");
    let unit = f64::from(side) / 16.0;
    let clip = |number: u64| -> Vec<Sample> {
        let mut stream = seed.stream(number);
        let mut draw = |low: f64, high: f64| stream.random_range(low..high) * unit;
        let start = dvec2(draw(5.0, 8.0), draw(5.0, 8.0));
        let step = dvec2(draw(0.3, 1.2), draw(0.3, 1.2));
        let ground = [(); 3].map(|()| stream.random_range(0..90));
        let paint = [(); 3].map(|()| stream.random_range(150..=255));
        let (class, points) = match number % 2 {
            0 => ("one", vec![dvec2(0.0, 0.0)]),
            _ => (
                "three",
                vec![dvec2(-2.0, -2.0), dvec2(2.0, -2.0), dvec2(-2.0, 2.0)],
            ),
        };
        let frame = |place: u64| {
            let middle = start + step * place as f64;
            let points: Vec<DVec2> = points.iter().map(|point| middle + *point * unit).collect();
            Tile {
                class,
                colours: [ground, paint],
                middle,
                half: 3.5 * unit,
                points,
            }
            .frame(number * frames + place, number * frames, side)
        };
        (0..frames).map(frame).collect()
    };
    (0..count).flat_map(clip).collect()
}

/// What a frame shows.
struct Tile<'a> {
    class: &'a str,
    /// Of the ground and of the tile.
    colours: [[u8; 3]; 2],
    middle: DVec2,
    half: f64,
    points: Vec<DVec2>,
}

impl Tile<'_> {
    /// Sample `index`, of the clip that begins with sample `first`.
    fn frame(&self, index: u64, first: u64, side: u32) -> Sample {
        let Tile {
            class,
            colours: [ground, paint],
            middle,
            half,
            points,
        } = self;
        let at = |x: u32, y: u32| dvec2(f64::from(x) + 0.5, f64::from(y) + 0.5);
        let inside = |x: u32, y: u32| (at(x, y) - *middle).abs().max_element() <= *half;
        let pixels = RgbImage::from_fn(side, side, |x, y| {
            let is_point = points
                .iter()
                .any(|point| at(x, y).distance(*point) < half / 4.0);
            image::Rgb(match (inside(x, y), is_point) {
                (true, true) => [10, 10, 10],
                (true, false) => *paint,
                _ => *ground,
            })
        });
        let places = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
        let bitmap: Vec<bool> = places.map(|(x, y)| inside(x, y)).collect();
        let mask = Mask::from_bitmap(&bitmap, side, side);
        let mut object = Object::new(*class, mask.bbox_xywh(side).unwrap()).with_mask(mask);
        object.keypoints = (points.iter().enumerate())
            .map(|(number, point)| Keypoint {
                name: format!("{class}.{number}"),
                x: point.x as f32,
                y: point.y as f32,
                visibility: Visibility::Visible,
            })
            .collect();
        let origin = format!("render-{first:06}");
        object.track = Some(format!("{origin}/0"));
        object.pose = Some([1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        object.box_3d = Some([-0.5, -0.5, 0.0, 0.5, 0.5, 1.0]);
        let mut sample = shapes(1, side, 1).remove(0);
        sample.id = format!("render-{index:06}");
        sample.index = index;
        sample.extent = Extent::square(side);
        sample.image = encode_png(&pixels).unwrap();
        sample.provenance.origin = origin;
        sample.labels.class = Some((*class).into());
        sample.labels.objects = Some(vec![object]);
        sample
    }
}
