//! What rays find in a scene, and what is said of an object that is out of sight.

use super::*;

/// A scene of dice whose object may be out of sight.
pub(super) fn scene<'a>(
    mesh: &Mesh,
    cast: &'a Cast,
    environment: &'a Environment,
    index: u64,
) -> Scene<'a> {
    let mut stream = Seed::new(3, "scene").stream(index);
    let size = Extent::square(32);
    Scene::draw(
        mesh,
        (&cast.models[0], 0),
        cast,
        environment,
        size,
        &mut stream,
    )
}

pub(super) fn surroundings(mesh: &Mesh) -> (Cast, Environment) {
    let sources = list::expand(&mesh.models).unwrap();
    let models = sources
        .iter()
        .map(|source| mesh.read_model(source, &|| Ok(())).unwrap());
    let panorama = &environment::find(&mesh.environments).unwrap()[0];
    (
        Cast::of(models.collect()),
        Environment::read(panorama).unwrap(),
    )
}

#[test]
fn nothing_in_sight_is_no_object_and_no_class() {
    let mut mesh = dice();
    mesh.neighbours.count = [0, 0];
    mesh.camera.off_centre = 1e6;
    let (cast, environment) = surroundings(&mesh);
    let scene = scene(&mesh, &cast, &environment, 0);
    let labels = Buffer::trace(&scene, Extent::new(32, 24))
        .labels(
            &scene,
            wanted(1, Extent::new(32, 24)),
            &cast.classes(),
            false,
        )
        .unwrap();
    assert_eq!((labels.class, labels.objects), (None, Some(Vec::new())));
    assert_error(
        &mesh,
        &[
            "die",
            "cannot be seen in any of the 64 scenes",
            "help: lower",
        ],
    );
}

#[test]
fn every_picture_shows_the_object_of_its_class() {
    // Most of it is always cut off, and it is often out of sight.
    let mut mesh = dice();
    mesh.camera.object_scale = [1.8, 1.8];
    mesh.camera.off_centre = 1.4;
    for sample in render(&mesh, 20, 16, 2, 256).unwrap() {
        let main = &sample.labels.objects()[0];
        assert_eq!(sample.labels.class.as_ref(), Some(&main.class));
    }
}

#[test]
fn spheres_around_instances_lose_no_hit() {
    let mut mesh = crowded();
    mesh.neighbours.count = [64, 64];
    let (cast, environment) = surroundings(&mesh);
    let mut hits = 0;
    for index in 0..4 {
        let scene = scene(&mesh, &cast, &environment, index);
        let mut stream = Seed::new(3, "rays").stream(index);
        for _ in 0..500 {
            let mut draw = |range: config::Range| config::draw(&mut stream, range);
            let origin = glam::vec3a(draw([-0.1, 0.1]), draw([0.0, 0.1]), draw([-0.1, 0.1]));
            let way = glam::vec3a(draw([-1.0, 1.0]), draw([-1.0, 1.0]), draw([-1.0, 1.0]));
            let direction = way.normalize_or(glam::Vec3A::X);
            let table = (direction.y < 0.0).then(|| -origin.y / direction.y);
            let all = scene.instances.iter().filter_map(|instance| {
                let hit = instance.hit(origin, direction, f32::INFINITY);
                hit.map(|(distance, _)| distance)
            });
            let all: Vec<f32> = all.collect();
            let nearest = all.iter().copied().chain(table).min_by(f32::total_cmp);
            let found = scene.hit(origin, direction).map(|hit| hit.distance);
            assert_eq!(found, nearest);
            assert_eq!(scene.blocker(origin, direction).is_some(), !all.is_empty());
            hits += all.len();
        }
    }
    assert!(hits > 500, "{hits}");
}
