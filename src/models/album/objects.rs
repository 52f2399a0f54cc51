//! What is in a picture: objects with their boxes, and their masks as bytes.

use serde::{Deserialize, Serialize};

use crate::sample::Mask;

/// The class and the place of an object, as detectors learn them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ObjectBox {
    /// Its place in the list of classes.
    pub class: usize,
    /// x, y, width, height in pixels of the picture.
    pub bbox_xywh: [f32; 4],
    /// Whether it is neither right nor wrong to find it, as it may not be one.
    #[serde(default)]
    pub doubtful: bool,
}

impl ObjectBox {
    /// One that is surely there.
    pub fn new(class: usize, bbox_xywh: [f32; 4]) -> Self {
        ObjectBox {
            class,
            bbox_xywh,
            doubtful: false,
        }
    }
}

/// Masks as bytes: for each, how many runs it has, plus one, or 0 if it is not known; then its runs.
pub(super) fn packed(masks: &[Option<Mask>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mask in masks {
        let counts = mask.as_ref().map(|mask| &mask.counts);
        let head = counts.map_or(0, |counts| counts.len() as u32 + 1);
        bytes.extend(head.to_le_bytes());
        bytes.extend(
            counts
                .into_iter()
                .flatten()
                .flat_map(|run| run.to_le_bytes()),
        );
    }
    bytes
}

/// The masks that were [`packed`].
pub(super) fn unpacked(bytes: &[u8]) -> Vec<Option<Mask>> {
    let mut numbers = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .copied()
        .map(u32::from_le_bytes);
    let mut masks = Vec::new();
    while let Some(head) = numbers.next() {
        masks.push(head.checked_sub(1).map(|runs| Mask {
            counts: numbers.by_ref().take(runs as usize).collect(),
        }));
    }
    masks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_unpacked_as_they_were_packed() {
        let mask = |counts: &[u32]| {
            Some(Mask {
                counts: counts.into(),
            })
        };
        for masks in [
            vec![],
            vec![None],
            vec![mask(&[3, 2, 1]), None, mask(&[]), mask(&[0, 6])],
        ] {
            assert_eq!(unpacked(&packed(&masks)), masks);
        }
    }
}
