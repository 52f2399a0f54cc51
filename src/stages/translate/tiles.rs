//! Large pictures are translated in tiles that overlap, so that memory does not grow with the picture.
//!
//! Where tiles overlap, one fades into the other: norms over a picture see another mean in each, and borders are made
//! up at its edges. That hides edges, not what instance norm does to a tile in which there is nothing: it makes its noise
//! as strong as what is seen in others.

use image::{Rgb, RgbImage};

use crate::models::Translator;
use crate::sample::Extent;
use crate::sample::maps::Decoded;
use crate::seed::Stream;

/// Tiles overlap by this share of their side.
const OVERLAP: u32 = 8;

/// A stretch of a side: where it begins, and how long it is.
type Stretch = (u32, u32);

/// As [`Translator::translate`], tile by tile where a side is longer than `tile` pixels.
pub(super) fn translate(
    network: &dyn Translator,
    pictures: &[RgbImage],
    maps: &[Decoded],
    streams: &mut [Stream],
    tile: u32,
) -> Vec<RgbImage> {
    let whole: Extent = match pictures.first() {
        Some(first) => first.dimensions().into(),
        None => return Vec::new(),
    };
    let [columns, rows] = [whole.width, whole.height].map(|side| stretches(side, tile));
    if (columns.len() == 1 && rows.len() == 1) || !network.is_local() {
        return network.translate(pictures, maps, streams);
    }
    let mut made: Vec<Option<Blend>> = pictures.iter().map(|_| None).collect();
    for &row in &rows {
        for &column in &columns {
            let cut = |picture: &RgbImage| {
                let part = image::imageops::crop_imm(picture, column.0, row.0, column.1, row.1);
                part.to_image()
            };
            let parts: Vec<_> = pictures.iter().map(cut).collect();
            let maps: Vec<_> = maps
                .iter()
                .map(|m| cut_maps(m, whole, column, row))
                .collect();
            // What is drawn for a picture is the same in all of its tiles.
            let mut drawn = streams.to_vec();
            let parts = network.translate(&parts, &maps, &mut drawn);
            for (made, part) in made.iter_mut().zip(&parts) {
                let scale = (part.width() / column.1).max(1);
                let made = made.get_or_insert_with(|| Blend::new(whole.times(scale)));
                let grown = |(start, length): Stretch| (start * scale, length * scale);
                made.add(part, grown(column), grown(row));
            }
        }
    }
    made.into_iter().flatten().map(Blend::done).collect()
}

/// Stretches of `tile` pixels that cover a side and overlap; the whole side if it is no longer.
fn stretches(side: u32, tile: u32) -> Vec<Stretch> {
    if side <= tile {
        return vec![(0, side)];
    }
    let step = tile - (tile / OVERLAP).max(1);
    let count = (side - tile).div_ceil(step) + 1;
    let start = |number: u32| u64::from(side - tile) * u64::from(number) / u64::from(count - 1);
    (0..count)
        .map(|number| (start(number) as u32, tile))
        .collect()
}

fn cut_maps(maps: &Decoded, whole: Extent, column: Stretch, row: Stretch) -> Decoded {
    let [left, width] = [column.0, column.1].map(|side| side as usize);
    let [top, height] = [row.0, row.1].map(|side| side as usize);
    let cut = |values: &[_]| {
        let rows = values
            .chunks_exact(whole.width as usize)
            .skip(top)
            .take(height);
        rows.flat_map(|row| row[left..left + width].iter().copied())
            .collect()
    };
    maps.iter()
        .map(|(kind, values)| (*kind, cut(values)))
        .collect()
}

/// The weighted sum of tiles.
struct Blend {
    extent: Extent,
    /// Red, green and blue, and the sum of the weights.
    sums: Vec<[f32; 4]>,
}

impl Blend {
    fn new(extent: Extent) -> Self {
        Blend {
            extent,
            sums: vec![[0.0; 4]; extent.area()],
        }
    }

    /// Adds a tile, whose weight falls towards its edges.
    fn add(&mut self, part: &RgbImage, (left, width): Stretch, (top, height): Stretch) {
        let weight = |place: u32, length: u32| {
            let fade = (length / OVERLAP).max(1);
            let inside = (place + 1).min(length - place).min(fade);
            inside as f32 / fade as f32
        };
        for (x, y, pixel) in part.enumerate_pixels() {
            let share = weight(x, width) * weight(y, height);
            let place = (top + y) as usize * self.extent.width as usize + (left + x) as usize;
            let sum = &mut self.sums[place];
            for (sum, value) in sum.iter_mut().zip(pixel.0) {
                *sum += share * f32::from(value);
            }
            sum[3] += share;
        }
    }

    fn done(self) -> RgbImage {
        let mut sums = self.sums.iter();
        RgbImage::from_fn(self.extent.width, self.extent.height, |_, _| {
            let [red, green, blue, weight] = sums.next().copied().unwrap_or_default();
            Rgb([red, green, blue].map(|sum| (sum / weight).round() as u8))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::maps::depth;
    use crate::seed::Seed;
    use rand::RngExt;

    /// Halves each value, and adds what it draws and what its map says.
    struct Pointwise;

    impl Translator for Pointwise {
        fn translate(
            &self,
            renders: &[RgbImage],
            maps: &[Decoded],
            streams: &mut [Stream],
        ) -> Vec<RgbImage> {
            let each = renders.iter().zip(maps).zip(streams);
            each.map(|((render, maps), stream)| {
                let drawn: u8 = stream.random_range(0..60);
                let mut values = maps[0].1.iter();
                let mut picture = render.clone();
                picture.pixels_mut().for_each(|pixel| {
                    let [value, ..] = *values.next().unwrap();
                    pixel.0 = pixel.0.map(|old| old / 2 + drawn + value as u8);
                });
                picture
            })
            .collect()
        }
    }

    fn sloping(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (x + y) as u8]))
    }

    #[test]
    fn tiles_make_what_the_whole_picture_would_become() {
        for (width, height) in [(100, 70), (33, 32), (32, 90), (20, 20)] {
            let pictures = [sloping(width, height), sloping(width, height)];
            let values = (0..width * height).map(|i| [(i % 50) as u16; 3]).collect();
            let maps: Vec<Decoded> = vec![vec![(&depth::MAP, values)]; 2];
            let streams = || vec![Seed::new(1, "a").stream(0), Seed::new(1, "b").stream(1)];
            let whole = Pointwise.translate(&pictures, &maps, &mut streams());
            let tiled = translate(&Pointwise, &pictures, &maps, &mut streams(), 32);
            assert!(whole == tiled, "{width}×{height}");
        }
    }

    #[test]
    fn stretches_cover_a_side_and_overlap() {
        assert_eq!(stretches(64, 64), [(0, 64)]);
        for side in [65, 100, 200, 4001] {
            let found = stretches(side, 64);
            assert_eq!((found[0].0, found[found.len() - 1].0), (0, side - 64));
            assert!(found.windows(2).all(|pair| pair[0].0 + 64 >= pair[1].0 + 8));
        }
    }
}
