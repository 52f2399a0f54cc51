//! No label without its object: flat and thin parts, parts that are out of sight, and far ones.

use super::*;

/// An OBJ in a folder of its own, and a stage that draws it alone.
fn alone(name: &str, text: &str) -> (tempfile::TempDir, Mesh) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let mut mesh = Mesh {
        models: vec![path.into()],
        ..dice()
    };
    mesh.neighbours.count = [0, 0];
    (folder, mesh)
}

/// A box of this size with a corner at the origin.
fn cuboid([x, y, z]: [f32; 3]) -> String {
    let corner = |i: i32| {
        let at = |bit: i32, side: f32| if i >> bit & 1 == 1 { side } else { 0.0 };
        format!("v {} {} {}\n", at(0, x), at(1, y), at(2, z))
    };
    let faces = "f 1 3 4 2\nf 5 6 8 7\nf 1 2 6 5\nf 3 7 8 4\nf 1 5 7 3\nf 2 4 8 6\n";
    (0..8).map(corner).collect::<String>() + faces
}

#[test]
fn a_card_flat_on_the_table_is_seen_whole() {
    for turned in ["f 4 3 2 1", "f 1 2 3 4"] {
        let text = format!("v 0 0 0\nv 1 0 0\nv 1 0 .6\nv 0 0 .6\n{turned}\n");
        let (_folder, mesh) = alone("card.obj", &text);
        for sample in render(&mesh, 6, 48, 2, 8).unwrap() {
            let card = &sample.labels.objects()[0];
            assert!(card.visible_fraction > 0.95, "{}", card.visible_fraction);
        }
    }
}

#[test]
fn a_wire_thinner_than_a_pixel_is_refused_by_name() {
    let (_folder, mesh) = alone("wire.obj", &cuboid([1.0, 0.002, 0.002]));
    let error = render(&mesh, 1, 32, 1, 8).unwrap_err().to_string();
    for part in [
        "wire.obj",
        "thinner than a quarter of a pixel",
        "help: raise `size`",
    ] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
    // Thick enough, or seen from near enough.
    let (_folder, mesh) = alone("rod.obj", &cuboid([1.0, 0.05, 0.05]));
    assert!(render(&mesh, 2, 32, 2, 8).is_ok());
}

#[test]
fn too_little_of_an_object_is_refused_and_a_close_up_is_not() {
    // A bar that is longer than the picture, which it never fills.
    let (_folder, mut mesh) = alone("bar.obj", &cuboid([0.1, 0.01, 0.01]));
    mesh.camera.object_scale = [1.6, 1.6];
    let all = Wanted {
        min_visible: 1.0,
        ..wanted(1, Extent::square(24))
    };
    let error = render_wanted(&mesh, BTreeMap::new(), all, 1, 8)
        .unwrap_err()
        .to_string();
    for part in [
        "bar.obj",
        "% at most in each of the 64 scenes",
        "must be by 100 %",
        "help: lower",
    ] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
    let (_folder, mut mesh) = alone("box.obj", &cuboid([0.1, 0.02, 0.1]));
    mesh.camera.object_scale = [3.0, 3.0];
    mesh.camera.off_centre = 0.0;
    for sample in render(&mesh, 2, 24, 2, 8).unwrap() {
        // Turned by 45 degrees, its sides are shorter than its box.
        assert!(sample.labels.objects()[0].visible_fraction < 0.3);
    }
}

#[test]
fn depth_has_a_step_that_reaches_all_objects() {
    for (size, step) in [(10.0, 1e-2), (0.3, 1e-3), (0.016, 1e-4), (1e-4, 1e-6)] {
        let (_folder, mut mesh) = alone("part.obj", &cuboid([size, 0.3 * size, 0.4 * size]));
        mesh.camera.fov_degrees = [3.0, 3.0];
        mesh.camera.object_scale = [0.7, 0.7];
        for sample in render(&mesh, 2, 24, 2, 8).unwrap() {
            let maps = &sample.labels.maps;
            assert_eq!(maps.step(&depth::MAP), Some(step), "{size}");
            let depths = image::load_from_memory(maps.get(&depth::MAP).unwrap()).unwrap();
            let depths = depths.into_luma16();
            let mask = mask_of(&sample.labels.objects()[0]).to_bitmap(24, 24);
            let inside = depths.pixels().zip(mask).filter(|(_, inside)| *inside);
            let pose = sample.labels.objects()[0].pose.unwrap();
            for (depth, _) in inside {
                let metres = f32::from(depth.0[0]) * step;
                assert!(
                    (metres - pose[11]).abs() < 1.5 * size,
                    "{metres} {}",
                    pose[11]
                );
            }
        }
    }
}

#[test]
fn sizes_that_look_mistaken_are_said() {
    let sizes = |models: &[(&str, f32)]| {
        let read = |&(name, size): &(&str, f32)| {
            let (_folder, mesh) = alone(name, &cuboid([size; 3]));
            mesh.read_model(&list::expand(&mesh.models).unwrap()[0], &|| Ok(()))
                .unwrap()
        };
        sizes::warnings(&models.iter().map(read).collect::<Vec<_>>())
    };
    assert!(sizes(&[("cup.obj", 0.1), ("mug.obj", 0.12)]).is_empty());
    let said = sizes(&[("cup.obj", 250.0), ("mug.obj", 0.12)]);
    assert_eq!(said.len(), 2);
    assert!(
        said[0].contains("cup.obj is 250 m large; is it in millimetres?"),
        "{said:?}"
    );
    assert!(
        said[1].contains("2083-fold") && said[1].contains("mug.obj is 12.0 cm"),
        "{said:?}"
    );
    assert!(sizes(&[("dust.obj", 2e-4)])[0].contains("0.200 mm"));
}
