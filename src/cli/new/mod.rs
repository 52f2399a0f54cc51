//! `verismo new`: writes a commented pipeline file, filled in from the user's models, photos and labels.

mod findings;
mod text;

use std::path::{Path, PathBuf};

use clap::Args;

use self::findings::{Labels, Objects, Photos};
use self::text::Draft;
use super::print_line;
use super::schema;
use crate::artifact::files::{FOLDER_NAME, is_folder_name, write_flushed};
use crate::registry::Entry;
use crate::sample::Extent;
use crate::tasks::{TaskKind, Truth};
use crate::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  verismo new screws                                         a template: writes pipelines/screws.toml
  verismo new cups --models parts/*.glb --photos photos/cups
  verismo new signs --models drawings --photos photos.tar --labels boxes.csv --size 48

Of the models it takes classes, materials and a guess of the unit and of what points up; of photos and boxes the size of pictures and
how much of them the object fills. The file that it writes passes `verismo plan`.";

/// Arguments of `new`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct New {
    /// The name of the pipeline and its dataset.
    name: String,

    /// 3D models or pictures of flat things, folders of them, or a folder of SVG templates.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    models: Vec<PathBuf>,

    /// The folder, tar or zip of photos.
    #[arg(long, value_name = "PATH")]
    photos: Option<PathBuf>,

    /// A CSV with the boxes in the photos, and their classes if they are known.
    #[arg(long, value_name = "CSV", requires = "photos")]
    labels: Option<PathBuf>,

    /// What a recogniser trained on the dataset is to do; see `verismo list tasks`.
    #[arg(long, value_name = "TASK", default_value = "classification")]
    task: String,

    /// Width and height of the pictures in pixels [default: chosen by the photos].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=4096))]
    size: Option<u32>,
}

/// The schema of pipeline files, beside them.
const SCHEMA: &str = "pipeline.schema.json";

impl New {
    pub(super) fn execute(self) -> Result<()> {
        let name = self.name.trim_end_matches(".toml");
        if !is_folder_name(name) {
            return Err(Error::usage(
                format!("`{name}`"),
                "is not a valid pipeline name",
                FOLDER_NAME,
            ));
        }
        let folder = Path::new("pipelines");
        let path = folder.join(format!("{name}.toml"));
        if path.exists() {
            return Err(Error::usage(
                path.display(),
                "already exists, and was left unchanged",
                "choose another name",
            ));
        }
        let draft = self.draft(name)?;
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        schema::write(&folder.join(SCHEMA))?;
        write_flushed(&path, &draft.text(&format!("#:schema {SCHEMA}\n")))?;
        print_line(format!("wrote {}", path.display()));
        for found in draft.findings() {
            print_line(format!("  {found}"));
        }
        let todo = match (self.models.is_empty(), self.photos.is_none()) {
            (false, false) => "look through it, then run",
            _ => "set the paths of your models and photos, then run",
        };
        print_line(format!("  next: {todo} `verismo plan {}`", path.display()));
        Ok(())
    }

    /// What the user's files tell.
    fn draft(&self, name: &str) -> Result<Draft> {
        let known: Vec<&str> = TaskKind::ALL.iter().map(|task| task.name).collect();
        if !known.contains(&self.task.as_str()) {
            return Err(Error::usage(
                format!("--task {}", self.task),
                "is not a known task",
                crate::pipeline::suggest::remedy(&self.task, "tasks", &known),
            ));
        }
        if let Some(path) = self
            .models
            .iter()
            .find(|path| self.photos.as_ref() == Some(path))
        {
            return Err(Error::usage(
                path.display(),
                "is given as models and as photos",
                "`--models` takes what is rendered, `--photos` what it should look like",
            ));
        }
        let objects = match self.models.is_empty() {
            true => None,
            false => Some(Objects::find(&self.models)?),
        };
        let photos = self.photos.as_deref().map(Photos::find).transpose()?;
        let labels = self.labels.as_deref().map(Labels::read).transpose()?;
        let finds_objects =
            |task: &TaskKind| task.name == self.task && task.truth == Truth::Objects;
        let frames = TaskKind::ALL
            .iter()
            .any(finds_objects)
            .then(|| usual_frames(photos.as_ref()));
        let size = match (self.size, frames) {
            (Some(side), _) => Extent::square(side),
            (None, Some(frames)) => Extent::square(FRAME.min(frames.shorter())),
            (None, None) => usual_size(photos.as_ref(), labels.as_ref()),
        };
        Ok(Draft {
            name: name.to_owned(),
            objects,
            photos,
            labels,
            task: self.task.clone(),
            size,
            frames,
        })
    }
}

/// The side of rendered frames, in pixels, and the longer side of photos: what is smaller in photos than a few pixels
/// cannot be found.
const FRAME: u32 = 320;
const PHOTO: f64 = 640.0;

/// Sides must be multiples of this for the networks.
const STEP: u32 = 8;

/// A size for photos that are read as whole frames.
fn usual_frames(photos: Option<&Photos>) -> Extent {
    let Some(extent) = photos.and_then(|photos| photos.extent) else {
        return Extent::square(PHOTO as u32);
    };
    let scale = (PHOTO / f64::from(extent.longer())).min(1.0);
    let side = |side: u32| (f64::from(side) * scale).round().max(1.0) as u32;
    Extent::new(side(extent.width), side(extent.height))
}

/// A size for the pictures: small, since every network is quicker then, but no smaller than what is seen needs.
fn usual_size(photos: Option<&Photos>, labels: Option<&Labels>) -> Extent {
    let rounded = |side: f64| (side / f64::from(STEP)).round() as u32 * STEP;
    if let Some(side) = labels.and_then(|labels| labels.box_side) {
        // A crop is a little larger than its box.
        return Extent::square(rounded((side * 1.3).clamp(32.0, 96.0)));
    }
    match photos.and_then(|photos| photos.extent) {
        Some(extent) if extent.width != extent.height => {
            let scale = 96.0 / f64::from(extent.longer());
            let side = |side: u32| rounded((f64::from(side) * scale).max(48.0));
            Extent::new(side(extent.width), side(extent.height))
        }
        _ => Extent::square(64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::spec::Spec;
    use crate::stages::STAGES;

    #[test]
    fn the_templates_are_pipelines_named_as_asked() {
        for (task, frames) in [
            ("classification", None),
            ("detection", Some(Extent::new(640, 480))),
            ("segmentation", Some(Extent::new(640, 480))),
        ] {
            let draft = Draft {
                name: "screws".into(),
                objects: None,
                photos: None,
                labels: None,
                task: task.into(),
                size: Extent::square(64),
                frames,
            };
            let text = draft.text("");
            assert!(!text.contains(['@', '\t']), "{text}");
            let spec = Spec::parse(Path::new("screws.toml"), &text, &[], STAGES);
            let spec = spec.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(spec.name, "screws");
            assert_eq!(spec.stages.last().unwrap().id, "emit");
        }
    }

    #[test]
    fn pictures_are_as_large_as_the_boxes_need() {
        let labels = |side| Labels {
            path: PathBuf::new(),
            boxes: None,
            box_side: Some(side),
            class: None,
            classes: Default::default(),
        };
        let size = |side| usual_size(None, Some(&labels(side)));
        assert_eq!(size(10.0), Extent::square(32));
        assert_eq!(size(50.0), Extent::square(64));
        assert_eq!(size(900.0), Extent::square(96));
        let photos = Photos {
            path: PathBuf::new(),
            count: None,
            extent: Some(Extent::new(4032, 3024)),
            mixed: false,
        };
        assert_eq!(usual_size(Some(&photos), None), Extent::new(96, 72));
        assert_eq!(usual_size(None, None), Extent::square(64));
    }
}
