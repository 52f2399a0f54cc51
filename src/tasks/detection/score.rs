//! How good detections are: COCO's mean average precision, by hotcoco, and which objects were missed or invented.

use std::collections::BTreeMap;

use hotcoco::params::IouType;
use hotcoco::{Annotation, COCO, COCOeval, Category, Dataset, Image, Segmentation};
use serde_json::{Value, json};

use super::boxes::{iou, suppress};
use crate::models::album::{Album, ObjectBox};
use crate::sample::{Extent, Mask};
use crate::tasks::{Details, Detection, Prediction};

/// Detections at least this sure are counted as found or invented.
pub const SURE: f32 = 0.4;

/// A detection that overlaps an object by at least this much shows it.
const SHOWS: f32 = 0.5;

/// Sizes of objects by COCO: their names there, ours, and the areas of their boxes.
const SIZES: [(&str, &str); 3] = [
    ("APs", "small (below 32²)"),
    ("APm", "medium"),
    ("APl", "large (96² and more)"),
];

/// mAP50–95 by boxes or masks over the examples with these numbers; `None` if there is no object in them.
pub(in crate::tasks) fn score(
    album: &Album,
    predictions: &[Prediction],
    numbers: &[usize],
    by: IouType,
) -> Option<f64> {
    let classes: Vec<String> = (0..=last_class(album, predictions))
        .map(|n| n.to_string())
        .collect();
    let metrics = metrics(album, predictions, numbers, &classes, by)?;
    known(&metrics, "AP")
}

fn last_class(album: &Album, predictions: &[Prediction]) -> usize {
    let objects = (0..album.len()).flat_map(|number| album.objects(number));
    let found = predictions.iter().flat_map(|one| &one.detections);
    let classes = objects
        .map(|object| object.class)
        .chain(found.map(|one| one.class));
    classes.max().unwrap_or(0)
}

/// A metric that could be computed.
fn known(metrics: &BTreeMap<String, f64>, name: &str) -> Option<f64> {
    metrics.get(name).copied().filter(|value| *value >= 0.0)
}

/// COCO's metrics by name, those of a class as `AP/CLASS`; `None` if there is no object to find.
fn metrics(
    album: &Album,
    predictions: &[Prediction],
    numbers: &[usize],
    classes: &[String],
    by: IouType,
) -> Option<BTreeMap<String, f64>> {
    let objects = numbers.iter().map(|&number| album.objects(number).len());
    if objects.sum::<usize>() == 0 {
        return None;
    }
    let (mut truth, mut found) = (Vec::new(), Vec::new());
    for (image, &number) in numbers.iter().enumerate() {
        let extent = album.extent(number);
        let masks = match by {
            // Its picture has been read a moment ago, to find its objects.
            IouType::Segm => album.masks(number).ok()?,
            _ => Vec::new(),
        };
        for (place, object) in album.objects(number).iter().enumerate() {
            let mask = masks.get(place).and_then(Option::as_ref);
            truth.push(Annotation {
                id: truth.len() as u64 + 1,
                ..annotation(image, object.class, object.bbox_xywh, mask, extent)
            });
        }
        let Prediction {
            detections, masks, ..
        } = &predictions[number];
        for (place, one) in detections.iter().enumerate() {
            let mask = masks.get(place).filter(|_| by == IouType::Segm);
            found.push(Annotation {
                score: Some(f64::from(one.score)),
                ..annotation(image, one.class, one.bbox_xywh, mask, extent)
            });
        }
    }
    let truth = Dataset {
        images: (0..numbers.len())
            .map(|image| Image {
                id: image as u64 + 1,
                ..Image::default()
            })
            .collect(),
        annotations: truth,
        categories: (1..)
            .zip(classes)
            .map(|(id, name)| Category {
                id,
                name: name.clone(),
                ..Category::default()
            })
            .collect(),
        ..Dataset::default()
    };
    let truth = COCO::from_dataset(truth);
    // Fails on scores that are not numbers, and a detector tells none.
    let found = truth.load_res_anns(found).ok()?;
    let mut evaluation = COCOeval::new(truth, found, by);
    evaluation.evaluate().ok()?;
    evaluation.accumulate();
    // Its lines are not shown, but it works out the metrics.
    let _ = evaluation.summarize_lines();
    Some(evaluation.get_results(None, true))
}

/// An object in the picture of this place, with its mask in a picture of `extent`.
fn annotation(
    image: usize,
    class: usize,
    bbox: [f32; 4],
    mask: Option<&Mask>,
    extent: Extent,
) -> Annotation {
    let area = f64::from(bbox[2]) * f64::from(bbox[3]);
    Annotation {
        image_id: image as u64 + 1,
        category_id: class as u64 + 1,
        bbox: Some(bbox.map(f64::from)),
        area: Some(mask.map_or(area, |mask| mask.area().into())),
        segmentation: mask.map(|mask| Segmentation::UncompressedRle {
            size: [extent.height, extent.width],
            counts: mask.counts.clone(),
        }),
        ..Annotation::default()
    }
}

/// Further metrics, means over the recognisers, by boxes or masks: `map50`, `map75`, by class and by size; by masks also
/// `box_map` and `box_map50`, those of the boxes; and over all of them, by boxes, which class was found as which, with a
/// last row for what was invented and a last column for what was missed.
pub(in crate::tasks) fn details(
    album: &Album,
    all: &[Vec<Prediction>],
    classes: &[String],
    by: IouType,
) -> Details {
    let numbers: Vec<usize> = (0..album.len()).collect();
    let measured = |by: IouType| -> Vec<_> {
        let each = all.iter();
        each.filter_map(|predictions| metrics(album, predictions, &numbers, classes, by))
            .collect()
    };
    let mean_of = |each: &[BTreeMap<String, f64>], name: &str| {
        let values: Vec<f64> = each
            .iter()
            .filter_map(|metrics| known(metrics, name))
            .collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let each = measured(by);
    let mean = |name: &str| mean_of(&each, name);
    let per_class = |class: &String| Some((class.clone(), mean(&format!("AP/{class}"))?));
    let by_size = |(name, called): (&str, &str)| Some((called.to_owned(), json!(mean(name)?)));
    let confusion = confusion(album, all, classes.len());
    let nothing = classes.len();
    let missed: u64 = confusion.iter().take(nothing).map(|row| row[nothing]).sum();
    let invented: u64 = confusion[nothing].iter().sum();
    let mut details = Details::from_iter([
        ("map50".into(), json!(mean("AP50"))),
        ("map75".into(), json!(mean("AP75"))),
        (
            "per_class".into(),
            json!(
                classes
                    .iter()
                    .filter_map(per_class)
                    .collect::<BTreeMap<_, _>>()
            ),
        ),
        (
            "by_size".into(),
            Value::Object(SIZES.into_iter().filter_map(by_size).collect()),
        ),
        ("objects".into(), objects(album).into()),
        ("missed".into(), missed.into()),
        ("invented".into(), invented.into()),
        ("confusion".into(), json!(confusion)),
    ]);
    if by == IouType::Segm {
        let boxes = measured(IouType::Bbox);
        details.insert("box_map".into(), json!(mean_of(&boxes, "AP")));
        details.insert("box_map50".into(), json!(mean_of(&boxes, "AP50")));
    }
    details
}

/// The number of all objects.
fn objects(album: &Album) -> usize {
    (0..album.len())
        .map(|number| album.objects(number).len())
        .sum()
}

/// Rows are the true classes, columns those found; the last of each is nothing.
fn confusion(album: &Album, all: &[Vec<Prediction>], classes: usize) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; classes + 1]; classes + 1];
    for predictions in all {
        for (number, prediction) in predictions.iter().enumerate() {
            let objects = album.objects(number);
            let outcome = compared(objects, &prediction.detections);
            for (object, found) in outcome.pairs {
                counts[objects[object].class][found.class] += 1;
            }
            for object in outcome.missed {
                counts[objects[object].class][classes] += 1;
            }
            for found in outcome.invented {
                counts[classes][found.class] += 1;
            }
        }
    }
    counts
}

/// What became of the objects of a picture.
#[derive(Debug, Default, PartialEq)]
pub struct Compared {
    /// Places of objects that were found, whatever they were taken for, each with its detection.
    pub pairs: Vec<(usize, Detection)>,
    /// Places of those that were not.
    pub missed: Vec<usize>,
    /// Detections where there is no object, or one that was found already.
    pub invented: Vec<Detection>,
}

/// Compares what is surely found with what there is: the surest detections choose first, and each takes the object
/// that it overlaps most.
pub fn compared(objects: &[ObjectBox], found: &[Detection]) -> Compared {
    let sure = found.iter().filter(|one| one.score >= SURE).copied();
    let mut outcome = Compared::default();
    let mut left: Vec<usize> = (0..objects.len()).collect();
    for one in suppress(sure.collect(), SHOWS) {
        let overlap = |place: &usize| iou(objects[*place].bbox_xywh, one.bbox_xywh);
        let nearest =
            (0..left.len()).max_by(|&a, &b| overlap(&left[a]).total_cmp(&overlap(&left[b])));
        match nearest.filter(|&nearest| overlap(&left[nearest]) >= SHOWS) {
            Some(nearest) => outcome.pairs.push((left.remove(nearest), one)),
            None => outcome.invented.push(one),
        }
    }
    outcome.missed = left;
    outcome
}
