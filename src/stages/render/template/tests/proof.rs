//! The proof of labels finds faults that are put in, and doubts nothing else.

use super::*;
use crate::stages::render::proving::{Trial, assert_found, assert_sound, exchange, move_mask};

/// A way to make a picture, prove its labels, and prove them once more after `change`.
fn trial(
    config: &Template,
    size: Extent,
    change: impl Fn(&mut Labels, Extent) -> bool + Sync,
) -> impl Fn(u64) -> Trial + Sync {
    let out = tempfile::tempdir().unwrap();
    let classes =
        classes::load_folder(&config.templates, size.shorter(), &quiet(out.path())).unwrap();
    move |index| {
        let stream = &mut Seed::new(5, "proof").stream(index);
        let texture = |stream: &mut Stream| {
            let class = &classes[stream.random_range(0..classes.len())];
            class.draw(0.2, stream).texture(&|| Ok(())).unwrap()
        };
        let draw = || {
            let main = texture(stream);
            let placement = config.geometry.place(&main, size, stream);
            let mut signs = vec![Sign::new(main, placement, size)];
            if index % 2 == 1 {
                let other = texture(stream);
                let beside = &signs[0].placement;
                let placement = config.geometry.place_beside(beside, &other, size, stream);
                signs.push(Sign::new(other, placement, size));
            }
            let labels = super::super::labels(&signs, size);
            (signs, labels)
        };
        Trial::of(
            index,
            draw,
            |(signs, labels)| super::super::proof::fault(signs, labels, size),
            |(_, labels)| !labels.objects().is_empty() && change(labels, size),
        )
    }
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
        assert_sound(name, trial(&config, size, |_, _| false));
    }
}

/// A kind of fault, put into the first object.
type Fault = (&'static str, fn(&mut Object, Extent) -> bool);

const FAULTS: [Fault; 4] = [
    ("mask moved by a pixel", move_mask),
    ("class exchanged", |object, _| {
        object.class += "x";
        true
    }),
    ("box off by a pixel", |object, _| {
        object.bbox_xywh[1] += 1.0;
        true
    }),
    ("corners exchanged", |object, _| {
        exchange(object, [0, 1]);
        true
    }),
];

#[test]
fn faults_are_found() {
    for (name, change) in FAULTS {
        let change = |labels: &mut Labels, size| change(&mut labels.objects_mut()[0], size);
        assert_found(name, trial(&signs(), Extent::square(48), change));
    }
}
