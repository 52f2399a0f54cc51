//! segmentation: the class, the box and the mask of every object.

use hotcoco::params::IouType;

use super::detection::{Training, products, score};
use super::{TaskKind, Truth};

/// The registry entry: the recogniser of `detection`, which also learns to draw what it found.
pub const TASK: TaskKind = TaskKind {
    name: "segmentation",
    about: "class, box and mask of every object, measured by mask mAP50–95",
    truth: Truth::Objects,
    masks: true,
    metric: "mask mAP50–95",
    create: |setting, stream| Box::new(Training::with_masks(setting, stream)),
    products: |extent, channels| products(extent, channels, true),
    score: |album, found, numbers| score::score(album, found, numbers, IouType::Segm),
    details: |album, found, classes| score::details(album, found, classes, IouType::Segm),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::album::{Album, ObjectBox};
    use crate::sample::{Extent, Mask};
    use crate::tasks::{Detection, Prediction};
    use crate::testing;

    #[test]
    fn precision_of_masks_by_hand() {
        let folder = tempfile::tempdir().unwrap();
        let mut album = Album::new(folder.path()).unwrap();
        let (extent, bbox) = (Extent::square(100), [10.0, 10.0, 20.0, 20.0]);
        let mask = |width: u32| {
            let part = Extent::new(width, 20);
            Mask::from_part(&vec![true; part.area()], [10, 10], part, extent)
        };
        let picture = testing::picture_of(100, 100).image;
        let object = vec![ObjectBox::new(0, bbox)];
        album
            .push_objects("one", &picture, object, &[Some(mask(20))])
            .unwrap();
        let found = |width| Prediction {
            detections: vec![Detection {
                class: 0,
                bbox_xywh: bbox,
                score: 0.9,
            }],
            masks: vec![mask(width)],
            ..Prediction::default()
        };
        let score = |width| (TASK.score)(&album, &[found(width)], &[0]).unwrap();
        assert!((score(20) - 1.0).abs() < 1e-9);
        // Four fifths of the mask: seven of the ten limits are met.
        assert!((score(16) - 0.7).abs() < 1e-9, "{}", score(16));
        let details = (TASK.details)(&album, &[vec![found(16)]], &["die".into()]);
        let value = |name: &str| details[name].as_f64().unwrap();
        assert!((value("box_map") - 1.0).abs() < 1e-9);
        assert!((value("map75") - 1.0).abs() < 1e-9);
    }
}
