//! Finding: what a trained detector says of pictures of any size.

use burn::tensor::{Device, Tensor};
use image::RgbImage;

use super::boxes::{Rivals, clipped, suppress};
use super::cut::BEYOND;
use super::network::{self, Detector};
use super::targets;
use crate::nn::batch;
use crate::sample::Extent;
use crate::tasks::Detection;

/// What is less sure than this is not told.
const LEAST: f32 = 0.05;

/// The surest detections of a tile that compete, and those of a picture that are told.
const RIVALS: usize = 600;
const TOLD: usize = 100;

/// Two detections of a class that overlap by more than this are of one object.
const SAME: f32 = 0.6;

/// The side of the squares that a larger picture is read in, in pixels, and by how much they overlap: whatever fits
/// into the overlap is whole in one of them.
const TILE: u32 = 1536;
const OVERLAP: u32 = 384;

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

    /// The objects in a picture, the surest first.
    pub fn find(&self, picture: &RgbImage) -> Vec<Detection> {
        let whole: Extent = picture.dimensions().into();
        let mut found = Vec::new();
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
                found.extend(tile.into_iter().map(|mut one| {
                    one.bbox_xywh[0] += left as f32;
                    one.bbox_xywh[1] += top as f32;
                    one
                }));
            }
        }
        let mut found = suppress(found, SAME, Rivals::OfAClass);
        found.truncate(TOLD);
        found
    }

    /// The objects in a tile; `inner` says of its left, upper, right and lower edge whether the picture goes on
    /// there, in which case what is cut by it is left to the next tile.
    fn find_in(&self, tile: &RgbImage, inner: [bool; 4]) -> Vec<Detection> {
        let extent: Extent = tile.dimensions().into();
        let padded = network::padded(extent);
        let mut pixels = RgbImage::from_pixel(padded.width, padded.height, BEYOND);
        image::imageops::replace(&mut pixels, tile, 0, 0);
        let said = self
            .network
            .forward(batch::to_tensor(std::iter::once(&pixels), &self.device));
        let count = self.network.classes();
        let numbers = |tensor: Tensor<2>| {
            tensor
                .into_data_as::<f32>()
                .try_to_vec::<f32>()
                .unwrap_or_default()
        };
        let (scores, distances) = (numbers(said.scores()), numbers(said.distances));
        let [columns, _] = network::grid(padded);
        let mut found: Vec<Detection> = Vec::new();
        // A score that is not a number is not told, either.
        for (place, &score) in scores
            .iter()
            .enumerate()
            .filter(|(_, score)| **score >= LEAST)
        {
            let location = place / count;
            let [x, y] = targets::middle(location % columns, location / columns);
            let [left, top, right, bottom] = distances.as_chunks::<4>().0[location];
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
                    class: place % count,
                    bbox_xywh,
                    score,
                });
            }
        }
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(RIVALS);
        suppress(found, SAME, Rivals::OfAClass)
    }
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
