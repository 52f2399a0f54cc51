//! What other renderers write: Isaac Sim Replicator, Unity Perception, BlenderProc. These formats are only read.

pub(super) mod blenderproc;
mod npy;
pub(super) mod replicator;
pub(super) mod solo;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::path::Path;

use image::DynamicImage;
use serde::de::DeserializeOwned;

use super::{from_json, wrong};
use crate::sample::image::decode;
use crate::sample::input::{self, MOST_BYTES};
use crate::sample::maps::{self, Maps, depth};
use crate::sample::{Camera, Extent, Mask};
use crate::{Error, Result};

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = input::read(path, MOST_BYTES)?;
    from_json(&text).map_err(|e| wrong(path, e))
}

/// A picture of labels, which must have the extent of its picture.
fn label_picture(path: &Path, extent: Extent) -> Result<DynamicImage> {
    let remedy = "render the frame again, or remove the file";
    let bytes = input::read(path, MOST_BYTES)?;
    let picture = decode(&bytes, None, &path.display().to_string(), remedy)?;
    let (width, height) = (picture.width(), picture.height());
    if (width, height) != extent.dimensions() {
        let problem = format!("has {width}×{height} pixels, but its picture {extent}");
        return Err(Error::failed(path.display(), problem, remedy));
    }
    Ok(picture)
}

/// The masks of those `wanted`, of a picture that has an instance for each pixel, row by row.
fn masks<K: Copy + Eq + Hash>(
    pixels: impl Iterator<Item = K>,
    wanted: impl Iterator<Item = K>,
    extent: Extent,
) -> HashMap<K, Mask> {
    // Runs go down the columns, as those of masks.
    let mut runs: HashMap<K, Runs> = wanted.map(|key| (key, Runs::default())).collect();
    let (width, height) = (extent.width as usize, extent.height as usize);
    let pixels: Vec<K> = pixels.take(width * height).collect();
    for x in 0..width {
        for y in 0..height {
            let instance = pixels.get(y * width + x);
            if let Some(runs) = instance.and_then(|key| runs.get_mut(key)) {
                runs.add((x * height + y) as u32);
            }
        }
    }
    let area = extent.area() as u32;
    let finished = runs.into_iter().map(|(key, runs)| (key, runs.finish(area)));
    finished.filter(|(_, mask)| mask.area() > 0).collect()
}

/// Run lengths of pixels that are added in order.
#[derive(Default)]
struct Runs {
    counts: Vec<u32>,
    end: u32,
}

impl Runs {
    fn add(&mut self, at: u32) {
        match self.counts.last_mut() {
            Some(last) if at == self.end => *last += 1,
            _ => self.counts.extend([at - self.end, 1]),
        }
        self.end = at + 1;
    }

    fn finish(mut self, area: u32) -> Mask {
        if self.end < area {
            self.counts.push(area - self.end);
        }
        Mask {
            counts: self.counts,
        }
    }
}

/// The map of depths along the optical axis, in metres, row by row; what is not finite, not positive or beyond
/// `farthest` is nothing.
///
/// # Errors
/// If the map cannot be encoded.
fn insert_depth(maps: &mut Maps, metres: &[f32], farthest: f32, extent: Extent) -> Result<()> {
    let is_depth = |metres: &f32| *metres > 0.0 && *metres < farthest;
    let most = metres.iter().copied().filter(is_depth).fold(0.0, f32::max);
    if most == 0.0 {
        return Ok(());
    }
    let step = depth::step(most);
    let value = |metres: &f32| match is_depth(metres) {
        true => [depth::value(*metres, step), 0, 0],
        false => depth::MAP.nothing,
    };
    let values: Vec<_> = metres.iter().map(value).collect();
    let png = maps::encode(&depth::MAP, &values, extent.dimensions())?;
    maps.insert_scaled(&depth::MAP, png, Some(step));
    Ok(())
}

/// The intrinsics of a symmetric perspective projection, from its first two diagonal elements.
fn symmetric(horizontal: f64, vertical: f64, extent: Extent) -> Camera {
    let (width, height) = (f64::from(extent.width), f64::from(extent.height));
    let [fx, fy, cx, cy] = [
        horizontal * width / 2.0,
        vertical * height / 2.0,
        width / 2.0,
        height / 2.0,
    ]
    .map(|v| v as f32);
    Camera { fx, fy, cx, cy }
}

/// Keys that are colours, `(25, 82, 255, 255)`, or numbers.
fn by_key<V>(map: BTreeMap<String, V>) -> HashMap<[u16; 4], V> {
    let parsed = map.into_iter().filter_map(|(key, value)| {
        let words = key.trim_matches(['(', ')']).split(',');
        let numbers: Option<Vec<u16>> = words.map(|word| word.trim().parse().ok()).collect();
        let mut parsed = [0; 4];
        let numbers = numbers.filter(|numbers| numbers.len() <= parsed.len())?;
        parsed[..numbers.len()].copy_from_slice(&numbers);
        Some((parsed, value))
    });
    parsed.collect()
}

/// What stands for an instance at each pixel: its colour, or its number if the picture is grey.
fn keys(picture: DynamicImage) -> Box<dyn Iterator<Item = [u16; 4]>> {
    if picture.color().has_color() {
        let pixels = picture.into_rgba8().into_raw();
        let colours = pixels.as_chunks::<4>().0.to_vec();
        return Box::new(colours.into_iter().map(|colour| colour.map(u16::from)));
    }
    // Eight bits must not be stretched to sixteen.
    match picture {
        DynamicImage::ImageLuma8(grey) => Box::new(grey.into_raw().into_iter().map(grey_key)),
        other => Box::new(other.into_luma16().into_raw().into_iter().map(grey_key)),
    }
}

fn grey_key(value: impl Into<u16>) -> [u16; 4] {
    [value.into(), 0, 0, 0]
}
