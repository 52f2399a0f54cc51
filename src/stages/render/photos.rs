//! Photos to stand behind the object.

use image::RgbImage;
use rand::RngExt;

use crate::Result;
use crate::sample::image::decode_rgb;
use crate::seed::Stream;
use crate::stage::Context;

/// Encoded photos to take backgrounds from.
#[derive(Default)]
pub struct Photos {
    /// By id.
    pictures: Vec<(String, Vec<u8>)>,
}

impl Photos {
    /// Reads up to 4096 photos, evenly spread over the input `backgrounds`; none if it is not given.
    ///
    /// # Errors
    /// If a part cannot be read.
    pub fn load(context: &Context) -> Result<Self> {
        const MOST: u64 = 4096;
        let Some(artifact) = context.inputs.get("backgrounds") else {
            return Ok(Photos::default());
        };
        let stride = artifact.manifest.count.div_ceil(MOST).max(1) as usize;
        let pictures = artifact
            .samples()
            .step_by(stride)
            .map(|sample| {
                context.check_interrupt()?;
                sample.map(|sample| (sample.id, sample.image))
            })
            .collect::<Result<_>>()?;
        Ok(Photos { pictures })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// One of them; there must be one.
    ///
    /// # Errors
    /// If it cannot be decoded.
    pub fn draw(&self, stream: &mut Stream) -> Result<RgbImage> {
        let (name, bytes) = &self.pictures[stream.random_range(0..self.pictures.len())];
        decode_rgb(bytes, name)
    }
}
