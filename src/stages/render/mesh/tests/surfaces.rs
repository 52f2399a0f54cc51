//! What models are made of, as pictures and masks show it.

use super::super::model::{Contact, Sight};
use super::super::texture::tests::png;
use super::*;

/// A box of one metre by one, seen straight from above; `head` comes before its faces, and the corners of its
/// upper face are numbered from the upper left of a picture on it.
fn slab(head: &str) -> String {
    let mut text = String::new();
    for y in ["0.2", "0"] {
        for [x, z] in [[0, 0], [0, 1], [1, 1], [1, 0]] {
            text += &format!("v {x} {y} {z}\n");
        }
    }
    text += "vt 0 1\nvt 0 0\nvt 1 0\nvt 1 1\n";
    text += head;
    text +=
        "f 1/1 2/2 3/3 4/4\nusemtl side\nf 5 8 7 6\nf 1 5 6 2\nf 2 6 7 3\nf 3 7 8 4\nf 4 8 5 1\n";
    text
}

/// A picture of an OBJ and files beside it, from straight above, on black, with its mask and pose.
fn shot(text: &str, files: &[(&str, &[u8])]) -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.obj");
    std::fs::write(&path, text).unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let mut mesh = part();
    mesh.models = vec![path.into()];
    mesh.lie.turns_degrees = vec![0.0];
    mesh.camera.fov_degrees = [1.0, 1.0];
    mesh.camera.object_scale = [0.8, 0.8];
    mesh.surfaces.looks.clear();
    mesh.surfaces.random = 0.0;
    mesh.backdrop.colours = vec![Colour([0; 3])];
    mesh.lens.gradient = [0.0, 0.0];
    render(&mesh, 1, 40, 1, 8).unwrap().remove(0)
}

/// Which of red, green and blue is the strongest at a share of the picture's width and height.
fn strongest(sample: &Sample, x: f32, y: f32) -> usize {
    let [r, g, b] = sample
        .pixels()
        .unwrap()
        .get_pixel((x * 40.0) as u32, (y * 40.0) as u32)
        .0;
    let most = r.max(g).max(b);
    [r, g, b].iter().position(|&c| c == most).unwrap()
}

/// Red at the upper left, green at the upper right, blue below.
fn flag() -> Vec<u8> {
    png(64, 64, |x, y| match (x < 32, y < 32) {
        (true, true) => [255, 0, 0, 255],
        (false, true) => [0, 255, 0, 255],
        _ => [0, 0, 255, 255],
    })
}

#[test]
fn a_texture_lies_the_right_way_up() {
    let files: [(&str, &[u8]); 2] = [
        ("a.mtl", b"newmtl top\nKd 1 1 1\nmap_Kd flag.png\n"),
        ("flag.png", &flag()),
    ];
    let sample = shot(&slab("mtllib a.mtl\nusemtl top\n"), &files);
    let found =
        [[0.3, 0.3], [0.7, 0.3], [0.3, 0.7], [0.7, 0.7]].map(|[x, y]| strongest(&sample, x, y));
    assert_eq!(found, [0, 1, 2, 2]);
}

#[test]
fn a_hole_in_the_surface_is_a_hole_in_the_mask() {
    let ring = png(64, 64, |x, y| {
        let inside = (16..48).contains(&x) && (16..48).contains(&y);
        [255, 255, 255, if inside { 0 } else { 255 }]
    });
    let files: [(&str, &[u8]); 2] = [
        (
            "a.mtl",
            b"newmtl top\nKd 1 0 0\nmap_d ring.png\nnewmtl side\nKd 1 0 0\n",
        ),
        ("ring.png", &ring),
    ];
    let mut text = slab("mtllib a.mtl\nusemtl top\n");
    // Without its floor, so that the hole goes through.
    text = text.replace("f 5 8 7 6\n", "");
    let sample = shot(&text, &files);
    let mask = mask_of(&sample.labels.objects()[0]).to_bitmap(40, 40);
    assert!(!mask[20 * 40 + 20] && mask[20 * 40 + 6] && mask[6 * 40 + 20]);
    let pixels = sample.pixels().unwrap();
    assert!(pixels.get_pixel(20, 20).0[0] < 20 && pixels.get_pixel(6, 20).0[0] > 100);
}

#[test]
fn faces_that_run_the_wrong_way_look_like_their_twins() {
    let right = slab("");
    let turned = right.lines().map(|line| match line.strip_prefix("f ") {
        Some(corners) => {
            let corners: Vec<&str> = corners.split(' ').rev().collect();
            format!("f {}\n", corners.join(" "))
        }
        None => format!("{line}\n"),
    });
    let turned: String = turned.collect();
    let inward = right.replace("f 1/1 2/2 3/3 4/4", "vn 0 -1 0\nf 1/1/1 2/2/1 3/3/1 4/4/1");
    let right = shot(&right, &[]).pixels().unwrap();
    for other in [turned, inward] {
        let other = shot(&other, &[]).pixels().unwrap();
        let differences = right.as_raw().iter().zip(other.as_raw());
        let most = differences.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(most <= 3, "{most}");
    }
}

#[test]
fn emission_and_vertex_colours_are_seen() {
    let files: [(&str, &[u8]); 1] = [("a.mtl", b"newmtl top\nKd 0 0 0\nKs 0 0 0\nKe 0 1 0\n")];
    let sample = shot(&slab("mtllib a.mtl\nusemtl top\n"), &files);
    let [r, g, b] = sample.pixels().unwrap().get_pixel(20, 20).0;
    assert!(g > 200 && r < 20 && b < 20, "{r} {g} {b}");
    let coloured = slab("")
        .replace(" 0.2 0\n", " 0.2 0 1 0 0\n")
        .replace(" 0.2 1\n", " 0.2 1 0 0 1\n");
    let sample = shot(&coloured, &[]);
    assert_eq!(
        [strongest(&sample, 0.5, 0.2), strongest(&sample, 0.5, 0.8)],
        [0, 2]
    );
}

#[test]
fn the_pose_of_a_far_part_leads_from_the_coordinates_of_its_file() {
    let far = slab("").lines().fold(String::new(), |text, line| {
        let moved = line.strip_prefix("v ").map(|rest| {
            let (x, rest) = rest.split_once(' ').unwrap();
            format!("v {} {rest}\n", x.parse::<f64>().unwrap() + 10_000.0)
        });
        text + &moved.unwrap_or(format!("{line}\n"))
    });
    let sample = shot(&far, &[]);
    let object = &sample.labels.objects()[0];
    let [left, top, width, height] = object.bbox_xywh;
    assert!((width - 32.0).abs() <= 1.0 && (height - 32.0).abs() <= 1.0);
    let (pose, camera) = (object.pose.unwrap(), sample.labels.camera.unwrap());
    let [x, y, z] =
        [0, 4, 8].map(|r| pose[r] * 10_000.5 + pose[r + 1] * 0.1 + pose[r + 2] * 0.5 + pose[r + 3]);
    let (u, v) = (x / z * camera.fx + camera.cx, y / z * camera.fy + camera.cy);
    assert!((u - left - width / 2.0).abs() < 1.0 && (v - top - height / 2.0).abs() < 1.0);
}

#[test]
fn what_is_not_used_and_looks_that_match_nothing_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.obj");
    std::fs::write(&path, slab("mtllib none.mtl\nusemtl top\nl 1 2\n")).unwrap();
    let mut mesh = part();
    mesh.models = vec![path.into()];
    let colour = Colour([9, 9, 9]);
    let paint = |name: &str| {
        let paint = serde_json::json!({"colour": colour});
        (name.to_owned(), serde_json::from_value(paint).unwrap())
    };
    mesh.surfaces.looks = vec![[paint("top"), paint("shiny")].into()];
    let out = tempfile::tempdir().unwrap();
    let (done, warnings) = crate::testing::in_context("render", [], 8, out.path(), |context| {
        mesh.render(context, wanted(1, Extent::square(8)))
    });
    done.unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for part in ["part.obj: ", "`none.mtl` are missing", "points and lines"] {
        assert!(warnings[0].contains(part), "{part}: {}", warnings[0]);
    }
    assert!(warnings[1].contains("`shiny`") && !warnings[1].contains("`top`"));
}

/// A model of `text` and files beside it.
fn read_beside(text: &str, files: &[(&str, &[u8])]) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.obj");
    std::fs::write(&path, text).unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    Model::read(&Source::plain(&path), 1.0, &|| Ok(())).unwrap()
}

/// What a ray straight down meets at a point of the slab.
fn below(model: &Model, x: f32, z: f32) -> Option<Contact> {
    let origin = glam::vec3a(x, 5.0, z);
    let ray = obvhs::ray::Ray::new(origin, -glam::Vec3A::Y, 0.0, f32::INFINITY);
    let (distance, triangle) = model.hit(ray, Sight::Labels)?;
    Some(model.contact(triangle, origin - glam::Vec3A::Y * distance))
}

#[test]
fn pictures_of_normals_bend_to_their_own_right_and_upper_side() {
    // The upper side of the picture lies towards -z.
    for (pixel, wanted) in [
        ([230, 128, 220, 255], glam::Vec3A::X),
        ([128, 230, 220, 255], glam::Vec3A::NEG_Z),
    ] {
        let files: [(&str, &[u8]); 2] = [
            ("a.mtl", b"newmtl top\nnorm bent.png\n"),
            ("bent.png", &png(2, 2, |_, _| pixel)),
        ];
        let model = read_beside(&slab("mtllib a.mtl\nusemtl top\n"), &files);
        for [x, z] in [[0.3, 0.4], [0.6, 0.5]] {
            let contact = below(&model, x, z).unwrap();
            let facing = contact.facing(-glam::Vec3A::Y);
            let material = &model.materials[contact.material];
            let bent = material.bent(&model, &contact, 1e-3, facing);
            assert!(bent.dot(wanted) > 0.5 && bent.y > 0.5, "{bent}");
        }
    }
}

#[test]
fn blended_surfaces_are_there_for_labels_and_let_light_through_by_chance() {
    let library = b"newmtl top\nKd 1 0 0\nd 0.5\n";
    let model = read_beside(&slab("mtllib a.mtl\nusemtl top\n"), &[("a.mtl", library)]);
    let upper = |sight: fn(glam::Vec3A) -> Sight| {
        let places = (0..400).map(|i| [0.1 + 0.002 * i as f32, 0.1 + 0.0017 * i as f32]);
        let seen = places.filter(|[x, z]| {
            let origin = glam::vec3a(*x, 5.0, *z);
            let direction = glam::vec3a(0.02 * x, -1.0, 0.02 * z).normalize();
            let ray = obvhs::ray::Ray::new(origin, direction, 0.0, f32::INFINITY);
            let hit = model.hit(ray, sight(direction));
            hit.is_some_and(|(distance, _)| distance < 4.9)
        });
        seen.count()
    };
    assert_eq!(upper(|_| Sight::Labels), 400);
    let stopped = upper(Sight::along);
    assert!((150..250).contains(&stopped), "{stopped}");
}
