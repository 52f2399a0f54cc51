//! Scenes of many objects: labels of each, what hides them, how they lie, and the same bytes everywhere.

use super::scenes::surroundings;
use super::*;
use crate::sample::Labels;
use crate::stages::render::mesh::compose::Stock;
use crate::stages::render::mesh::composition::{Arrangement, Bin, Composition, Distractors};
use crate::stages::render::mesh::made::Props;
use crate::stages::render::mesh::proof::Shown;
use crate::stages::render::proving::{Trial, assert_found, assert_sound, move_mask};

/// Some dropped dice with a few distractors among them.
fn dropped() -> Mesh {
    let mut mesh = Mesh {
        scene: Some(Composition {
            count: [1, 8],
            distractors: Distractors {
                count: [0, 3],
                ..Distractors::default()
            },
            ..Composition::default()
        }),
        ..dice()
    };
    mesh.camera.fov_degrees = [20.0, 50.0];
    mesh.camera.tilt_degrees = [0.0, 60.0];
    mesh.camera.object_scale = [0.7, 1.2];
    mesh
}

fn in_bin() -> Mesh {
    let mut mesh = dropped();
    mesh.scene = mesh.scene.map(|scene| Composition {
        count: [6, 12],
        bin: Some(Bin {
            side: [2.5, 3.5],
            ..Bin::default()
        }),
        ..scene
    });
    mesh
}

fn placed() -> Mesh {
    let mut mesh = dropped();
    mesh.scene = mesh.scene.map(|scene| Composition {
        arrangement: Arrangement::Place,
        ..scene
    });
    mesh
}

fn props(mesh: &Mesh, cast: &Cast) -> Props {
    let mut stream = Seed::new(5, "props").stream(0);
    let scene = mesh.scene.as_ref().unwrap();
    Props::load(mesh, scene, cast.mean_size(), &mut stream, &|| Ok(())).unwrap()
}

/// A scene with this number.
fn scene<'a>(
    mesh: &Mesh,
    (cast, environment): &'a (Cast, Environment),
    props: &'a Props,
    size: Extent,
    index: u64,
) -> Scene<'a> {
    let mut stream = Seed::new(13, "composed").stream(index);
    let stock = Stock { cast, props };
    let ranges = (mesh, mesh.scene.as_ref().unwrap());
    Scene::compose(
        ranges,
        cast.at(index),
        stock,
        environment,
        size,
        &mut stream,
    )
}

#[test]
fn what_has_no_room_in_a_bin_is_left_out() {
    let mut mesh = placed();
    mesh.scene = mesh.scene.map(|scene| Composition {
        count: [60, 60],
        distractors: Distractors::default(),
        bin: Some(Bin {
            side: [4.0, 4.0],
            ..Bin::default()
        }),
        ..scene
    });
    let surroundings = surroundings(&mesh);
    let props = props(&mesh, &surroundings.0);
    let scene = scene(&mesh, &surroundings, &props, Extent::square(32), 1);
    let inner = 2.0 * surroundings.0.mean_size();
    let objects: Vec<_> = scene.instances.iter().filter(|i| i.labelled).collect();
    assert!((2..20).contains(&objects.len()), "{}", objects.len());
    for object in objects {
        assert!(object.centre.x.abs().max(object.centre.z.abs()) < inner);
    }
}

#[test]
fn the_same_bytes_for_any_threads_and_part_size() {
    let once = render(&in_bin(), 5, 32, 1, 256).unwrap();
    assert_eq!(once, render(&in_bin(), 5, 32, 2, 2).unwrap());
    assert_eq!(once[..3], render(&in_bin(), 3, 32, 3, 7).unwrap()[..]);
}

#[test]
fn each_object_has_its_own_class_and_a_picture_of_several_has_none() {
    let samples = render(&dropped(), 16, 48, 2, 8).unwrap();
    let (mut mixed, mut alone) = (0, 0);
    for sample in &samples {
        let objects = sample.labels.objects();
        assert!(!objects.is_empty());
        assert_eq!(sample.labels.class.as_deref(), sample.labels.only_class());
        match &sample.labels.class {
            Some(_) => alone += 1,
            None => mixed += 1,
        }
        for object in objects {
            let amodal = object.amodal.as_ref().unwrap();
            let [x, y, width, height] = object.bbox_xywh;
            let [left, top, wide, high] = amodal.bbox_xywh;
            assert!(left <= x && top <= y && left + wide >= x + width && top + high >= y + height);
            let visible = mask_of(object).to_bitmap(48, 48);
            let whole = amodal.mask.as_ref().unwrap().to_bitmap(48, 48);
            assert!(
                visible
                    .iter()
                    .zip(&whole)
                    .all(|(visible, whole)| *whole || !visible)
            );
            assert!(object.pose.is_some() && object.truncation.is_some());
            assert!(visible.iter().filter(|set| **set).count() >= 16);
        }
    }
    assert!(mixed > 5 && alone > 0, "{mixed} {alone}");
}

#[test]
fn a_scene_without_objects_is_known_to_be_empty() {
    let mut mesh = dropped();
    mesh.scene = mesh.scene.map(|scene| Composition {
        count: [0, 0],
        ..scene
    });
    for sample in render(&mesh, 3, 24, 1, 8).unwrap() {
        assert_eq!(sample.labels.objects, Some(Vec::new()));
        assert_eq!(sample.labels.class, None);
    }
}

#[test]
fn dropped_dice_lie_on_the_table_and_not_in_each_other() {
    let mesh = dropped();
    let surroundings = surroundings(&mesh);
    let props = props(&mesh, &surroundings.0);
    let (mut objects, mut level) = (0, 0);
    for index in 0..24 {
        let scene = scene(&mesh, &surroundings, &props, Extent::square(32), index);
        for (number, instance) in scene.instances.iter().enumerate() {
            let hull = instance.model.hull.iter();
            let lowest = hull
                .map(|&v| instance.to_world(v).y)
                .fold(f32::INFINITY, f32::min);
            assert!(lowest > 0.0, "{index}: {lowest}");
            let size = instance.model.size;
            for other in &scene.instances[..number] {
                // Two cubes are in each other if their middles are nearer than half a side each.
                let apart = instance.centre.distance(other.centre);
                let both_dice = instance.labelled && other.labelled;
                assert!(!both_dice || apart > 0.97 * size, "{index}: {apart} {size}");
            }
            if instance.labelled {
                let outwards = instance.face().upright.inverse() * glam::Vec3A::Y;
                objects += 1;
                level += usize::from((instance.rotation * outwards).y > 0.999);
            }
        }
    }
    assert!(
        objects > 60 && 10 * level > 7 * objects,
        "{level} of {objects}"
    );
}

#[test]
fn a_bin_holds_its_objects() {
    let mesh = in_bin();
    let surroundings = surroundings(&mesh);
    let props = props(&mesh, &surroundings.0);
    let (mut inside, mut all) = (0, 0);
    for index in 0..8 {
        let scene = scene(&mesh, &surroundings, &props, Extent::square(32), index);
        let bin = scene.instances.last().unwrap();
        let reach = bin.model.sides().x / 2.0;
        for instance in scene.instances.iter().filter(|instance| instance.labelled) {
            all += 1;
            inside += usize::from(instance.centre.x.abs().max(instance.centre.z.abs()) < reach);
        }
    }
    assert!(all > 50 && 10 * inside > 8 * all, "{inside} of {all}");
}

/// A picture whose labels are proved, and proved once more after `change`.
fn trial(
    mesh: &Mesh,
    surroundings: &(Cast, Environment),
    props: &Props,
    index: u64,
    change: impl FnOnce(&mut Labels, Extent) -> bool,
) -> Trial {
    let size = Extent::square(80);
    let classes = surroundings.0.classes();
    Trial::of(
        index,
        || {
            let scene = scene(mesh, surroundings, props, size, index);
            let buffer = Buffer::trace(&scene, size);
            let labels = buffer
                .labels(&scene, wanted(1, size), &classes, false)
                .unwrap();
            (scene, buffer, labels)
        },
        |(scene, buffer, labels)| Shown::new(scene, &buffer.ids).fault(labels, size),
        |(.., labels)| !labels.objects().is_empty() && change(labels, size),
    )
}

#[test]
fn sound_labels_of_scenes_are_not_doubted() {
    let mut lego = in_bin();
    lego.models = ["2639", "3009", "3308", "41769"]
        .map(|part| Listed::from(&*format!("renders/lego/{part}.obj")))
        .into();
    for (name, mesh) in [
        ("dropped", dropped()),
        ("bin", in_bin()),
        ("placed", placed()),
        ("lego", lego),
    ] {
        let surroundings = surroundings(&mesh);
        let props = props(&mesh, &surroundings.0);
        assert_sound(name, |index| {
            trial(&mesh, &surroundings, &props, index, |_, _| false)
        });
    }
}

/// A kind of fault.
type Fault = (&'static str, fn(&mut Labels, Extent) -> bool);

const FAULTS: [Fault; 5] = [
    ("mask moved by a pixel", |labels, size| {
        move_mask(labels.objects_mut().last_mut().unwrap(), size)
    }),
    ("object lost", |labels, _| {
        labels.objects.as_mut().and_then(Vec::pop).is_some()
    }),
    ("amodal box off by two pixels", |labels, _| {
        labels.objects_mut()[0].amodal.as_mut().unwrap().bbox_xywh[0] += 2.0;
        true
    }),
    ("amodal mask lost", |labels, size| {
        let amodal = labels.objects_mut()[0].amodal.as_mut().unwrap();
        let empty =
            crate::sample::Mask::from_bitmap(&vec![false; size.area()], size.width, size.height);
        amodal.mask = Some(empty);
        true
    }),
    ("truncation off by a half", |labels, _| {
        let truncation = labels.objects_mut()[0].truncation.as_mut().unwrap();
        *truncation += if *truncation > 0.5 { -0.5 } else { 0.5 };
        true
    }),
];

#[test]
fn faults_in_scenes_are_found() {
    let mesh = dropped();
    let surroundings = surroundings(&mesh);
    let props = props(&mesh, &surroundings.0);
    for (name, change) in FAULTS {
        assert_found(name, |index| {
            trial(&mesh, &surroundings, &props, index, change)
        });
    }
}

#[test]
fn ranges_of_scenes_are_checked() {
    assert_eq!(in_bin().check_motion(1), Ok(()));
    assert!(in_bin().check_motion(4).unwrap_err().contains("`clip`"));
    let mut mesh = dropped();
    mesh.scene.as_mut().unwrap().count = [5, 2];
    assert!(
        mesh.check_motion(1)
            .unwrap_err()
            .contains("`mesh.scene.count`")
    );
    let mut mesh = in_bin();
    mesh.scene.as_mut().unwrap().distractors.models = vec!["".into()];
    assert!(
        mesh.check_motion(1)
            .unwrap_err()
            .contains("mesh.scene.distractors.models")
    );
}

#[test]
fn a_flat_card_and_an_open_shell_come_to_rest() {
    let folder = tempfile::tempdir().unwrap();
    let card = "v 0 0 0\nv .1 0 0\nv .1 0 .06\nv 0 0 .06\nf 4 3 2 1\n";
    // A box without a lid, inside out.
    let corner = |i: i32| {
        let at = |bit: i32| if i >> bit & 1 == 1 { 0.05 } else { 0.0 };
        format!("v {} {} {}\n", at(0), at(1), at(2))
    };
    let faces = "f 2 4 3 1\nf 7 8 6 5\nf 5 6 2 1\nf 7 5 1 3\nf 4 8 6 2\n";
    let shell = (0..8).map(corner).collect::<String>() + faces;
    let mut mesh = dropped();
    mesh.models = Vec::new();
    for (name, text) in [("card.obj", card), ("shell.obj", &shell)] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        mesh.models.push(path.into());
    }
    let samples = render(&mesh, 6, 48, 2, 8).unwrap();
    let classes = samples.iter().flat_map(|sample| sample.labels.objects());
    let classes: std::collections::BTreeSet<&str> =
        classes.map(|object| object.class.as_str()).collect();
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), ["card", "shell"]);
}
