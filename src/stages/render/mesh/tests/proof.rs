//! The proof of labels finds every fault that is put in, and doubts nothing else.
//!
//! `VERISMO_PROOFS` is the number of pictures of each kind, `cargo test --release --lib proof -- --nocapture` shows
//! the counts.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::scenes::surroundings;
use super::*;
use crate::sample::{Labels, Mask, maps};
use crate::stages::render::mesh::proof::Shown;

/// Pictures of each kind.
fn pictures() -> u64 {
    let wanted = std::env::var("VERISMO_PROOFS").ok();
    wanted.and_then(|count| count.parse().ok()).unwrap_or(40)
}

/// What was doubted of the `pictures` of a stage, before and after `change`, which says whether it changed anything:
/// false alarms, changed pictures, and faults found; and how long drawing and proving took.
fn doubts(
    mesh: &Mesh,
    size: Extent,
    change: impl Fn(&mut Labels, Extent) -> bool + Sync,
) -> (Vec<String>, [usize; 2], [Duration; 2]) {
    let (cast, environment) = surroundings(mesh);
    let of = |index: u64| {
        let mut stream = Seed::new(11, "proof").stream(index);
        let start = Instant::now();
        let scene = Scene::draw(mesh, cast.at(index), &cast, &environment, size, &mut stream);
        let buffer = Buffer::trace(&scene, size);
        let wanted = Wanted {
            classes: &[],
            count: 0,
            size,
            min_visible: 0.0,
            maps: &[],
        };
        let classes = cast.classes();
        let mut labels = buffer.labels(&scene, wanted, &classes, false).unwrap();
        let drawn = start.elapsed();
        let shown = Shown::new(&scene, &buffer.ids);
        let alarm = shown
            .fault(&labels, size)
            .map(|fault| format!("{index}: {fault}"));
        let proved = start.elapsed() - drawn;
        let changed = change(&mut labels, size);
        let found = changed && shown.fault(&labels, size).is_some();
        (
            alarm,
            [usize::from(changed), usize::from(found)],
            [drawn, proved],
        )
    };
    let all: Vec<_> = (0..pictures()).into_par_iter().map(of).collect();
    let sum = |which: usize| all.iter().map(|(_, counts, _)| counts[which]).sum();
    let time = |which: usize| all.iter().map(|(.., times)| times[which]).sum();
    let counts = [sum(0), sum(1)];
    let times = [time(0), time(1)];
    (
        all.into_iter().filter_map(|(alarm, ..)| alarm).collect(),
        counts,
        times,
    )
}

fn lego() -> Mesh {
    let parts = ["2639", "3009", "3308", "41769"]
        .map(|part| Listed::from(&*format!("renders/lego/{part}.obj")));
    Mesh {
        models: parts.into(),
        lie: Lie {
            pose: Pose::Stable,
            ..Lie::default()
        },
        ..crowded()
    }
}

#[test]
fn sound_labels_are_not_doubted() {
    let mut near = crowded();
    near.camera.object_scale = [1.5, 3.0];
    near.camera.off_centre = 0.6;
    near.camera.fov_degrees = [60.0, 110.0];
    let mut free = lego();
    free.lie.pose = Pose::Free;
    free.camera.tilt_degrees = [60.0, 85.0];
    let kinds = [
        ("dice", crowded(), Extent::square(64)),
        ("dice, wide", crowded(), Extent::new(160, 96)),
        ("dice, cut off", near, Extent::square(48)),
        ("lego", lego(), Extent::square(64)),
        ("lego, any way up", free, Extent::square(96)),
    ];
    for (name, mesh, size) in kinds {
        let (alarms, _, [drawn, proved]) = doubts(&mesh, size, |_, _| false);
        println!(
            "{name}: {} of {} doubted; {:.2} ms drawn and labelled, {:.2} ms proved, each",
            alarms.len(),
            pictures(),
            1e3 * drawn.as_secs_f64() / pictures() as f64,
            1e3 * proved.as_secs_f64() / pictures() as f64,
        );
        assert!(alarms.is_empty(), "{name}: {alarms:#?}");
    }
}

/// A kind of fault.
type Fault = (&'static str, fn(&mut Labels, Extent) -> bool);

/// The last object's mask, moved to the right by a pixel, with its box.
fn move_mask(labels: &mut Labels, size: Extent) -> bool {
    let object = labels.objects_mut().last_mut().unwrap();
    let old = object.mask.clone();
    let bitmap = old.as_ref().unwrap().to_bitmap(size.width, size.height);
    let width = size.width as usize;
    let moved: Vec<bool> = (0..bitmap.len())
        .map(|i| i % width > 0 && bitmap[i - 1])
        .collect();
    let mask = Mask::from_bitmap(&moved, size.width, size.height);
    object.bbox_xywh = mask.bbox_xywh(size.height).unwrap_or_default();
    object.mask = Some(mask);
    object.mask != old
}

fn exchange_keypoints(labels: &mut Labels, _: Extent) -> bool {
    let object = &mut labels.objects_mut()[0];
    let Some(last) = object
        .keypoints
        .len()
        .checked_sub(1)
        .filter(|last| *last > 0)
    else {
        return false;
    };
    let (first, other) = (object.keypoints[0].clone(), object.keypoints[last].clone());
    (object.keypoints[0].x, object.keypoints[0].y) = (other.x, other.y);
    (object.keypoints[last].x, object.keypoints[last].y) = (first.x, first.y);
    true
}

fn change_class(labels: &mut Labels, _: Extent) -> bool {
    let object = &mut labels.objects_mut()[0];
    object.class = if object.class == "six" { "one" } else { "six" }.to_owned();
    true
}

fn change_depths(labels: &mut Labels, _: Extent) -> bool {
    let mut changed = false;
    let change = |_: &maps::MapKind, values: &mut [[u16; 3]]| {
        for value in values.iter_mut().filter(|value| value[0] < u16::MAX - 3) {
            (value[0], changed) = (value[0] + 3, true);
        }
    };
    labels.maps.edit("a picture", change).unwrap();
    changed
}

fn turn_pose(labels: &mut Labels, _: Extent) -> bool {
    let object = &mut labels.objects_mut()[0];
    let pose = object.pose.as_mut().unwrap();
    let (sin, cos) = 2_f32.to_radians().sin_cos();
    for row in [0, 4, 8] {
        let (x, y) = (pose[row], pose[row + 1]);
        (pose[row], pose[row + 1]) = (x * cos - y * sin, x * sin + y * cos);
    }
    true
}

const FAULTS: [Fault; 9] = [
    ("mask moved by a pixel", move_mask),
    ("object lost", |labels, _| {
        labels.objects.as_mut().and_then(Vec::pop).is_some()
    }),
    ("class exchanged", change_class),
    ("box off by a pixel", |labels, _| {
        labels.objects_mut()[0].bbox_xywh[2] += 1.0;
        true
    }),
    ("keypoints exchanged", exchange_keypoints),
    ("depths off by three steps", change_depths),
    ("pose turned by two degrees", turn_pose),
    ("camera off by a quarter of a pixel", |labels, _| {
        labels.camera.as_mut().unwrap().cx += 0.25;
        true
    }),
    ("visible fraction off by a tenth", |labels, _| {
        let fraction = &mut labels.objects_mut()[0].visible_fraction;
        *fraction += if *fraction > 0.5 { -0.1 } else { 0.1 };
        true
    }),
];

#[test]
fn faults_are_found() {
    for (name, change) in FAULTS {
        let whole =
            |labels: &mut Labels, size| !labels.objects().is_empty() && change(labels, size);
        let (_, [changed, found], _) = doubts(&crowded(), Extent::square(64), whole);
        println!("{name}: {found} of {changed} found");
        assert!(
            changed > 0 && found as f64 >= 0.999 * changed as f64,
            "{name}: {found} of {changed}"
        );
    }
}
