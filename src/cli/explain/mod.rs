//! `verismo explain`: from an image of a dataset back to model, seed, render and checkpoint, and from
//! there to the same image again.

mod again;
mod story;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use serde_json::json;

use super::dataset::Dataset;
use super::{columns, say};
use crate::artifact::verdicts;
use crate::pipeline::provenance::Trail;
use crate::pipeline::suggest;
use crate::sample::Verdict;
use crate::stage::DeviceChoice;
use crate::stages::emit;
use crate::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  verismo explain outputs/datasets/dice/latest train/one/augment-000012.png
  verismo explain outputs/datasets/dice/latest augment-000012 --rerender --out way.png
  verismo explain outputs/datasets/dice/latest augment-000012 --json | jq .steps

With --rerender the exit code is 0 only where the image made again has the same bytes.";

/// Arguments of `explain`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// The dataset's folder.
    dataset: PathBuf,

    /// The image: its path in the dataset, or its name.
    image: String,

    /// Make the image again, stage by stage, and compare it with the published bytes.
    #[arg(long)]
    rerender: bool,

    /// Write the picture as each stage left it to a PNG, side by side; below it, as made again.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Print everything that is known as JSON.
    #[arg(long)]
    json: bool,

    /// The folder of cache and runs; the one in which the dataset lies unless given.
    #[arg(long, value_name = "DIR")]
    outputs: Option<PathBuf>,

    /// Where networks run again: auto, cpu, gpu, gpu:1, cuda; as recorded unless given.
    #[arg(long, value_parser = DeviceChoice::from_str)]
    device: Option<DeviceChoice>,
}

impl Explain {
    pub fn execute(self) -> Result<()> {
        let dataset = Dataset::open(&self.dataset)?;
        let (row, file) = match &dataset.find(&self.image)[..] {
            [found] => found.clone(),
            [] => return self.tell_of_rejected(&dataset),
            several => {
                let files: Vec<&str> = several.iter().take(5).map(|(_, f)| f.as_str()).collect();
                return Err(Error::usage(
                    &self.image,
                    format!("{} images of the dataset end so", several.len()),
                    format!("give the whole path: {}", files.join(", ")),
                ));
            }
        };
        let outputs = self.outputs();
        let id = dataset.text("id", row).unwrap_or_default();
        let trail = match Trail::follow(&outputs, &self.dataset, &id) {
            Err(error) if self.rerender || self.out.is_some() => return Err(error),
            trail => trail,
        };
        let made = match (&trail, self.rerender) {
            (Ok(trail), true) => {
                let published = self.dataset.join(&file);
                let hash = dataset.text("blake3", row).unwrap_or_default();
                let comparison =
                    again::Comparison::make(trail, &outputs, &published, &hash, self.device)?;
                Some(comparison)
            }
            _ => None,
        };
        if self.json {
            let mut story = story::as_json(&dataset, row, trail.as_ref());
            story["rerender"] = made
                .as_ref()
                .map_or(json!(null), again::Comparison::as_json);
            say(format!("{story:#}"));
        } else {
            say(story::in_words(&dataset, row, trail.as_ref()));
            made.iter().for_each(|made| say(made.in_words()));
        }
        if let (Some(out), Ok(trail)) = (&self.out, &trail) {
            again::draw(trail, made.as_ref(), &self.dataset.join(&file), out)?;
            if !self.json {
                say(format!("\npicture: {}", out.display()));
            }
        }
        made.map_or(Ok(()), |made| made.verdict(&file))
    }

    /// `OUTPUTS` of `OUTPUTS/datasets/NAME/VERSION`, unless given.
    fn outputs(&self) -> PathBuf {
        let real = std::fs::canonicalize(&self.dataset).unwrap_or_else(|_| self.dataset.clone());
        let above = real.ancestors().nth(3).map(Path::to_path_buf);
        let here = std::env::current_dir().unwrap_or_default();
        // As short as the user would write it.
        let short = |path: PathBuf| match path.strip_prefix(&here) {
            Ok(inside) => inside.to_path_buf(),
            Err(_) => path,
        };
        let given = self.outputs.clone();
        given
            .or(above.map(short))
            .unwrap_or_else(|| "outputs".into())
    }

    /// Says why the gate kept a sample of this name out of the dataset.
    fn tell_of_rejected(&self, dataset: &Dataset) -> Result<()> {
        let Some(verdict) = self.rejected()? else {
            return Err(self.unknown(dataset));
        };
        say(match self.json {
            true => format!("{:#}", story::rejection_as_json(&verdict)),
            false => columns(&story::rejection(&verdict)),
        });
        if self.rerender || self.out.is_some() {
            return Err(Error::failed(
                &self.image,
                "was rejected, so there is no published image to compare with",
                "leave out --rerender and --out",
            ));
        }
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
