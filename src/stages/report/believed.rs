//! The section of photos that joined with a pseudo label: how many of each class, how sure, and some.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::pictures;
use super::words::{count, percent, plural};
use crate::Result;
use crate::artifact::{Artifact, parts};
use crate::sample::{Domain, Sample};

/// What a stage `pseudo_label` believed.
pub struct Believed {
    /// The stage's id.
    stage: String,
    photos: u64,
    believed: u64,
    /// Mean probability of the classes that are believed, 0..1.
    confidence: f64,
    /// Believed photos of each class.
    classes: BTreeMap<String, u64>,
    /// Some of them, in the order of their classes.
    examples: Vec<Sample>,
}

/// Photos shown, at most this many of a class, and the parts read for them.
const SHOWN: usize = 60;
const OF_A_CLASS: usize = 8;
const PARTS: usize = 6;

/// Classes shown at most.
const CLASSES: usize = 60;

impl Believed {
    /// Reads the stage's summary, and photos from its last parts, where they stand.
    ///
    /// # Errors
    /// Where a part cannot be read.
    pub fn read(artifact: &Artifact) -> Result<Self> {
        let summary = &artifact.manifest.summary;
        let number = |key: &str| summary[key].as_u64().unwrap_or(0);
        let classes = summary["classes"].as_object().into_iter().flatten();
        Ok(Believed {
            stage: artifact.manifest.id.clone(),
            photos: number("photos"),
            believed: number("believed"),
            confidence: summary["mean_confidence"].as_f64().unwrap_or(f64::NAN),
            classes: classes
                .map(|(name, n)| (name.clone(), n.as_u64().unwrap_or(0)))
                .collect(),
            examples: examples(artifact)?,
        })
    }
}

/// One copy of some photos, class by class.
fn examples(artifact: &Artifact) -> Result<Vec<Sample>> {
    let paths: Vec<_> = artifact.parts().collect();
    let mut by_class: BTreeMap<Option<String>, Vec<Sample>> = BTreeMap::new();
    let mut origins = BTreeSet::new();
    for path in paths.iter().rev().take(PARTS) {
        for sample in parts::read_part(path)? {
            let is_photo = sample.provenance.domain == Domain::Photo;
            if is_photo && origins.insert(sample.provenance.origin.clone()) {
                let alike = by_class.entry(sample.labels.class.clone()).or_default();
                alike.push(sample);
            }
        }
    }
    let each = (SHOWN / by_class.len().max(1)).clamp(1, OF_A_CLASS);
    let chosen = by_class
        .into_values()
        .flat_map(|alike| alike.into_iter().take(each));
    Ok(chosen.take(SHOWN).collect())
}

/// All that is said of one stage.
pub fn section(believed: &Believed) -> Markup {
    let share = believed.believed as f64 / believed.photos.max(1) as f64;
    let most = believed.classes.values().max().copied().unwrap_or(0).max(1);
    html! {
        h3 {
            (believed.stage)
            small { " believed " (count(believed.believed)) " of " (plural(believed.photos, "photo"))
                " (" (percent(share)) "), " (percent(believed.confidence)) " sure on average" }
        }
        p.soft { "The classes are what networks trained on the labelled pictures read; nobody has checked them." }
        div.scroll { table.bars {
            thead { tr { th { "class" } th { "believed photos" } } }
            tbody { @for (class, n) in believed.classes.iter().take(CLASSES) { tr {
                th { (class) }
                td { div.cell {
                    @let width = 100.0 * *n as f64 / most as f64;
                    div.track { div.fill.time style=(format!("width:{width:.1}%")) {} }
                    span { (count(*n)) }
                } }
            } } }
        } }
        @if believed.classes.len() > CLASSES {
            p.soft { "and " (count((believed.classes.len() - CLASSES) as u64)) " more classes" }
        }
        @if !believed.examples.is_empty() {
            h3 { "Photos " small { " and the class that each is read as" } }
            div.pairs { @for sample in &believed.examples { figure {
                div.row { (pictures::picture(sample, &believed.stage)) }
                figcaption { (read_as(sample)) }
            } } }
        }
    }
}

/// `four 0.983`, as the stage noted it.
fn read_as(sample: &Sample) -> String {
    let notes = sample.provenance.transforms.iter().rev();
    let note = notes
        .clone()
        .find_map(|note| note.strip_prefix("pseudo_label("));
    note.unwrap_or_default()
        .trim_end_matches(')')
        .replace(", ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use serde_json::json;

    #[test]
    fn the_section_counts_and_shows_photos_of_every_class() {
        let folder = tempfile::tempdir().unwrap();
        let mut samples = testing::shapes(40, 16, 1);
        for (number, sample) in samples.iter_mut().enumerate().skip(20) {
            sample.provenance.domain = Domain::Photo;
            sample.provenance.origin = format!("photos-{:06}", number % 10);
            let class = sample.labels.class.clone().unwrap();
            let note = format!("pseudo_label({class}, 0.875)");
            sample.provenance.transforms.push(note);
        }
        let mut artifact = testing::publish(folder.path(), &samples, 16);
        artifact.manifest.summary = json!({
            "photos": 40, "believed": 10, "mean_confidence": 0.875,
            "classes": { "disc": 6, "square": 4 },
        });
        let believed = Believed::read(&artifact).unwrap();
        assert_eq!(believed.examples.len(), 10);
        let page = section(&believed).into_string();
        for expected in [
            "believed 10 of 40 photos (25.0 %), 87.5 % sure",
            "disc 0.875",
        ] {
            assert!(page.contains(expected), "{expected} is not in {page}");
        }
    }
}
