//! How pictures are stored. Masks and maps are PNGs in any case, since JPEG would change their values.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Emit;
use crate::Result;
use crate::sample::Sample;
use crate::sample::image::{encode_jpeg, encode_webp};

/// A way to store pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Without loss, as stages hand them on.
    #[default]
    Png,
    /// With loss, at full resolution of colour (4:4:4).
    Jpeg,
    /// Without loss, and smaller than PNG.
    Webp,
}

/// The quality of JPEGs unless another is chosen: hardly any loss can be seen.
const QUALITY: u8 = 95;

impl Encoding {
    /// The ending of the pictures' names.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Encoding::Png => "png",
            Encoding::Jpeg => "jpg",
            Encoding::Webp => "webp",
        }
    }
}

impl Emit {
    /// The bytes of a sample's picture as the dataset has them.
    ///
    /// # Errors
    /// If the picture cannot be decoded, or is too large for its encoding.
    pub fn picture<'a>(&self, sample: &'a Sample) -> Result<Cow<'a, [u8]>> {
        Ok(match self.image {
            Encoding::Png => sample.image.as_slice().into(),
            Encoding::Jpeg => {
                let quality = self.quality.unwrap_or(QUALITY);
                encode_jpeg(&sample.pixels()?, quality)?.into()
            }
            Encoding::Webp => encode_webp(&sample.pixels()?)?.into(),
        })
    }

    /// # Errors
    /// If JPEG has no such quality.
    pub(super) fn check_quality(&self) -> Result<(), String> {
        match self.quality {
            Some(_) if self.image != Encoding::Jpeg => Err(
                "`quality` is for `image = \"jpeg\"`; PNG and WebP are written without loss".into(),
            ),
            Some(quality) if !(1..=100).contains(&quality) => {
                Err("`quality` must be between 1 and 100".into())
            }
            _ => Ok(()),
        }
    }
}
