//! Which object each pixel shows, drawn from the labels for networks that read it. No sample stores this map, so it is
//! not in the registry.

use super::{Follows, Layout, MapKind, Planes, Value};
use crate::sample::Sample;
use crate::{Error, Result};

/// What networks are told of it.
pub const MAP: MapKind = MapKind {
    name: "objects",
    about: "object of every pixel: 0 for none, else the number of its class from 1",
    layout: Layout::Grey16,
    nothing: [0; 3],
    follows: Follows::Nothing,
    mixed: false,
    planes: Planes {
        count: 1,
        of: |values| values.iter().map(|value| value[0].into()).collect(),
    },
};

/// The map of a sample's objects. Classes are numbered by `classes`; one that is not among them has the number after
/// the last.
///
/// # Errors
/// If it is not known which objects the sample shows.
pub fn draw(sample: &Sample, classes: &[String]) -> Result<Vec<Value>> {
    if sample.labels.objects.is_none() {
        return Err(Error::failed(
            &sample.id,
            "has no labelled objects, and the model reads where they are",
            "use renders with objects, or a model that reads none",
        ));
    }
    let number = |class: &str| {
        let place = classes.iter().position(|other| other == class);
        place.unwrap_or(classes.len()) as u16 + 1
    };
    let painted = sample.painted(|object| number(&object.class));
    Ok(painted.into_iter().map(|number| [number, 0, 0]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn every_pixel_has_the_number_of_its_object_s_class() {
        let mut sample = testing::shapes(2, 16, 1).remove(1);
        let numbers = |sample: &Sample, classes: &[&str]| {
            let classes: Vec<String> = classes.iter().map(|&class| class.into()).collect();
            let values = draw(sample, &classes).unwrap();
            let mask = sample.object_mask();
            let inside = values.iter().zip(mask.iter()).filter(|(_, m)| **m > 0);
            let inside: Vec<u16> = inside.map(|(value, _)| value[0]).collect();
            let all: usize = values.iter().map(|value| usize::from(value[0])).sum();
            assert!(inside.iter().all(|number| *number == inside[0]));
            assert_eq!(all, inside.len() * usize::from(inside[0]));
            inside[0]
        };
        assert_eq!(numbers(&sample, &["disc", "square"]), 2);
        assert_eq!(numbers(&sample, &["square"]), 1);
        assert_eq!(numbers(&sample, &["disc"]), 2);
        assert_eq!(numbers(&sample, &[]), 1);
        // Its box, where it has no mask.
        for object in sample.labels.objects.iter_mut().flatten() {
            object.mask = None;
            object.bbox_xywh = [-2.0, 3.0, 7.0, 40.0];
        }
        numbers(&sample, &["square"]);
        let inside = sample.object_mask();
        assert_eq!(inside.iter().filter(|v| **v > 0).count(), 5 * 13);
        sample.labels.objects = None;
        let problem = draw(&sample, &[]).unwrap_err().to_string();
        assert!(problem.contains("no labelled objects"), "{problem}");
    }
}
