//! What ingest makes of small generated photos, and what it says of broken ones.

mod crops;
mod decoding;
mod few;
mod frames;
mod hostile;
mod labelled;
mod rows;
mod sources;
mod tolerance;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use image::{Rgb, RgbImage};

use super::*;
use crate::Error;
use crate::artifact::{self, parts};
use crate::sample::Sample;
use crate::seed::Seed;
use crate::stage::{DeviceChoice, Share};

/// Runs `config` and returns its samples, summary and warnings.
fn run(config: &Ingest, part_size: usize) -> Result<(Vec<Sample>, serde_json::Value, Vec<String>)> {
    let out = tempfile::tempdir().unwrap();
    let warnings = Mutex::new(Vec::new());
    let events = |event| {
        if let Event::Warning { text } = event {
            warnings.lock().unwrap().push(text);
        }
    };
    let context = context(out.path(), part_size, &events);
    let wrong = |problem| Error::failed("the settings", problem, "mend them");
    config.check().map_err(wrong)?;
    let summary = config.run(&context)?;
    let mut samples = Vec::new();
    for path in artifact::walk(out.path())? {
        samples.extend(parts::read_part(&path)?);
    }
    Ok((samples, summary, warnings.into_inner().unwrap()))
}

fn context<'a>(out: &'a Path, part_size: usize, events: &'a (dyn Fn(Event) + Sync)) -> Context<'a> {
    Context {
        id: "photos",
        seed: Seed::new(1, "photos"),
        inputs: BTreeMap::new(),
        share: Share::All,
        out,
        resume: None,
        part_size,
        device: DeviceChoice::Cpu,
        events,
        interrupted: &UNINTERRUPTED,
    }
}

static UNINTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The message of the error that `config` ends with.
fn message(config: &Ingest) -> String {
    run(config, 8).unwrap_err().to_string()
}

/// A photo whose red tells the column and green the row.
fn ramp(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 0]))
}

/// A folder with photos `a.png`, `sub/b.png` and a CSV of four boxes.
fn example() -> (tempfile::TempDir, Ingest) {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    std::fs::create_dir_all(photos.join("sub")).unwrap();
    ramp(100, 80).save(photos.join("a.png")).unwrap();
    ramp(64, 64).save(photos.join("sub/b.png")).unwrap();
    std::fs::write(photos.join("notes.txt"), "no photo").unwrap();
    let boxes = folder.path().join("boxes.csv");
    let text = "file,class,xmin,ymin,xmax,ymax\n\
                a.png,six,10,20,30,40\n\
                sub/b.png,one,0,0,20,10\n\
                a.png,two,40,30,72,62\n\
                sub/b.png,six,40,40,64.0,64.0\n";
    std::fs::write(&boxes, text).unwrap();
    let config = Ingest {
        path: photos,
        boxes: Some(boxes),
        size: Extent::square(16),
        margin: 0.0,
        ..Ingest::default()
    };
    (folder, config)
}

/// The summary of `photos` and `crops` with nothing wrong, but for `others`.
fn summary(photos: usize, crops: usize, others: &[(&str, usize)]) -> serde_json::Value {
    let mut summary = serde_json::json!({
        "photos": photos, "crops": crops, "skipped": 0, "empty": 0, "bad": 0, "copies": 0,
    });
    for (name, count) in others {
        summary[*name] = (*count).into();
    }
    summary
}

fn csv(config: &Ingest) -> &Path {
    config.boxes.as_deref().unwrap()
}
