//! A sample: one image with its labels and provenance, the unit of data passed between stages.

pub mod colour;
pub mod content;
pub mod crop;
pub mod extent;
pub mod image;
pub mod input;
pub mod listing;
pub mod mapping;
pub mod maps;
pub mod mask;
pub mod parts;
pub mod verdict;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use extent::Extent;
pub use mapping::Mapping;
pub use maps::Maps;
pub use mask::Mask;
pub use verdict::Verdict;

/// One image, with labels for its content and a record of its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Unique within its artifact, e.g. `render-000012`.
    pub id: String,
    /// Position in the stage's order; determines the random stream that made it.
    pub index: u64,
    /// The picture as an 8-bit RGB PNG.
    pub image: Vec<u8>,
    /// Width and height of the picture in pixels.
    pub extent: Extent,
    /// In the pixels of `image`.
    pub labels: Labels,
    /// How the sample was made.
    pub provenance: Provenance,
}

/// The labels of a picture; empty for an unlabelled photo.
///
/// ```
/// use verismo::sample::Labels;
///
/// let unlabelled = Labels::default();
/// let nothing_there = Labels { objects: Some(Vec::new()), ..Labels::default() };
/// assert!(unlabelled.objects().is_empty() && nothing_there.objects().is_empty());
/// assert_ne!(unlabelled, nothing_there);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// The class of the whole picture.
    pub class: Option<String>,
    /// A sentence that describes the picture.
    pub caption: Option<String>,
    /// `None`: unknown; empty: there are no objects.
    pub objects: Option<Vec<Object>>,
    /// Labels of every pixel, such as depth, each an image of the picture's extent.
    pub maps: Maps,
    /// `None` if the intrinsics are unknown.
    pub camera: Option<Camera>,
}

/// One object in a picture. Pixel (0, 0) covers 0..1 in both directions; x points right, y down.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Name of its category, as in [`Labels::class`].
    pub class: String,
    /// x, y, width, height in pixels: the tight box of the visible mask, if known.
    pub bbox_xywh: [f32; 4],
    /// The visible pixels.
    pub mask: Option<Mask>,
    /// The full extent of the object, including hidden parts.
    pub amodal: Option<Amodal>,
    /// Named points in or beyond the frame; empty if the object has none.
    pub keypoints: Vec<Keypoint>,
    /// Object-to-camera transform, row-major 3×4, in metres; the camera looks along +z, x right, y down.
    pub pose: Option<[f32; 12]>,
    /// The 3D box in the object's own coordinates, in metres: its least x, y, z, then its greatest. `pose` places it
    /// before the camera.
    pub box_3d: Option<[f32; 6]>,
    /// Visible pixels divided by the pixels it would cover without occlusion and clipping, 0..1.
    pub visible_fraction: f32,
    /// The share of the object beyond the frame, 0..1.
    pub truncation: Option<f32>,
    /// An identifier that is the same in every frame in which the object was tracked.
    pub track: Option<String>,
}

/// What an object would cover without occlusion.
#[derive(Debug, Clone, PartialEq)]
pub struct Amodal {
    /// x, y, width, height in pixels; may extend beyond the frame.
    pub bbox_xywh: [f32; 4],
    /// The part within the frame.
    pub mask: Option<Mask>,
}

/// A labelled point of an object, in pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Keypoint {
    /// Unique within its class.
    pub name: String,
    /// From the left edge; may lie outside the picture.
    pub x: f32,
    /// From the upper edge; may lie outside the picture.
    pub y: f32,
    /// Whether the point is in the picture and in view.
    pub visibility: Visibility,
}

impl Labels {
    /// The known objects.
    pub fn objects(&self) -> &[Object] {
        self.objects.as_deref().unwrap_or_default()
    }

    /// The class of all objects, if there are any and they are of one class.
    pub fn only_class(&self) -> Option<&str> {
        let (first, others) = self.objects().split_first()?;
        let same = others.iter().all(|other| other.class == first.class);
        same.then_some(first.class.as_str())
    }

    /// The known objects, mutable.
    pub fn objects_mut(&mut self) -> &mut [Object] {
        self.objects.as_deref_mut().unwrap_or_default()
    }
}

impl Object {
    /// An object with only class and box known.
    pub fn new(class: impl Into<String>, bbox_xywh: [f32; 4]) -> Self {
        Object {
            class: class.into(),
            bbox_xywh,
            mask: None,
            amodal: None,
            keypoints: Vec::new(),
            pose: None,
            box_3d: None,
            visible_fraction: 1.0,
            truncation: None,
            track: None,
        }
    }

    /// Sets the mask.
    pub fn with_mask(mut self, mask: Mask) -> Self {
        self.mask = Some(mask);
        self
    }
}

impl Keypoint {
    /// From x, y in pixels and COCO's number of the visibility.
    pub fn from_xyv(name: impl Into<String>, [x, y, visibility]: [f32; 3]) -> Self {
        Keypoint {
            name: name.into(),
            x,
            y,
            visibility: Visibility::from_coco(visibility as u8),
        }
    }

    /// x, y in pixels and COCO's number of the visibility.
    pub fn xyv(&self) -> [f32; 3] {
        [self.x, self.y, f32::from(self.visibility as u8)]
    }
}

/// COCO's three states of a keypoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Visibility {
    /// Beyond the frame, or not labelled.
    Outside = 0,
    /// Within the frame, but not in view.
    Hidden = 1,
    /// Within the frame and in view.
    Visible = 2,
}

impl Visibility {
    /// From COCO's number; unknown numbers count as outside.
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
    /// Horizontal focal length.
    pub fx: f32,
    /// Vertical focal length; equal to `fx` if pixels are square.
    pub fy: f32,
    /// Principal point, from the left edge.
    pub cx: f32,
    /// Principal point, from the upper edge.
    pub cy: f32,
}

impl Camera {
    /// From fx, fy, cx, cy; `None` if there are not four numbers.
    pub fn from_slice(values: &[f32]) -> Option<Self> {
        let &[fx, fy, cx, cy] = values else {
            return None;
        };
        Some(Camera { fx, fy, cx, cy })
    }

    /// fx, fy, cx, cy.
    pub fn to_array(self) -> [f32; 4] {
        [self.fx, self.fy, self.cx, self.cy]
    }
}

/// The origin of a sample's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Domain {
    /// Drawn from a model or a template.
    Render,
    /// Taken by a real camera.
    Photo,
    /// A render that an adapter made look like a photo.
    Translated,
    /// Drawn by a generator from nothing but a condition.
    Generated,
}

impl Domain {
    /// The name in tables and manifests, e.g. `photo`.
    pub fn name(self) -> &'static str {
        match self {
            Domain::Render => "render",
            Domain::Photo => "photo",
            Domain::Translated => "translated",
            Domain::Generated => "generated",
        }
    }

    /// Reverses [`Domain::name`]; `None` for an unknown name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Domain::Render,
            Domain::Photo,
            Domain::Translated,
            Domain::Generated,
        ]
        .into_iter()
        .find(|domain| domain.name() == name)
    }
}

/// How a sample was made, from model file to last transform.
#[derive(Debug, Clone, PartialEq)]
pub struct Provenance {
    /// Where the pixels come from.
    pub domain: Domain,
    /// The model, template or photo file it was made from.
    pub source: String,
    /// Id of the original render or photo; for photos in a track, the id of the track's first photo. Splits
    /// are made by origin.
    pub origin: String,
    /// Id of the sample in the previous stage that it was made from; `None` at the origin.
    pub parent: Option<String>,
    /// The random stream that drew the origin (see [`crate::seed::Seed::hex`]).
    pub seed: String,
    /// Hash of the checkpoint that translated it.
    pub checkpoint: Option<String>,
    /// The transforms applied, in order, with their parameters.
    pub transforms: Vec<String>,
    /// The split, e.g. `train` or `val`, once assigned.
    pub split: Option<String>,
    /// The gate's measurements as JSON; see [`Verdict::note`].
    pub gate: Option<String>,
}

/// Noted among the transforms of a photo with labels that a person gave.
pub const LABELLED: &str = "labelled";

impl Provenance {
    /// Whether it is a photo with labels that a person gave.
    pub fn is_labelled_photo(&self) -> bool {
        self.domain == Domain::Photo && self.transforms.iter().any(|text| text == LABELLED)
    }

    /// The names of the transforms, without their parameters.
    pub fn transform_names(&self) -> impl Iterator<Item = &str> {
        let name = |transform: &str| transform.find('(').unwrap_or(transform.len());
        self.transforms.iter().map(move |text| &text[..name(text)])
    }
}

impl Sample {
    /// Names the clip that the sample is a frame of, where objects are tracked: its origin. Generated clips of one picture
    /// share that, and are told apart by what is before the last `/` of a track.
    pub fn clip(&self) -> Option<&str> {
        let mut objects = self.labels.objects().iter();
        let track = objects.find_map(|object| object.track.as_deref())?;
        match (self.provenance.domain, track.rsplit_once('/')) {
            (Domain::Generated, Some((clip, _))) => Some(clip),
            _ => Some(&self.provenance.origin),
        }
    }

    /// Whether `next` is the frame after this one in the same clip.
    pub fn is_followed_by(&self, next: &Sample) -> bool {
        next.index == self.index + 1 && next.provenance.origin == self.provenance.origin
    }

    /// A sample derived from this one, with new `pixels` and `labels` and continued provenance.
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

    /// A mask of all visible objects: 255 inside, 0 elsewhere. Objects without a mask fill their box.
    pub fn object_mask(&self) -> ::image::GrayImage {
        let (width, height) = self.extent.dimensions();
        let inside = self.painted(|_| 1).into_iter();
        let values = inside.map(|value| if value > 0 { 255 } else { 0 });
        ::image::GrayImage::from_raw(width, height, values.collect())
            .expect("there is one value a pixel")
    }

    /// Which object each pixel shows, row by row: the number that `number` gives to it, 0 where there is none. Objects
    /// without a mask fill their box; of two in a place, the later one shows.
    pub fn painted(&self, number: impl Fn(&Object) -> u16) -> Vec<u16> {
        let (width, height) = self.extent.dimensions();
        let mut values = vec![0; self.extent.area()];
        for object in self.labels.objects() {
            let number = number(object);
            let Some(mask) = &object.mask else {
                let [x, y, w, h] = object.bbox_xywh;
                let side = |from: f32, length: f32, most: u32| {
                    let to = ((from + length).ceil().max(0.0) as u32).min(most);
                    from.max(0.0) as usize..to as usize
                };
                for y in side(y, h, height) {
                    for x in side(x, w, width) {
                        values[y * width as usize + x] = number;
                    }
                }
                continue;
            };
            for (value, inside) in values.iter_mut().zip(mask.to_bitmap(width, height)) {
                if inside {
                    *value = number;
                }
            }
        }
        values
    }

    /// The picture, decoded.
    ///
    /// # Errors
    /// If the bytes are not a readable picture; the message names the sample.
    pub fn pixels(&self) -> crate::Result<::image::RgbImage> {
        image::decode_rgb(&self.image, &self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn clips_are_named_by_their_origin_and_generated_ones_by_their_tracks() {
        let mut sample = testing::clips(1, 2, 16, 1).remove(0);
        sample.labels.objects_mut()[0].track = Some("person/1".into());
        sample.provenance.origin = "video".into();
        sample.provenance.domain = Domain::Photo;
        assert_eq!(sample.clip(), Some("video"));
        sample.provenance.domain = Domain::Generated;
        assert_eq!(sample.clip(), Some("person"));
        sample.labels.objects_mut()[0].track = None;
        assert_eq!(sample.clip(), None);
    }
}
