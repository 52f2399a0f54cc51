//! What the user's files tell: classes, materials and units of models, sizes of photos, columns of labels.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::formats::spreadsheet::{BOX_COLUMNS, CLASS_COLUMNS, Spreadsheet};
use crate::sample::content::is_called_picture;
use crate::sample::image::extent_of;
use crate::sample::{Extent, listing};
use crate::stages::render::{ModelFacts, is_too_large, model_facts, model_formats, sheet_formats};
use crate::{Error, Result};

/// Metres of a millimetre.
const MILLIMETRE: f32 = 0.001;

/// The longer side of a picture that is a model, in metres: no picture says how large it is.
const SHEET: f32 = 0.1;

/// Models, or templates, to render.
pub(super) enum Objects {
    Models(Vec<FoundModel>),
    /// A folder of SVGs, and the classes in it.
    Templates {
        folder: PathBuf,
        classes: BTreeSet<String>,
    },
}

/// A model, and what is guessed of it.
pub(super) struct FoundModel {
    pub path: PathBuf,
    pub facts: ModelFacts,
    /// Metres of a unit, where that is not a metre.
    pub scale: Option<f32>,
    /// Whether z points up in it.
    pub z_up: bool,
}

impl FoundModel {
    pub(super) fn is_picture(&self) -> bool {
        is_picture(&self.path)
    }

    /// Its width, height and depth in metres.
    pub(super) fn sides(&self) -> [f32; 3] {
        let [x, y, z] = self.facts.size_metres;
        if self.z_up { [x, z, y] } else { [x, y, z] }
    }
}

impl Objects {
    /// Looks at models and pictures, folders of them, or a folder of templates.
    ///
    /// # Errors
    /// If one cannot be read, or there is none.
    pub(super) fn find(given: &[PathBuf]) -> Result<Self> {
        let mut paths = Vec::new();
        for path in given {
            let inside = match path.is_dir() {
                true => listing::tree(path, &|| Ok(()))?.files,
                false => vec![path.clone()],
            };
            let models = inside
                .iter()
                .filter(|path| has_extension(path, model_formats()));
            let before = paths.len();
            paths.extend(models.cloned());
            let drawings = inside
                .iter()
                .filter(|path| has_extension(path, &["svg", "svgz"]));
            if paths.len() == before && path.is_dir() && drawings.clone().next().is_some() {
                return Ok(Objects::templates(path, drawings));
            }
            if paths.len() == before {
                paths.extend(inside.iter().filter(|path| is_picture(path)).cloned());
            }
            if paths.len() == before {
                std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
                return Err(Error::usage(
                    path.display(),
                    "has no model that can be read",
                    format!(
                        "give files or folders of .{}, or of pictures: .{}",
                        model_formats().join(", ."),
                        sheet_formats().join(", .")
                    ),
                ));
            }
        }
        let found = paths.into_iter().map(|path| {
            let scale = is_picture(&path).then_some(SHEET);
            Ok(FoundModel {
                facts: model_facts(&path, scale.unwrap_or(1.0))?,
                path,
                scale,
                z_up: false,
            })
        });
        let mut found = found.collect::<Result<Vec<_>>>()?;
        guess(&mut found)?;
        Ok(Objects::Models(found))
    }

    fn templates<'p>(folder: &Path, drawings: impl Iterator<Item = &'p PathBuf>) -> Self {
        let class = |drawing: &PathBuf| {
            let inner = drawing.strip_prefix(folder).unwrap_or(drawing);
            let first = inner.components().next()?.as_os_str();
            Some(Path::new(first).file_stem()?.to_string_lossy().into_owned())
        };
        Objects::Templates {
            folder: folder.to_path_buf(),
            classes: drawings.filter_map(class).collect(),
        }
    }

    /// The classes that renders will have.
    pub(super) fn classes(&self) -> BTreeSet<String> {
        match self {
            Objects::Models(found) => found
                .iter()
                .flat_map(|model| model.facts.classes.iter().cloned())
                .collect(),
            Objects::Templates { classes, .. } => classes.clone(),
        }
    }
}

/// Guesses unit and upper side of 3D models whose format says neither: glTF is in metres, and y points up in it. A set
/// of which a model would be larger than most things is in millimetres. CAD programs write these, and let z point up;
/// so does STL wherever it comes from.
fn guess(found: &mut [FoundModel]) -> Result<()> {
    let mut silent: Vec<&mut FoundModel> = found
        .iter_mut()
        .filter(|model| !has_extension(&model.path, &["gltf", "glb"]) && !model.is_picture())
        .collect();
    let longest = |facts: &ModelFacts| facts.size_metres.iter().fold(0.0_f32, |a, b| a.max(*b));
    let from_cad = silent
        .iter()
        .any(|model| is_too_large(longest(&model.facts)));
    for model in &mut silent {
        model.z_up = from_cad || has_extension(&model.path, &["stl"]);
        if from_cad {
            model.scale = Some(MILLIMETRE);
            model.facts = model_facts(&model.path, MILLIMETRE)?;
        }
    }
    Ok(())
}

/// A folder or an archive of photos.
pub(super) struct Photos {
    pub path: PathBuf,
    /// `None` for an archive.
    pub count: Option<usize>,
    /// Of a photo in the middle of the list.
    pub extent: Option<Extent>,
    /// Whether some have another shape than others.
    pub mixed: bool,
}

impl Photos {
    /// # Errors
    /// If there are none.
    pub(super) fn find(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if !metadata.is_dir() {
            return Ok(Photos {
                path: path.to_path_buf(),
                count: None,
                extent: None,
                mixed: false,
            });
        }
        let mut files = listing::tree(path, &|| Ok(()))?.files;
        files.retain(|file| is_called_picture(file));
        if files.is_empty() {
            return Err(Error::usage(
                path.display(),
                "holds no photos",
                "give the folder, tar or zip that holds them",
            ));
        }
        let mut extents: Vec<Extent> = spread(&files, 15)
            .filter_map(|file| extent_of(file).ok())
            .collect();
        extents.sort_by_key(|extent| extent.area());
        let shape = |extent: &Extent| f64::from(extent.width) / f64::from(extent.height.max(1));
        let shapes = extents.iter().map(shape);
        let (least, most) = shapes.fold((f64::INFINITY, 0.0_f64), |(least, most), shape| {
            (least.min(shape), most.max(shape))
        });
        Ok(Photos {
            mixed: most > 1.02 * least,
            path: path.to_path_buf(),
            count: Some(files.len()),
            extent: extents.get(extents.len() / 2).copied(),
        })
    }
}

/// Up to `count` of `all`, spread evenly.
fn spread<T>(all: &[T], count: usize) -> impl Iterator<Item = &T> {
    all.iter().step_by(all.len().div_ceil(count).max(1))
}

/// A CSV of labels.
pub(super) struct Labels {
    pub path: PathBuf,
    /// The columns of file and box, if it has boxes.
    pub boxes: Option<[String; 5]>,
    /// The median of the longer sides of the boxes in pixels.
    pub box_side: Option<f64>,
    /// The column with the class.
    pub class: Option<String>,
    /// The classes in it.
    pub classes: BTreeSet<String>,
}

impl Labels {
    /// # Errors
    /// If the file is not a table, a number in it cannot be read, or it has neither boxes nor classes.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let sheet = Spreadsheet::read(path)?;
        let boxes = BOX_COLUMNS.map(|names| sheet.column(names));
        let boxes: Option<Vec<usize>> = boxes.into_iter().collect();
        // Names that `evaluate` is told of, since it does not look for them.
        let class = sheet
            .column(CLASS_COLUMNS)
            .or_else(|| sheet.column(&["category", "name"]));
        if boxes.is_none() && class.is_none() {
            return Err(Error::usage(
                path.display(),
                format!(
                    "has neither boxes nor classes; its columns are {}",
                    sheet.columns()
                ),
                "name the columns file, xmin, ymin, xmax, ymax, class",
            ));
        }
        let (mut sides, mut classes) = (Vec::new(), BTreeSet::new());
        for record in sheet.records() {
            let record = record?;
            if let Some(boxes) = &boxes {
                let corners = boxes[1..].iter().map(|place| record.number(*place));
                let corners: Option<Vec<f64>> = corners.collect::<Result<_>>()?;
                sides.extend(corners.map(|c| (c[2] - c[0]).abs().max((c[3] - c[1]).abs())));
            }
            let name = class.map_or("", |place| record.get(place));
            classes.extend((!name.is_empty()).then(|| name.to_owned()));
        }
        sides.sort_by(f64::total_cmp);
        let names = |places: Vec<usize>| -> [String; 5] {
            std::array::from_fn(|i| sheet.name(places[i]).to_owned())
        };
        Ok(Labels {
            path: path.to_path_buf(),
            boxes: boxes.map(names),
            box_side: sides.get(sides.len() / 2).copied(),
            class: class.map(|place| sheet.name(place).to_owned()),
            classes,
        })
    }
}

/// Whether it is named like a picture that can be a model.
fn is_picture(path: &Path) -> bool {
    has_extension(path, sheet_formats())
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    let extension = path.extension().unwrap_or_default();
    known
        .iter()
        .any(|name| extension.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_upper_sides_are_guessed_by_format_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let tetrahedron = |side: f32| {
            format!(
                "v 0 0 0\nv {side} 0 0\nv 0 {side} 0\nv 0 0 {side}\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
            )
        };
        let path = folder.path().join("part.obj");
        let die = PathBuf::from("renders/dice/die.gltf");
        for (side, scale, z_up) in [(0.5, None, false), (60.0, Some(0.001), true)] {
            std::fs::write(&path, tetrahedron(side)).unwrap();
            let found = Objects::find(&[path.clone(), die.clone()]).unwrap();
            let Objects::Models(found) = found else {
                panic!("no models");
            };
            let guessed = |model: &FoundModel| (model.scale, model.z_up);
            assert_eq!(guessed(&found[0]), (scale, z_up));
            assert_eq!(guessed(&found[1]), (None, false), "glTF says both");
        }
        let facet = "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0.5\nendloop\nendfacet\n";
        let stl = folder.path().join("part.stl");
        std::fs::write(&stl, format!("solid a\n{facet}endsolid a\n")).unwrap();
        let Ok(Objects::Models(found)) = Objects::find(&[stl]) else {
            panic!("no models");
        };
        assert_eq!((found[0].scale, found[0].z_up), (None, true));
        assert_eq!(found[0].sides(), [1.0, 0.5, 1.0]);
    }

    #[test]
    fn labels_tell_their_columns_the_size_of_boxes_and_the_classes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(
            &path,
            "Filename;xmin;ymin;xmax;ymax;Label\na.jpg;0;0;50;40;cup\nb.jpg;5;5;65;15;mug\n\
                               c.jpg;;;;;\n",
        )
        .unwrap();
        let labels = Labels::read(&path).unwrap();
        assert_eq!(labels.boxes.unwrap()[0], "Filename");
        assert_eq!(labels.box_side, Some(60.0));
        assert_eq!(labels.class.as_deref(), Some("Label"));
        assert_eq!(
            labels.classes.into_iter().collect::<Vec<_>>(),
            ["cup", "mug"]
        );
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let error = Labels::read(&path).err().unwrap().to_string();
        assert!(error.contains("its columns are a, b"), "{error}");
    }
}
