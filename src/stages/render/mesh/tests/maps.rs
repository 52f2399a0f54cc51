//! Maps of surfaces against geometry that is computed another way: rays on spheres and boxes in closed form.

use glam::Vec3;

use super::*;
use crate::sample::maps::{self, MapKind, MapName, Value, albedo, normals, semantic};

const SIZE: Extent = Extent::new(48, 40);

/// Samples of an OBJ of this text, with all maps.
fn samples(text: &str, change: impl Fn(&mut Mesh)) -> Vec<Sample> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("part.obj"), text).unwrap();
    std::fs::write(folder.path().join("a.mtl"), "newmtl red\nKd 0.5 0.1 0.02\n").unwrap();
    let mut mesh = Mesh {
        models: vec![folder.path().join("part.obj").into()],
        ..dice()
    };
    mesh.neighbours.count = [1, 1];
    mesh.camera.fov_degrees = [30.0, 40.0];
    mesh.camera.tilt_degrees = [20.0, 60.0];
    change(&mut mesh);
    let wanted = Wanted {
        maps: &MapName::all(),
        ..wanted(4, SIZE)
    };
    render_wanted(&mesh, BTreeMap::new(), wanted, 2, 8).unwrap()
}

fn values(sample: &Sample, kind: &MapKind) -> Vec<Value> {
    let png = sample.labels.maps.get(kind).unwrap();
    let (values, dimensions) = maps::decode(kind, png, "").unwrap();
    assert_eq!(dimensions, SIZE.dimensions());
    values
}

/// A sphere of radius 1 about the origin, with its own normals.
fn sphere() -> String {
    const RINGS: usize = 48;
    let mut text = String::from("mtllib a.mtl\nusemtl red\n");
    let point = |i: usize, j: usize| {
        let (a, b) = (i as f32 / RINGS as f32, j as f32 / RINGS as f32);
        let (polar, turn) = (std::f32::consts::PI * a, std::f32::consts::TAU * b);
        Vec3::new(
            polar.sin() * turn.cos(),
            polar.cos(),
            polar.sin() * turn.sin(),
        )
    };
    for (i, j) in (0..=RINGS).flat_map(|i| (0..RINGS).map(move |j| (i, j))) {
        let Vec3 { x, y, z } = point(i, j);
        text += &format!("v {x} {y} {z}\nvn {x} {y} {z}\n");
    }
    for (i, j) in (0..RINGS).flat_map(|i| (0..RINGS).map(move |j| (i, j))) {
        let corner = |i: usize, j: usize| {
            let number = i * RINGS + j % RINGS + 1;
            format!("{number}//{number}")
        };
        let corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)];
        let [a, b, c, d] = corners.map(|(i, j)| corner(i, j));
        // At a pole two corners are one point.
        text += &match i {
            0 => format!("f {a} {b} {c}\n"),
            _ if i + 1 == RINGS => format!("f {a} {b} {d}\n"),
            _ => format!("f {a} {b} {c} {d}\n"),
        };
    }
    text
}

/// A box with corners at (-1, -1, -1) and (1, 1, 1).
fn cube() -> String {
    let corner = |i: i32| {
        let at = |bit: i32| if i >> bit & 1 == 1 { 1 } else { -1 };
        format!("v {} {} {}\n", at(0), at(1), at(2))
    };
    let faces = "f 1 3 4 2\nf 5 6 8 7\nf 1 2 6 5\nf 3 7 8 4\nf 1 5 7 3\nf 2 4 8 6\n";
    let corners: String = (0..8).map(corner).collect();
    format!("mtllib a.mtl\nusemtl red\n{corners}{faces}")
}

/// Direction of the ray through the middle of pixel `i`, before the camera.
fn ray(sample: &Sample, i: usize) -> Vec3 {
    let camera = sample.labels.camera.unwrap();
    let (x, y) = (i as u32 % SIZE.width, i as u32 / SIZE.width);
    Vec3::new(
        (x as f32 + 0.5 - camera.cx) / camera.fx,
        (y as f32 + 0.5 - camera.cy) / camera.fy,
        1.0,
    )
    .normalize()
}

/// Position of an object before the camera, and its axes there.
fn pose(object: &crate::sample::Object) -> (Vec3, [Vec3; 3]) {
    let p = object.pose.unwrap();
    let column = |i: usize| Vec3::new(p[i], p[4 + i], p[8 + i]);
    (column(3), [0, 1, 2].map(column))
}

/// Compares the map of normals, where objects are seen, with what `expected` says of a ray on an object.
fn compare(text: &str, expected: impl Fn(Vec3, Vec3, [Vec3; 3]) -> Option<Vec3>) {
    let (mut compared, mut missed) = (0, 0);
    for sample in samples(text, |_| ()) {
        let normals = values(&sample, &normals::MAP);
        for object in sample.labels.objects() {
            let (place, axes) = pose(object);
            let mask = mask_of(object).to_bitmap(SIZE.width, SIZE.height);
            for i in (0..mask.len()).filter(|&i| mask[i]) {
                // Rays on the outline may just miss the round shape.
                let Some(expected) = expected(ray(&sample, i), place, axes) else {
                    missed += 1;
                    continue;
                };
                let found = normals::normal(normals[i]);
                assert!(found.dot(ray(&sample, i)) < 0.0, "{found}");
                let apart = found.angle_between(expected).to_degrees();
                assert!(apart < 2.0, "{apart} degrees: {found}, {expected}");
                compared += 1;
            }
        }
    }
    assert!(
        compared > 500 && 5 * missed < compared,
        "{compared} {missed}"
    );
}

#[test]
fn normals_of_a_sphere_point_away_from_its_middle() {
    compare(&sphere(), |ray, place, _| {
        let along = ray.dot(place);
        let beside = place.length_squared() - along * along;
        // Near the outline a flat triangle's ray may end somewhere else.
        (beside < 0.9).then(|| ray * (along - (1.0 - beside).sqrt()) - place)
    });
}

#[test]
fn normals_of_a_box_are_those_of_the_face_that_is_seen() {
    compare(&cube(), |ray, place, axes| {
        // The last of the three entries into slabs.
        let entry = |axis: Vec3| {
            let side = -axis.dot(ray).signum() * axis;
            ((1.0 + side.dot(place)) / side.dot(ray), side)
        };
        let last = axes
            .map(entry)
            .into_iter()
            .max_by(|a, b| a.0.total_cmp(&b.0));
        last.map(|(_, side)| side)
    });
}

#[test]
fn the_table_has_one_normal_that_of_the_camera_s_tilt() {
    let made = samples(&cube(), |mesh| {
        mesh.camera.tilt_degrees = [35.0; 2];
        mesh.camera.roll_degrees = [0.0; 2];
    });
    let (sin, cos) = 35f32.to_radians().sin_cos();
    let up = normals::value(Vec3::new(0.0, -sin, -cos));
    for sample in made {
        let masks = sample.object_mask();
        let all = values(&sample, &normals::MAP);
        let around = all
            .iter()
            .zip(masks.as_raw())
            .filter(|(_, mask)| **mask == 0);
        assert!(around.clone().count() > 200);
        for (value, _) in around {
            let near = value.iter().zip(up).all(|(a, b)| a.abs_diff(b) <= 1);
            assert!(near, "{value:?} {up:?}");
        }
    }
}

#[test]
fn the_albedo_is_the_material_s_colour_whatever_the_light() {
    for exposure in [0.05, 3.0] {
        for sample in samples(&sphere(), |mesh| {
            mesh.surfaces.random = 0.0;
            mesh.lighting.exposure = [exposure; 2];
        }) {
            let mask = sample.object_mask();
            let albedo = values(&sample, &albedo::MAP);
            let wanted = albedo::value([0.5, 0.1, 0.02]);
            for (value, inside) in albedo.iter().zip(mask.as_raw()) {
                assert_ne!(*value, albedo::MAP.nothing);
                if *inside > 0 {
                    assert_eq!(*value, wanted);
                }
            }
        }
    }
    // Of a backdrop only the picture is known.
    for sample in samples(&sphere(), |mesh| {
        mesh.backdrop.colours = vec![Colour([255; 3])];
    }) {
        let mask = sample.object_mask();
        let albedo = values(&sample, &albedo::MAP);
        for (value, inside) in albedo.iter().zip(mask.as_raw()) {
            assert_eq!(*value == albedo::MAP.nothing, *inside == 0);
        }
    }
}

#[test]
fn the_semantic_map_is_the_masks_with_their_classes() {
    let mut mesh = crowded();
    mesh.camera.object_scale = [0.4, 0.4];
    let wanted = Wanted {
        maps: &MapName::all(),
        ..wanted(6, SIZE)
    };
    let names = ["five", "four", "one", "six", "three", "two"];
    for sample in render_wanted(&mesh, BTreeMap::new(), wanted, 2, 8).unwrap() {
        let found = values(&sample, &semantic::MAP);
        let mut expected = vec![[0; 3]; SIZE.area()];
        for object in sample.labels.objects() {
            let place = names.iter().position(|name| *name == object.class).unwrap();
            let mask = mask_of(object).to_bitmap(SIZE.width, SIZE.height);
            for i in (0..mask.len()).filter(|&i| mask[i]) {
                expected[i] = [place as u16 + 1, 0, 0];
            }
        }
        assert_eq!(found, expected);
    }
}

#[test]
fn maps_that_are_not_asked_for_are_not_made_and_change_no_pixel() {
    let without = render(&dice(), 2, 24, 1, 8).unwrap();
    let wanted = Wanted {
        maps: &MapName::all(),
        ..wanted(2, Extent::square(24))
    };
    let with = render_wanted(&dice(), BTreeMap::new(), wanted, 1, 8).unwrap();
    for (without, with) in without.iter().zip(&with) {
        assert_eq!(without.image, with.image);
        assert_eq!(without.labels.objects, with.labels.objects);
        assert_eq!(without.labels.maps.iter().count(), 1);
        // Stills have no next frame.
        assert_eq!(with.labels.maps.iter().count(), maps::SURFACES.len());
    }
}

#[test]
fn a_photo_covers_the_table_from_edge_to_edge() {
    let folder = tempfile::tempdir().unwrap();
    let photo = RgbImage::from_pixel(8, 8, image::Rgb([200, 30, 10]));
    photo.save(folder.path().join("floor.png")).unwrap();
    let floors = Floors {
        paths: vec![folder.path().into()],
        ..Floors::default()
    };
    let found = samples(&sphere(), |mesh| {
        mesh.neighbours.count = [0, 0];
        (mesh.table.texture, mesh.table.seam) = ([0.0; 2], 0.0);
        mesh.table.photos = Some(floors.clone());
    });
    for sample in found {
        let (albedo, mask) = (values(&sample, &albedo::MAP), sample.object_mask());
        for (value, inside) in albedo.iter().zip(mask.as_raw()) {
            let near = [200, 30, 10].iter().zip(value);
            let mut near = near.map(|(a, b)| b.abs_diff(*a) <= 1);
            assert!(*inside > 0 || near.all(|near| near), "{value:?}");
        }
    }
    std::fs::remove_file(folder.path().join("floor.png")).unwrap();
    let refused = floors.check_files().unwrap_err().problem;
    assert!(refused.contains("holds no photo of a table"), "{refused}");
    let nothing = Floors {
        paths: Vec::new(),
        ..floors
    };
    assert!(nothing.check().unwrap_err().contains("names no photo"));
}
