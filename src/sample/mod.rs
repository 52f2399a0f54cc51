//! A sample: one image with its labels and its provenance, the one currency between stages.

pub mod appearance;
pub mod image;
pub mod mask;
pub mod verdict;

use serde::{Deserialize, Serialize};

pub use mask::Mask;
pub use verdict::Verdict;

/// One image, what is known of its content, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Unique within its artifact, e.g. `render-000012`.
    pub id: String,
    /// Place in the stage's order; names the random stream that made it.
    pub index: u64,
    /// The picture as an 8-bit RGB PNG.
    pub image: Vec<u8>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    pub labels: Labels,
    pub provenance: Provenance,
}

/// What is known of a picture's content. Empty for an unlabelled photo.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// The class of the whole image.
    pub class: Option<String>,
    pub instances: Vec<Instance>,
    /// 16-bit grey PNG of the image's size, 0.1 mm along the optical axis a step; 65535 is "nothing hit".
    pub depth: Option<Vec<u8>>,
    pub camera: Option<Camera>,
}

/// One object in a picture. Pixel (0, 0) covers 0..1 in both directions; x right, y down.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub class: String,
    /// x, y, width, height in pixels, the tight box of the visible mask.
    pub bbox_xywh: [f32; 4],
    pub mask: Mask,
    pub keypoints: Vec<Keypoint>,
    /// Object to camera, row-major 3×4, metres; the camera looks along +z, x right, y down.
    pub pose: Option<[f32; 12]>,
    /// Visible pixels over the pixels it would cover alone and unclipped, 0..1.
    pub visible_fraction: f32,
}

/// A labelled point of an instance, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keypoint {
    pub x: f32,
    pub y: f32,
    pub visibility: Visibility,
}

/// COCO's three states of a keypoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Visibility {
    Outside = 0,
    Hidden = 1,
    Visible = 2,
}

impl Visibility {
    /// From COCO's number; anything unknown counts as outside.
    pub fn from_coco(value: u8) -> Self {
        match value {
            2 => Visibility::Visible,
            1 => Visibility::Hidden,
            _ => Visibility::Outside,
        }
    }
}

/// Pinhole intrinsics in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    pub fx: f32,
    pub fy: f32,
    pub cx: f32,
    pub cy: f32,
}

/// Where a sample's pixels come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Domain {
    Render,
    Photo,
    Translated,
}

impl Domain {
    pub fn name(self) -> &'static str {
        match self {
            Domain::Render => "render",
            Domain::Photo => "photo",
            Domain::Translated => "translated",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Domain::Render, Domain::Photo, Domain::Translated]
            .into_iter()
            .find(|domain| domain.name() == name)
    }
}

/// How a sample came to be, from model file to last transform.
#[derive(Debug, Clone, PartialEq)]
pub struct Provenance {
    pub domain: Domain,
    /// The model, template or photo file it was made from.
    pub source: String,
    /// Id of the render or photo it began as; of a photo in a track, the track's first. What splits
    /// go by.
    pub origin: String,
    /// Id of the sample it was made from in the stage before; `None` at the origin.
    pub parent: Option<String>,
    /// The random stream that drew the origin (see [`crate::seed::Seed::hex`]).
    pub seed: String,
    /// Hash of the checkpoint that translated it.
    pub checkpoint: Option<String>,
    /// The transforms applied, in order, with their parameters.
    pub transforms: Vec<String>,
    /// `train` or `val` once split.
    pub split: Option<String>,
    /// What the gate measured, as JSON; see [`Verdict::note`].
    pub gate: Option<String>,
}

impl Sample {
    /// A sample made from this one: `pixels` and `labels` are new, the provenance goes on.
    ///
    /// # Errors
    /// Where the picture cannot be encoded.
    pub fn child(
        &self,
        id: String,
        index: u64,
        pixels: &::image::RgbImage,
        labels: Labels,
    ) -> crate::Result<Sample> {
        Ok(Sample {
            id,
            index,
            image: image::encode_png(pixels)?,
            width: pixels.width(),
            height: pixels.height(),
            labels,
            provenance: Provenance {
                parent: Some(self.id.clone()),
                ..self.provenance.clone()
            },
        })
    }

    /// Where any instance is visible: 255 inside, 0 elsewhere.
    pub fn object_mask(&self) -> ::image::GrayImage {
        let mut pixels = vec![0; self.width as usize * self.height as usize];
        for instance in &self.labels.instances {
            let bitmap = instance.mask.to_bitmap(self.width, self.height);
            for (pixel, inside) in pixels.iter_mut().zip(bitmap) {
                *pixel |= if inside { 255 } else { 0 };
            }
        }
        ::image::GrayImage::from_fn(self.width, self.height, |x, y| {
            ::image::Luma([pixels[(y * self.width + x) as usize]])
        })
    }

    /// The picture, decoded.
    ///
    /// # Errors
    /// Where the bytes are not a readable picture; the message names the sample.
    pub fn pixels(&self) -> crate::Result<::image::RgbImage> {
        image::decode_rgb(&self.image, &self.id)
    }
}
