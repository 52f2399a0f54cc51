//! The list of models of a pipeline file: paths, folders and patterns, each with its class, unit, axis,
//! weight and materials.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::names::Named;
use super::config::Coating;
use super::{flat, formats};
use crate::sample::{input, listing};
use crate::stage::Misfit;

/// The endings of the files that are models, for folders and patterns.
pub(super) const ENDINGS: [&str; 5] = ["gltf", "glb", "obj", "ply", "stl"];

/// Stands for all materials that are not named.
const ANY: &str = "*";

/// The most models of a list.
const MOST: usize = 100_000;

/// The most bytes of a glTF's JSON that are searched for the names of its faces before it is read.
const MOST_JSON: u64 = 64 << 20;

/// The axis that points up in a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Up {
    /// As in glTF and most OBJ files.
    #[default]
    Y,
    /// As in CAD programs and most STL files.
    Z,
}

/// An entry of `models`. In a pipeline file, a text is the path alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ModelTable")]
struct Table {
    /// A model file, a folder of them, or a pattern such as `parts/*.glb`; `**` stands for any folders.
    path: PathBuf,
    /// The class of all its models; without it each is named after its file, or after its faces.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    /// Metres that one unit of the file is, e.g. 0.001 for millimetres, in place of `unit_metres`.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<f32>,
    /// The axis that points up in the file: `y` or `z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    up: Option<Up>,
    /// How often its classes come up compared with those of other entries; 1 if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<f32>,
    /// What its materials look like, by their names in the file; `"*"` stands for all others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    material: BTreeMap<String, Coating>,
}

/// An entry of `models`: a path, or a table with the path and what the file does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed(Table);

impl From<&str> for Listed {
    fn from(path: &str) -> Self {
        Listed::from(PathBuf::from(path))
    }
}

impl From<PathBuf> for Listed {
    fn from(path: PathBuf) -> Self {
        Listed(Table {
            path,
            class: None,
            scale: None,
            up: None,
            weight: None,
            material: BTreeMap::new(),
        })
    }
}

impl Serialize for Listed {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match *self == Listed::from(self.0.path.clone()) {
            true => self.0.path.serialize(to),
            false => self.0.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> serde::de::Visitor<'de> for TextOrTable {
            type Value = Listed;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str(
                    "a path, or a table such as { path = \"parts/*.glb\", class = \"cup\" }",
                )
            }

            fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<Listed, E> {
                Ok(Listed::from(path))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Listed, A::Error> {
                Table::deserialize(MapAccessDeserializer::new(map)).map(Listed)
            }
        }
        from.deserialize_any(TextOrTable)
    }
}

impl JsonSchema for Listed {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ModelEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<Table>();
        json_schema!({
            "description": "A model file, a folder of them or a pattern: its path, or a table.",
            "anyOf": [{ "type": "string" }, table],
        })
    }
}

/// A model file of the list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub path: PathBuf,
    /// Its class, if the entry gives one.
    pub class: Option<String>,
    pub scale: Option<f32>,
    pub up: Up,
    /// Number of its entry in the list.
    pub entry: usize,
    pub weight: f32,
    /// What its materials look like, by name.
    pub material: BTreeMap<String, Coating>,
}

impl Source {
    /// What the pipeline file says of a material.
    pub(super) fn coating(&self, material: &str) -> Option<&Coating> {
        self.material
            .get(material)
            .or_else(|| self.material.get(ANY))
    }

    /// The model at `path` as it is in the file.
    pub(super) fn plain(path: &Path) -> Self {
        Source {
            path: path.to_path_buf(),
            class: None,
            scale: None,
            up: Up::Y,
            entry: 0,
            weight: 1.0,
            material: BTreeMap::new(),
        }
    }
}

impl Listed {
    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether it says how often its classes come up, or what they look like.
    pub(super) fn has_weight_or_material(&self) -> bool {
        self.0.weight.is_some() || !self.0.material.is_empty()
    }

    /// The files of the entry with this number, by name. A path that leads nowhere stands for itself.
    ///
    /// # Errors
    /// If it is a folder or pattern without models, or of too many.
    fn sources(&self, entry: usize) -> Result<Vec<Source>, String> {
        let Table {
            path,
            class,
            scale,
            up,
            weight,
            material,
        } = &self.0;
        let paths = files(path)?;
        if paths.len() > MOST {
            return Err(format!(
                "`{}` holds more than {MOST} models",
                path.display()
            ));
        }
        let source = |path| Source {
            path,
            class: class.clone(),
            scale: *scale,
            up: up.unwrap_or_default(),
            entry,
            weight: weight.unwrap_or(1.0),
            material: material.clone(),
        };
        Ok(paths.into_iter().map(source).collect())
    }
}

/// An entry for each folder in `folder`, which is a class.
///
/// # Errors
/// If it cannot be read.
pub(super) fn of_classes(folder: &Path) -> crate::Result<Vec<Listed>> {
    let unread = |e| crate::Error::io(folder, e);
    let mut listed = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let class = path.file_name().unwrap_or_default().to_string_lossy();
        listed.push(Listed(Table {
            class: Some(class.into_owned()),
            ..Listed::from(path.clone()).0
        }));
    }
    listed.sort_by(|a, b| a.0.path.cmp(&b.0.path));
    Ok(listed)
}

/// Every model file of the list, entry by entry.
///
/// # Errors
/// If an entry is a folder without models, or one of too many.
pub(super) fn expand(list: &[Listed]) -> Result<Vec<Source>, String> {
    let entries = list.iter().enumerate();
    let sources = entries.map(|(entry, listed)| listed.sources(entry));
    Ok(sources.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Whether a file is a model, by the end of its name.
fn is_model(path: &Path) -> bool {
    ends_in(path, &ENDINGS)
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().unwrap_or_default();
    endings
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
}

/// The model files that a path, folder or pattern stands for.
fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    let text = path.to_string_lossy();
    if path.is_dir() {
        let tree =
            listing::tree(path, &|| Ok(())).map_err(|e| e.to_string().replace("\n  help:", ";"))?;
        let ending_in = |endings: &[&str]| -> Vec<PathBuf> {
            let files = tree.files.iter().filter(|file| ends_in(file, endings));
            files.cloned().collect()
        };
        let mut models = ending_in(&ENDINGS);
        // Beside models, pictures are their textures.
        if models.is_empty() {
            models = ending_in(&flat::ENDINGS);
        }
        return match models.is_empty() {
            false => Ok(models),
            true => Err(format!(
                "the folder `{text}` of `mesh.models` holds no {} file, and no picture",
                ENDINGS.map(|ending| format!(".{ending}")).join(", ")
            )),
        };
    }
    if !listing::is_pattern(path) {
        return Ok(vec![path.to_path_buf()]);
    }
    let found = listing::matching(path, MOST + 1);
    let mut found = found.map_err(|problem| format!("`{text}` of `mesh.models` {problem}"))?;
    found.retain(|path| path.is_file());
    if found.iter().any(|file| is_model(file)) {
        found.retain(|file| is_model(file));
    }
    match found.is_empty() {
        // Said when the files are looked at, as of any path that leads nowhere.
        true => Ok(vec![path.to_path_buf()]),
        false => Ok(found),
    }
}

/// Checks numbers and classes of a list as far as they can be known before a model is read.
///
/// # Errors
/// The first entry that is wrong.
pub(super) fn check(list: &[Listed]) -> Result<Vec<Source>, String> {
    for Listed(table) in list {
        let path = table.path.display();
        if table.path.as_os_str().is_empty() {
            return Err("`mesh.models` holds an empty path".into());
        }
        let within = |value: Option<f32>, [least, most]: [f32; 2]| {
            value.is_none_or(|value| (least..=most).contains(&value))
        };
        if !within(table.scale, [1e-9, 1e9]) {
            return Err(format!("`scale` of {path} must lie between 1e-9 and 1e9"));
        }
        for (name, coating) in &table.material {
            if let Err(problem) = coating.check() {
                return Err(format!("`{name}` in `material` of {path} {problem}"));
            }
        }
        if !within(table.weight, [1e-3, 1e3]) {
            return Err(format!(
                "`weight` of {path} must lie between 0.001 and 1000"
            ));
        }
    }
    let sources = expand(list)?;
    let mut stems: BTreeMap<String, &Path> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.class.is_none()) {
        let (path, stem) = (source.path.as_path(), stem(&source.path));
        let first = *stems.entry(stem.clone()).or_insert(path);
        // Files of one name in one folder are one object in several formats.
        let apart = first.parent() != path.parent();
        if apart && faces(path).is_empty() && faces(first).is_empty() {
            return Err(same_class(&stem, first, path));
        }
    }
    Ok(sources)
}

/// Checks that every material that an entry names is in one of its files.
///
/// # Errors
/// The first that is not, with those that there are.
pub(super) fn check_materials(sources: &[Source]) -> Result<(), Misfit> {
    const LISTED: usize = 20;
    for entry in sources.chunk_by(|a, b| a.entry == b.entry) {
        let Some(first) = entry.first() else {
            continue;
        };
        let mut named = first.material.keys().filter(|name| *name != ANY).peekable();
        if named.peek().is_none() {
            continue;
        }
        let mut known = BTreeSet::new();
        for source in entry {
            let found = formats::material_names(&source.path);
            known.extend(found.map_err(|e| Misfit::of_error(e, "the model", &source.path))?);
        }
        if let Some(unknown) = named.find(|name| !known.contains(*name)) {
            let listed: Vec<&str> = known.iter().take(LISTED).map(String::as_str).collect();
            let problem = format!(
                "`material` of {} names `{unknown}`, which no file of the entry has; there are {}",
                first.path.display(),
                listed.join(", ")
            );
            let remedy = "correct the name, or write `\"*\"` for all materials";
            return Err(Misfit::new(problem, remedy).of_file(&first.path));
        }
    }
    Ok(())
}

/// What is said of two models that would be of one class without anyone having said so.
fn same_class(stem: &str, first: &Path, second: &Path) -> String {
    let entry = |path: &Path| {
        let folder = path.parent().and_then(Path::file_name);
        let class = folder.map_or("…".into(), |folder| folder.to_string_lossy());
        format!("{{ path = \"{}\", class = \"{class}\" }}", path.display())
    };
    format!(
        "{} and {} would both be of the class `{stem}`; say which is which, or give both the same class: \
         models = [{}, {}]",
        first.display(),
        second.display(),
        entry(first),
        entry(second)
    )
}

/// The classes of the models, as far as the files say before they are read; none if one is missing.
pub(super) fn classes(sources: &[Source]) -> Vec<Named> {
    if !sources.iter().all(|source| source.path.is_file()) {
        return Vec::new();
    }
    let of = |source: &Source| {
        let path = &source.path;
        let classes = match &source.class {
            Some(class) => vec![class.clone()],
            None => match faces(path) {
                faces if faces.is_empty() => vec![stem(path)],
                faces => faces,
            },
        };
        let source = path.display().to_string();
        classes.into_iter().map(move |class| Named {
            class,
            source: source.clone(),
        })
    };
    sources.iter().flat_map(of).collect()
}

/// The class of a model without faces.
pub(super) fn stem(path: &Path) -> String {
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    stem.unwrap_or_default()
}

/// The names of the faces of a glTF; none for other formats, and if it cannot be read.
fn faces(path: &Path) -> Vec<String> {
    let ending = path.extension().unwrap_or_default();
    if !["gltf", "glb"]
        .iter()
        .any(|e| ending.eq_ignore_ascii_case(e))
    {
        return Vec::new();
    }
    #[derive(Deserialize)]
    struct Document {
        #[serde(default)]
        nodes: Vec<Node>,
    }
    #[derive(Deserialize)]
    struct Node {
        name: Option<String>,
    }
    let document: Option<Document> = json(path).and_then(|json| serde_json::from_slice(&json).ok());
    let nodes = document.map_or(Vec::new(), |document| document.nodes);
    let names = nodes.into_iter().filter_map(|node| node.name);
    let names = names.filter_map(|name| Some(name.strip_prefix("face.")?.to_owned()));
    let names: Vec<String> = names.collect();
    let original = |name: &String| original(name, &names).to_owned();
    names.iter().map(original).collect()
}

/// The name of a face without the number that Blender adds to a second node of the same name: `one.001` is
/// `one` if one of the `names` is.
pub(super) fn original<'a>(name: &'a str, names: &[String]) -> &'a str {
    let numbered = |number: &str| number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit());
    match name.rsplit_once('.') {
        Some((first, number)) if numbered(number) && names.iter().any(|n| n == first) => first,
        _ => name,
    }
}

/// The JSON of a .gltf or .glb; `None` if it cannot be read.
pub(super) fn json(path: &Path) -> Option<Vec<u8>> {
    input::check_regular(path).ok()?;
    let mut file = File::open(path).ok()?;
    // A .glb begins with a head of 12 bytes, then the length and kind of its first chunk, the JSON.
    let mut head = [0; 20];
    let is_glb = file.read_exact(&mut head).is_ok() && head.starts_with(b"glTF");
    let mut bytes = Vec::new();
    let length = match is_glb {
        true => u64::from(u32::from_le_bytes([head[12], head[13], head[14], head[15]])),
        false => {
            bytes.extend(head);
            MOST_JSON
        }
    };
    if length > MOST_JSON {
        return None;
    }
    file.take(length).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
