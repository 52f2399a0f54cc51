//! The photos that the report shows, with what is in them and what was found: those that the dataset's recogniser read
//! best and worst, and some in between.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::sets::Sets;
use super::table::Outcomes;
use crate::Result;
use crate::artifact::files::{read_json, write_json};
use crate::models::album::ObjectBox;
use crate::sample::Mask;
use crate::tasks::{Detection, TaskKind};

/// The file in the stage's result.
const FILE: &str = "shown.json";

/// Photos of each kind.
const EACH: usize = 2;

/// Photos with objects.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Shown {
    pub classes: Vec<String>,
    /// The recognisers, of the first seed each.
    pub recognisers: Vec<String>,
    /// What the score of a photo is called.
    #[serde(default)]
    pub metric: String,
    pub photos: Vec<Photo>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Photo {
    /// The id of its sample.
    pub id: String,
    /// `best`, `median` or `worst`.
    pub kind: String,
    /// The score of the recogniser that the photos are ranked by.
    pub score: f64,
    pub objects: Vec<ObjectBox>,
    /// The mask of each object; empty if the task has none.
    #[serde(default)]
    pub masks: Vec<Option<Mask>>,
    /// What each recogniser found.
    pub found: Vec<Vec<Detection>>,
    /// The mask of each of these; empty if the task has none.
    #[serde(default)]
    pub found_masks: Vec<Vec<Mask>>,
}

impl Shown {
    /// Chooses among the test photos that show objects; those are ranked by the recogniser that learned from the
    /// dataset, or by the last.
    ///
    /// # Errors
    /// If a photo cannot be read.
    pub(super) fn choose(task: &TaskKind, sets: &Sets, outcomes: &Outcomes) -> Result<Shown> {
        let names = sets.learned.iter().map(|(name, _)| *name);
        let recognisers: Vec<String> = names.map(str::to_owned).collect();
        let leader = sets.leader();
        let first = |set: usize| &outcomes[set][0];
        let scored = (0..sets.test.len()).filter_map(|number| {
            Some((number, (task.score)(&sets.test, first(leader), &[number])?))
        });
        let mut ranked: Vec<(usize, f64)> = scored.collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let photo = |(kind, place): (&str, usize)| {
            let (number, score) = ranked[place];
            Ok(Photo {
                id: sets.test.name(number).to_owned(),
                kind: kind.to_owned(),
                score,
                objects: sets.test.objects(number).to_vec(),
                masks: sets.test.masks(number)?,
                found: (0..recognisers.len())
                    .map(|set| first(set)[number].detections.clone())
                    .collect(),
                found_masks: (0..recognisers.len())
                    .map(|set| first(set)[number].masks.clone())
                    .collect(),
            })
        };
        let photos = places(ranked.len()).into_iter().map(photo);
        Ok(Shown {
            photos: photos.collect::<Result<_>>()?,
            classes: sets.classes.clone(),
            recognisers,
            metric: task.metric.to_owned(),
        })
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(FILE), self)
    }

    /// What a result holds; nothing if its task has no objects.
    ///
    /// # Errors
    /// If the file is damaged.
    pub(super) fn read(folder: &Path) -> Result<Option<Shown>> {
        let path = folder.join(FILE);
        match path.is_file() {
            true => read_json(&path, "remove the folder and run again").map(Some),
            false => Ok(None),
        }
    }
}

/// Places among `count` in order, each once.
fn places(count: usize) -> Vec<(&'static str, usize)> {
    let middle = count.saturating_sub(EACH) / 2;
    let kinds = [
        ("best", 0),
        ("median", middle),
        ("worst", count.saturating_sub(EACH)),
    ];
    let mut places: Vec<(&str, usize)> = Vec::new();
    for (kind, first) in kinds {
        for place in (first..count).take(EACH) {
            if !places.iter().any(|(_, known)| *known == place) {
                places.push((kind, place));
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_middle_are_shown() {
        let of = |count| -> Vec<usize> { places(count).iter().map(|(_, place)| *place).collect() };
        assert_eq!(of(50), [0, 1, 24, 25, 48, 49]);
        assert_eq!(of(3), [0, 1, 2]);
        assert_eq!(places(3)[2].0, "worst");
        assert!(of(0).is_empty());
    }
}
