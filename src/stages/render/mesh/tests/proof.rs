//! The proof of labels finds every fault that is put in, and doubts nothing else.

use super::scenes::surroundings;
use super::*;
use crate::sample::{Labels, maps};
use crate::stages::render::mesh::proof::Shown;
use crate::stages::render::proving::{Trial, assert_found, assert_sound, exchange, move_mask};

/// A picture with this number, whose labels are proved, and proved once more after `change`.
fn trial(
    mesh: &Mesh,
    (cast, environment): &(Cast, Environment),
    size: Extent,
    index: u64,
    change: impl FnOnce(&mut Labels, Extent) -> bool,
) -> Trial {
    let mut stream = Seed::new(11, "proof").stream(index);
    let wanted = Wanted {
        classes: &[],
        count: 0,
        size,
        min_visible: 0.0,
        maps: &[],
        clip: 1,
    };
    let classes = cast.classes();
    Trial::of(
        index,
        || {
            let scene = Scene::draw(mesh, cast.at(index), cast, environment, size, &mut stream);
            let buffer = Buffer::trace(&scene, size);
            let labels = buffer.labels(&scene, wanted, &classes, false).unwrap();
            (scene, buffer, labels)
        },
        |(scene, buffer, labels)| Shown::new(scene, &buffer.ids).fault(labels, size),
        |(.., labels)| !labels.objects().is_empty() && change(labels, size),
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
    let mut far = crowded();
    far.camera.object_scale = [0.03, 0.06];
    far.camera.fov_degrees = [0.5, 3.0];
    let mut free = lego();
    free.lie.pose = Pose::Free;
    free.camera.tilt_degrees = [60.0, 85.0];
    let kinds = [
        ("dice", crowded(), Extent::square(64)),
        ("dice, wide", crowded(), Extent::new(160, 96)),
        ("dice, cut off", near, Extent::square(48)),
        ("dice, far away", far, Extent::square(192)),
        ("lego", lego(), Extent::square(64)),
        ("lego, any way up", free, Extent::square(96)),
    ];
    for (name, mesh, size) in kinds {
        let surroundings = surroundings(&mesh);
        assert_sound(name, |index| {
            trial(&mesh, &surroundings, size, index, |_, _| false)
        });
    }
}

/// A kind of fault.
type Fault = (&'static str, fn(&mut Labels, Extent) -> bool);

fn exchange_keypoints(labels: &mut Labels, _: Extent) -> bool {
    let object = &mut labels.objects_mut()[0];
    let count = object.keypoints.len();
    if count > 1 {
        exchange(object, [0, count - 1]);
    }
    count > 1
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

const FAULTS: [Fault; 10] = [
    ("3D box a hundredth too high", |labels, _| {
        let sides = labels.objects_mut()[0].box_3d.as_mut().unwrap();
        sides[4] += 0.01 * (sides[4] - sides[1]);
        true
    }),
    ("mask moved by a pixel", |labels, size| {
        move_mask(labels.objects_mut().last_mut().unwrap(), size)
    }),
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
    let mesh = crowded();
    let surroundings = surroundings(&mesh);
    for (name, change) in FAULTS {
        assert_found(name, |index| {
            trial(&mesh, &surroundings, Extent::square(64), index, change)
        });
    }
}
