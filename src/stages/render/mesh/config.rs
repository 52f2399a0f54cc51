//! The ranges that a picture is drawn from. A range is `[lowest, highest]`, drawn uniformly.

use std::collections::BTreeMap;

use glam::Vec3A;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::sensor::Sensor;
use super::floor::Floors;
use super::pattern::Pattern;
use crate::sample::colour::to_linear;
use crate::seed::Stream;

/// Lowest and highest value of a uniform draw.
pub(super) type Range = [f32; 2];

/// A uniform draw from `range`.
pub(super) fn draw(stream: &mut Stream, [low, high]: Range) -> f32 {
    low + (high - low) * stream.random::<f32>()
}

/// An sRGB colour, written `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Colour(pub [u8; 3]);

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.strip_prefix('#')
            .filter(|digits| digits.len() == 6 && digits.is_ascii())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .map(|rgb| Colour([(rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8]))
            .ok_or_else(|| format!("`{text}` is not a colour; write it as #rrggbb, e.g. #c2222a"))
    }
}

impl From<Colour> for String {
    fn from(Colour([r, g, b]): Colour) -> Self {
        format!("#{r:02x}{g:02x}{b:02x}")
    }
}

impl Colour {
    /// Linear light, 0..1 a channel, each sRGB channel first moved by up to `jitter` and all
    /// together by up to twice that.
    pub fn jittered(self, stream: &mut Stream, jitter: f32) -> Vec3A {
        let shade = draw(stream, [-2.0 * jitter, 2.0 * jitter]);
        let channels = self.0.map(|channel| {
            let value = f32::from(channel) / 255.0 + shade + draw(stream, [-jitter, jitter]);
            to_linear(value.clamp(0.0, 1.0))
        });
        Vec3A::from_array(channels)
    }
}

/// Where the camera stands and what it sees.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Viewpoint {
    /// Vertical field of view in degrees; small, since a picture is a cut-out of a photo.
    pub fov_degrees: Range,
    /// Angle between the optical axis and straight down, in degrees.
    pub tilt_degrees: Range,
    /// Turn of the picture about the optical axis, in degrees.
    pub roll_degrees: Range,
    /// Longer side of the box around the object, or around all of a scene, over the picture's shorter side; sets the
    /// camera's distance.
    pub object_scale: Range,
    /// Width in metres of what the picture shows of the table, instead of `object_scale`: a camera
    /// that stays where it is, so that a larger object is larger in the picture.
    pub field_metres: Option<Range>,
    /// Distance in metres from the middle of the object or scene, instead of both.
    // Who does not give it keeps the keys in the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance_metres: Option<Range>,
    /// Largest shift of the object from the middle, over the picture's width and height.
    pub off_centre: f32,
}

impl Default for Viewpoint {
    fn default() -> Self {
        Viewpoint {
            fov_degrees: [3.0, 9.0],
            tilt_degrees: [0.0, 28.0],
            roll_degrees: [-180.0, 180.0],
            object_scale: [0.5, 0.84],
            field_metres: None,
            distance_metres: None,
            off_centre: 0.05,
        }
    }
}

/// How an object lies whose model has no faces that say so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pose {
    /// As it was modelled, +y up.
    #[default]
    Modelled,
    /// On any side on which it does not fall over, on large ones oftener.
    Stable,
    /// Turned at random, as if held in the air.
    Free,
}

/// How the objects lie.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lie {
    /// `modelled`, `stable` or `free`; a model whose nodes name its faces lies on those.
    pub pose: Pose,
    /// Least angle in degrees by which an object must be tipped to fall over, for its pose to count
    /// as stable. If no pose is that steady, the steadiest is taken.
    pub steadiness_degrees: f32,
    /// Turns about the vertical in degrees to choose from, for objects that are laid straight; none
    /// means any turn. What lies askew is left to `camera.roll_degrees`.
    pub turns_degrees: Vec<f32>,
}

impl Default for Lie {
    fn default() -> Self {
        Lie {
            pose: Pose::default(),
            steadiness_degrees: 10.0,
            turns_degrees: Vec::new(),
        }
    }
}

/// The colour of one material in one look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paint {
    /// The only colour, or the first of two.
    pub colour: Colour,
    /// Swirled into the first where given.
    pub marbled: Option<Colour>,
    /// Share of the colour that comes from swirled flakes, as in pearl and metal paints: bright
    /// where they face the camera, dark where they turn away. 0..1.
    #[serde(default)]
    pub pearl: f32,
    /// Share of the coat's reflection that this paint shows; matt paint in a glossy body has little.
    /// 0..1.
    #[serde(default = "whole")]
    pub gloss: f32,
}

fn whole() -> f32 {
    1.0
}

/// What a material of a model looks like, in place of what its file says; what is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Coating {
    /// In place of the file's colour, its texture and the colours of vertices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// 0 (mirror) to 1 (matt).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roughness: Option<f32>,
    /// 0 (plastic) to 1 (metal).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metallic: Option<f32>,
    /// Share of the coat's reflection that it shows, 0..1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gloss: Option<f32>,
}

impl Coating {
    /// Checks that it says something, and in bounds.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let numbers = [self.roughness, self.metallic, self.gloss];
        let mut given = numbers.into_iter().flatten();
        if self.colour.is_none() && given.clone().next().is_none() {
            return Err("says nothing; give `colour`, `roughness`, `metallic` or `gloss`");
        }
        match given.all(|number| (0.0..=1.0).contains(&number)) {
            true => Ok(()),
            false => Err("has a number that is not in 0..1"),
        }
    }
}

/// What the object's materials look like.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Surfaces {
    /// The looks to choose from: each gives materials, by their name in the model, a paint. A
    /// material that the chosen look leaves out keeps the model's own colour and textures. What has
    /// no material in an OBJ, PLY or STL is called `default`.
    pub looks: Vec<BTreeMap<String, Paint>>,
    /// Probability of random colours instead of a look, for the materials that any look names and those
    /// without a colour or texture of their own.
    pub random: f32,
    /// Probability that a random colour is marbled with a second one.
    pub random_marbled: f32,
    /// Largest deviation of each sRGB channel from its paint, 0..1.
    pub jitter: f32,
    /// Swirls of marbling along the object's longest side.
    pub marbling_swirls: Range,
    /// Microfacet roughness, 0 (mirror) to 1 (matt), of paints and of materials that say nothing of it.
    pub roughness: Range,
    /// Strength of the clear coat's reflection; 1 is that of plastic (4 % head on).
    pub gloss: Range,
    /// Largest slope in degrees of the coat's unevenness, which bends reflections.
    pub waviness_degrees: Range,
    /// Waves of that unevenness along the object's longest side.
    pub waves: Range,
}

impl Default for Surfaces {
    fn default() -> Self {
        Surfaces {
            looks: Vec::new(),
            random: 0.0,
            random_marbled: 0.3,
            jitter: 0.03,
            marbling_swirls: [0.8, 2.5],
            roughness: [0.08, 0.35],
            gloss: [0.8, 2.5],
            waviness_degrees: [0.0, 0.0],
            waves: [4.0, 16.0],
        }
    }
}

/// What the object lies on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Table {
    /// The colours to choose from.
    pub colours: Vec<Colour>,
    /// Largest deviation of each sRGB channel from the chosen colour, 0..1.
    pub jitter: f32,
    /// Strength of the blotches, as a share of the brightness.
    pub texture: Range,
    /// Probability that the table ends in the picture and another colour begins.
    pub seam: f32,
    /// Patterns to choose from, of one or two of the colours; none are `plain`.
    // Plain tables keep their keys in the cache.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<Pattern>,
    /// Photos that cover tables in place of colours and patterns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photos: Option<Floors>,
}

impl Default for Table {
    fn default() -> Self {
        let greys = [0xc9c5c3, 0xc6c2bf, 0xc4c0be, 0xc2bebb, 0xbdb9b5, 0x998d83];
        Table {
            colours: greys
                .map(|c: u32| Colour([(c >> 16) as u8, (c >> 8) as u8, c as u8]))
                .to_vec(),
            jitter: 0.015,
            texture: [0.0, 0.06],
            seam: 0.1,
            patterns: Vec::new(),
            photos: None,
        }
    }
}

/// The light on the scene, scaled so that a white table would show as white at exposure 1.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lighting {
    /// Factor on the brightness.
    pub exposure: Range,
    /// Largest relative deviation of red and blue from a perfect white balance.
    pub tint: f32,
    /// Turn of the environment about the vertical, in degrees.
    pub rotation_degrees: Range,
    /// Share of the environment's diffuse light that is spread evenly, as by a white room; its
    /// mirror images stay.
    pub even_share: Range,
    /// Share of the table's light that comes from one round lamp beside the environment.
    pub lamp_share: Range,
    /// Height of the lamp above the horizon, in degrees.
    pub lamp_elevation_degrees: Range,
    /// Angular radius of the lamp in degrees: the larger, the softer its shadows.
    pub lamp_radius_degrees: Range,
    /// What the photographer keeps from being mirrored, in degrees from the direction to the
    /// camera: nearly all up to the first angle, nothing beyond the second. Not drawn.
    pub photographer_degrees: Range,
}

impl Default for Lighting {
    fn default() -> Self {
        Lighting {
            exposure: [0.98, 1.1],
            tint: 0.03,
            rotation_degrees: [0.0, 360.0],
            even_share: [0.4, 0.9],
            lamp_share: [0.03, 0.25],
            lamp_elevation_degrees: [35.0, 75.0],
            lamp_radius_degrees: [4.0, 14.0],
            photographer_degrees: [25.0, 60.0],
        }
    }
}

/// Further copies of the model that stand nearby.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Neighbours {
    /// Fewest and most copies.
    pub count: [u32; 2],
    /// Room between the object and a copy, over the object's size.
    pub gap: Range,
}

impl Default for Neighbours {
    fn default() -> Self {
        Neighbours {
            count: [0, 3],
            gap: [0.03, 1.6],
        }
    }
}

/// What lens and sensor do to the picture.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lens {
    /// Paths of light through a pixel; noisy pixels get up to three times as many, even ones on the table share theirs.
    pub samples: u32,
    /// Surfaces that throw light on to each other, after the first one seen.
    pub bounces: u32,
    /// Diameter in pixels of the disc that a point becomes which lies an object's size before or behind the object in
    /// focus. Labels stay sharp.
    pub defocus_pixels: Range,
    /// Pixels by which a shaking hand moves the picture, in any direction. Labels are those of the middle.
    pub shake_pixels: Range,
    /// Standard deviation of the blur in pixels.
    pub blur_pixels: Range,
    /// Further blur of the colour alone in pixels, as JPEG and Bayer sensors bring it.
    pub chroma_blur_pixels: Range,
    /// Strength of the camera's sharpening after the blur; 0 is none.
    pub sharpening: Range,
    /// Standard deviation of the sensor's noise, on sRGB values of 0..1.
    pub noise: Range,
    /// Relative change of brightness from one side of the picture to the other.
    pub gradient: Range,
    /// Sides of the picture within the photo that it is cut from, as a share of its own: below 1 it is a small part of
    /// a photo, enlarged.
    pub resolution: Range,
    /// Share of pictures whose photo was stored as JPEG, with colours at half the resolution.
    pub jpeg_share: f64,
    /// JPEG quality of that photo, 1 to 100.
    pub jpeg_quality: Range,
    /// Vignetting, colour fringes, mosaic and noise, as cameras for templates have them.
    #[serde(skip_serializing_if = "Sensor::is_off")]
    pub sensor: Sensor,
}

impl Default for Lens {
    fn default() -> Self {
        Lens {
            samples: 12,
            bounces: 3,
            defocus_pixels: [0.0, 0.0],
            shake_pixels: [0.0, 0.0],
            blur_pixels: [0.4, 0.9],
            chroma_blur_pixels: [0.0, 1.5],
            sharpening: [0.0, 0.8],
            noise: [0.0, 0.004],
            gradient: [0.0, 0.08],
            resolution: [1.0, 1.0],
            jpeg_share: 0.0,
            jpeg_quality: [60.0, 95.0],
            sensor: Sensor::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_round_trip_and_errors_tell_the_form() {
        let colour = Colour::try_from("#0c8f45".to_string()).unwrap();
        assert_eq!(colour, Colour([12, 143, 69]));
        assert_eq!(String::from(colour), "#0c8f45");
        for wrong in ["0c8f45", "#0c8f4", "#xyzxyz", "#ééé"] {
            let error = Colour::try_from(wrong.to_string()).unwrap_err();
            assert!(error.contains("#rrggbb"), "{error}");
        }
    }
}
