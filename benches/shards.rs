//! Samples a second and peak memory of `emit` when it writes shards, beside Pillow with webdataset's ShardWriter.
//!
//!     VERISMO_PYTHON=… cargo bench --bench shards
//!     VERISMO_PYTHON=… cargo bench --bench shards -- 1000000
//!
//! Pictures of 64 × 64 pixels with a box and a mask lie in parts, as stages hand them on. Both programs make JPEGs
//! of quality 95 (4:4:4) of them, or pass the PNGs on, and write them into shards with their labels as JSON. Each
//! runs by itself; shards.py is the peer, in one process and in one for each core, which is left out where
//! `VERISMO_PYTHON` names no Python with pillow, pyarrow and webdataset. The temporary folder (TMPDIR) needs about
//! 25 KB a sample.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use image::RgbImage;
use verismo::artifact::{self, Artifact, Cost, Kind, Manifest, parts};
use verismo::sample::image::encode_png;
use verismo::sample::{Domain, Extent, Labels, Mask, Object, Provenance, Sample};
use verismo::seed::Seed;
use verismo::stage::{Context, DeviceChoice, Share};
use verismo::stages::STAGES;

const COUNT: u64 = 100_000;
const SIZE: u32 = 64;
const PART: u64 = 256;
/// Pictures that differ; each is used again under other names.
const DISTINCT: u64 = 2048;

fn main() {
    let given: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    if let [mode, parts, out, encoding] = &given[..]
        && mode == "emit"
    {
        return emit(Path::new(parts), Path::new(out), encoding);
    }
    let count = given.iter().find_map(|a| a.parse().ok()).unwrap_or(COUNT);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let parts = folder.path().join("parts");
    make(count, &parts);
    println!(
        "{:<32} {:>9} {:>12} {:>11}",
        "", "time [s]", "samples/s", "peak [MiB]"
    );
    for encoding in ["jpeg", "png"] {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("emit");
        measure(
            command,
            &format!("emit, {encoding}"),
            count,
            &parts,
            &[encoding],
        );
        let Some(python) = std::env::var_os("VERISMO_PYTHON") else {
            continue;
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for processes in [1, cores] {
            let mut command = Command::new(&python);
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/shards.py"));
            let name = format!("ShardWriter, {encoding}, {processes} processes");
            measure(
                command,
                &name,
                count,
                &parts,
                &[encoding, &processes.to_string()],
            );
        }
    }
}

/// Runs a program that writes shards of `parts` and prints its peak memory in KiB.
fn measure(mut command: Command, name: &str, count: u64, parts: &Path, further: &[&str]) {
    let out = tempfile::tempdir_in(parts.parent().expect("a folder above")).expect("a folder");
    let began = Instant::now();
    let done = command
        .arg(parts)
        .arg(out.path())
        .args(further)
        .output()
        .expect("a program");
    let seconds = began.elapsed().as_secs_f64();
    let problem = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{name}: {problem}");
    let peak: u64 = String::from_utf8_lossy(&done.stdout)
        .trim()
        .parse()
        .expect("a number");
    let rate = count as f64 / seconds;
    println!("{name:<32} {seconds:>9.1} {rate:>12.0} {:>11}", peak >> 10);
}

/// Writes the samples.
fn make(count: u64, folder: &Path) {
    std::fs::create_dir(folder).expect("a folder");
    let distinct: Vec<Sample> = (0..DISTINCT.min(count)).map(sample).collect();
    for (number, start) in (0..count).step_by(PART as usize).enumerate() {
        let samples = start..(start + PART).min(count);
        let samples = samples.map(|index| {
            let mut sample = distinct[(index % DISTINCT) as usize].clone();
            sample.id = format!("render-{index:07}");
            sample.index = index;
            sample.provenance.origin.clone_from(&sample.id);
            sample.provenance.split = Some(if index % 10 == 0 { "val" } else { "train" }.into());
            sample
        });
        let path = folder.join(artifact::part_name(number));
        parts::write_part(&path, &samples.collect::<Vec<_>>()).expect("a part");
    }
}

/// A noisy disc on a slope of colour.
fn sample(index: u64) -> Sample {
    let middle = 20 + (index % 24) as u32;
    let inside = |x: u32, y: u32| x.abs_diff(middle).pow(2) + y.abs_diff(middle).pow(2) < 200;
    let pixels = RgbImage::from_fn(SIZE, SIZE, |x, y| {
        let noise = (index as u32 ^ (x * 73 + y * 179)).wrapping_mul(0x9e37_79b9) >> 28;
        let [across, down] = [x, y].map(|side| (2 * side + noise) as u8);
        image::Rgb(match inside(x, y) {
            true => [220 - across / 2, 60 + (index % 128) as u8, down],
            false => [across, down, 90 + noise as u8],
        })
    });
    let places = (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| inside(x, y)));
    let mask = Mask::from_bitmap(&places.collect::<Vec<_>>(), SIZE, SIZE);
    let class = ["bolt", "mug", "nut"][(index % 3) as usize];
    let bbox = mask.bbox_xywh(SIZE).expect("a disc");
    Sample {
        id: String::new(),
        index,
        image: encode_png(&pixels).expect("a PNG"),
        extent: Extent::square(SIZE),
        labels: Labels {
            class: Some(class.into()),
            objects: Some(vec![Object::new(class, bbox).with_mask(mask)]),
            ..Labels::default()
        },
        provenance: Provenance {
            domain: Domain::Render,
            source: format!("{class}.glb"),
            origin: String::new(),
            parent: None,
            seed: "1/render/0".into(),
            checkpoint: None,
            transforms: Vec::new(),
            split: None,
            gate: None,
        },
    }
}

/// Runs the stage, and prints the peak of its memory.
fn emit(parts: &Path, out: &Path, encoding: &str) {
    let kind = STAGES
        .iter()
        .find(|kind| kind.name == "emit")
        .expect("the stage");
    let text =
        format!("{{ name = \"bench\", formats = [\"webdataset\"], image = \"{encoding}\" }}");
    let value = toml::de::DeValue::parse(&text).expect("a table");
    let stage = (kind.parse)(value).expect("settings");
    let files = artifact::list_files(parts).expect("parts");
    let input = Artifact {
        folder: parts.to_path_buf(),
        manifest: Manifest {
            schema: artifact::SCHEMA,
            kind: Kind::Samples,
            stage: "render".into(),
            id: "render".into(),
            key: String::new(),
            config: serde_json::Value::Null,
            digest: artifact::digest(&files),
            count: files.len() as u64 * PART,
            classes: BTreeMap::new(),
            files,
            summary: serde_json::Value::Null,
            cost: Cost::default(),
        },
    };
    let context = Context {
        id: "emit",
        seed: Seed::new(1, "emit"),
        inputs: BTreeMap::from([("samples", input)]),
        share: Share::All,
        out,
        resume: None,
        part_size: PART as usize,
        device: DeviceChoice::Cpu,
        events: &|_| (),
        interrupted: &AtomicBool::new(false),
    };
    stage.run(&context).expect("a dataset");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!(
        "{}",
        peak.and_then(|line| line.split_whitespace().next())
            .unwrap_or("0")
    );
}
