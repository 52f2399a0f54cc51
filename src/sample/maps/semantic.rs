//! The class of every pixel.

use super::{Follows, Layout, MapKind, Planes, Value};
use crate::sample::{Extent, Object};

/// The registry entry.
pub const MAP: MapKind = MapKind {
    name: "semantic",
    about: "class of every pixel, 16-bit grey: 0 for none, else the number of its class from 1",
    layout: Layout::Grey16,
    nothing: [0; 3],
    follows: Follows::Nothing,
    mixed: false,
    // Which class it is changes nothing in how photos look.
    planes: Planes {
        count: 1,
        of: |values| values.iter().map(|value| value[0].min(1).into()).collect(),
    },
};

/// The map of a picture whose visible objects have masks; `classes` are all there are, in the
/// order of their numbers.
pub fn draw<'a>(
    objects: &[Object],
    classes: impl Iterator<Item = &'a str> + Clone,
    extent: Extent,
) -> Vec<Value> {
    let mut values = vec![MAP.nothing; extent.area()];
    for object in objects {
        let (Some(mask), Some(place)) = (
            &object.mask,
            classes.clone().position(|class| class == object.class),
        ) else {
            continue;
        };
        let bitmap = mask.to_bitmap(extent.width, extent.height);
        let inside = values.iter_mut().zip(bitmap).filter(|(_, inside)| *inside);
        inside.for_each(|(value, _)| value[0] = place as u16 + 1);
    }
    values
}
