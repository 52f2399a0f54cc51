//! The pictures that a training draws from, and the batches it draws.

use burn::tensor::Device;
use image::imageops::{flip_horizontal, rotate90, rotate180, rotate270};
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
    mask: GrayImage,
    class: usize,
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

    /// A batch drawn with replacement, mirrored and turned as the configuration allows.
    pub fn draw(&self, config: &TrainConfig, stream: &mut Stream, device: &Device) -> Batch {
        let (mut renders, mut masks, mut classes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..config.batch {
            let render = &self.renders[stream.random_range(0..self.renders.len())];
            let view = View::draw(config, stream);
            renders.push(view.of(&render.picture));
            masks.push(view.of(&render.mask));
            classes.push(render.class);
        }
        let photos: Vec<RgbImage> = (0..config.batch)
            .map(|_| {
                let photo = &self.photos[stream.random_range(0..self.photos.len())];
                View::draw(config, stream).of(photo)
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

/// One of the eight ways to look at a square picture.
struct View {
    flip: bool,
    quarter_turns: u32,
}

impl View {
    fn draw(config: &TrainConfig, stream: &mut Stream) -> View {
        View {
            flip: config.flip && stream.random_bool(0.5),
            quarter_turns: if config.turn {
                stream.random_range(0..4)
            } else {
                0
            },
        }
    }

    fn of<P: Pixel + 'static>(
        &self,
        picture: &ImageBuffer<P, Vec<P::Subpixel>>,
    ) -> ImageBuffer<P, Vec<P::Subpixel>> {
        let flipped = if self.flip {
            flip_horizontal(picture)
        } else {
            picture.clone()
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
