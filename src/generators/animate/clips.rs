//! Clips that show how one object moves, with its key points.

use std::collections::BTreeMap;

use glam::DVec2;

use crate::models::album::{Album, common_extent};
use crate::sample::{Extent, Keypoint, Object, Sample, Visibility};
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// A frame of a clip.
pub struct Frame {
    /// Of its sample.
    pub id: String,
    /// Its number in [`Clips::album`].
    pub number: usize,
    /// What moves.
    pub object: Object,
}

/// Frames in their order.
pub struct Clip {
    /// What the object is in all frames.
    pub class: String,
    /// What its frames have in common.
    pub origin: String,
    /// At least two.
    pub frames: Vec<Frame>,
}

/// Clips of one object each.
pub struct Clips {
    /// In the order in which they come.
    pub clips: Vec<Clip>,
    /// The pictures of all frames.
    pub album: Album,
    /// Of all pictures.
    pub extent: Extent,
}

impl Clips {
    /// Reads the clips in a role. Frames that do not show exactly one object with key points and a mask are left out, with
    /// a warning.
    ///
    /// # Errors
    /// If no clip is left, or frames are not of one size.
    pub fn read(context: &Context, role: &str) -> Result<Self> {
        let mut album = Album::new(context.out)?;
        let (mut clips, mut unusable) = (Vec::<Clip>::new(), 0);
        for sample in context.input(role)?.samples() {
            let sample = sample?;
            let Some(object) = moving(&sample) else {
                unusable += 1;
                continue;
            };
            let frame = Frame {
                number: album.len(),
                id: sample.id.clone(),
                object: object.clone(),
            };
            album.push(&sample.id, &sample.image, 0)?;
            match clips.last_mut() {
                Some(clip)
                    if clip.origin == sample.provenance.origin && clip.class == object.class =>
                {
                    clip.frames.push(frame);
                }
                _ => clips.push(Clip {
                    origin: sample.provenance.origin.clone(),
                    class: object.class.clone(),
                    frames: vec![frame],
                }),
            }
        }
        clips.retain(|clip| clip.frames.len() > 1);
        if clips.is_empty() {
            return Err(Error::failed(
                context.id,
                format!(
                    "has no clip in `{role}` that shows exactly one object with key points and a mask"
                ),
                "set `clip = 8` of `render`, give models with key points (nodes `keypoint.CLASS.NAME` of a glTF), and one \
                 object a picture",
            ));
        }
        if unusable > 0 {
            let text = format!(
                "{unusable} pictures of `{role}` are not used: they do not show exactly one object with key points and a \
                 mask, in motion"
            );
            context.emit(Event::Warning { text });
        }
        Ok(Clips {
            extent: common_extent(context.id, &[(role, &album)])?,
            clips,
            album,
        })
    }

    /// The numbers of the clips of each class.
    pub fn by_class(&self, of: &[usize]) -> BTreeMap<&str, Vec<usize>> {
        let mut by_class: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for &number in of {
            let class = self.clips[number].class.as_str();
            by_class.entry(class).or_default().push(number);
        }
        by_class
    }
}

/// The one object of a frame of a clip, if it can be learned from.
fn moving(sample: &Sample) -> Option<&Object> {
    let [object] = sample.labels.objects() else {
        return None;
    };
    let usable = sample.clip().is_some() && object.mask.is_some() && !places(object).is_empty();
    usable.then_some(object)
}

/// Key points within the picture, by name.
pub fn places(object: &Object) -> BTreeMap<&str, DVec2> {
    let inside = object
        .keypoints
        .iter()
        .filter(|point| point.visibility != Visibility::Outside);
    let place = |point: &Keypoint| DVec2::new(point.x.into(), point.y.into());
    inside
        .map(|point| (point.name.as_str(), place(point)))
        .collect()
}

/// The places in both of the points that both have, in one order.
pub fn common(a: &Object, b: &Object) -> (Vec<DVec2>, Vec<DVec2>) {
    let (a, b) = (places(a), places(b));
    let pairs = a
        .iter()
        .filter_map(|(name, place)| Some((*place, *b.get(name)?)));
    pairs.unzip()
}

/// The visible pixels of an object, row by row.
pub fn bitmap(object: &Object, extent: Extent) -> Vec<bool> {
    let mask = object.mask.as_ref();
    mask.map_or_else(
        || vec![false; extent.area()],
        |mask| mask.to_bitmap(extent.width, extent.height),
    )
}
