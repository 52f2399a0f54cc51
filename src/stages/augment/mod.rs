//! augment: random variants of every sample, with exactly mapped labels.
//!
//! Each transform draws its parameters once, from the variant's own random stream, and applies them to the
//! picture, masks, boxes, keypoints, maps, camera and poses. The provenance records what was applied. To add
//! a transform, write one struct that implements [`Transform`], and add one field to [`Augment`] and one line
//! to [`TRANSFORMS`].

mod colour;
mod erase;
mod geometry;
mod sensor;
mod shadow;

#[cfg(test)]
mod tests;

use image::RgbImage;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use colour::{Brightness, Contrast, Gamma, Hue, Saturation};
pub use erase::Erase;
pub use geometry::{Affine, Flip};
pub use sensor::{Blur, Downscale, Jpeg, MotionBlur, Noise};
pub use shadow::Shadow;

use crate::Result;
use crate::artifact::Kind;
use crate::sample::{Domain, Extent, Labels, Provenance, Sample};
use crate::seed::Stream;
use crate::stage::{Context, Input, Stage, StageKind, parse};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "augment",
    about: "random variants of every sample, with exactly mapped labels",
    version: 3,
    inputs: &[Input::required(
        "samples",
        Kind::Samples,
        "pictures to vary, labelled or not",
    )],
    output: Kind::Samples,
    parse: parse::<Augment>,
    schema: || schemars::schema_for!(Augment),
    exhibit: crate::stage::exhibit::nothing,
};

/// One entry of the registry of transforms.
pub struct TransformKind {
    /// The name of its table in the configuration.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    /// Its table in a configuration.
    pub of: fn(&Augment) -> &dyn Transform,
}

/// Every transform, in the order in which they are applied: in front of the lens, in the light, and in the
/// camera.
pub const TRANSFORMS: &[TransformKind] = &[
    TransformKind {
        name: "flip",
        about: "mirrors left and right, for classes that allow it",
        of: |augment| &augment.flip,
    },
    TransformKind {
        name: "affine",
        about: "rotates, scales and shifts in one resampling",
        of: |augment| &augment.affine,
    },
    TransformKind {
        name: "erase",
        about: "hides a rectangle behind plain grey",
        of: |augment| &augment.erase,
    },
    TransformKind {
        name: "shadow",
        about: "darkens one side of a line, like a cast shadow",
        of: |augment| &augment.shadow,
    },
    TransformKind {
        name: "brightness",
        about: "multiplies all values",
        of: |augment| &augment.brightness,
    },
    TransformKind {
        name: "contrast",
        about: "stretches values about the mean luma",
        of: |augment| &augment.contrast,
    },
    TransformKind {
        name: "gamma",
        about: "applies a gamma curve between black and white",
        of: |augment| &augment.gamma,
    },
    TransformKind {
        name: "saturation",
        about: "stretches colours about grey",
        of: |augment| &augment.saturation,
    },
    TransformKind {
        name: "hue",
        about: "rotates hues about the grey axis",
        of: |augment| &augment.hue,
    },
    TransformKind {
        name: "motion_blur",
        about: "blurs along a straight path",
        of: |augment| &augment.motion_blur,
    },
    TransformKind {
        name: "blur",
        about: "Gaussian blur, like a lens out of focus",
        of: |augment| &augment.blur,
    },
    TransformKind {
        name: "downscale",
        about: "shrinks and enlarges again, like a distant object",
        of: |augment| &augment.downscale,
    },
    TransformKind {
        name: "noise",
        about: "Gaussian noise, like that of a sensor",
        of: |augment| &augment.noise,
    },
    TransformKind {
        name: "jpeg",
        about: "a round trip through JPEG",
        of: |augment| &augment.jpeg,
    },
];

/// A random change of a picture and its labels. Implemented by its configuration struct.
pub trait Transform {
    /// Probability of applying it, 0..1.
    fn probability(&self) -> f64;

    /// Checks the ranges.
    ///
    /// # Errors
    /// Returns the problem and its remedy as text.
    fn check(&self) -> Result<(), String>;

    /// Draws parameters from `stream`, applies them to picture and labels, and returns them for the
    /// provenance, e.g. `flip()`; `None` if it changed nothing.
    ///
    /// # Errors
    /// If an image-level map cannot be decoded.
    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>>;
}

/// A picture and its labels while transforms are applied.
#[derive(Debug, Clone)]
pub struct View {
    /// The sample's id, for messages.
    pub name: String,
    pub pixels: RgbImage,
    pub labels: Labels,
    pub domain: Domain,
}

impl View {
    fn extent(&self) -> Extent {
        self.pixels.dimensions().into()
    }
}

/// Configuration of `augment`: one table per transform.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Number of augmented variants of every input.
    pub copies: u64,
    /// Also passes the unchanged input through, before its variants.
    pub keep_original: bool,
    /// Swaps left and right.
    pub flip: Flip,
    /// Rotates, scales and shifts.
    pub affine: Affine,
    /// Hides a rectangle.
    pub erase: Erase,
    /// Darkens one side of a line.
    pub shadow: Shadow,
    /// Multiplies all values.
    pub brightness: Brightness,
    /// Stretches values about the mean luma.
    pub contrast: Contrast,
    /// Applies a gamma curve between black and white.
    pub gamma: Gamma,
    /// Stretches colours about grey.
    pub saturation: Saturation,
    /// Rotates hues about the grey axis.
    pub hue: Hue,
    /// Blurs along a straight path.
    pub motion_blur: MotionBlur,
    /// Gaussian blur.
    pub blur: Blur,
    /// Shrinks and enlarges again.
    pub downscale: Downscale,
    /// Gaussian noise.
    pub noise: Noise,
    /// A round trip through JPEG.
    pub jpeg: Jpeg,
}

impl Default for Augment {
    fn default() -> Self {
        Augment {
            copies: 2,
            keep_original: false,
            flip: Flip::default(),
            affine: Affine::default(),
            erase: Erase::default(),
            shadow: Shadow::default(),
            brightness: Brightness::default(),
            contrast: Contrast::default(),
            gamma: Gamma::default(),
            saturation: Saturation::default(),
            hue: Hue::default(),
            motion_blur: MotionBlur::default(),
            blur: Blur::default(),
            downscale: Downscale::default(),
            noise: Noise::default(),
            jpeg: Jpeg::default(),
        }
    }
}

impl Stage for Augment {
    fn check(&self) -> Result<(), String> {
        if self.variants() == 0 {
            return Err("makes nothing: raise `copies`, or set `keep_original = true`".into());
        }
        for kind in TRANSFORMS {
            let transform = (kind.of)(self);
            check_range("probability", [0.0, transform.probability()], 0.0..=1.0)
                .and_then(|()| transform.check())
                .map_err(|problem| format!("{}: {problem}", kind.name))?;
        }
        Ok(())
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        context.map_each("samples", |sample| {
            (0..self.variants())
                .map(|variant| self.variant(context, &sample, variant))
                .collect()
        })?;
        Ok(serde_json::json!({ "variants": self.variants() }))
    }
}

impl Augment {
    /// Number of samples made from each input.
    fn variants(&self) -> u64 {
        self.copies + u64::from(self.keep_original)
    }

    /// Makes the `variant`-th child of `sample`; the first is the original if that is kept.
    fn variant(&self, context: &Context, sample: &Sample, variant: u64) -> Result<Sample> {
        let index = sample.index * self.variants() + variant;
        let id = format!("{}-{index:06}", context.id);
        if self.keep_original && variant == 0 {
            return Ok(Sample {
                id,
                index,
                provenance: Provenance {
                    parent: Some(sample.id.clone()),
                    ..sample.provenance.clone()
                },
                ..sample.clone()
            });
        }
        let mut view = View {
            name: sample.id.clone(),
            pixels: sample.pixels()?,
            labels: sample.labels.clone(),
            domain: sample.provenance.domain,
        };
        let applied = self.apply(&mut view, &context.seed.stream(index))?;
        let mut child = sample.child(id, index, &view.pixels, view.labels)?;
        child.provenance.transforms.extend(applied);
        Ok(child)
    }

    /// Applies the transforms in order, and returns those applied with their parameters.
    ///
    /// Each transform has its own stream, named after it, so that adding or disabling one does not change
    /// what the others draw.
    fn apply(&self, view: &mut View, stream: &Stream) -> Result<Vec<String>> {
        let mut applied = Vec::new();
        for kind in TRANSFORMS {
            let transform = (kind.of)(self);
            let mut own = stream.clone();
            own.set_stream(kind.stream());
            if own.random::<f64>() < transform.probability() {
                applied.extend(transform.apply(view, &mut own)?);
            }
        }
        Ok(applied)
    }
}

impl TransformKind {
    /// The number of its stream, derived from its name.
    fn stream(&self) -> u64 {
        let hash = *blake3::hash(self.name.as_bytes()).as_bytes();
        u64::from_le_bytes(std::array::from_fn(|byte| hash[byte]))
    }
}

/// Whether `after` still shows an object of the picture's class, if `before` did.
fn keeps_class(before: &Labels, after: &Labels) -> bool {
    let shows = |labels: &Labels| {
        let class = before.class.as_deref();
        let mut objects = labels.objects().iter();
        objects.any(|object| Some(object.class.as_str()) == class)
    };
    !shows(before) || shows(after)
}

/// Draws uniformly from `low..=high`.
fn draw(stream: &mut Stream, [low, high]: [f64; 2]) -> f64 {
    stream.random_range(low..=high)
}

/// Checks that `[low, high]` is in order and within `allowed`.
fn check_range(
    key: &str,
    [low, high]: [f64; 2],
    allowed: std::ops::RangeInclusive<f64>,
) -> Result<(), String> {
    if low <= high && allowed.contains(&low) && allowed.contains(&high) {
        return Ok(());
    }
    let (start, end) = (allowed.start(), allowed.end());
    Err(format!(
        "`{key}` must be between {start} and {end}, with the lower bound first"
    ))
}
