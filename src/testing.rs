//! What tests share: samples, artifacts made of them, running a stage on them, records of runs, and mutations
//! of files.

mod clips;
pub(crate) mod dice_run;
pub(crate) mod mutations;
pub(crate) mod zip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use image::RgbImage;
use rand::RngExt;

pub(crate) use clips::clips;

use crate::Result;
use crate::artifact::run::{RunRecord, StageRecord, Status};
use crate::artifact::{self, Artifact, Cost, Kind, Manifest, parts};
use crate::models::album::{Album, ObjectBox};
use crate::nn::device::{self, Chosen};
use crate::sample::image::encode_png;
use crate::sample::{Domain, Extent, Labels, Maps, Mask, Object, Provenance, Sample};
use crate::seed::Seed;
use crate::stage::{Context, DeviceChoice, Event, Share, Stage};

/// Writes `samples` into `folder` as an artifact of parts of `part_size`.
pub(crate) fn publish(folder: &Path, samples: &[Sample], part_size: usize) -> Artifact {
    for (number, part) in samples.chunks(part_size).enumerate() {
        parts::write_part(&folder.join(artifact::part_name(number)), part).unwrap();
    }
    describe(folder, samples)
}

/// The artifact whose parts lie in `folder`.
pub(crate) fn describe(folder: &Path, samples: &[Sample]) -> Artifact {
    let mut classes = BTreeMap::new();
    for class in samples.iter().filter_map(|s| s.labels.class.clone()) {
        *classes.entry(class).or_insert(0) += 1;
    }
    let files = artifact::list_files(folder).unwrap();
    Artifact {
        folder: folder.to_path_buf(),
        manifest: Manifest {
            schema: artifact::SCHEMA,
            kind: Kind::Samples,
            stage: "test".into(),
            id: "test".into(),
            key: String::new(),
            config: serde_json::Value::Null,
            digest: artifact::digest(&files),
            count: samples.len() as u64,
            classes,
            files,
            summary: serde_json::Value::Null,
            cost: Cost::default(),
        },
    }
}

/// Runs `stage` as `id` on `samples` in parts of `part_size`, writing into `out`.
pub(crate) fn run_into(
    stage: &dyn Stage,
    id: &str,
    samples: &[Sample],
    part_size: usize,
    out: &Path,
) -> Result<serde_json::Value> {
    let folder = tempfile::tempdir().unwrap();
    let input = publish(folder.path(), samples, part_size);
    run_with(stage, id, [("samples", input)], part_size, out)
}

/// Runs `stage` as `id` on artifacts by role, writing into `out`.
pub(crate) fn run_with(
    stage: &dyn Stage,
    id: &str,
    inputs: impl IntoIterator<Item = (&'static str, Artifact)>,
    part_size: usize,
    out: &Path,
) -> Result<serde_json::Value> {
    let (summary, _) = in_context(id, inputs, part_size, out, |context| stage.run(context));
    summary
}

/// What `work` returns in the place of the stage `id`, which reads artifacts by role and writes into `out`, and
/// the warnings that it emits.
pub(crate) fn in_context<T>(
    id: &str,
    inputs: impl IntoIterator<Item = (&'static str, Artifact)>,
    part_size: usize,
    out: &Path,
    work: impl FnOnce(&Context) -> T,
) -> (T, Vec<String>) {
    let warnings = Mutex::new(Vec::new());
    let result = work(&Context {
        id,
        seed: Seed::new(1, id),
        inputs: inputs.into_iter().collect(),
        share: Share::All,
        out,
        resume: None,
        part_size,
        device: DeviceChoice::Cpu,
        events: &|event| {
            if let Event::Warning { text } = event {
                warnings.lock().unwrap().push(text);
            }
        },
        interrupted: &AtomicBool::new(false),
    });
    (result, warnings.into_inner().unwrap())
}

/// Labelled pictures that a network learns in seconds: bright discs and squares, half and half, at
/// drawn places on darker grounds.
pub(crate) fn shapes(count: u64, size: u32, seed: u64) -> Vec<Sample> {
    let base = parts::tests::examples().remove(0);
    let seed = Seed::new(seed, "shapes");
    let shape = |index: u64| {
        let mut stream = seed.stream(index);
        let disc = index.is_multiple_of(2);
        let radius = f64::from(size) * stream.random_range(0.2..0.3);
        let [x0, y0] = [(); 2].map(|()| f64::from(size) * stream.random_range(0.35..0.65));
        let ground = [(); 3].map(|()| stream.random_range(0..110));
        let paint = [(); 3].map(|()| stream.random_range(140..=255));
        let inside = |x: u32, y: u32| {
            let (dx, dy) = (f64::from(x) + 0.5 - x0, f64::from(y) + 0.5 - y0);
            if disc {
                dx.hypot(dy) < radius
            } else {
                dx.abs().max(dy.abs()) < 0.85 * radius
            }
        };
        let pixels = RgbImage::from_fn(size, size, |x, y| {
            image::Rgb(if inside(x, y) { paint } else { ground })
        });
        let places = (0..size).flat_map(|y| (0..size).map(move |x| (x, y)));
        let bitmap: Vec<bool> = places.map(|(x, y)| inside(x, y)).collect();
        let mask = Mask::from_bitmap(&bitmap, size, size);
        let class = if disc { "disc" } else { "square" };
        let mut sample = base.clone();
        sample.id = format!("render-{index:06}");
        sample.index = index;
        sample.provenance.origin = sample.id.clone();
        sample.extent = Extent::square(size);
        sample.image = encode_png(&pixels).unwrap();
        sample.labels.class = Some(class.into());
        sample.labels.maps = Maps::default();
        let object = Object::new(class, mask.bbox_xywh(size).unwrap());
        sample.labels.objects = Some(vec![object.with_mask(mask)]);
        sample
    };
    (0..count).map(shape).collect()
}

/// The objects of a sample as detectors learn them; panics at a class that is not listed.
pub(crate) fn object_boxes(sample: &Sample, classes: &[&str]) -> Vec<ObjectBox> {
    let objects = sample.labels.objects().iter();
    let class = |name: &str| classes.iter().position(|class| *class == name).unwrap();
    let object = |object: &Object| ObjectBox::new(class(&object.class), object.bbox_xywh);
    objects.map(object).collect()
}

/// Labelled frames of up to four [`shapes`] of 32 pixels on one ground, each within its own cell; every fifth shows
/// none.
pub(crate) fn frames(count: u64, extent: Extent, seed: u64) -> Vec<Sample> {
    const CELL: u32 = 32;
    let all = shapes(4 * count, CELL, seed);
    let seed = Seed::new(seed, "frames");
    let frame = |(index, shapes): (u64, &[Sample])| {
        let mut stream = seed.stream(index);
        let ground = image::Rgb([(); 3].map(|()| stream.random_range(0..110)));
        let mut pixels = RgbImage::from_pixel(extent.width, extent.height, ground);
        let mut cells: Vec<[u32; 2]> = (0..extent.height / CELL)
            .flat_map(|row| (0..extent.width / CELL).map(move |column| [column, row]))
            .collect();
        let mut objects = Vec::new();
        for shape in shapes.iter().filter(|_| !index.is_multiple_of(5)) {
            let cell = cells.swap_remove(stream.random_range(0..cells.len()));
            let [left, top] = cell.map(|place| place * CELL);
            let object = &shape.labels.objects()[0];
            let bitmap = object.mask.as_ref().unwrap().to_bitmap(CELL, CELL);
            for (x, y, pixel) in shape.pixels().unwrap().enumerate_pixels() {
                if bitmap[(y * CELL + x) as usize] {
                    pixels.put_pixel(left + x, top + y, *pixel);
                }
            }
            let [x, y, w, h] = object.bbox_xywh;
            let bbox = [x + left as f32, y + top as f32, w, h];
            let part = Extent::square(CELL);
            let mask = Mask::from_part(&bitmap, [left, top], part, extent);
            objects.push(Object::new(&object.class, bbox).with_mask(mask));
        }
        let mut sample = shapes[0].clone();
        sample.id = format!("render-{index:06}");
        sample.index = index;
        sample.provenance.origin = sample.id.clone();
        sample.extent = extent;
        sample.image = encode_png(&pixels).unwrap();
        sample.labels = Labels {
            objects: Some(objects),
            ..Labels::default()
        };
        sample
    };
    (0..).zip(all.chunks(4)).map(frame).collect()
}

/// A picture of one grey, without labels.
pub(crate) fn picture_of(width: u32, height: u32) -> Sample {
    unlabelled(&RgbImage::from_pixel(width, height, image::Rgb([90; 3])))
}

/// A picture without labels.
pub(crate) fn unlabelled(pixels: &RgbImage) -> Sample {
    Sample {
        id: "picture".into(),
        index: 0,
        image: encode_png(pixels).unwrap(),
        extent: pixels.dimensions().into(),
        labels: Labels::default(),
        provenance: Provenance {
            domain: Domain::Photo,
            source: "picture.png".into(),
            origin: "picture".into(),
            parent: None,
            seed: String::new(),
            checkpoint: None,
            transforms: Vec::new(),
            split: None,
            gate: None,
        },
    }
}

/// Pictures as an album, all of class 0.
pub(crate) fn album(pictures: &[RgbImage]) -> Album {
    let folder = tempfile::tempdir().unwrap();
    let mut album = Album::new(folder.path()).unwrap();
    for picture in pictures {
        album
            .push("test", &encode_png(picture).unwrap(), 0)
            .unwrap();
    }
    album
}

/// As [`run_into`], for a stage that makes samples; returns them.
pub(crate) fn run(
    stage: &dyn Stage,
    id: &str,
    samples: &[Sample],
    part_size: usize,
) -> Vec<Sample> {
    let out = tempfile::tempdir().unwrap();
    run_into(stage, id, samples, part_size, out.path()).unwrap();
    let made = describe(out.path(), &[]);
    made.samples().map(Result::unwrap).collect()
}

/// The stage `name` of the registry, configured by `text`: a test of one stage may need another's
/// result, and stages do not import each other.
pub(crate) fn stage(name: &str, text: &str) -> Box<dyn Stage> {
    let kind = crate::stages::STAGES.iter().find(|kind| kind.name == name);
    let value = toml::de::DeValue::parse(text).unwrap();
    (kind.unwrap().parse)(value).unwrap()
}

/// An interrupted run before its first stage ended.
pub(crate) fn bare_record() -> RunRecord {
    RunRecord {
        schema: 1,
        pipeline: "dice".into(),
        run: "2026-03-01T14-05-00".into(),
        status: Status::Interrupted,
        started: 1_772_373_900,
        seconds: 3.5,
        device: "CPU, 2 threads".into(),
        stages: Vec::new(),
        metrics: BTreeMap::new(),
        datasets: BTreeMap::new(),
        warnings: Vec::new(),
        requirements: Vec::new(),
        error: None,
        failed: None,
    }
}

/// The record of a stage without an artifact.
pub(crate) fn stage_record(id: &str, name: &str, from: &[(&str, &str)]) -> StageRecord {
    let from = from.iter();
    StageRecord {
        id: id.into(),
        stage: name.into(),
        from: from
            .map(|(role, id)| ((*role).into(), (*id).into()))
            .collect(),
        cached: false,
        cost: Cost::default(),
        key: "0f".repeat(32),
        folder: PathBuf::from("nowhere"),
        count: 0,
        classes: BTreeMap::new(),
    }
}

/// The device that VERISMO_TEST_DEVICE names (`gpu:0`, `cuda:0`, or `software` for a rasteriser that
/// wgpu takes for a GPU), else a GPU where there is one.
pub(crate) fn other_device() -> Chosen {
    let name = std::env::var("VERISMO_TEST_DEVICE").unwrap_or_else(|_| "auto".into());
    #[cfg(feature = "wgpu")]
    if name == "software" {
        return Chosen {
            device: burn::tensor::Device::wgpu(burn::tensor::DeviceKind::Cpu),
            name,
            cpu: false,
        };
    }
    device::choose(name.parse().unwrap()).unwrap()
}

/// A JPEG with an EXIF orientation of 6: to be turned right by 90 degrees.
pub(crate) fn turned_jpeg(pixels: &image::RgbImage) -> Vec<u8> {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    pixels
        .write_to(&mut jpeg, image::ImageFormat::Jpeg)
        .unwrap();
    let jpeg = jpeg.into_inner();
    let exif =
        b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    [&jpeg[..2], &exif[..], &jpeg[2..]].concat()
}
