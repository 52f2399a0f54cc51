//! A 3D model: what its file holds, and how it looks from all sides.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use image::{Rgb32FImage, RgbImage};
use toml::Spanned;
use toml::de::DeTable;

use crate::artifact::Artifact;
use crate::artifact::parts;
use crate::cli::columns;
use crate::sample::{Sample, image as picture};
use crate::seed::Seed;
use crate::stage::{Context, DeviceChoice, Share};
use crate::stages::STAGES;
use crate::stages::render::{ModelFacts, length, model_facts, model_formats, sheet_formats};
use crate::{Error, Result};

/// Views on the turntable.
const VIEWS: u32 = 8;
/// Of a model with more triangles there are fewer views: it is read anew for each.
const MANY: usize = 500_000;
const COLUMNS: u32 = 4;

/// What there is to see of a model.
pub(in crate::cli) struct Seen {
    pub text: String,
    pub turntable: RgbImage,
}

/// Whether `path` is named like a model that can be rendered.
pub(in crate::cli) fn is_model(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    let mut formats = model_formats().iter().chain(sheet_formats());
    path.is_file() && formats.any(|name| extension.eq_ignore_ascii_case(name))
}

/// Reads a model and renders it from all sides, `tile` pixels each.
///
/// # Errors
/// If it cannot be read or rendered.
pub(in crate::cli) fn look(path: &Path, unit_metres: f32, tile: u32) -> Result<Seen> {
    let facts = model_facts(path, unit_metres)?;
    let turntable = turntable(path, unit_metres, tile, facts.triangles)?;
    Ok(Seen {
        text: describe(path, &facts),
        turntable,
    })
}

fn describe(path: &Path, facts: &ModelFacts) -> String {
    let [x, y, z] = facts.size_metres.map(length);
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let mut rows = vec![
        row("size", format!("{x} wide (x), {y} high (y), {z} deep (z)")),
        row("triangles", facts.triangles.to_string()),
    ];
    for (number, material) in facts.materials.iter().enumerate() {
        let name = if number == 0 { "materials" } else { "" };
        rows.push(row(name, material.clone()));
    }
    rows.push(row("classes", facts.classes.join(", ")));
    if !facts.keypoints.is_empty() {
        rows.push(row("keypoints", facts.keypoints.join(", ")));
    }
    let mut text = format!("{}\n\n{}", path.display(), columns(&rows));
    if !facts.remarks.is_empty() {
        text += &format!("\n\nremarks:\n  {}", facts.remarks.join("\n  "));
    }
    text
}

/// A sheet of views around the model, by the renderer itself.
fn turntable(path: &Path, unit_metres: f32, tile: u32, triangles: usize) -> Result<RgbImage> {
    let scratch = tempfile::tempdir().map_err(|e| Error::io(&std::env::temp_dir(), e))?;
    let light = scratch.path().join("studio.exr");
    studio().save(&light).map_err(|e| {
        Error::failed(
            light.display(),
            e,
            "check the free space of the temporary folder",
        )
    })?;
    let views = if triangles > MANY { VIEWS / 4 } else { VIEWS };
    let mut pictures = Vec::new();
    for view in 0..views {
        let out = scratch.path().join(format!("view-{view}"));
        std::fs::create_dir(&out).map_err(|e| Error::io(&out, e))?;
        let turn = 360.0 / views as f32 * view as f32;
        let config = configuration(path, &light, unit_metres, tile, turn);
        pictures.push(render(&config, &out)?.pixels()?);
    }
    Ok(picture::contact_sheet(&pictures, COLUMNS.min(views), tile))
}

/// The settings of `render` for one view: nothing drawn at random, the model's own colours, a plain table.
fn configuration(path: &Path, light: &Path, unit_metres: f32, tile: u32, turn: f32) -> String {
    let quoted = |path: &Path| toml::Value::from(path.to_string_lossy().into_owned()).to_string();
    format!(
        "count = 1
size = {tile}
[mesh]
models = [{model}]
unit_metres = {unit_metres:?}
environments = [{light}]
[mesh.lie]
turns_degrees = [{turn:?}]
[mesh.camera]
fov_degrees = [20.0, 20.0]
tilt_degrees = [62.0, 62.0]
roll_degrees = [0.0, 0.0]
object_scale = [0.78, 0.78]
off_centre = 0.0
[mesh.surfaces]
looks = []
random = 0.0
roughness = [0.25, 0.25]
gloss = [1.0, 1.0]
[mesh.table]
colours = [\"#b8b8b8\"]
jitter = 0.0
texture = [0.0, 0.0]
seam = 0.0
[mesh.lighting]
exposure = [1.0, 1.0]
tint = 0.0
rotation_degrees = [0.0, 0.0]
even_share = [0.5, 0.5]
lamp_share = [0.25, 0.25]
lamp_elevation_degrees = [55.0, 55.0]
lamp_radius_degrees = [12.0, 12.0]
[mesh.neighbours]
count = [0, 0]
[mesh.lens]
samples = 16
blur_pixels = [0.0, 0.0]
chroma_blur_pixels = [0.0, 0.0]
sharpening = [0.0, 0.0]
noise = [0.0, 0.0]
gradient = [0.0, 0.0]
",
        model = quoted(path),
        light = quoted(light),
    )
}

/// The only sample that `render` makes with this configuration.
fn render(config: &str, out: &Path) -> Result<Sample> {
    let broken = |problem: String| Error::failed("turntable", problem, "please report it");
    let kind = STAGES.iter().find(|kind| kind.name == "render");
    let kind = kind.ok_or_else(|| broken("there is no stage `render`".into()))?;
    let table = DeTable::parse(config).map_err(|e| broken(e.to_string()))?;
    let table = Spanned::new(table.span(), toml::de::DeValue::Table(table.into_inner()));
    let stage = (kind.parse)(table).map_err(|e| broken(e.to_string()))?;
    stage
        .check()
        .map_err(|problem| Error::usage("inspect", problem, "give other options"))?;
    let context = Context {
        id: "view",
        seed: Seed::new(1, "view"),
        inputs: BTreeMap::<&str, Artifact>::new(),
        share: Share::All,
        out,
        resume: None,
        part_size: 1,
        device: DeviceChoice::Cpu,
        // What it has to say of its pictures is no concern of the model's.
        events: &|_| (),
        interrupted: &AtomicBool::new(false),
    };
    stage.run(&context)?;
    let part = out.join(crate::artifact::part_name(0));
    let sample = parts::read_part(&part)?.into_iter().next();
    sample.ok_or_else(|| broken("nothing was rendered".into()))
}

/// An equirectangular panorama: a bright sky that darkens towards the horizon, with a large soft light.
fn studio() -> Rgb32FImage {
    const WIDTH: u32 = 128;
    const HEIGHT: u32 = 64;
    Rgb32FImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let height = 1.0 - 2.0 * y as f32 / HEIGHT as f32;
        let sky = if height > 0.0 {
            0.5 + 0.5 * height
        } else {
            0.25
        };
        let (across, down) = (
            x as f32 / WIDTH as f32 - 0.3,
            y as f32 / HEIGHT as f32 - 0.22,
        );
        let lit = across.abs() < 0.09 && down.abs() < 0.1;
        image::Rgb([if lit { 6.0 } else { sky }; 3])
    })
}
