//! Seconds a picture of `render` and what noise it leaves, beside Blender's Cycles on the CPU.
//!
//!     cargo bench --bench render
//!     VERISMO_PYTHON=… cargo bench --bench render
//!     VERISMO_PYTHON=… cargo bench --bench render -- 256 1024
//!
//! Ten dice on a table under a panorama, twice. Each renderer is held against its own picture of 4,096 samples a pixel:
//! the error is the root mean square in steps of 8 bits. `render` writes all labels, too; what reading models and light
//! takes is left out, as the time of pictures of 16 pixels. Both use all cores, one after the other; Cycles renders the
//! same models at the poses that the labels give (render.py; a Python with Blender's module `bpy`), and shows whether its
//! silhouettes are our masks. Arguments are the pictures' side (256 pixels) and the samples of the reference.

use std::path::{Path, PathBuf};
use std::process::Command;

use image::{DynamicImage, RgbImage};
use serde_json::{Value, json};
use verismo::artifact::Artifact;
use verismo::artifact::run::RunRecord;
use verismo::sample::colour::{to_linear, to_srgb};
use verismo::sample::mask::overlap;
use verismo::sample::{Extent, Sample};

const COUNT: u32 = 2;
const SIZE: u32 = 256;
const REFERENCE: u32 = 4096;
const SAMPLES: [u32; 5] = [2, 4, 8, 12, 32];
/// Of Cycles, and whether noise is taken out.
const WAYS: [(u32, bool); 9] = [
    (16, false),
    (64, false),
    (256, false),
    (1024, false),
    (2, true),
    (4, true),
    (16, true),
    (64, true),
    (256, true),
];
const BOUNCES: u32 = 3;
/// Of the table, in sRGB.
const TABLE: u8 = 0xc2;

/// A renderer's way to make the pictures.
struct Way {
    name: String,
    /// Whether noise was taken out by a program of its own.
    denoised: bool,
    /// A picture.
    seconds: f64,
    /// Steps of 8 bits.
    error: f64,
}

fn main() {
    let given: Vec<u32> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let size = given.first().copied().unwrap_or(SIZE);
    let most = given.get(1).copied().unwrap_or(REFERENCE);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (reference, seconds) = rendered(folder.path(), size, most);
    println!("reference of {most} samples: {seconds:.1} s a picture");
    let start = rendered(folder.path(), 16, 12).1;
    let truth: Vec<RgbImage> = reference.iter().map(pixels).collect();
    let mut ours: Vec<Way> = Vec::new();
    for samples in SAMPLES {
        let (pictures, seconds) = rendered(folder.path(), size, samples);
        ours.push(Way {
            name: format!("render, {samples} samples"),
            denoised: false,
            seconds: seconds - start,
            error: error(&pictures.iter().map(pixels).collect::<Vec<_>>(), &truth),
        });
    }
    print(&ours);
    if let Some(python) = std::env::var_os("VERISMO_PYTHON") {
        let theirs = cycles(Path::new(&python), folder.path(), &reference, (size, most));
        print(&theirs);
        for way in &ours {
            let ratio = |denoised: bool| {
                let others = theirs.iter().filter(|other| other.denoised == denoised);
                at_error(&others.collect::<Vec<_>>(), way.error).map_or("–".into(), |seconds| {
                    format!("{:.1}", seconds / way.seconds)
                })
            };
            let [noisy, denoised] = [false, true].map(ratio);
            println!(
                "{:<32} Cycles takes {noisy} times as long, denoised {denoised}",
                way.name
            );
        }
    }
    let (_, seconds) = rendered(folder.path(), 640, 12);
    println!("a frame of 640 × 640, 12 samples: {:.2} s", seconds - start);
}

fn print(ways: &[Way]) {
    println!(
        "{:<32} {:>8} {:>12} {:>9}",
        "", "time [s]", "pictures/s", "error"
    );
    for way in ways {
        let Way {
            name,
            seconds,
            error,
            ..
        } = way;
        println!(
            "{name:<32} {seconds:>8.2} {:>12.2} {error:>9.2}",
            1.0 / seconds
        );
    }
}

/// The time that ways of growing effort would take for an error, between the two nearest on double logarithmic paper.
fn at_error(ways: &[&Way], error: f64) -> Option<f64> {
    let pair = ways
        .windows(2)
        .find(|pair| pair[0].error >= error && error >= pair[1].error)?;
    let [a, b] = [pair[0], pair[1]];
    let along = (a.error / error).ln() / (a.error / b.error).ln();
    Some((a.seconds.ln() + along * (b.seconds / a.seconds).ln()).exp())
}

/// The samples, and the seconds that each took in the mean.
fn rendered(folder: &Path, size: u32, samples: u32) -> (Vec<Sample>, f64) {
    let pipeline = folder.join("render.toml");
    std::fs::write(&pipeline, text(size, samples)).expect("a pipeline file");
    let outputs = folder.join(format!("outputs-{size}-{samples}"));
    let done = Command::new(env!("CARGO_BIN_EXE_verismo"))
        .arg("run")
        .arg(&pipeline)
        .args(["--device", "cpu", "--outputs"])
        .arg(&outputs)
        .output()
        .expect("the program");
    let problem = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{problem}");
    let runs = std::fs::read_dir(outputs.join("runs/render")).expect("a run");
    let record = runs
        .flatten()
        .map(|run| run.path().join("run.json"))
        .find(|path| path.is_file());
    let record = std::fs::read(record.expect("a record")).expect("a record");
    let record: RunRecord = serde_json::from_slice(&record).expect("a record");
    let stage = &record.stages[0];
    let artifact = Artifact::open(&stage.folder).expect("renders");
    let samples = artifact.samples().map(|sample| sample.expect("a sample"));
    (samples.collect(), stage.cost.seconds / f64::from(COUNT))
}

fn text(size: u32, samples: u32) -> String {
    let [model, environment] =
        ["dice/die.gltf", "hdri/studio.exr"].map(|name| file(name).display().to_string());
    format!(
        "name = \"render\"
[stages.render]
count = {COUNT}
size = {size}
[stages.render.mesh]
models = [{model:?}]
environments = [{environment:?}]
[stages.render.mesh.camera]
fov_degrees = [30.0, 30.0]
tilt_degrees = [20.0, 20.0]
roll_degrees = [0.0, 0.0]
object_scale = [0.16, 0.16]
off_centre = 0.0
[stages.render.mesh.neighbours]
count = [9, 9]
gap = [0.0, 3.0]
[stages.render.mesh.surfaces]
jitter = 0.0
roughness = [0.2, 0.2]
gloss = [1.0, 1.0]
[stages.render.mesh.table]
colours = [\"#{TABLE:02x}{TABLE:02x}{TABLE:02x}\"]
jitter = 0.0
texture = [0.0, 0.0]
seam = 0.0
[stages.render.mesh.lighting]
exposure = [1.0, 1.0]
tint = 0.0
rotation_degrees = [0.0, 0.0]
even_share = [0.0, 0.0]
lamp_share = [0.0, 0.0]
photographer_degrees = [0.0, 0.0]
[stages.render.mesh.lens]
samples = {samples}
bounces = {BOUNCES}
blur_pixels = [0.0, 0.0]
chroma_blur_pixels = [0.0, 0.0]
sharpening = [0.0, 0.0]
noise = [0.0, 0.0]
gradient = [0.0, 0.0]
"
    )
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("renders")
        .join(name)
}

fn pixels(sample: &Sample) -> RgbImage {
    sample.pixels().expect("a picture")
}

fn error(pictures: &[RgbImage], truth: &[RgbImage]) -> f64 {
    let pairs = pictures
        .iter()
        .zip(truth)
        .flat_map(|(a, b)| a.as_raw().iter().zip(b.as_raw()));
    let squares: Vec<f64> = pairs
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

/// The same scenes by Cycles.
fn cycles(python: &Path, folder: &Path, scenes: &[Sample], (size, most): (u32, u32)) -> Vec<Way> {
    let mut ways = vec![(most, false)];
    ways.extend(WAYS);
    let described: Vec<Value> = scenes.iter().map(description).collect();
    let plan = json!({
        "size": size,
        "threads": std::thread::available_parallelism().map_or(1, usize::from),
        "ways": ways,
        "scenes": described,
    });
    let path = folder.join("scenes.json");
    std::fs::write(&path, plan.to_string()).expect("a file");
    let done = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/render.py"))
        .arg(&path)
        .arg(folder)
        .output()
        .expect("a Python with bpy");
    let problem = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{problem}");
    let said = String::from_utf8_lossy(&done.stdout);
    let lines: Vec<Value> = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let seconds = |name: &str| {
        let of = |line: &&Value| {
            line["file"]
                .as_str()
                .is_some_and(|file| file.ends_with(name))
        };
        lines
            .iter()
            .find(of)
            .and_then(|line| line["seconds"].as_f64())
            .expect("a time")
    };
    let read = |number: usize, name: &str| {
        let picture = image::open(folder.join(format!("{number}-{name}.exr")));
        picture.expect("a picture of Cycles")
    };
    for (number, scene) in scenes.iter().enumerate() {
        let (mean, least) = agreement(scene, &read(number, "silhouettes"));
        println!(
            "scene {number}: Cycles' silhouettes and our masks: IoU {mean:.4} in the mean, {least:.4} at least"
        );
    }
    let printed = |name: &str| -> Vec<RgbImage> {
        (0..scenes.len())
            .map(|number| print_light(&read(number, name)))
            .collect()
    };
    let truth = printed(&most.to_string());
    let ours: Vec<RgbImage> = scenes.iter().map(pixels).collect();
    println!("the references differ by {:.2}", error(&ours, &truth));
    let way = |&(samples, denoised): &(u32, bool)| {
        let name = format!("{samples}{}", if denoised { "-denoised" } else { "" });
        let all = (0..scenes.len()).map(|number| seconds(&format!("/{number}-{name}.exr")));
        Way {
            seconds: all.sum::<f64>() / scenes.len() as f64,
            error: error(&printed(&name), &truth),
            name: match denoised {
                true => format!("Cycles, {samples} samples, denoised"),
                false => format!("Cycles, {samples} samples"),
            },
            denoised,
        }
    };
    WAYS.iter().map(way).collect()
}

/// What render.py needs to know of a scene.
fn description(scene: &Sample) -> Value {
    let camera = scene.labels.camera.expect("intrinsics");
    let objects = scene.labels.objects();
    let poses: Vec<[f32; 12]> = objects
        .iter()
        .map(|object| object.pose.expect("a pose"))
        .collect();
    // The side of a die that is on top, in its own coordinates.
    let (axis, sign) = match objects[0].class.as_str() {
        "one" => (0, 1.0),
        "two" => (1, 1.0),
        "three" => (2, 1.0),
        "four" => (2, -1.0),
        "five" => (1, -1.0),
        _ => (0, -1.0),
    };
    let up: [f32; 3] = std::array::from_fn(|row| sign * poses[0][4 * row + axis]);
    let picture = pixels(scene);
    let median: [f32; 3] = std::array::from_fn(|channel| {
        let mut values: Vec<u8> = picture.pixels().map(|pixel| pixel.0[channel]).collect();
        values.sort_unstable();
        untoned(to_linear(f32::from(values[values.len() / 2]) / 255.0))
    });
    let table = [to_linear(f32::from(TABLE) / 255.0); 3];
    json!({
        "model": file("dice/die.gltf"),
        "environment": file("hdri/studio.exr"),
        "camera": camera.to_array(),
        "poses": poses,
        "up": up,
        "table": table,
        "median": median,
        "bounces": BOUNCES,
    })
}

/// Where the renderer's tone curve bends, and what it bends towards.
const SHOULDER: f32 = 0.45;
const WHITE: f32 = 0.9;

/// The renderer's tone curve.
fn toned(light: f32) -> f32 {
    let room = WHITE - SHOULDER;
    match light > SHOULDER {
        true => SHOULDER + room * (1.0 - ((SHOULDER - light) / room).exp()),
        false => light,
    }
}

fn untoned(printed: f32) -> f32 {
    let room = WHITE - SHOULDER;
    match printed > SHOULDER {
        true => SHOULDER - room * (1.0 - (printed - SHOULDER) / room).max(1e-3).ln(),
        false => printed,
    }
}

/// Linear light as `render` would print it.
fn print_light(light: &DynamicImage) -> RgbImage {
    let light = light.to_rgb32f();
    RgbImage::from_fn(light.width(), light.height(), |x, y| {
        image::Rgb(
            light
                .get_pixel(x, y)
                .0
                .map(|v| (to_srgb(toned(v.min(2.0))) * 255.0).round() as u8),
        )
    })
}

/// The mean and the least intersection over union of the objects' masks with the silhouettes, whose grey is the
/// object's number from 1 on.
fn agreement(scene: &Sample, silhouettes: &DynamicImage) -> (f64, f64) {
    let painted = silhouettes.to_rgb32f();
    let theirs: Vec<usize> = painted
        .pixels()
        .map(|pixel| pixel.0[0].round() as usize)
        .collect();
    let Extent { width, height } = scene.extent;
    let ious = scene
        .labels
        .objects()
        .iter()
        .enumerate()
        .map(|(i, object)| {
            let own = object
                .mask
                .as_ref()
                .expect("a mask")
                .to_bitmap(width, height);
            let other: Vec<bool> = theirs.iter().map(|&number| number == i + 1).collect();
            overlap(&own, &other)
        });
    let ious: Vec<f64> = ious.collect();
    let mean = ious.iter().sum::<f64>() / ious.len() as f64;
    (mean, ious.into_iter().fold(1.0, f64::min))
}
