//! Finding: what a trained detector says of pictures of any size.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use image::RgbImage;

use super::boxes::{clipped, suppress};
use super::cut::BEYOND;
use super::network::{self, Detector};
use super::{mask_head, read, targets};
use crate::nn::batch;
use crate::sample::crop::Rectangle;
use crate::sample::{Extent, Mask};
use crate::tasks::Detection;

/// What is less sure than this is not told.
const LEAST: f32 = 0.05;

/// The surest places of a tile that compete, and the places and detections of a picture that are told.
const RIVALS: usize = 600;
const TOLD: usize = 100;

/// Two places that overlap by more than this are of one object.
const SAME: f32 = 0.6;

/// Views that are read at once.
const AT_ONCE: usize = 64;

/// The side of the squares that a larger picture is read in, in pixels, and by how much they overlap: whatever fits
/// into the overlap is whole in one of them.
const TILE: u32 = 1536;
const OVERLAP: u32 = 384;

/// The square around a box that lies outside the picture.
const NOWHERE: Rectangle = Rectangle {
    left: -1,
    top: -1,
    extent: Extent::square(1),
};

/// A trained detector.
#[derive(Clone)]
pub struct Finder {
    network: Detector,
    device: Device,
}

impl Finder {
    pub(super) fn new(network: Detector, device: Device) -> Self {
        Finder { network, device }
    }

    pub(super) fn network(&self) -> &Detector {
        &self.network
    }

    /// The objects in a picture, the surest first; what may be of several classes is told for each.
    pub fn find(&self, picture: &RgbImage) -> Vec<Detection> {
        let whole: Extent = picture.dimensions().into();
        let mut places = Vec::new();
        for (top, height) in tiles(whole.height) {
            for (left, width) in tiles(whole.width) {
                let tile = image::imageops::crop_imm(picture, left, top, width, height);
                let inner = [
                    left > 0,
                    top > 0,
                    left + width < whole.width,
                    top + height < whole.height,
                ];
                let tile = self.find_in(&tile.to_image(), inner);
                places.extend(tile.into_iter().map(|mut one| {
                    one.bbox_xywh[0] += left as f32;
                    one.bbox_xywh[1] += top as f32;
                    one
                }));
            }
        }
        let mut places = suppress(places, SAME);
        places.truncate(TOLD);
        let mut found = self.read(picture, &places);
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(TOLD);
        found
    }

    /// The visible pixels of each object that was found in a picture; empty if it draws no masks.
    pub fn masks(&self, picture: &RgbImage, found: &[Detection]) -> Vec<Mask> {
        if !self.network.draws() {
            return Vec::new();
        }
        let extent: Extent = picture.dimensions().into();
        let squares = found
            .iter()
            .map(|one| read::square(one.bbox_xywh, extent).unwrap_or(NOWHERE));
        let squares: Vec<Rectangle> = squares.collect();
        let mut masks = Vec::with_capacity(found.len());
        for squares in squares.chunks(AT_ONCE) {
            let views: Vec<_> = squares.iter().map(|s| read::view(picture, *s)).collect();
            let views = batch::to_tensor(views.iter(), &self.device);
            let Some(drawn) = self.network.draw(views) else {
                break;
            };
            let logits = numbers(drawn.reshape([squares.len() as i32, -1]));
            let each = logits.chunks_exact(logits.len() / squares.len());
            let each = squares.iter().zip(each);
            masks.extend(each.map(|(square, logits)| mask_head::mask(logits, *square, extent)));
        }
        masks
    }

    /// The places of objects in a tile, of whatever class; `inner` says of its left, upper, right and lower edge whether
    /// the picture continues there, in which case what is cut by it is left to the next tile.
    fn find_in(&self, tile: &RgbImage, inner: [bool; 4]) -> Vec<Detection> {
        let extent: Extent = tile.dimensions().into();
        let padded = network::padded(extent);
        let mut pixels = RgbImage::from_pixel(padded.width, padded.height, BEYOND);
        image::imageops::replace(&mut pixels, tile, 0, 0);
        let said = self
            .network
            .forward(batch::to_tensor(std::iter::once(&pixels), &self.device));
        let (scores, distances) = (numbers(said.scores()), numbers(said.distances));
        let [columns, _] = network::grid(padded);
        let mut found: Vec<Detection> = Vec::new();
        // A score that is not a number is not told, either.
        for (place, &score) in scores
            .iter()
            .enumerate()
            .filter(|(_, score)| **score >= LEAST)
        {
            let [x, y] = targets::middle(place % columns, place / columns);
            let [left, top, right, bottom] = distances.as_chunks::<4>().0[place];
            let bbox = [x - left, y - top, left + right, top + bottom];
            let sides = [extent.width, extent.height].map(|side| side as f32);
            let is_cut = [
                bbox[0] < 0.0,
                bbox[1] < 0.0,
                x + right > sides[0],
                y + bottom > sides[1],
            ];
            let bbox_xywh = clipped(bbox, sides);
            let is_seen = bbox_xywh[2] > 0.0 && bbox_xywh[3] > 0.0;
            if is_seen && !(0..4).any(|edge| inner[edge] && is_cut[edge]) {
                found.push(Detection {
                    class: 0,
                    bbox_xywh,
                    score,
                });
            }
        }
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(RIVALS);
        suppress(found, SAME)
    }

    /// What is at the places found in a picture: its score is that of the place, times the probability of the class.
    fn read(&self, picture: &RgbImage, places: &[Detection]) -> Vec<Detection> {
        let extent: Extent = picture.dimensions().into();
        let views = places.iter().filter_map(|place| {
            let square = read::square(place.bbox_xywh, extent)?;
            Some((place, read::view(picture, square)))
        });
        let (places, views): (Vec<&Detection>, Vec<RgbImage>) = views.unzip();
        let mut found = Vec::new();
        for (places, views) in places.chunks(AT_ONCE).zip(views.chunks(AT_ONCE)) {
            let logits = self
                .network
                .read(batch::to_tensor(views.iter(), &self.device));
            let classes = logits.dims()[1];
            let probabilities = numbers(softmax(logits, 1));
            for (place, row) in places.iter().zip(probabilities.chunks_exact(classes)) {
                let told = row
                    .iter()
                    .enumerate()
                    .map(|(class, probability)| Detection {
                        class,
                        score: place.score * probability,
                        ..**place
                    });
                found.extend(told.filter(|one| one.score >= LEAST));
            }
        }
        found
    }
}

fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor
        .into_data_as::<f32>()
        .try_to_vec::<f32>()
        .unwrap_or_default()
}

/// Where the tiles along a side of `length` pixels begin, and how long they are.
fn tiles(length: u32) -> Vec<(u32, u32)> {
    if length <= TILE {
        return vec![(0, length)];
    }
    let count = (length - OVERLAP).div_ceil(TILE - OVERLAP);
    let last = length - TILE;
    (0..count)
        .map(|number| (last * number / (count - 1).max(1), TILE))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_a_side_and_overlap() {
        assert_eq!(tiles(640), [(0, 640)]);
        assert_eq!(tiles(TILE), [(0, TILE)]);
        for length in [TILE + 1, 2000, 4000, 12_345] {
            let tiles = tiles(length);
            assert_eq!(tiles[0].0, 0);
            assert_eq!(tiles.last().map(|(start, side)| start + side), Some(length));
            for pair in tiles.windows(2) {
                assert!(
                    pair[0].0 + TILE >= pair[1].0 + OVERLAP,
                    "{length}: {tiles:?}"
                );
            }
        }
    }
}
