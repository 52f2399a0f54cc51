//! Windows of photos that show what windows of renders show, so that a discriminator never sees a difference of
//! content that a generator would have to invent.
//!
//! A window is described by what the task network sees in it or, without one, by its pixels, at 2×2 places each:
//! photos' windows whose descriptions are nearest to a render's match it.

use std::ops::Range;
use std::path::Path;

use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor};
use image::imageops::{FilterType, crop_imm, resize};
use image::{GrayImage, Luma, RgbImage};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::album::Album;
use super::task_network::Layers;
use super::weights::{TRAIN_AGAIN, read_state};
use crate::artifact::files::write_json;
use crate::nn::batch;
use crate::sample::Extent;
use crate::seed::{Position, Stream};
use crate::{Error, Result};

/// Bytes of photos that are kept at most.
const KEPT: usize = 64 << 20;

/// Pictures that go through the task network at once.
const AT_ONCE: usize = 32;

/// Windows of one size over pictures of one extent.
#[derive(Debug, Clone)]
pub struct Grid {
    extent: Extent,
    /// What a window measures.
    pub window: Extent,
    /// Left and top of each, half a window apart.
    pub corners: Vec<[u32; 2]>,
}

impl Grid {
    /// Windows whose sides are about this share of the picture's, 0..1: multiples of 8 pixels, and at least 16.
    pub fn new(extent: Extent, share: f64) -> Self {
        let side = |whole: u32| {
            let wanted = (share * f64::from(whole) / 8.0).round() as u32 * 8;
            if share >= 1.0 {
                whole
            } else {
                wanted.max(16).min(whole)
            }
        };
        let window = Extent::new(side(extent.width), side(extent.height));
        let starts = |whole: u32, window: u32| {
            let steps = (2 * (whole - window)).div_ceil(window);
            (0..=steps).map(move |step| (whole - window) * step / steps.max(1))
        };
        let columns = || starts(extent.width, window.width);
        let rows = starts(extent.height, window.height);
        Grid {
            extent,
            window,
            corners: rows.flat_map(|y| columns().map(move |x| [x, y])).collect(),
        }
    }

    /// The windows of pictures `[batch, channels, height, width]`, each given by the numbers of its picture and of
    /// its corner.
    pub fn cut(&self, pictures: &Tensor<4>, windows: &[(usize, usize)]) -> Tensor<4> {
        let cut = |&(picture, corner): &(usize, usize)| {
            let [x, y] = self.corners[corner].map(|at| at as usize);
            let [width, height] = [self.window.width, self.window.height].map(|side| side as usize);
            let one = pictures.clone().narrow(0, picture, 1);
            one.narrow(2, y, height).narrow(3, x, width)
        };
        Tensor::cat(windows.iter().map(cut).collect(), 0)
    }

    /// Descriptions of all windows of pictures `[batch, 3, height, width]`: by picture, then by corner.
    fn describe(&self, pictures: Tensor<4>, task: Option<&Layers>) -> Vec<Vec<f32>> {
        let seen = match task {
            Some(task) => task.forward(pictures).maps.remove(1),
            None => pictures,
        };
        let [count, channels, height, width] = seen.dims();
        let cells = |at: u32, window: u32, whole: u32, cells: usize| -> Range<usize> {
            let place = |at: u32| at as usize * cells;
            let whole = whole as usize;
            place(at) / whole..place(at + window).div_ceil(whole)
        };
        let mut described = vec![Vec::new(); count * self.corners.len()];
        for (corner, &[x, y]) in self.corners.iter().enumerate() {
            let columns = cells(x, self.window.width, self.extent.width, width);
            let rows = cells(y, self.window.height, self.extent.height, height);
            let inside = seen.clone().narrow(2, rows.start, rows.len()).narrow(
                3,
                columns.start,
                columns.len(),
            );
            let means = adaptive_avg_pool2d(inside, [2, 2]).into_data_as::<f32>();
            let means = means.as_slice::<f32>().unwrap_or_default();
            for (picture, means) in means.chunks_exact(4 * channels).enumerate() {
                described[picture * self.corners.len() + corner] = unit(means);
            }
        }
        described
    }
}

/// What is left of the numbers without their mean, as a vector of length 1.
fn unit(numbers: &[f32]) -> Vec<f32> {
    let mean = numbers.iter().sum::<f32>() / numbers.len().max(1) as f32;
    let square = |v: &f32| (v - mean).powi(2);
    let length = numbers.iter().map(square).sum::<f32>().sqrt().max(1e-6);
    numbers.iter().map(|v| (v - mean) / length).collect()
}

/// The photos whose windows are looked for, and the stream that chooses.
pub struct Matching {
    /// The windows of photos and renders.
    pub grid: Grid,
    /// Reads photos and renders, if there is one; frozen.
    task: Option<Layers>,
    /// Where networks run.
    device: Device,
    photos: Vec<RgbImage>,
    /// Of each photo, 255 where the task network sees an object; half of that everywhere without one.
    regions: Vec<GrayImage>,
    /// Of each window: by photo, then by corner.
    described: Vec<Vec<f32>>,
    stream: Stream,
}

/// What a saved one needs beside the pixels.
#[derive(Serialize, Deserialize)]
struct Record {
    extent: Extent,
    photos: usize,
    position: Position,
}

impl Matching {
    /// Without photos; `stream` chooses windows.
    pub fn new(grid: Grid, task: Option<Layers>, device: Device, stream: Stream) -> Self {
        Matching {
            grid,
            task,
            device,
            photos: Vec::new(),
            regions: Vec::new(),
            described: Vec::new(),
            stream,
        }
    }

    /// Takes in up to `most` photos, evenly spread.
    ///
    /// # Errors
    /// If a photo cannot be read.
    pub fn study(&mut self, photos: &Album, most: usize) -> Result<()> {
        let (width, height) = self.grid.extent.dimensions();
        let bytes = 3 * self.grid.extent.area();
        let chosen = photos.spread(most.min((KEPT / bytes).max(1)));
        let photo = |number| {
            let picture = &photos.get(number)?.picture;
            Ok(match picture.dimensions() == (width, height) {
                true => picture.clone(),
                false => resize(picture, width, height, FilterType::Triangle),
            })
        };
        self.photos = chosen.map(photo).collect::<Result<_>>()?;
        self.index();
        Ok(())
    }

    /// Finds out what the photos show.
    fn index(&mut self) {
        (self.regions, self.described) = (Vec::new(), Vec::new());
        for photos in self.photos.chunks(AT_ONCE) {
            let pictures = batch::to_tensor(photos.iter(), &self.device);
            let regions = regions(self.task.as_ref(), &pictures, self.grid.extent);
            self.regions.extend(regions);
            let described = self.grid.describe(pictures, self.task.as_ref());
            self.described.extend(described);
        }
    }

    /// Chooses `each` windows of each of the `renders`, and for each one of the `nearest` windows of photos. Returns
    /// the windows by the numbers of their picture and corner, and those of photos as
    /// `[windows, 4, height, width]`: colours, and what shows an object.
    ///
    /// # Panics
    /// Before it has taken in any photo.
    pub fn draw(
        &mut self,
        renders: &Tensor<4>,
        each: usize,
        nearest: usize,
    ) -> (Vec<(usize, usize)>, Tensor<4>) {
        let count = renders.dims()[0];
        let renders = renders.clone().to_device(&self.device);
        let described = self.grid.describe(renders, self.task.as_ref());
        let corners = self.grid.corners.len();
        let (mut windows, mut pictures, mut regions) = (Vec::new(), Vec::new(), Vec::new());
        for render in 0..count {
            for _ in 0..each {
                let corner = self.stream.random_range(0..corners);
                windows.push((render, corner));
                let found = self.find(&described[render * corners + corner], nearest);
                let (photo, [x, y]) = (found / corners, self.grid.corners[found % corners]);
                let (width, height) = self.grid.window.dimensions();
                let cut = crop_imm(&self.photos[photo], x, y, width, height);
                pictures.push(cut.to_image());
                regions.push(crop_imm(&self.regions[photo], x, y, width, height).to_image());
            }
        }
        let pictures = batch::to_tensor(pictures.iter(), &self.device);
        let regions = batch::masks_to_tensor(regions.iter(), &self.device);
        let real = Tensor::cat(vec![pictures, regions], 1);
        (windows, real.without_autodiff())
    }

    /// One of the windows that are the `nearest` to what is described.
    fn find(&mut self, wanted: &[f32], nearest: usize) -> usize {
        let likeness = |described: &Vec<f32>| -> f32 {
            described.iter().zip(wanted).map(|(a, b)| a * b).sum()
        };
        let mut order: Vec<(f32, usize)> = self.described.iter().map(likeness).zip(0..).collect();
        let among = nearest.min(order.len()).max(1);
        let better = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if among < order.len() {
            order.select_nth_unstable_by(among - 1, better);
            order.truncate(among);
        }
        order.sort_by(better);
        order[self.stream.random_range(0..among)].1
    }

    /// Writes photos and random stream into `folder`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let record = Record {
            extent: self.grid.extent,
            photos: self.photos.len(),
            position: Position::of(&self.stream),
        };
        write_json(&folder.join(JSON), &record)?;
        let pixels: Vec<&[u8]> = self
            .photos
            .iter()
            .map(|photo| &photo.as_raw()[..])
            .collect();
        let path = folder.join(PIXELS);
        std::fs::write(&path, pixels.concat()).map_err(|e| Error::io(&path, e))
    }

    /// Loads what [`Matching::save`] wrote.
    ///
    /// # Errors
    /// If the folder holds nothing of the kind.
    pub fn load(&mut self, folder: &Path) -> Result<()> {
        let record: Record = read_state(folder, JSON)?;
        let path = folder.join(PIXELS);
        let pixels = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let each = 3 * record.extent.area();
        if record.extent != self.grid.extent || pixels.len() != each * record.photos {
            let problem = "does not hold the photos of this training";
            return Err(Error::failed(path.display(), problem, TRAIN_AGAIN));
        }
        let (width, height) = record.extent.dimensions();
        let photo = |pixels: &[u8]| RgbImage::from_raw(width, height, pixels.to_vec());
        self.photos = pixels.chunks_exact(each).filter_map(photo).collect();
        self.stream = record.position.stream();
        self.index();
        Ok(())
    }
}

const JSON: &str = "matching.json";
const PIXELS: &str = "matching-photos.rgb";

/// Where the task network sees objects in pictures of `extent`; half everywhere without one.
fn regions(task: Option<&Layers>, pictures: &Tensor<4>, extent: Extent) -> Vec<GrayImage> {
    let (width, height) = extent.dimensions();
    let Some(task) = task else {
        let unknown = GrayImage::from_pixel(width, height, Luma([128]));
        return vec![unknown; pictures.dims()[0]];
    };
    let logits = task.forward(pictures.clone()).mask_logits;
    let [_, _, rows, columns] = logits.dims();
    let logits = logits.into_data_as::<f32>();
    let logits = logits.as_slice::<f32>().unwrap_or_default();
    let region = |logits: &[f32]| {
        GrayImage::from_fn(width, height, |x, y| {
            let row = y as usize * rows / height as usize;
            let column = x as usize * columns / width as usize;
            Luma([if logits[row * columns + column] > 0.0 {
                255
            } else {
                0
            }])
        })
    };
    logits.chunks_exact(rows * columns).map(region).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::testing;

    #[test]
    fn windows_cover_the_picture_and_have_sides_of_whole_cells() {
        let grid = Grid::new(Extent::square(64), 0.5);
        assert_eq!(grid.window, Extent::square(32));
        assert_eq!(grid.corners.len(), 9);
        assert_eq!((grid.corners[0], grid.corners[8]), ([0, 0], [32, 32]));
        let grid = Grid::new(Extent::new(96, 20), 0.5);
        assert_eq!(grid.window, Extent::new(48, 16));
        assert_eq!(grid.corners.last(), Some(&[48, 4]));
        let whole = Grid::new(Extent::square(20), 1.0);
        assert_eq!(
            (whole.window, &whole.corners[..]),
            (Extent::square(20), &[[0, 0]][..])
        );
    }

    /// A picture that is bright on the left, on the right, above or below.
    fn half(side: usize, shade: u8) -> RgbImage {
        RgbImage::from_fn(32, 32, |x, y| {
            let bright = [x < 16, x >= 16, y < 16, y >= 16][side];
            image::Rgb([if bright { shade } else { 30 }; 3])
        })
    }

    #[test]
    fn windows_match_by_what_they_show_and_a_saved_one_goes_on() {
        let device = Device::flex();
        let new = || {
            let grid = Grid::new(Extent::square(32), 1.0);
            Matching::new(grid, None, Device::flex(), Seed::new(1, "match").stream(0))
        };
        let mut matching = new();
        let photos: Vec<RgbImage> = (0..4).map(|side| half(side, 220)).collect();
        matching.study(&testing::album(&photos), 10).unwrap();
        // Darker renders of the same.
        let renders: Vec<RgbImage> = [2, 0, 3, 1].map(|side| half(side, 90)).into();
        let renders = batch::to_tensor(renders.iter(), &device);
        let (windows, real) = matching.draw(&renders, 1, 1);
        assert_eq!(windows, [(0, 0), (1, 0), (2, 0), (3, 0)]);
        let found = batch::to_pictures(real.narrow(1, 0, 3));
        assert_eq!(found, [2, 0, 3, 1].map(|side| half(side, 220)));

        let folder = tempfile::tempdir().unwrap();
        matching.save(folder.path()).unwrap();
        let mut second = new();
        second.load(folder.path()).unwrap();
        for _ in 0..3 {
            let [a, b] = [&mut matching, &mut second].map(|m| m.draw(&renders, 2, 4));
            assert_eq!(a.0, b.0);
            assert_eq!(a.1.into_data(), b.1.into_data());
        }
        std::fs::write(folder.path().join(PIXELS), [0; 7]).unwrap();
        assert!(second.load(folder.path()).is_err());
    }
}
