//! The text of a new pipeline file.

use std::fmt::Write;
use std::path::Path;

use super::STEP;
use super::findings::{FoundModel, Labels, Objects, Photos};
use crate::registry::Entry;
use crate::sample::Extent;
use crate::tasks::TaskKind;

/// For one object a picture, and for frames of several.
const TEMPLATE: &str = include_str!("template.toml");
const OBJECTS: &str = include_str!("template_objects.toml");

/// Margin around boxes, as a fraction of their longer side: the default of `ingest`.
const MARGIN: f64 = 0.15;

/// The least `crop` of a detector.
const LEAST_CROP: u32 = 32;

/// Models and materials listed in comments, at most.
const LISTED: usize = 12;

/// What is known of the pipeline to write.
pub(super) struct Draft {
    pub name: String,
    pub objects: Option<Objects>,
    pub photos: Option<Photos>,
    pub labels: Option<Labels>,
    pub task: String,
    /// Of the renders.
    pub size: Extent,
    /// Of the photos, which are frames if the task is to find objects.
    pub frames: Option<Extent>,
}

impl Draft {
    /// The file; `schema` is its first line.
    pub(super) fn text(&self, schema: &str) -> String {
        let subject = match self.objects {
            Some(Objects::Templates { .. }) => "2D templates",
            _ => "3D models",
        };
        let note = match &self.photos {
            Some(Photos {
                count: Some(count), ..
            }) => format!(": {}", counted(*count, "file", "files")),
            _ => ": a folder of JPEG or PNG files, or a .tar".to_owned(),
        };
        let sections = [
            ("@schema@", schema.to_owned()),
            ("@subject@", subject.to_owned()),
            ("@render@", self.render()),
            ("@photos_note@", note),
            ("@photos@", self.photos()),
            ("@crop@", self.square(64).to_string()),
            ("@evaluate@", self.evaluate()),
            ("@NAME@", self.name.clone()),
        ];
        let template = match self.frames {
            Some(_) => OBJECTS,
            None => TEMPLATE,
        };
        let filled = sections
            .iter()
            .fold(template.to_owned(), |text, (mark, section)| {
                text.replace(mark, section)
            });
        format!("{}\n", aligned(filled.trim_end()))
    }

    /// The side of squares that networks learn from, where the pictures are no smaller.
    fn square(&self, usual: u32) -> u32 {
        let sides = [Some(self.size), self.frames].into_iter().flatten();
        let shortest = sides.map(Extent::shorter).min().unwrap_or(usual);
        (shortest.min(usual) / STEP * STEP).max(STEP)
    }

    /// What was found, in lines for the user.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.objects {
            Some(Objects::Models(found)) => {
                lines.push(format!(
                    "{}, {}",
                    counted(found.len(), "model", "models"),
                    self.classes()
                ));
                lines.extend(guesses(found));
            }
            Some(Objects::Templates { .. }) => lines.push(format!("templates, {}", self.classes())),
            None => {}
        }
        lines.push(format!("pictures of {} pixels", self.size));
        if let Some(lack) = self.labels.as_ref().and_then(|labels| self.lack(labels)) {
            lines.push(format!("{lack}, so no `evaluate` is written"));
        }
        lines
    }

    fn classes(&self) -> String {
        let classes = self
            .objects
            .as_ref()
            .map(Objects::classes)
            .unwrap_or_default();
        let named: Vec<&str> = classes.iter().take(LISTED).map(String::as_str).collect();
        let more = match classes.len() > LISTED {
            true => format!(" and {} more", classes.len() - LISTED),
            false => String::new(),
        };
        format!(
            "{}: {}{more}",
            counted(classes.len(), "class", "classes"),
            named.join(", ")
        )
    }

    fn render(&self) -> String {
        let classes = self
            .objects
            .as_ref()
            .map_or(0, |objects| objects.classes().len());
        let (count, scope) = match self.frames {
            Some(_) => ((classes * 60).clamp(400, 20_000), ""),
            None => (
                (classes * 300).clamp(1500, 20_000),
                ", here and for the photos",
            ),
        };
        let mut text = format!(
            "# Images of your objects, with labels.\n[stages.render]\ncount = {count}\t# images, all classes \
             together\nsize = {}\t# width and height in pixels{scope}\n\n",
            sides(self.size)
        );
        match &self.objects {
            Some(Objects::Templates { folder, .. }) => {
                let _ = write!(
                    text,
                    "# {}\n[stages.render.template]\ntemplates = {}\t# a folder of SVGs, one per class\n",
                    self.classes(),
                    quoted(folder)
                );
            }
            _ => text += &self.mesh(),
        }
        text
    }

    fn mesh(&self) -> String {
        let mut text = String::new();
        match &self.objects {
            Some(Objects::Models(found)) => {
                let _ = writeln!(text, "# {}", self.classes());
                for guess in guesses(found) {
                    let _ = writeln!(text, "# Guessed: {guess}.");
                }
                text += "[stages.render.mesh]\nmodels = [\n";
                for model in found {
                    let [x, y, z] = model.sides().map(|side| format!("{side:.3}"));
                    let entry = entry(model);
                    let _ = writeln!(text, "  {entry},\t# {x} × {y} × {z} m (wide, high, deep)");
                }
                text += "]\n";
            }
            _ => {
                let _ = write!(
                    text,
                    "[stages.render.mesh]\nmodels = [\"renders/{}/model.gltf\"]\t# your 3D models: .gltf, .glb, .obj, \
                     .ply or .stl\n",
                    self.name
                );
            }
        }
        text += "\n[stages.render.mesh.camera]\n";
        let _ = writeln!(text, "{}", self.object_scale());
        text += "tilt_degrees = [0.0, 45.0]  \t# between looking straight down, 0, and along the table, 90\n";
        if self.frames.is_some() {
            text += "off_centre = 0.35           \t# how far the first object may be from the middle\n\n\
                     # All objects that can be seen are labelled.\n[stages.render.mesh.neighbours]\n\
                     count = [0, 8]              \t# fewest and most beside the first\n\
                     gap = [0.0, 4.0]            \t# between them, over the object's size\n";
        }
        text += &self.looks();
        text
    }

    /// How much of the picture the object fills.
    fn object_scale(&self) -> String {
        let boxed = self
            .labels
            .as_ref()
            .is_some_and(|labels| labels.boxes.is_some());
        let side = self.labels.as_ref().and_then(|labels| labels.box_side);
        let (range, why) = match (self.frames, boxed) {
            (Some(_), _) => {
                let scale = side.map(|side| side / f64::from(self.size.shorter()));
                match scale {
                    Some(scale) => ([0.65 * scale, 1.4 * scale], "as in the boxes of the photos"),
                    None => ([0.08, 0.25], "a guess; as many pixels as in your photos"),
                }
            }
            (None, true) => {
                let scale = 1.0 / (1.0 + 2.0 * MARGIN);
                (
                    [0.85 * scale, 1.1 * scale],
                    "as in crops with the margin of `photos`",
                )
            }
            (None, false) => ([0.35, 0.8], "a guess; as in your photos"),
        };
        format!(
            "object_scale = [{:.2}, {:.2}]\t# the object's longer side over the picture's shorter one: {why}",
            range[0], range[1]
        )
    }

    /// The materials, and how to paint them.
    fn looks(&self) -> String {
        let Some(Objects::Models(found)) = &self.objects else {
            return String::new();
        };
        let mut names: Vec<&String> = found
            .iter()
            .flat_map(|model| &model.facts.material_names)
            .collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return String::new();
        }
        let listed: Vec<&str> = names
            .iter()
            .take(LISTED)
            .map(|name| name.as_str())
            .collect();
        let key = toml::Value::from(listed[0]).to_string();
        format!(
            "\n# Materials: {}. Each is rendered as the model has it; to vary its colours:\n\
             [stages.render.mesh.surfaces]\n\
             random = 0.0                \t# share of the pictures with random colours for all materials\n\
             looks = []                  \t# such as [{{ {key} = {{ colour = \"#c2222a\" }} }}]\n",
            listed.join(", ")
        )
    }

    fn photos(&self) -> String {
        let path = self.photos.as_ref().map_or_else(
            || quoted(Path::new(&format!("photos/{}", self.name))),
            |photos| quoted(&photos.path),
        );
        let mut text = format!("path = {path}\n");
        if let Some(labels) = self.labels.as_ref().filter(|labels| labels.boxes.is_some()) {
            let what = match self.frames {
                Some(_) => "the photos that it names; classes are not read",
                None => "cuts a crop for each row; classes are not read",
            };
            let _ = writeln!(text, "boxes = {}\t# {what}", quoted(&labels.path));
            if let Some(columns) = &labels.boxes {
                let columns = columns
                    .each_ref()
                    .map(|name| toml::Value::from(name.as_str()).to_string());
                let _ = writeln!(
                    text,
                    "columns = [{}]\t# file, left, top, right, bottom",
                    columns.join(", ")
                );
            }
            match self.frames {
                Some(_) => text += "cut = \"frames\"\t# whole photos\n",
                None => {
                    let note = "# around each box, of its longer side";
                    let _ = writeln!(text, "margin = {MARGIN}\t{note}");
                }
            }
        }
        let mixed = self.photos.as_ref().is_some_and(|photos| photos.mixed);
        match self.frames.filter(|_| mixed) {
            Some(frames) => {
                let _ = writeln!(text, "size = {}\t# of their longer sides", frames.longer());
                text += "keep_shape = true\t# they have several shapes, and nothing is cut off\n";
            }
            None => {
                let _ = writeln!(text, "size = {}", sides(self.frames.unwrap_or(self.size)));
            }
        }
        if self.evaluates() {
            text += "share = [0, 2]\t# the first half of the photos; the other half tests the dataset\n";
        }
        text
    }

    /// Whether the labels can be compared with what a recogniser says.
    fn evaluates(&self) -> bool {
        let complete = |labels: &Labels| self.lack(labels).is_none();
        self.labels.as_ref().is_some_and(complete)
    }

    /// What they lack for that, if they do.
    fn lack(&self, labels: &Labels) -> Option<String> {
        let has_masks = |task: &TaskKind| task.name == self.task && task.masks;
        if TaskKind::ALL.iter().any(has_masks) {
            return Some(format!(
                "a table has no masks, by which {} is measured",
                self.task
            ));
        }
        if labels.boxes.is_none() {
            return Some("labels have no columns of boxes".into());
        }
        if labels.class.is_none() {
            return Some("labels have no column of classes".into());
        }
        let unknown = self.unknown_classes()?.join(", ");
        Some(format!("labels name classes that no model has ({unknown})"))
    }

    /// Classes of the labels that no model has; numbers are places in the list of classes.
    fn unknown_classes(&self) -> Option<Vec<String>> {
        let known = self
            .objects
            .as_ref()
            .map(Objects::classes)
            .unwrap_or_default();
        let labels = self
            .labels
            .as_ref()
            .filter(|labels| labels.class.is_some())?;
        let is_known = |name: &String| {
            known.contains(name) || name.parse::<usize>().is_ok_and(|place| place < known.len())
        };
        let unknown: Vec<String> = labels
            .classes
            .iter()
            .filter(|name| !is_known(name))
            .take(LISTED)
            .cloned()
            .collect();
        (!unknown.is_empty()).then_some(unknown)
    }

    fn evaluate(&self) -> String {
        let Some(labels) = self.labels.as_ref().filter(|_| self.evaluates()) else {
            return String::new();
        };
        let class = toml::Value::from(labels.class.as_deref().unwrap_or_default()).to_string();
        let path = quoted(&labels.path);
        let task = toml::Value::from(self.task.as_str()).to_string();
        let (source, more) = match self.frames {
            Some(_) => (
                "render",
                format!(
                    "crop = {}\t# learns from squares of so many pixels\nbatch = 8\n",
                    self.square(160).max(LEAST_CROP)
                ),
            ),
            None => ("augment_source", String::new()),
        };
        format!(
            "\n# From here on: how good is the dataset? Only `evaluate` reads real labels.\n\
             [stages.test_photos]\nuse = \"ingest\"\nlike = \"photos\"\nshare = [1, 2]\t# photos that nothing else has \
             seen\n\n\
             [stages.evaluate]\nfrom = {{ adapted = \"emit\", source = \"{source}\", test = \"test_photos\" }}\n\
             task = {task}\t# what the recogniser does\n{more}\
             test_labels = {path}\nclass_column = {class}\n"
        )
    }
}

/// An extent as settings have it.
fn sides(extent: Extent) -> String {
    let Extent { width, height } = extent;
    match width == height {
        true => width.to_string(),
        false => format!("[{width}, {height}]"),
    }
}

/// The text with the comments of lines that follow each other in one column; a tab stands before each.
fn aligned(text: &str) -> String {
    /// Comments of longer lines stand farther to the right.
    const WIDEST: usize = 44;
    let lines: Vec<&str> = text.lines().collect();
    let noted = |line: &&str| line.contains('\t');
    let mut out = Vec::new();
    for block in lines.chunk_by(|a, b| noted(a) == noted(b)) {
        let code = |line: &str| {
            line.split('\t')
                .next()
                .unwrap_or_default()
                .trim_end()
                .chars()
                .count()
        };
        let widths = block
            .iter()
            .map(|line| code(line))
            .filter(|width| *width <= WIDEST);
        let width = widths.max().unwrap_or(0);
        for line in block {
            out.push(match line.split_once('\t') {
                Some((code, note)) => format!("{:width$}  {}", code.trim_end(), note.trim_start()),
                None => (*line).to_owned(),
            });
        }
    }
    out.join("\n")
}

/// What is guessed of the models.
fn guesses(found: &[FoundModel]) -> Vec<String> {
    let mut guesses = Vec::new();
    let scale = |picture| {
        let mut of_kind = found.iter().filter(|model| model.is_picture() == picture);
        of_kind.find_map(|model| model.scale)
    };
    if let Some(side) = scale(true) {
        guesses.push(format!(
            "the longer side of a picture is {side} m (`scale`)"
        ));
    }
    if let Some(scale) = scale(false) {
        guesses.push(format!(
            "one unit of a model is {scale} m (`scale`), by their size"
        ));
    }
    if found.iter().any(|model| model.z_up) {
        guesses.push("z points up (`up`), as in CAD programs and STL files".to_owned());
    }
    guesses
}

/// The entry of a model in the list: its path, or a table with what its file does not say.
fn entry(model: &FoundModel) -> String {
    let mut fields = vec![format!("path = {}", quoted(&model.path))];
    fields.extend(model.scale.map(|scale| format!("scale = {scale:?}")));
    fields.extend(model.z_up.then(|| "up = \"z\"".to_owned()));
    match fields.len() {
        1 => quoted(&model.path),
        _ => format!("{{ {} }}", fields.join(", ")),
    }
}

/// `1 class`, `2 classes`.
fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// A path as a string of TOML, with forward slashes.
fn quoted(path: &Path) -> String {
    toml::Value::from(path.to_string_lossy().replace('\\', "/")).to_string()
}
