//! A sample: one image with its labels and its provenance, the one currency between stages.

pub mod appearance;
pub mod extent;
pub mod image;
pub mod mapping;
pub mod maps;
pub mod mask;
pub mod verdict;

use serde::{Deserialize, Serialize};

pub use extent::Extent;
pub use mapping::Mapping;
pub use maps::Maps;
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
    pub extent: Extent,
    pub labels: Labels,
    pub provenance: Provenance,
}

/// What is known of a picture's content. Empty for an unlabelled photo.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// The class of the whole picture.
    pub class: Option<String>,
    /// What it shows, in a sentence.
    pub caption: Option<String>,
    /// `None`: the objects are not known; empty: there is nothing to be seen.
    pub objects: Option<Vec<Object>>,
    pub maps: Maps,
    pub camera: Option<Camera>,
}

/// One object in a picture. Pixel (0, 0) covers 0..1 in both directions; x right, y down.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub class: String,
    /// x, y, width, height in pixels: the tight box of the visible mask, where that is known.
    pub bbox_xywh: [f32; 4],
    /// The visible pixels.
    pub mask: Option<Mask>,
    /// All that the object would cover with nothing before it.
    pub amodal: Option<Amodal>,
    pub keypoints: Vec<Keypoint>,
    /// Object to camera, row-major 3×4, metres; the camera looks along +z, x right, y down.
    pub pose: Option<[f32; 12]>,
    /// Visible pixels over the pixels it would cover alone and unclipped, 0..1.
    pub visible_fraction: f32,
    /// The share of it that lies beyond the frame, 0..1.
    pub truncation: Option<f32>,
    /// What it is called in every frame in which it was followed.
    pub track: Option<String>,
}

/// What an object would cover with nothing before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Amodal {
    /// x, y, width, height in pixels; it may reach beyond the frame.
    pub bbox_xywh: [f32; 4],
    /// The part of it within the frame.
    pub mask: Option<Mask>,
}

/// A labelled point of an object, in pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Keypoint {
    /// Unique within its class.
    pub name: String,
    pub x: f32,
    pub y: f32,
    pub visibility: Visibility,
}

impl Labels {
    /// The objects that are known.
    pub fn objects(&self) -> &[Object] {
        self.objects.as_deref().unwrap_or_default()
    }

    /// The objects that are known, to be changed.
    pub fn objects_mut(&mut self) -> &mut [Object] {
        self.objects.as_deref_mut().unwrap_or_default()
    }
}

impl Object {
    /// An object of which the class and the box are known.
    pub fn new(class: impl Into<String>, bbox_xywh: [f32; 4]) -> Self {
        Object {
            class: class.into(),
            bbox_xywh,
            mask: None,
            amodal: None,
            keypoints: Vec::new(),
            pose: None,
            visible_fraction: 1.0,
            truncation: None,
            track: None,
        }
    }

    /// The same with a mask.
    pub fn with_mask(mut self, mask: Mask) -> Self {
        self.mask = Some(mask);
        self
    }

    /// Visible pixels: those of the mask, or of the box where there is no mask.
    pub fn area(&self) -> f32 {
        let [_, _, width, height] = self.bbox_xywh;
        self.mask
            .as_ref()
            .map_or(width * height, |mask| mask.area() as f32)
    }
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
    /// If the picture cannot be encoded.
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
            extent: pixels.dimensions().into(),
            labels,
            provenance: Provenance {
                parent: Some(self.id.clone()),
                ..self.provenance.clone()
            },
        })
    }

    /// Where any object is visible: 255 inside, 0 elsewhere. An object without a mask fills its box.
    pub fn object_mask(&self) -> ::image::GrayImage {
        let (width, height) = self.extent.dimensions();
        let mut union = ::image::GrayImage::new(width, height);
        for object in self.labels.objects() {
            let Some(mask) = &object.mask else {
                let [x, y, w, h] = object.bbox_xywh;
                let (left, top) = (x.max(0.0) as u32, y.max(0.0) as u32);
                for y in top..((y + h).ceil().max(0.0) as u32).min(height) {
                    for x in left..((x + w).ceil().max(0.0) as u32).min(width) {
                        union.put_pixel(x, y, ::image::Luma([255]));
                    }
                }
                continue;
            };
            for (pixel, inside) in union.iter_mut().zip(mask.to_bitmap(width, height)) {
                *pixel |= if inside { 255 } else { 0 };
            }
        }
        union
    }

    /// The picture, decoded.
    ///
    /// # Errors
    /// If the bytes are not a readable picture; the message names the sample.
    pub fn pixels(&self) -> crate::Result<::image::RgbImage> {
        image::decode_rgb(&self.image, &self.id)
    }
}
