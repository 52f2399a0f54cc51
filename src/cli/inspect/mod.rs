//! `verismo inspect`: counts, classes, label statistics and a contact sheet of samples; size, materials and
//! pictures of a 3D model.

pub(super) mod model;
pub(super) mod sheet;
mod subject;
mod survey;

use std::path::{Path, PathBuf};

use clap::Args;

use super::dataset::Dataset;
use super::{print_line, unreadable, values};
use crate::artifact::{Artifact, DATASET_TABLE, MANIFEST, parts};
use crate::formats;
use crate::sample::image as picture;
use crate::{Error, Result};
use sheet::CELL;
use survey::Survey;

const EXAMPLES: &str = "\
Examples:
  verismo inspect pipelines/dice.toml render             the newest renders of a pipeline
  verismo inspect outputs/runs/dice/latest gate          of one run
  verismo inspect outputs/datasets/dice/latest
  verismo inspect outputs/cache/gate-0123456789abcdef/rejected-00000.parquet
  verismo inspect coco/annotations/instances_train.json --sheet coco.png --tile 300
  verismo inspect parts/cup.glb                          size, materials, classes, turntable
  verismo inspect parts/cup.stl --unit-metres 0.001";

/// Arguments of `inspect`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Inspect {
    /// A 3D model, an artifact's folder, a part file, or a dataset in a format of `verismo list formats`; with a
    /// stage, a pipeline file, an output folder or a run's folder.
    path: PathBuf,

    /// The stage of the pipeline whose newest result to show.
    stage: Option<String>,

    /// Where to write the contact sheet [default: `NAME-sheet.png` in the current folder].
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,

    /// Longer side of each picture on the sheet in pixels, up to 1024 [default: 112; 224 for a model].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=1024))]
    tile: Option<u32>,

    /// Metres that one unit of a model is, where its format does not say so: 0.001 for millimetres.
    #[arg(long, value_name = "METRES", default_value_t = 1.0)]
    unit_metres: f32,

    /// The folder that contains the cache and runs of a pipeline file.
    #[arg(long, value_name = "DIR", default_value = "outputs")]
    outputs: PathBuf,
}

impl Inspect {
    pub(super) fn execute(self) -> Result<()> {
        if let Some(stage) = &self.stage {
            let folder = subject::of_stage(&self.path, stage, &self.outputs)?;
            return self.show(&folder);
        }
        if let Some(ids) = subject::stages_of(&self.path, &self.outputs) {
            let named = self.path.display();
            return Err(Error::usage(
                &named,
                "has several stages to look at",
                match ids.is_empty() {
                    true => format!("run it first; then: verismo inspect {named} STAGE"),
                    false => format!("verismo inspect {named} STAGE; stages: {}", ids.join(", ")),
                },
            ));
        }
        if model::is_model(&self.path) {
            return self.show_model();
        }
        self.show(&self.path)
    }

    /// Shows samples.
    fn show(&self, path: &Path) -> Result<()> {
        let mut survey = Survey::new(self.tile.unwrap_or(CELL));
        if path.join(MANIFEST).exists() {
            let artifact = Artifact::open(path)?;
            describe(&artifact);
            if path.join(DATASET_TABLE).exists() {
                survey.dataset(&Dataset::open(path)?)?;
            } else if !artifact.manifest.kind.has_samples() {
                // Its settings and summary say what there is.
                return Ok(());
            } else {
                let paths: Vec<PathBuf> = artifact.parts().collect();
                survey.parts(&paths, artifact.manifest.count)?;
            }
        } else if path.join(DATASET_TABLE).exists() {
            survey.dataset(&Dataset::open(path)?)?;
        } else if path.extension().is_some_and(|e| e == "parquet") {
            let count = parts::read_classes(path)?.len() as u64;
            survey.parts(&[path.to_path_buf()], count)?;
        } else if path.exists() {
            let format = formats::detect(path)?;
            print_line(format!("{}: {}\n", format.name, format.about));
            survey.pictures(&format.pictures(path)?)?;
        } else {
            return Err(unreadable(path, "does not exist"));
        }
        survey.print();
        match survey.sheet.is_empty() {
            true => Ok(()),
            false => self.write_sheet(path, &survey.sheet.draw()),
        }
    }

    fn show_model(&self) -> Result<()> {
        let seen = model::look(&self.path, self.unit_metres, self.tile.unwrap_or(2 * CELL))?;
        print_line(seen.text);
        self.write_sheet(&self.path, &seen.turntable)
    }

    fn write_sheet(&self, path: &Path, sheet: &image::RgbImage) -> Result<()> {
        let file = self.sheet.clone().unwrap_or_else(|| sheet_name(path));
        let png = picture::encode_png(sheet)?;
        std::fs::write(&file, png).map_err(|e| Error::io(&file, e))?;
        print_line(format!("\ncontact sheet: {}", file.display()));
        Ok(())
    }
}

/// `dice-0123abcd-sheet.png` for `outputs/datasets/dice/0123abcd`.
fn sheet_name(path: &Path) -> PathBuf {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let stem = real.file_stem().unwrap_or_default().to_string_lossy();
    let parent = real.parent().and_then(Path::file_name).unwrap_or_default();
    let parent = parent.to_string_lossy();
    PathBuf::from(format!("{parent}-{stem}-sheet.png"))
}

fn describe(artifact: &Artifact) {
    let m = &artifact.manifest;
    print_line(format!(
        "{} ({}), {:?}, {}\n{} files, made in {}",
        m.id,
        m.stage,
        m.kind,
        artifact.folder.display(),
        m.files.len(),
        super::duration(m.cost.seconds),
    ));
    for (title, table) in [("settings", &m.config), ("summary", &m.summary)] {
        let lines = values::lines(table);
        if !lines.is_empty() {
            print_line(format!("\n{title}:"));
            lines
                .iter()
                .for_each(|line| print_line(format!("  {line}")));
        }
    }
    print_line("");
}
