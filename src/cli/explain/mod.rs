//! `verismo explain`: traces an image of a dataset back to its model, seed, render and checkpoint, and makes
//! it again.

mod rerender_check;
mod story;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use serde_json::json;

use self::rerender_check::RerenderCheck;
use super::dataset::{Dataset, without_ending};
use super::{columns, print_line};
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

With --rerender, the exit code is 0 only if the image made again has the same bytes.";

/// Arguments of `explain`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Explain {
    /// The dataset's folder.
    dataset: PathBuf,

    /// The image: its path in the dataset, or its name.
    image: String,

    /// Make the image again, stage by stage, and compare it with the published bytes.
    #[arg(long)]
    rerender: bool,

    /// Write a PNG of the picture after each stage, side by side, with those made again below.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Print everything known about the image as JSON.
    #[arg(long)]
    json: bool,

    /// The folder that contains the cache and runs [default: the one that the dataset is in].
    #[arg(long, value_name = "DIR")]
    outputs: Option<PathBuf>,

    /// Device to make the image again on: auto, cpu, gpu, gpu:1, cuda [default: as recorded].
    #[arg(long, value_parser = DeviceChoice::from_str)]
    device: Option<DeviceChoice>,
}

impl Explain {
    pub(super) fn execute(self) -> Result<()> {
        let dataset = Dataset::open(&self.dataset)?;
        let (row, file) = match &dataset.find(&self.image)[..] {
            [found] => found.clone(),
            [] => return self.tell_of_rejected(&dataset),
            several => {
                let files: Vec<&str> = several.iter().take(5).map(|(_, f)| f.as_str()).collect();
                return Err(Error::usage(
                    &self.image,
                    format!("{} images of the dataset match", several.len()),
                    format!("give the full path: {}", files.join(", ")),
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
                let check = RerenderCheck::make(trail, &outputs, (&dataset, row), self.device)?;
                Some(check)
            }
            _ => None,
        };
        if self.json {
            let mut story = story::as_json(&dataset, row, trail.as_ref());
            story["rerender"] = made.as_ref().map_or(json!(null), RerenderCheck::as_json);
            print_line(format!("{story:#}"));
        } else {
            print_line(story::format_text(&dataset, row, trail.as_ref()));
            made.iter().for_each(|made| print_line(made.format_text()));
        }
        if let (Some(out), Ok(trail)) = (&self.out, &trail) {
            rerender_check::draw(trail, made.as_ref(), dataset.pixels(row)?, out)?;
            if !self.json {
                print_line(format!("\npicture: {}", out.display()));
            }
        }
        made.map_or(Ok(()), |made| made.verdict(&file))
    }

    /// `OUTPUTS` of `OUTPUTS/datasets/NAME/VERSION`, unless given.
    fn outputs(&self) -> PathBuf {
        let real = std::fs::canonicalize(&self.dataset).unwrap_or_else(|_| self.dataset.clone());
        let above = real.ancestors().nth(3).map(Path::to_path_buf);
        let here = std::env::current_dir().unwrap_or_default();
        // Relative, as the user would write it.
        let short = |path: PathBuf| match path.strip_prefix(&here) {
            Ok(inside) => inside.to_path_buf(),
            Err(_) => path,
        };
        let given = self.outputs.clone();
        given
            .or(above.map(short))
            .unwrap_or_else(|| "outputs".into())
    }

    /// Prints why the gate rejected the sample with this name.
    fn tell_of_rejected(&self, dataset: &Dataset) -> Result<()> {
        let Some(verdict) = self.rejected()? else {
            return Err(self.unknown(dataset));
        };
        print_line(match self.json {
            true => format!("{:#}", story::rejection_as_json(&verdict)),
            false => columns(&story::rejection(&verdict)),
        });
        if self.rerender || self.out.is_some() {
            return Err(Error::failed(
                &self.image,
                "was rejected, so there is no published image to compare with",
                "omit --rerender and --out",
            ));
        }
        Ok(())
    }

    /// The sample with this name among those that the gate rejected.
    fn rejected(&self) -> Result<Option<Verdict>> {
        let path = self.dataset.join(emit::REJECTED);
        if !path.exists() {
            return Ok(None);
        }
        let name = without_ending(&self.image);
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
                Some(near) => format!("image paths look like {near}"),
                None => "the dataset is empty".to_owned(),
            },
        )
    }
}
