//! How good detections are: COCO's mean average precision, by hotcoco, and which objects were missed or invented.

use std::collections::BTreeMap;

use hotcoco::params::IouType;
use hotcoco::{Annotation, COCO, COCOeval, Category, Dataset, Image};
use serde_json::{Value, json};

use super::boxes::{iou, suppress};
use crate::models::album::{Album, ObjectBox};
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

/// mAP50–95 over the examples with these numbers; `None` if there is no object in them.
pub(super) fn score(album: &Album, predictions: &[Prediction], numbers: &[usize]) -> Option<f64> {
    let classes: Vec<String> = (0..=last_class(album, predictions))
        .map(|n| n.to_string())
        .collect();
    let metrics = metrics(album, predictions, numbers, &classes)?;
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
) -> Option<BTreeMap<String, f64>> {
    let objects = numbers.iter().map(|&number| album.objects(number).len());
    if objects.sum::<usize>() == 0 {
        return None;
    }
    let annotation = |image: usize, class: usize, bbox: [f32; 4], score: Option<f32>| Annotation {
        image_id: image as u64 + 1,
        category_id: class as u64 + 1,
        bbox: Some(bbox.map(f64::from)),
        area: Some(f64::from(bbox[2]) * f64::from(bbox[3])),
        score: score.map(f64::from),
        ..Annotation::default()
    };
    let each = || numbers.iter().enumerate();
    let truth = each().flat_map(|(image, &number)| {
        let objects = album.objects(number).iter();
        objects.map(move |object| annotation(image, object.class, object.bbox_xywh, None))
    });
    let found = each().flat_map(|(image, &number)| {
        let found = predictions[number].detections.iter();
        found.map(move |one| annotation(image, one.class, one.bbox_xywh, Some(one.score)))
    });
    let truth = Dataset {
        images: (0..numbers.len())
            .map(|image| Image {
                id: image as u64 + 1,
                ..Image::default()
            })
            .collect(),
        annotations: (1..)
            .zip(truth)
            .map(|(id, annotation)| Annotation { id, ..annotation })
            .collect(),
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
    let found = truth.load_res_anns(found.collect()).ok()?;
    let mut evaluation = COCOeval::new(truth, found, IouType::Bbox);
    evaluation.evaluate().ok()?;
    evaluation.accumulate();
    // Its lines are not shown, but it works out the metrics.
    let _ = evaluation.summarize_lines();
    Some(evaluation.get_results(None, true))
}

/// Further metrics, means over the recognisers: `map50`, `map75`, by class and by size; and over all of them, which
/// class was found as which, with a last row for what was invented and a last column for what was missed.
pub(super) fn details(album: &Album, all: &[Vec<Prediction>], classes: &[String]) -> Details {
    let numbers: Vec<usize> = (0..album.len()).collect();
    let each: Vec<_> = all
        .iter()
        .filter_map(|predictions| metrics(album, predictions, &numbers, classes))
        .collect();
    let mean = |name: &str| {
        let values: Vec<f64> = each
            .iter()
            .filter_map(|metrics| known(metrics, name))
            .collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let per_class = |class: &String| Some((class.clone(), mean(&format!("AP/{class}"))?));
    let by_size = |(name, called): (&str, &str)| Some((called.to_owned(), json!(mean(name)?)));
    let confusion = confusion(album, all, classes.len());
    let nothing = classes.len();
    let missed: u64 = confusion.iter().take(nothing).map(|row| row[nothing]).sum();
    let invented: u64 = confusion[nothing].iter().sum();
    Details::from_iter([
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
    ])
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
