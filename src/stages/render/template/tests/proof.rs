//! The proof of labels finds faults that are put in, and doubts nothing else; `VERISMO_PROOFS` as for meshes.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::*;

fn pictures() -> u64 {
    let wanted = std::env::var("VERISMO_PROOFS").ok();
    wanted.and_then(|count| count.parse().ok()).unwrap_or(100)
}

/// False alarms, changed pictures and faults found; how long placing and proving took.
fn doubts(
    config: &Template,
    size: Extent,
    change: impl Fn(&mut Labels, Extent) -> bool + Sync,
) -> (Vec<String>, [usize; 2], [Duration; 2]) {
    let out = tempfile::tempdir().unwrap();
    let classes =
        classes::load_folder(&config.templates, size.shorter(), &quiet(out.path())).unwrap();
    let of = |index: u64| {
        let stream = &mut Seed::new(5, "proof").stream(index);
        let start = Instant::now();
        let texture = |stream: &mut Stream| {
            let class = &classes[stream.random_range(0..classes.len())];
            class.draw(0.2, stream).texture(&|| Ok(())).unwrap()
        };
        let main = texture(stream);
        let placement = config.geometry.place(&main, size, stream);
        let mut signs = vec![Sign::new(main, placement, size)];
        if index % 2 == 1 {
            let other = texture(stream);
            let placement = config
                .geometry
                .place_beside(&signs[0].placement, &other, size, stream);
            signs.push(Sign::new(other, placement, size));
        }
        let mut labels = super::super::labels(&signs, size);
        let drawn = start.elapsed();
        let alarm = super::super::proof::fault(&signs, &labels, size)
            .map(|fault| format!("{index}: {fault}"));
        let proved = start.elapsed() - drawn;
        let changed = !labels.objects().is_empty() && change(&mut labels, size);
        let found = changed && super::super::proof::fault(&signs, &labels, size).is_some();
        (
            alarm,
            [usize::from(changed), usize::from(found)],
            [drawn, proved],
        )
    };
    let all: Vec<_> = (0..pictures()).into_par_iter().map(of).collect();
    let count = |which: usize| all.iter().map(|(_, counts, _)| counts[which]).sum();
    let time = |which: usize| all.iter().map(|(.., times)| times[which]).sum();
    let (counts, times) = ([count(0), count(1)], [time(0), time(1)]);
    (
        all.into_iter().filter_map(|(alarm, ..)| alarm).collect(),
        counts,
        times,
    )
}

fn signs() -> Template {
    Template {
        templates: "renders/traffic-signs".into(),
        ..Template::default()
    }
}

#[test]
fn sound_labels_are_not_doubted() {
    let mut wild = signs();
    wild.geometry = Geometry {
        scale: [0.1, 2.0],
        shift: [-0.5, 0.5],
        yaw: [-80.0, 80.0],
        pitch: [-60.0, 60.0],
        roll: [-180.0, 180.0],
        distance: [1.5, 10.0],
        stretch: [0.5, 2.0],
    };
    let kinds = [
        ("signs", signs(), Extent::square(48)),
        ("signs, large", signs(), Extent::new(800, 600)),
        ("signs, any way", wild, Extent::new(96, 64)),
    ];
    for (name, config, size) in kinds {
        let (alarms, _, [drawn, proved]) = doubts(&config, size, |_, _| false);
        println!(
            "{name}: {} of {} doubted; {:.2} ms placed and labelled, {:.2} ms proved, each",
            alarms.len(),
            pictures(),
            1e3 * drawn.as_secs_f64() / pictures() as f64,
            1e3 * proved.as_secs_f64() / pictures() as f64,
        );
        assert!(alarms.is_empty(), "{name}: {alarms:#?}");
    }
}

/// A kind of fault, put into the first object.
type Fault = (&'static str, fn(&mut Object, Extent) -> bool);

const FAULTS: [Fault; 4] = [
    ("mask moved by a pixel", |object, size| {
        let bitmap = object
            .mask
            .as_ref()
            .unwrap()
            .to_bitmap(size.width, size.height);
        let width = size.width as usize;
        let moved: Vec<bool> = (0..bitmap.len())
            .map(|i| i % width > 0 && bitmap[i - 1])
            .collect();
        let mask = Mask::from_bitmap(&moved, size.width, size.height);
        object.bbox_xywh = mask.bbox_xywh(size.height).unwrap_or_default();
        object.mask.replace(mask.clone()) != Some(mask)
    }),
    ("class exchanged", |object, _| {
        object.class += "x";
        true
    }),
    ("box off by a pixel", |object, _| {
        object.bbox_xywh[1] += 1.0;
        true
    }),
    ("corners exchanged", |object, _| {
        let [first, second] = [0, 1].map(|i| (object.keypoints[i].x, object.keypoints[i].y));
        (object.keypoints[0].x, object.keypoints[0].y) = second;
        (object.keypoints[1].x, object.keypoints[1].y) = first;
        true
    }),
];

#[test]
fn faults_are_found() {
    for (name, change) in FAULTS {
        let change = |labels: &mut Labels, size| change(&mut labels.objects_mut()[0], size);
        let (_, [changed, found], _) = doubts(&signs(), Extent::square(48), change);
        println!("{name}: {found} of {changed} found");
        assert!(
            changed > 0 && found as f64 >= 0.999 * changed as f64,
            "{name}: {found} of {changed}"
        );
    }
}
