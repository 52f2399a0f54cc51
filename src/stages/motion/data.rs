//! The pairs of frames that are learned from.

use std::path::Path;

use image::RgbImage;
use rand::RngExt;

use super::{Motion, looking};
use crate::Result;
use crate::generators::Batch;
use crate::generators::animate::clips::{Clips, bitmap, common};
use crate::generators::animate::{self, Animation, Scene};
use crate::generators::training::{TrainingData, divided};
use crate::nn::device::Chosen;
use crate::seed::{Stream, number};
use crate::stage::Context;

/// Clips, and which of them are learned from.
pub(super) struct Data<'a> {
    config: &'a Motion,
    context: &'a Context<'a>,
    device: &'a Chosen,
    pub clips: Clips,
    /// Numbers of the clips of each class that batches are drawn from.
    by_class: Vec<Vec<usize>>,
    /// The same of all classes.
    pub known: Vec<usize>,
    /// Numbers of the others.
    pub held_out: Vec<usize>,
}

/// Two frames of a clip: the source, and what it should become.
pub(super) struct Pair {
    pub clip: usize,
    pub frames: [usize; 2],
}

impl<'a> Data<'a> {
    /// Reads the clips.
    ///
    /// # Errors
    /// If there is none that can be learned from.
    pub(super) fn read(
        config: &'a Motion,
        context: &'a Context<'a>,
        device: &'a Chosen,
    ) -> Result<Self> {
        let clips = Clips::read(context, "clips")?;
        let all: Vec<usize> = (0..clips.clips.len()).collect();
        let origins = clips.by_class(&all).into_values().map(|numbers| {
            let numbers = numbers.into_iter();
            let with_hash = |clip: usize| (number(&clips.clips[clip].origin), clip);
            numbers.map(with_hash).collect()
        });
        let (known, held_out) = divided(origins.collect(), config.held_out);
        Ok(Data {
            config,
            context,
            device,
            by_class: clips.by_class(&known).into_values().collect(),
            clips,
            known,
            held_out,
        })
    }

    /// A picture of a clip.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn picture(&self, clip: usize, frame: usize) -> Result<RgbImage> {
        let number = self.clips.clips[clip].frames[frame].number;
        Ok(self.clips.album.get(number)?.picture.clone())
    }

    /// A pair to learn from, of each class as often as of others.
    fn draw(&self, stream: &mut Stream) -> Pair {
        let numbers = &self.by_class[stream.random_range(0..self.by_class.len())];
        let clip = numbers[stream.random_range(0..numbers.len())];
        let count = self.clips.clips[clip].frames.len();
        let first = stream.random_range(0..count);
        let second = (first + stream.random_range(1..count)) % count;
        Pair {
            clip,
            frames: [first, second],
        }
    }

    /// Calls `with` on the scenes of pairs, whose pictures are changed by `change` one pair after the other.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub(super) fn with_scenes<T>(
        &self,
        pairs: &[Pair],
        mut change: impl FnMut(&mut [RgbImage; 2]),
        with: impl FnOnce(&[(Scene, &RgbImage)]) -> T,
    ) -> Result<T> {
        let mut parts = Vec::with_capacity(pairs.len());
        for Pair { clip, frames } in pairs {
            let [first, second] = frames.map(|frame| self.picture(*clip, frame));
            let mut pictures = [first?, second?];
            change(&mut pictures);
            let frame = |place: usize| &self.clips.clips[*clip].frames[frames[place]].object;
            let points = common(frame(0), frame(1));
            parts.push((pictures, points, bitmap(frame(1), self.clips.extent)));
        }
        let scenes: Vec<(Scene, &RgbImage)> = parts
            .iter()
            .map(|([source, truth], (from, to), mask)| {
                let scene = Scene {
                    source,
                    from,
                    to,
                    mask,
                };
                (scene, truth)
            })
            .collect();
        Ok(with(&scenes))
    }
}

impl TrainingData<Animation> for Data<'_> {
    fn batch(&self, stream: &mut Stream) -> Result<Batch> {
        let pairs: Vec<Pair> = (0..self.config.batch).map(|_| self.draw(stream)).collect();
        let strength = self.config.colours;
        let change = |pictures: &mut [RgbImage; 2]| recolour(pictures, strength, stream);
        let device = &self.device.device;
        self.with_scenes(&pairs, change, |scenes| animate::batch(scenes, device))
    }

    fn sheet(&self, learner: &Animation, path: &Path) -> Result<()> {
        looking::sheet(self.context, self, &learner.animator(), path)
    }
}

/// Changes contrast, brightness and colour cast of both pictures alike, by up to this share, and exchanges channels in as
/// many cases.
fn recolour(pictures: &mut [RgbImage; 2], strength: f64, stream: &mut Stream) {
    let order = match stream.random_bool(strength) {
        true => [[1, 2, 0], [2, 0, 1], [0, 2, 1], [1, 0, 2]][stream.random_range(0..4)],
        false => [0, 1, 2],
    };
    let mut draw = |reach: f64| stream.random_range(-reach..=reach) as f32;
    let changes = [0; 3].map(|_| (1.0 + draw(strength), 64.0 * draw(strength)));
    for picture in pictures {
        for pixel in picture.pixels_mut() {
            let old = pixel.0;
            for (channel, (factor, offset)) in changes.iter().enumerate() {
                let value = f32::from(old[order[channel]]);
                pixel.0[channel] =
                    ((value - 128.0) * factor + 128.0 + offset).clamp(0.0, 255.0) as u8;
            }
        }
    }
}
