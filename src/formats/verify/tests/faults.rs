//! The table of `docs/verify.md`: faults are put into pictures of datasets in every format, and counted where `verify`
//! doubts them.
//!
//! `VERISMO_FAULTS` is the number of pictures of each dataset.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::*;
use crate::formats::Holds;

/// A kind of fault.
type Fault = (&'static str, fn(&mut Sample));

/// What is put in. Every twentieth picture has one of them, in turn, and no picture has two.
const FAULTS: [Fault; 9] = [
    ("mask moved", |sample| {
        let object = &mut sample.labels.objects_mut()[0];
        object.mask = object.mask.as_ref().map(moved);
    }),
    ("mask and box moved", |sample| {
        let object = &mut sample.labels.objects_mut()[0];
        object.mask = object.mask.as_ref().map(moved);
        object.bbox_xywh[0] += 1.0;
    }),
    ("object lost", |sample| {
        sample.labels.objects.as_mut().unwrap().pop();
    }),
    ("class of a model", exchange_class),
    ("class of a face", exchange_class),
    ("box off", |sample| {
        sample.labels.objects_mut()[0].bbox_xywh[2] += 1.0;
    }),
    ("keypoints exchanged", |sample| {
        let points = &mut sample.labels.objects_mut()[0].keypoints;
        let [first, second] = [0, 1].map(|i| (points[i].x, points[i].y));
        (points[0].x, points[0].y) = second;
        (points[1].x, points[1].y) = first;
    }),
    // What leaks is the picture before it, which `leak` fetches.
    ("split leaked", |_| ()),
    ("file twice", |_| ()),
];

const OF_MODEL: usize = 3;
const OF_FACE: usize = 4;
const LEAKED: usize = 7;
const TWICE: usize = 8;

/// Of everything in the picture.
fn exchange_class(sample: &mut Sample) {
    let other = match sample.labels.class.as_deref() {
        Some("mug") => "bolt",
        Some("bolt") => "mug",
        Some("one") => "two",
        _ => "one",
    };
    sample.labels.class = Some(other.to_owned());
    let objects = sample.labels.objects_mut().iter_mut();
    objects.for_each(|object| object.class = other.to_owned());
}

/// The mask a pixel to the right.
fn moved(mask: &Mask) -> Mask {
    let bitmap = mask.to_bitmap(EXTENT.width, EXTENT.height);
    let width = EXTENT.width as usize;
    let moved: Vec<bool> = (0..bitmap.len())
        .map(|i| i % width > 0 && bitmap[i - 1])
        .collect();
    Mask::from_bitmap(&moved, EXTENT.width, EXTENT.height)
}

/// The fault of a picture.
fn fault_of(index: u64) -> Option<usize> {
    index
        .is_multiple_of(20)
        .then_some((index / 20) as usize % FAULTS.len())
}

/// The sound pictures: mugs and bolts with a model each, and a die with the classes `one` and `two`, whose keypoints
/// lie elsewhere for each class.
fn sound(count: u64) -> Vec<Sample> {
    let sample = |index| {
        let number = (index + index / 20) as usize;
        let class = match fault_of(index) {
            Some(OF_MODEL) => ["mug", "bolt"][number % 2],
            Some(OF_FACE) => ["one", "two"][number % 2],
            _ => ["mug", "bolt", "one", "two"][number % 4],
        };
        let mut sample = sample(index);
        sample.labels.class = Some(class.to_owned());
        sample.provenance.split = Some(split(index).to_owned());
        sample.provenance.source = match class {
            "mug" | "bolt" => format!("{class}.glb"),
            _ => "die.glb".to_owned(),
        };
        for object in sample.labels.objects_mut() {
            object.class = class.to_owned();
            if class == "two" {
                object.keypoints.rotate_left(1);
                for (keypoint, (name, _)) in object.keypoints.iter_mut().zip(POINTS) {
                    keypoint.name = name.to_owned();
                }
            }
        }
        sample
    };
    (0..count).map(sample).collect()
}

/// The same pictures with faults.
fn faulty(sound: &[Sample]) -> Vec<Sample> {
    let mut samples = sound.to_vec();
    for index in 0..samples.len() {
        let Some(fault) = fault_of(index as u64) else {
            continue;
        };
        if fault == LEAKED || fault == TWICE {
            samples[index] = leak(&sound[index], &sound[index + 1], fault == TWICE);
        }
        FAULTS[fault].1(&mut samples[index]);
    }
    samples
}

/// What the picture `other` looks like in the place of `sample`, in another split: a little brighter, as after
/// `augment`, or the same file.
fn leak(sample: &Sample, other: &Sample, same_file: bool) -> Sample {
    let mut pixels = other.pixels().unwrap();
    if !same_file {
        pixels
            .iter_mut()
            .for_each(|value| *value = value.saturating_add(2));
    }
    let mut leaked = other.clone();
    (leaked.id, leaked.index) = (sample.id.clone(), sample.index);
    leaked.image = if same_file {
        other.image.clone()
    } else {
        encode_png(&pixels).unwrap()
    };
    leaked.provenance.split = sample.provenance.split.clone();
    leaked
}

/// Whether a format holds what the fault is about.
fn can_show(holds: Holds, fault: usize) -> bool {
    match fault {
        0 | 1 => holds.masks,
        2 | 5 => holds.objects,
        OF_MODEL | OF_FACE => holds.objects || holds.class,
        6 => holds.keypoints,
        _ => true,
    }
}

/// What was found of each fault, and how many pictures without one were doubted.
struct Row {
    name: String,
    found: [usize; 9],
    alarms: usize,
}

/// Verifies a dataset of these pictures and counts.
fn judge(name: &str, samples: &[Sample], root: &Path) -> Row {
    let report = check(root);
    let by_content: HashMap<[u8; 32], u64> = samples
        .iter()
        .map(|s| (*blake3::hash(&s.image).as_bytes(), s.index))
        .collect();
    // Formats that number their pictures are known by these.
    let index_of = |doubt: &Doubt| {
        let place = doubt.place.rsplit_once("render-").map(|(_, rest)| rest);
        let number = place.and_then(|rest| rest.get(..6)?.parse().ok());
        number.or_else(|| {
            let bytes = std::fs::read(&doubt.picture.as_ref()?.0).ok()?;
            by_content.get(blake3::hash(&bytes).as_bytes()).copied()
        })
    };
    let doubted: BTreeSet<u64> = report.doubts.iter().filter_map(index_of).collect();
    let twins: BTreeSet<u64> = (0..samples.len() as u64)
        .filter(|i| matches!(fault_of(*i), Some(LEAKED | TWICE)))
        .flat_map(|i| [i, i + 1])
        .collect();
    let mut row = Row {
        name: name.to_owned(),
        found: [0; 9],
        alarms: 0,
    };
    for index in 0..samples.len() as u64 {
        match fault_of(index) {
            // Of a pair either may be named.
            Some(fault @ (LEAKED | TWICE)) => {
                let either = doubted.contains(&index) || doubted.contains(&(index + 1));
                row.found[fault] += usize::from(either);
            }
            Some(fault) => row.found[fault] += usize::from(doubted.contains(&index)),
            None if twins.contains(&index) => {}
            None => row.alarms += usize::from(doubted.contains(&index)),
        }
    }
    row
}

/// How long only reading a dataset takes: its lists, pictures and checksums.
fn reading(root: &Path) -> Duration {
    let start = Instant::now();
    let mut files = Vec::new();
    for (number, format) in formats(root).unwrap().into_iter().enumerate() {
        let keep = &mut |picture: Picture| {
            if number == 0 {
                files.push(picture);
            }
            Ok(())
        };
        format.visit(root, false, keep).unwrap();
    }
    files
        .par_iter()
        .for_each(|picture| _ = picture.pixels().unwrap());
    if root.join(CHECKSUMS).is_file() {
        checksums::check(root, &mut Report::default()).unwrap();
    }
    start.elapsed()
}

#[test]
fn the_table_of_faults() {
    let wanted = std::env::var("VERISMO_FAULTS").ok();
    let count = wanted.and_then(|count| count.parse().ok()).unwrap_or(320);
    let sound = sound(count);
    let faulty = faulty(&sound);
    let mut put_in = [0; 9];
    (0..count)
        .filter_map(fault_of)
        .for_each(|fault| put_in[fault] += 1);
    let mut rows = Vec::new();
    let mut add =
        |name: &str, formats: &[(&str, &[Sample])], placed: &[Sample], checksums: bool| {
            let root = tempfile::tempdir().unwrap();
            for (format, samples) in formats {
                write_format(format, samples, placed, root.path());
            }
            if checksums {
                list(root.path());
            }
            rows.push(judge(name, &faulty, root.path()));
        };
    // The pictures themselves are the same in all formats.
    let leaks = |sample: &Sample| matches!(fault_of(sample.index), Some(LEAKED | TWICE));
    let others: Vec<Sample> = sound
        .iter()
        .zip(&faulty)
        .map(|(sound, faulty)| if leaks(faulty) { faulty } else { sound }.clone())
        .collect();
    let in_one = USUAL.map(|name| (name, if name == "coco" { &*faulty } else { &*others }));
    add("published, wrong in COCO", &in_one, &others, true);
    add(
        "published, wrong everywhere",
        &USUAL.map(|name| (name, &*faulty)),
        &faulty,
        true,
    );
    for format in FORMATS.iter().filter(|format| format.write.is_some()) {
        add(format.name, &[(format.name, &faulty)], &faulty, false);
    }
    print(&rows, put_in);
    for row in &rows {
        assert_eq!(row.alarms, 0, "{}", row.name);
    }
    assert_eq!(rows[0].found, put_in);
    // Where all formats agree, only the models would tell.
    let known = |counts: [usize; 9]| [&counts[..1], &counts[3..]].concat();
    assert_eq!(known(rows[1].found), known(put_in));
    let root = tempfile::tempdir().unwrap();
    write(&sound, root.path());
    let read = reading(root.path());
    let start = Instant::now();
    let doubts = check(root.path()).doubts.len();
    let verified = start.elapsed();
    println!(
        "{count} sound pictures: verified in {verified:.2?}, read in {read:.2?}, {doubts} doubts"
    );
}

/// The table as Markdown.
fn print(rows: &[Row], put_in: [usize; 9]) {
    let names = FAULTS.map(|(name, _)| name).join(" | ");
    println!("| dataset | {names} | false alarms |");
    println!("|---|{}---:|", "---:|".repeat(FAULTS.len()));
    for row in rows {
        let format = FormatName::find(&row.name).or(FormatName::find("coco"));
        let holds = format.unwrap().entry().holds;
        let cells = (0..FAULTS.len()).map(|fault| match can_show(holds, fault) {
            true => format!("{}/{}", row.found[fault], put_in[fault]),
            false => "–".to_owned(),
        });
        let cells = cells.collect::<Vec<_>>().join(" | ");
        println!("| {} | {cells} | {} |", row.name, row.alarms);
    }
}
