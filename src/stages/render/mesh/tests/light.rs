//! Light against what is known of it: furnaces, lamps, and ways to sample that must agree.

use glam::{Vec2, Vec3A, vec3a};

use super::super::path::{Found, Tracer, Ways};
use super::super::points::Points;
use super::super::trace::Target;
use super::*;

/// A sphere of 2 m with smooth normals, of a material whose lines are given.
fn sphere(folder: &Path, material: &str) -> Source {
    let (rows, columns) = (48, 96);
    let mut text = String::from("mtllib a.mtl\nusemtl ball\n");
    for row in 0..=rows {
        for column in 0..columns {
            let (polar, turn) = (row as f32 / rows as f32, column as f32 / columns as f32);
            let (sin, y) = (polar * std::f32::consts::PI).sin_cos();
            let (z, x) = (turn * std::f32::consts::TAU).sin_cos();
            let [x, z] = [x * sin, z * sin];
            text += &format!("v {x} {y} {z}\nvn {x} {y} {z}\n");
        }
    }
    for row in 0..rows {
        for column in 0..columns {
            let at = |r: usize, c: usize| r * columns + c % columns + 1;
            let corners = [
                at(row, column),
                at(row, column + 1),
                at(row + 1, column + 1),
                at(row + 1, column),
            ];
            let corners = corners.map(|i| format!("{i}//{i}")).join(" ");
            text += &format!("f {corners}\n");
        }
    }
    let path = folder.join("ball.obj");
    std::fs::write(&path, text).unwrap();
    std::fs::write(folder.join("a.mtl"), format!("newmtl ball\n{material}\n")).unwrap();
    Source::plain(&path)
}

/// A scene of one ball on a table of this colour, under an even sky and a lamp that has so much of the light.
fn with_ball(material: &str, table: Colour, lamp_share: f32, work: impl FnOnce(&Scene)) {
    let folder = tempfile::tempdir().unwrap();
    let source = sphere(folder.path(), material);
    let mut mesh = part();
    mesh.models = vec![source.path.clone().into()];
    mesh.table.colours = vec![table];
    (mesh.table.jitter, mesh.table.texture, mesh.table.seam) = (0.0, [0.0; 2], 0.0);
    mesh.camera.tilt_degrees = [40.0, 40.0];
    let lighting = &mut mesh.lighting;
    (lighting.exposure, lighting.tint) = ([1.0; 2], 0.0);
    (lighting.lamp_share, lighting.lamp_radius_degrees) = ([lamp_share; 2], [1.0; 2]);
    lighting.lamp_elevation_degrees = [50.0; 2];
    lighting.photographer_degrees = [0.0, 0.0];
    let model = Model::read(&source, 1.0, &|| Ok(())).unwrap();
    let cast = Cast::of(vec![model]);
    let environment = Environment::white();
    let mut stream = Seed::new(3, "light").stream(0);
    let object = (&cast.models[0], 0);
    let size = Extent::square(32);
    let scene = Scene::draw(&mesh, object, &cast, &environment, size, &mut stream);
    work(&scene);
}

/// The mean light of a pixel over so many samples, with what is known of it put to use.
fn mean(scene: &Scene, (bounces, ways): (u32, Ways), at: Vec2, samples: u32) -> Vec3A {
    let tracer = Tracer::new(scene, bounces, ways);
    let [mut known, mut bare, mut met, mut gloss] = [Vec3A::ZERO; 4];
    for sample in 0..samples {
        let pixel = at.x.to_bits() ^ at.y.to_bits().rotate_left(9);
        let direction = scene.camera.direction(at.x, at.y);
        match tracer.look(
            (scene.camera.position, direction),
            Points { pixel, sample },
            true,
        ) {
            Found::Sky(light) => gloss += light,
            Found::Surface(seen) => {
                known += seen.light.known;
                bare += seen.light.bare;
                met += seen.light.met;
                gloss += seen.light.gloss;
            }
        }
    }
    (known * met / bare.max(Vec3A::splat(1e-9)) + gloss) / samples as f32
}

#[test]
fn white_balls_on_a_white_table_vanish_in_even_light() {
    for (material, ways) in [
        ("Kd 1 1 1\nKs 0 0 0", Ways::Both),
        ("Kd 1 1 1\nKs 0.04 0.04 0.04\nPr 0.3", Ways::Both),
        ("Kd 1 1 1\nPm 1\nPr 0.1", Ways::Both),
        ("Kd 1 1 1\nPm 1\nPr 0.6", Ways::Both),
        ("Kd 1 1 1\nPm 1\nPr 0.6", Ways::Surfaces),
    ] {
        with_ball(material, Colour([255; 3]), 0.0, |scene| {
            for at in [
                [16.0, 16.0],
                [10.0, 12.0],
                [20.0, 14.0],
                [16.0, 25.0],
                [2.0, 2.0],
            ] {
                let light = mean(scene, (40, ways), at.into(), 512);
                let place = format!("{material} at {at:?}: {light}");
                assert!(
                    light.min_element() > 0.94 && light.max_element() < 1.04,
                    "{place}"
                );
            }
        });
    }
}

#[test]
fn a_small_lamp_lights_by_the_cosine() {
    // The ball on black, which throws no light back on it.
    lit_by_the_cosine(Colour([0; 3]), 0.0, false);
    lit_by_the_cosine(Colour([188; 3]), 0.503, true);
}

/// Looks at the table or at the ball; the table is of this colour, which is so bright.
fn lit_by_the_cosine(table: Colour, brightness: f32, at_table: bool) {
    with_ball("Kd 0.5 0.5 0.5\nKs 0 0 0", table, 1.0, |scene| {
        let mut lit = 0;
        for i in 0..64 {
            let at = glam::vec2((i % 8) as f32, (i / 8) as f32) * 4.0 + 2.0;
            let direction = scene.camera.direction(at.x, at.y);
            let hit = scene.hit(scene.camera.position, direction).unwrap();
            let point = scene.camera.position + direction * hit.distance;
            let (normal, colour) = match hit.target {
                Target::Table => (Vec3A::Y, brightness),
                Target::Instance(..) => ((point - scene.instances[0].centre).normalize(), 0.5),
            };
            if at_table != (hit.target == Target::Table) {
                continue;
            }
            let from = point + normal * 0.01;
            let cosine = normal.dot(scene.light.lamp);
            if cosine.abs() < 0.1 {
                continue;
            }
            // The lamp and what is a little beside it: at the edge of a shadow it is seen in part.
            let around = [
                Vec3A::ZERO,
                Vec3A::X,
                Vec3A::Y,
                Vec3A::Z,
                Vec3A::NEG_X,
                Vec3A::NEG_Y,
                Vec3A::NEG_Z,
            ];
            let ways = around.map(|aside| (scene.light.lamp + aside * 0.03).normalize());
            let blocked = ways.map(|way| scene.blocker(from, way).is_some());
            if cosine > 0.0 && blocked.iter().any(|&other| other != blocked[0]) {
                continue;
            }
            let shaded = cosine < 0.0 || blocked[0];
            let light = mean(scene, (0, Ways::Both), at, 64).x;
            let wanted = colour * scene.light.lamp_strength.x * cosine;
            match shaded {
                true => assert!(light < 0.01, "{at}: {light}"),
                false => assert!((light - wanted).abs() < 0.03, "{at}: {light} {wanted}"),
            }
            lit += usize::from(!shaded);
        }
        assert!(lit > 8, "{lit}");
    });
}

#[test]
fn all_ways_to_sample_agree() {
    let mesh = crowded();
    let (cast, environment) = scenes::surroundings(&mesh);
    let mut stream = Seed::new(5, "ways").stream(2);
    let size = Extent::square(16);
    let object = (&cast.models[0], 0);
    let scene = Scene::draw(&mesh, object, &cast, &environment, size, &mut stream);
    let [lights, surfaces, both] = [Ways::Lights, Ways::Surfaces, Ways::Both].map(|ways| {
        let pixels = (0..64).map(|i| glam::vec2((i % 8) as f32, (i / 8) as f32) * 2.0 + 1.0);
        pixels
            .map(|at| mean(&scene, (2, ways), at, 256).min(Vec3A::splat(4.0)))
            .sum::<Vec3A>()
            / 64.0
    });
    for other in [lights, surfaces] {
        let ratio = other / both;
        let place = format!("{lights} {surfaces} {both}");
        assert!((ratio - Vec3A::ONE).abs().max_element() < 0.03, "{place}");
    }
}

#[test]
fn white_things_throw_light_on_a_shaded_table() {
    let means = [Colour([0; 3]), Colour([255; 3])].map(|table| {
        let mut found = 0.0;
        with_ball("Kd 1 1 1\nKs 0 0 0", table, 0.5, |scene| {
            let low = scene.instances[0].centre - vec3a(0.0, 0.7, -0.7);
            let at = scene.camera.project(low);
            found = mean(scene, (3, Ways::Both), at, 256).x;
        });
        found
    });
    assert!(means[1] > 1.5 * means[0], "{means:?}");
}

#[test]
fn beyond_the_table_the_sky_is_as_bright_in_all_pixels() {
    let mut mesh = dice();
    mesh.environments = vec!["builtin".into()];
    mesh.camera.tilt_degrees = [80.0, 80.0];
    mesh.camera.fov_degrees = [60.0, 60.0];
    for sample in render(&mesh, 3, 64, 2, 8).unwrap() {
        let pixels = sample.pixels().unwrap();
        // Of table and sky, one pixel in four has paths of its own.
        let (mut first, mut others) = ((0.0, 0.0), (0.0, 0.0));
        for (x, y, pixel) in pixels.enumerate_pixels() {
            let sum = match x.is_multiple_of(2) && y.is_multiple_of(2) {
                true => &mut first,
                false => &mut others,
            };
            sum.0 += pixel.0.map(f64::from).iter().sum::<f64>();
            sum.1 += 1.0;
        }
        let ratio = (first.0 / first.1) / (others.0 / others.1);
        assert!((0.95..1.05).contains(&ratio), "{}: {ratio}", sample.id);
    }
}
