//! Which labels a format can store.

/// The labels that a format can store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// The class of a picture.
    pub class: bool,
    /// A sentence that describes a picture.
    pub captions: bool,
    /// Classes and boxes of objects.
    pub objects: bool,
    /// The visible pixels of each object.
    pub masks: bool,
    /// Named points of objects with their visibility.
    pub keypoints: bool,
    /// The object-to-camera transform of each object.
    pub poses: bool,
    /// The 3D box of each object in its own coordinates.
    pub boxes_3d: bool,
    /// The pinhole intrinsics of each picture.
    pub camera: bool,
    /// The share of each object that is neither hidden nor cut off; read as 1 where it is missing.
    pub visible_fraction: bool,
    /// Which objects are the same in several pictures.
    pub tracks: bool,
    /// Pictures whose objects are unknown. If it has objects, a format without this leaves such pictures out,
    /// since an entry without objects would say that there are none.
    pub unknown_objects: bool,
    /// Objects whose mask is unknown; elsewhere they get the whole box as their mask.
    pub unknown_masks: bool,
    /// Boxes that are not upright. They are read as the upright boxes around them.
    pub oriented: bool,
    /// The pictures themselves, many in one file.
    pub pictures: bool,
}

impl Holds {
    /// No labels.
    pub const NOTHING: Holds = Holds {
        class: false,
        captions: false,
        objects: false,
        masks: false,
        keypoints: false,
        poses: false,
        boxes_3d: false,
        camera: false,
        visible_fraction: false,
        tracks: false,
        unknown_objects: false,
        unknown_masks: true,
        oriented: false,
        pictures: false,
    };

    /// Whether the format leaves pictures out whose objects are unknown.
    pub fn needs_objects(self) -> bool {
        self.objects && !self.unknown_objects
    }

    /// How many kinds of labels both formats hold.
    pub(super) fn shared(self, other: Holds) -> usize {
        let kinds = |holds: Holds| {
            [
                holds.class,
                holds.captions,
                holds.objects && !holds.oriented,
                // Oriented boxes are drawn around masks.
                holds.masks || holds.oriented,
                holds.keypoints,
                holds.poses,
                holds.boxes_3d,
                holds.camera,
                holds.visible_fraction,
                holds.tracks,
                holds.unknown_objects,
            ]
        };
        let both = kinds(self).into_iter().zip(kinds(other));
        both.filter(|(a, b)| *a && *b).count()
    }

    /// The names of the labels, separated by commas, for `verismo list`.
    pub fn names(self) -> String {
        let all = [
            ("class", self.class),
            ("captions", self.captions),
            ("boxes", self.objects && !self.oriented),
            ("oriented boxes", self.oriented),
            ("masks", self.masks),
            ("keypoints", self.keypoints),
            ("poses", self.poses),
            ("3D boxes", self.boxes_3d),
            ("camera", self.camera),
            ("tracks", self.tracks),
        ];
        let present = all.into_iter().filter(|(_, present)| *present);
        present.map(|(name, _)| name).collect::<Vec<_>>().join(", ")
    }
}
