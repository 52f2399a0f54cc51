//! Colour transforms: different light and white balance. Labels stay as they are.
//!
//! All follow the pattern [`Recolour`]: a configuration of probability and amount, one number drawn uniformly
//! from −amount to amount, and a map of every colour that depends on this number.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{self, Transform, TransformKind, View, check_range, draw};
use crate::Result;
use crate::sample::colour::luma;
use crate::seed::Stream;
use crate::stage::Resolved;

/// A map of colours that depends on one drawn number; 0 changes nothing.
trait Recolour: Resolved + Send + Sync {
    /// Its table in the configuration and its name in the provenance.
    const NAME: &'static str;
    /// The key of the largest change, and the upper limit of its value.
    const LARGEST: (&'static str, f64);

    fn probability(&self) -> f64;

    /// The largest change in either direction.
    fn largest(&self) -> f64;

    /// The map of one colour, with values 0..255, for the drawn `change`. Results are rounded and clipped.
    fn map(pixels: &RgbImage, change: f32) -> impl Fn([f32; 3]) -> [f32; 3] + use<Self>;
}

impl<T: Recolour> Transform for T {
    fn probability(&self) -> f64 {
        Recolour::probability(self)
    }

    fn check(&self) -> Result<(), String> {
        let (key, most) = T::LARGEST;
        check_range(key, [0.0, self.largest()], 0.0..=most)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let change = draw(stream, [-self.largest(), self.largest()]) as f32;
        if change == 0.0 {
            return Ok(None);
        }
        let map = T::map(&view.pixels, change);
        for pixel in view.pixels.pixels_mut() {
            // The conversion to u8 saturates.
            pixel.0 = map(pixel.0.map(f32::from)).map(|value| value.round() as u8);
        }
        Ok(Some(format!("{}({change:+.3})", T::NAME)))
    }
}

/// The registry entry of [`Brightness`].
pub(super) const BRIGHTNESS: TransformKind = TransformKind {
    name: Brightness::NAME,
    about: "multiplies all values",
    parse: kind::parse::<Brightness>,
    schema: kind::schema::<Brightness>,
};

/// Multiplies all values by 1 + the drawn change.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Brightness {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Largest relative change, 0..1.
    pub amount: f64,
}

impl Default for Brightness {
    fn default() -> Self {
        Brightness {
            probability: 0.5,
            amount: 0.2,
        }
    }
}

impl Recolour for Brightness {
    const NAME: &'static str = "brightness";
    const LARGEST: (&'static str, f64) = ("amount", 1.0);

    fn probability(&self) -> f64 {
        self.probability
    }

    fn largest(&self) -> f64 {
        self.amount
    }

    fn map(_: &RgbImage, change: f32) -> impl Fn([f32; 3]) -> [f32; 3] + use<> {
        move |rgb| rgb.map(|value| value * (1.0 + change))
    }
}

/// The registry entry of [`Contrast`].
pub(super) const CONTRAST: TransformKind = TransformKind {
    name: Contrast::NAME,
    about: "stretches values about the mean luma",
    parse: kind::parse::<Contrast>,
    schema: kind::schema::<Contrast>,
};

/// Stretches all values about the picture's mean luma by a factor of 1 + the drawn change.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Contrast {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Largest relative change, 0..1.
    pub amount: f64,
}

impl Default for Contrast {
    fn default() -> Self {
        Contrast {
            probability: 0.5,
            amount: 0.2,
        }
    }
}

impl Recolour for Contrast {
    const NAME: &'static str = "contrast";
    const LARGEST: (&'static str, f64) = ("amount", 1.0);

    fn probability(&self) -> f64 {
        self.probability
    }

    fn largest(&self) -> f64 {
        self.amount
    }

    fn map(pixels: &RgbImage, change: f32) -> impl Fn([f32; 3]) -> [f32; 3] + use<> {
        // Summed as f64: a large picture has more pixels than f32 can count.
        let lumas = pixels.pixels().map(|pixel| luma(pixel.0.map(f32::from)));
        let sum: f64 = lumas.map(f64::from).sum();
        let mean = (sum / f64::from(pixels.width() * pixels.height())) as f32;
        move |rgb| rgb.map(|value| mean + (value - mean) * (1.0 + change))
    }
}

/// The registry entry of [`Gamma`].
pub(super) const GAMMA: TransformKind = TransformKind {
    name: Gamma::NAME,
    about: "applies a gamma curve between black and white",
    parse: kind::parse::<Gamma>,
    schema: kind::schema::<Gamma>,
};

/// Gamma curve between black and white: the exponent is e to the power of the drawn change.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Gamma {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Largest natural logarithm of the exponent, 0..2.
    pub amount: f64,
}

impl Default for Gamma {
    /// Off.
    fn default() -> Self {
        Gamma {
            probability: 0.0,
            amount: 0.3,
        }
    }
}

impl Recolour for Gamma {
    const NAME: &'static str = "gamma";
    const LARGEST: (&'static str, f64) = ("amount", 2.0);

    fn probability(&self) -> f64 {
        self.probability
    }

    fn largest(&self) -> f64 {
        self.amount
    }

    fn map(_: &RgbImage, change: f32) -> impl Fn([f32; 3]) -> [f32; 3] + use<> {
        let exponent = change.exp();
        move |rgb| rgb.map(|value| 255.0 * (value / 255.0).powf(exponent))
    }
}

/// The registry entry of [`Saturation`].
pub(super) const SATURATION: TransformKind = TransformKind {
    name: Saturation::NAME,
    about: "stretches colours about grey",
    parse: kind::parse::<Saturation>,
    schema: kind::schema::<Saturation>,
};

/// Stretches every colour about its own grey by a factor of 1 + the drawn change.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Saturation {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Largest relative change, 0..1.
    pub amount: f64,
}

impl Default for Saturation {
    fn default() -> Self {
        Saturation {
            probability: 0.5,
            amount: 0.2,
        }
    }
}

impl Recolour for Saturation {
    const NAME: &'static str = "saturation";
    const LARGEST: (&'static str, f64) = ("amount", 1.0);

    fn probability(&self) -> f64 {
        self.probability
    }

    fn largest(&self) -> f64 {
        self.amount
    }

    fn map(_: &RgbImage, change: f32) -> impl Fn([f32; 3]) -> [f32; 3] + use<> {
        move |rgb| {
            let grey = luma(rgb);
            rgb.map(|value| grey + (value - grey) * (1.0 + change))
        }
    }
}

/// The registry entry of [`Hue`].
pub(super) const HUE: TransformKind = TransformKind {
    name: Hue::NAME,
    about: "rotates hues about the grey axis",
    parse: kind::parse::<Hue>,
    schema: kind::schema::<Hue>,
};

/// Rotates hues by the drawn angle; greys and luma stay.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Hue {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Largest angle in degrees, 0..180.
    pub degrees: f64,
}

impl Default for Hue {
    fn default() -> Self {
        Hue {
            probability: 0.3,
            degrees: 8.0,
        }
    }
}

impl Recolour for Hue {
    const NAME: &'static str = "hue";
    const LARGEST: (&'static str, f64) = ("degrees", 180.0);

    fn probability(&self) -> f64 {
        self.probability
    }

    fn largest(&self) -> f64 {
        self.degrees
    }

    fn map(_: &RgbImage, degrees: f32) -> impl Fn([f32; 3]) -> [f32; 3] + use<> {
        let (sin, cos) = degrees.to_radians().sin_cos();
        move |[r, g, b]| {
            // A rotation in the plane of the colour differences (BT.601), which leaves luma unchanged.
            let y = luma([r, g, b]);
            let (cb, cr) = ((b - y) / 1.772, (r - y) / 1.402);
            let (cb, cr) = (cos * cb - sin * cr, sin * cb + cos * cr);
            [
                y + 1.402 * cr,
                y - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587,
                y + 1.772 * cb,
            ]
        }
    }
}
