//! `verismo explain`: from an image of a dataset back to model, seed, render and checkpoint.

use std::path::PathBuf;

use clap::Args;

use super::dataset::Dataset;
use super::{columns, say};
use crate::pipeline::suggest;
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
const ROWS: [(&str, &str); 13] = [
    ("file", "image"),
    ("split", "split"),
    ("class", "class"),
    ("boxes", "boxes, x y width height in pixels"),
    ("transforms", "transforms, in order"),
    ("id", "sample"),
    ("parent", "made from the sample"),
    ("checkpoint", "through the checkpoint"),
    ("origin", "which began as"),
    ("domain", "domain"),
    ("source", "of the model or photo"),
    ("seed", "drawn by the random stream"),
    ("blake3", "blake3 of the file"),
];

impl Explain {
    pub fn execute(self) -> Result<()> {
        let dataset = Dataset::open(&self.dataset)?;
        let row = match &dataset.find(&self.image)[..] {
            [(row, _)] => *row,
            [] => return Err(self.unknown(&dataset)),
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
            let value = dataset.text(column, row)?;
            Some(vec![meaning.to_owned(), value])
        };
        let rows: Vec<Vec<String>> = ROWS.into_iter().filter_map(said).collect();
        say(columns(&rows));
        Ok(())
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
