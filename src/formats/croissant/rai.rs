//! What Croissant RAI asks: how pictures and labels came about, and what to be careful about.

use super::Lineage;
use crate::formats::DatasetInfo;

pub(super) fn collection(lineage: &Lineage) -> String {
    let Lineage {
        photos, foreign, ..
    } = lineage;
    let rendered: u64 = lineage.sources.values().sum();
    let models = lineage.sources.len();
    format!(
        "{rendered} pictures are rendered from {models} models or templates; {photos} are photos; \
         {foreign} come from another dataset."
    )
}

pub(super) fn annotation(lineage: &Lineage) -> Vec<&'static str> {
    let kinds = [
        (
            !lineage.sources.is_empty(),
            "Labels of rendered pictures come from the renderer.",
        ),
        (
            lineage.photos > lineage.labelled,
            "Classes of photos are predicted by networks that learned from the renders; no person labelled them.",
        ),
        (
            lineage.labelled > 0,
            "Labels of photos with the transform `labelled` were given by people.",
        ),
        (
            lineage.foreign > 0,
            "Labels of pictures from another dataset are as they were there.",
        ),
    ];
    let true_ones = kinds.into_iter().filter(|(is_true, _)| *is_true);
    true_ones.map(|(_, text)| text).collect()
}

pub(super) fn biases(dataset: &DatasetInfo) -> String {
    let counts = dataset.images.values().flat_map(|classes| classes.iter());
    let mut by_class = std::collections::BTreeMap::<&str, u64>::new();
    for (class, count) in counts.filter(|(class, _)| !class.is_empty()) {
        *by_class.entry(class).or_default() += count;
    }
    let (least, most) = (by_class.values().min(), by_class.values().max());
    match least.zip(most) {
        Some((least, most)) => format!("A class has between {least} and {most} pictures."),
        None => "Pictures have no classes of their own.".to_owned(),
    }
}

pub(super) fn personal(lineage: &Lineage) -> &'static str {
    match lineage.photos + lineage.foreign {
        0 => "None: no picture is a photo.",
        _ => "Not examined: photos or pictures of another dataset are among the pictures.",
    }
}
