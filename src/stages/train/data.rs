//! The pictures that a training draws from, and the batches it draws.

use std::borrow::Cow;

use burn::tensor::Device;
use image::imageops::{
    FilterType, crop_imm, flip_horizontal, resize, rotate90, rotate180, rotate270,
};
use image::{GrayImage, ImageBuffer, Pixel, RgbImage};
use rand::RngExt;

use crate::artifact::Artifact;
use crate::models::Batch;
use crate::models::config::TrainConfig;
use crate::nn::batch;
use crate::sample::Sample;
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
    /// The side that all pictures share, in pixels.
    pub size: usize,
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
        let size = common_size(context, &renders, &photos)?;
        Ok(Data {
            renders,
            photos,
            size,
        })
    }

    /// A batch drawn with replacement; scaled, cut, mirrored and turned as the configuration says.
    pub fn draw(&self, config: &TrainConfig, stream: &mut Stream, device: &Device) -> Batch {
        let (mut renders, mut masks, mut classes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..config.batch {
            let render = &self.renders[stream.random_range(0..self.renders.len())];
            let view = View::draw(config, self.size, stream);
            renders.push(view.picture(&render.picture));
            masks.push(view.mask(&render.mask));
            classes.push(render.class);
        }
        let photos: Vec<RgbImage> = (0..config.batch)
            .map(|_| {
                let photo = &self.photos[stream.random_range(0..self.photos.len())];
                View::draw(config, self.size, stream).picture(photo)
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

/// A way to look at a square picture: scaled, cut, mirrored and turned.
struct View {
    /// Side to scale to, where it is another.
    resize: u32,
    /// Left, top and side of what is cut out, where it is not all.
    crop: Option<[u32; 3]>,
    flip: bool,
    quarter_turns: u32,
}

impl View {
    fn draw(config: &TrainConfig, size: usize, stream: &mut Stream) -> View {
        let (resize, side) = (config.resized(size) as u32, config.side(size) as u32);
        let room = resize.saturating_sub(side);
        let crop = (room > 0).then(|| {
            [
                stream.random_range(0..=room),
                stream.random_range(0..=room),
                side,
            ]
        });
        View {
            resize,
            crop,
            flip: config.flip && stream.random_bool(0.5),
            quarter_turns: if config.turn {
                stream.random_range(0..4)
            } else {
                0
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
        if picture.width() != self.resize {
            picture = Cow::Owned(resize(&*picture, self.resize, self.resize, filter));
        }
        if let Some([x, y, side]) = self.crop {
            picture = Cow::Owned(crop_imm(&*picture, x, y, side, side).to_image());
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

fn common_size(context: &Context, renders: &[Render], photos: &[RgbImage]) -> Result<usize> {
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
    let size = renders[0].picture.width();
    let pictures = renders.iter().map(|render| &render.picture).chain(photos);
    let other = pictures
        .into_iter()
        .find(|picture| picture.dimensions() != (size, size));
    match other {
        Some(picture) => Err(Error::failed(
            context.id,
            format!(
                "renders are {size}×{size}, but there is a picture of {}×{}",
                picture.width(),
                picture.height()
            ),
            "give `render` and `ingest` the same `size`",
        )),
        None => Ok(size as usize),
    }
}
