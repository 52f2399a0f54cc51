//! Where what a pixel shows will be in the next frame of its clip: the forward optical flow.
//!
//! The encoding is that of KITTI (Menze and Geiger 2015, "Object Scene Flow for Autonomous Vehicles"), whose third
//! channel says whether a pixel is known; here it also says whether its point is seen again.

use ::image::RgbImage;
use glam::{DMat2, DVec2};

use super::{Follows, Layout, MapKind, Planes, Value};

/// Steps of a pixel.
const STEPS: f32 = 64.0;

/// The value of no motion.
const STILL: f32 = 32_768.0;

/// The registry entry.
pub const MAP: MapKind = MapKind {
    name: "flow",
    about: "motion to the next frame of a clip (x right, y down), 16-bit RGB as in KITTI: pixels times 64, plus 32768; \
            third 0 unknown, 1 known, 2 seen in the next frame, too",
    layout: Layout::Rgb16,
    nothing: [0; 3],
    follows: Follows::Pixels(mapped),
    mixed: false,
    planes: Planes {
        count: 2,
        of: planes,
    },
};

/// The map value of a motion of x to the right and y down, in pixels; nothing if it is 512 pixels or more.
pub fn value(motion: [f32; 2], is_seen_again: bool) -> Value {
    let steps = motion.map(|v| (v * STEPS).round() + STILL);
    match steps.iter().all(|v| (0.0..65_536.0).contains(v)) {
        true => [
            steps[0] as u16,
            steps[1] as u16,
            1 + u16::from(is_seen_again),
        ],
        false => MAP.nothing,
    }
}

/// x and y of a map value in pixels; `None` if they are unknown.
pub fn motion([x, y, known]: Value) -> Option<[f32; 2]> {
    (known > 0).then(|| [x, y].map(|v| (f32::from(v) - STILL) / STEPS))
}

/// The motion of what is seen in the next frame, too.
pub fn seen_again(value: Value) -> Option<[f32; 2]> {
    motion(value).filter(|_| value[2] > 1)
}

/// How much a clip flickers from `frame` to `next`: the mean absolute difference of values, 0..1, between pixels of
/// `frame` and where their `flow`, row by row, says that they went, over those that are seen in both. It is the
/// warping error of Lai et al. 2018 ("Learning Blind Video Temporal Consistency"), who square the differences.
/// `None` if no pixel is seen again.
pub fn warping_error(frame: &RgbImage, next: &RgbImage, flow: &[Value]) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u64);
    for ((x, y, pixel), value) in frame.enumerate_pixels().zip(flow) {
        let Some([right, down]) = seen_again(*value) else {
            continue;
        };
        let Some(there) = between(next, x as f32 + right, y as f32 + down) else {
            continue;
        };
        let differences = pixel.0.iter().zip(there);
        sum += differences
            .map(|(here, there)| (f64::from(*here) - there).abs())
            .sum::<f64>();
        count += 3;
    }
    (count > 0).then(|| sum / count as f64 / 255.0)
}

/// Bilinear values at (`x`, `y`), counted from the middle of the first pixel; `None` beyond the picture.
fn between(pixels: &RgbImage, x: f32, y: f32) -> Option<[f64; 3]> {
    let (width, height) = (pixels.width() as i32, pixels.height() as i32);
    let (left, top) = (x.floor(), y.floor());
    let inside =
        (-0.5..width as f32 - 0.5).contains(&x) && (-0.5..height as f32 - 0.5).contains(&y);
    let mut mixed = [0.0; 3];
    for (column, row) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let weight = |at: f32, low: f32, step: i32| f64::from(1.0 - (at - low - step as f32).abs());
        let weight = weight(x, left, column) * weight(y, top, row);
        let column = (left as i32 + column).clamp(0, width - 1);
        let row = (top as i32 + row).clamp(0, height - 1);
        let pixel = pixels.get_pixel(column as u32, row as u32).0;
        for (sum, value) in mixed.iter_mut().zip(pixel) {
            *sum += weight * f64::from(value);
        }
    }
    inside.then_some(mixed)
}

/// The way that a mapping of both frames makes of a way.
fn mapped(from: Value, by: DMat2) -> Value {
    let Some(old) = motion(from) else {
        return MAP.nothing;
    };
    let new = by * DVec2::from(old.map(f64::from));
    value(new.to_array().map(|v| v as f32), seen_again(from).is_some())
}

/// x, then y; 1 is a motion of 64 pixels or more.
fn planes(values: &[Value]) -> Vec<f32> {
    let axis = |axis: usize| {
        let of = move |value: &Value| {
            motion(*value).map_or(0.0, |way| (way[axis] / 64.0).clamp(-1.0, 1.0))
        };
        values.iter().map(of)
    };
    axis(0).chain(axis(1)).collect()
}

#[cfg(test)]
mod tests {
    use ::image::Rgb;

    use super::*;

    #[test]
    fn motions_survive_to_a_128th_of_a_pixel_and_the_far_ones_are_unknown() {
        for way in [[0.0, 0.0], [1.25, -3.7], [-511.9, 511.9]] {
            let kept = motion(value(way, false)).unwrap();
            assert!(
                kept.iter()
                    .zip(way)
                    .all(|(a, b)| (a - b).abs() <= 1.0 / 128.0),
                "{kept:?}"
            );
        }
        assert_eq!(value([0.0, 0.0], true), [32_768, 32_768, 2]);
        assert_eq!(value([512.5, 0.0], true), MAP.nothing);
        assert_eq!(value([f32::NAN, 0.0], true), MAP.nothing);
        assert_eq!(motion(MAP.nothing), None);
        assert_eq!(seen_again(value([1.0, 0.0], false)), None);
    }

    #[test]
    fn what_moved_as_the_flow_says_does_not_flicker() {
        let picture = |shift: f32| {
            RgbImage::from_fn(24, 16, |x, y| {
                let v = 5.0 * (x as f32 - shift) + 3.0 * y as f32 + 10.0;
                Rgb([v as u8 + 20, 90, 255 - v as u8])
            })
        };
        let (first, second) = (picture(0.0), picture(2.0));
        let flow = |x: f32| vec![value([x, 0.0], true); 24 * 16];
        assert_eq!(warping_error(&first, &second, &flow(2.0)), Some(0.0));
        // Two channels of three are ten steps off.
        let still = warping_error(&first, &second, &flow(0.0)).unwrap();
        assert!((still - 20.0 / 3.0 / 255.0).abs() < 1e-6, "{still}");
        // Half a pixel is half as much as one.
        let half = warping_error(&first, &second, &flow(1.5)).unwrap();
        assert!((half - 5.0 / 3.0 / 255.0).abs() < 2e-3, "{half}");
        let hidden = vec![value([2.0, 0.0], false); 24 * 16];
        assert_eq!(warping_error(&first, &second, &hidden), None);
    }

    #[test]
    fn networks_read_two_planes() {
        let values = [value([32.0, -64.0], true), MAP.nothing];
        assert_eq!(planes(&values), [0.5, 0.0, -1.0, 0.0]);
    }
}
