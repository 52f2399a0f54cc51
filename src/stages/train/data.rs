//! The pictures that a training draws from, and the batches it draws.

use std::borrow::Cow;

use burn::tensor::Device;
use image::imageops::{
    FilterType, crop_imm, flip_horizontal, resize, rotate90, rotate180, rotate270,
};
use image::{GrayImage, ImageBuffer, Pixel, RgbImage};
use rand::RngExt;

use super::config::TrainConfig;
use crate::artifact::Artifact;
use crate::models::Batch;
use crate::nn::batch;
use crate::sample::{Extent, Sample};
use crate::seed::Stream;
use crate::stage::Context;
use crate::{Error, Result};

/// A render with what its labels say.
pub struct Render {
    pub picture: RgbImage,
    /// 255 where an object is visible.
    pub mask: GrayImage,
    /// Its place in the task network's list.
    pub class: usize,
}

/// All pictures of both domains in memory: 16 kB for a render of 64×64.
pub struct Data {
    pub renders: Vec<Render>,
    pub photos: Vec<RgbImage>,
    /// What all pictures measure.
    pub extent: Extent,
}

impl Data {
    /// Reads both inputs; `classes` is the list that class numbers refer to.
    ///
    /// # Errors
    /// Where there are too few pictures, or they are not of one size.
    pub fn read(context: &Context, classes: &[String]) -> Result<Data> {
        let renders: Result<Vec<Render>> = context
            .input("renders")?
            .samples()
            .map(|sample| Render::new(&sample?, classes))
            .collect();
        let (renders, photos) = (renders?, pictures(context.input("photos")?)?);
        let extent = common_extent(context, &renders, &photos)?;
        Ok(Data {
            renders,
            photos,
            extent,
        })
    }

    /// A batch drawn with replacement; scaled, cut, mirrored and turned as the configuration says.
    pub fn draw(&self, config: &TrainConfig, stream: &mut Stream, device: &Device) -> Batch {
        let (mut renders, mut masks, mut classes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..config.batch {
            let render = &self.renders[stream.random_range(0..self.renders.len())];
            let view = View::draw(config, self.extent, stream);
            renders.push(view.picture(&render.picture));
            masks.push(view.mask(&render.mask));
            classes.push(render.class);
        }
        let photos: Vec<RgbImage> = (0..config.batch)
            .map(|_| {
                let photo = &self.photos[stream.random_range(0..self.photos.len())];
                View::draw(config, self.extent, stream).picture(photo)
            })
            .collect();
        Batch {
            renders: batch::to_tensor(renders.iter(), device),
            masks: batch::masks_to_tensor(masks.iter(), device),
            classes,
            photos: batch::to_tensor(photos.iter(), device),
        }
    }
}

impl Render {
    fn new(sample: &Sample, classes: &[String]) -> Result<Render> {
        let name = sample.labels.class.as_ref();
        Ok(Render {
            picture: sample.pixels()?,
            mask: sample.object_mask(),
            class: name
                .and_then(|name| classes.iter().position(|c| c == name))
                .unwrap_or_default(),
        })
    }
}

/// A way to look at a picture: scaled, cut, mirrored and turned.
struct View {
    /// What to scale to, if it is not that already.
    resize: Extent,
    /// Left and top of what is cut out, and what it measures, if it is not all.
    crop: Option<([u32; 2], Extent)>,
    flip: bool,
    quarter_turns: u32,
}

impl View {
    fn draw(config: &TrainConfig, extent: Extent, stream: &mut Stream) -> View {
        let (resize, seen) = (config.resized(extent), config.seen(extent));
        let crop = (seen != resize).then(|| {
            let room = [resize.width - seen.width, resize.height - seen.height];
            (room.map(|room| stream.random_range(0..=room)), seen)
        });
        View {
            resize,
            crop,
            flip: config.flip && stream.random_bool(0.5),
            quarter_turns: match config.turn {
                true if seen.width == seen.height => stream.random_range(0..4),
                true => 2 * stream.random_range(0..2),
                false => 0,
            },
        }
    }

    fn picture(&self, picture: &RgbImage) -> RgbImage {
        self.of(picture, FilterType::Triangle)
    }

    /// Its edges stay hard.
    fn mask(&self, mask: &GrayImage) -> GrayImage {
        self.of(mask, FilterType::Nearest)
    }

    fn of<P: Pixel + 'static>(
        &self,
        picture: &ImageBuffer<P, Vec<P::Subpixel>>,
        filter: FilterType,
    ) -> ImageBuffer<P, Vec<P::Subpixel>> {
        let mut picture = Cow::Borrowed(picture);
        if picture.dimensions() != self.resize.dimensions() {
            let (width, height) = self.resize.dimensions();
            picture = Cow::Owned(resize(&*picture, width, height, filter));
        }
        if let Some(([x, y], extent)) = self.crop {
            let cut = crop_imm(&*picture, x, y, extent.width, extent.height);
            picture = Cow::Owned(cut.to_image());
        }
        let flipped = if self.flip {
            flip_horizontal(&*picture)
        } else {
            picture.into_owned()
        };
        match self.quarter_turns {
            1 => rotate90(&flipped),
            2 => rotate180(&flipped),
            3 => rotate270(&flipped),
            _ => flipped,
        }
    }
}

fn pictures(artifact: &Artifact) -> Result<Vec<RgbImage>> {
    artifact.samples().map(|sample| sample?.pixels()).collect()
}

fn common_extent(context: &Context, renders: &[Render], photos: &[RgbImage]) -> Result<Extent> {
    /// Fewer photos than this are learned by heart.
    const FEWEST: usize = 10;
    if photos.len() < FEWEST || renders.len() < FEWEST {
        return Err(Error::failed(
            context.id,
            format!(
                "has {} renders and {} photos, and needs at least {FEWEST} of each",
                renders.len(),
                photos.len()
            ),
            "add photos to the folder, or raise `count` of the render stage",
        ));
    }
    let extent = Extent::from(renders[0].picture.dimensions());
    let pictures = renders.iter().map(|render| &render.picture).chain(photos);
    let mut extents = pictures.map(|picture| Extent::from(picture.dimensions()));
    match extents.find(|other| *other != extent) {
        Some(other) => Err(Error::failed(
            context.id,
            format!("renders are {extent}, but there is a picture of {other}"),
            "give `render` and `ingest` the same `size`",
        )),
        None => Ok(extent),
    }
}
