//! `verismo explain`: from an image of a dataset back to model, seed, render and checkpoint.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::dataset::Dataset;
use super::{columns, say};
use crate::artifact::verdicts;
use crate::pipeline::suggest;
use crate::sample::Verdict;
use crate::stages::emit;
use crate::{Error, Result};

const EXAMPLES: &str = "\
Example:
  verismo explain outputs/datasets/dice/latest train/one/augment-000012.png";

/// Arguments of `explain`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// The dataset's folder.
    dataset: PathBuf,

    /// The image: its path in the dataset, or its name.
    image: String,
}

/// What is said of an image, in this order: the column, and what it means.
const ROWS: [(&str, &str); 14] = [
    ("file", "image"),
    ("split", "split"),
    ("class", "class"),
    ("boxes", "boxes, x y width height in pixels"),
    ("transforms", "transforms, in order"),
    ("id", "sample"),
    ("parent", "made from the sample"),
    ("checkpoint", "through the checkpoint"),
    ("gate", "the gate's scores"),
    ("origin", "which began as"),
    ("domain", "domain"),
    ("source", "of the model or photo"),
    ("seed", "drawn by the random stream"),
    ("blake3", "blake3 of the file"),
];

/// `{"edges":0.7,"mask":0.9}` as `edges 0.7, mask 0.9`; any other text as it is.
fn scores_in_words(note: &str) -> String {
    match serde_json::from_str::<BTreeMap<String, serde_json::Value>>(note) {
        Ok(scores) => {
            let words = scores.iter().map(|(name, score)| format!("{name} {score}"));
            words.collect::<Vec<_>>().join(", ")
        }
        Err(_) => note.to_owned(),
    }
}

/// What is said of a sample that is no image of the dataset.
fn rejection(verdict: &Verdict) -> Vec<Vec<String>> {
    let scores = verdict.scores.iter();
    let scores: Vec<String> = scores.map(|(name, s)| format!("{name} {s:.4}")).collect();
    let rows = [
        ("sample", verdict.id.clone()),
        ("rejected by the gate for", verdict.reasons.join(", ")),
        ("the gate's scores", scores.join(", ")),
        ("class", verdict.class.clone().unwrap_or_default()),
        ("which began as", verdict.origin.clone()),
        ("of the model or photo", verdict.source.clone()),
    ];
    rows.into_iter()
        .map(|(meaning, value)| vec![meaning.to_owned(), value])
        .collect()
}

impl Explain {
    pub fn execute(self) -> Result<()> {
        let dataset = Dataset::open(&self.dataset)?;
        let row = match &dataset.find(&self.image)[..] {
            [(row, _)] => *row,
            [] => {
                return match self.rejected()? {
                    Some(verdict) => {
                        say(columns(&rejection(&verdict)));
                        Ok(())
                    }
                    None => Err(self.unknown(&dataset)),
                };
            }
            several => {
                let files: Vec<&str> = several.iter().take(5).map(|(_, f)| f.as_str()).collect();
                return Err(Error::usage(
                    &self.image,
                    format!("{} images of the dataset end so", several.len()),
                    format!("give the whole path: {}", files.join(", ")),
                ));
            }
        };
        let said = |(column, meaning): (&str, &str)| {
            let mut value = dataset.text(column, row)?;
            if column == "gate" {
                value = scores_in_words(&value);
            }
            Some(vec![meaning.to_owned(), value])
        };
        let rows: Vec<Vec<String>> = ROWS.into_iter().filter_map(said).collect();
        say(columns(&rows));
        Ok(())
    }

    /// The sample of this name among those that the gate kept out of the dataset.
    fn rejected(&self) -> Result<Option<Verdict>> {
        let path = self.dataset.join(emit::REJECTED);
        if !path.exists() {
            return Ok(None);
        }
        let name = self.image.trim_end_matches(".png");
        let mut verdicts = verdicts::read(&path)?.into_iter();
        Ok(verdicts.find(|verdict| verdict.id == name))
    }

    fn unknown(&self, dataset: &Dataset) -> Error {
        let files: Vec<String> = (0..dataset.len())
            .filter_map(|row| dataset.text("file", row))
            .collect();
        let near = suggest::nearest(&self.image, files.iter().map(String::as_str));
        let near = near.or(files.first().map(String::as_str));
        Error::usage(
            &self.image,
            format!("{} has no such image", self.dataset.display()),
            match near {
                Some(near) => format!("images are called like {near}"),
                None => "the dataset is empty".to_owned(),
            },
        )
    }
}
