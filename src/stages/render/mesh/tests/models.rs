//! Models and panoramas: what the dice are, and what is said of broken files.

use super::super::model::Sight;
use super::*;

#[test]
fn the_dice_follow_the_western_layout() {
    for listed in dice().models {
        let die = Model::read(&Source::plain(listed.path()), 1.0, &|| Ok(())).unwrap();
        assert!((die.size - 0.016).abs() < 1e-5);
        let up = |name: &str| {
            let face = die.faces.iter().find(|f| f.name == name).unwrap();
            glam::Vec3A::from(face.upright.inverse() * glam::Vec3::Y)
        };
        for (a, b) in [("one", "six"), ("two", "five"), ("three", "four")] {
            assert!(up(a).dot(up(b)) < -0.999, "{a} and {b} must be opposite");
        }
        assert!(up("one").cross(up("two")).dot(up("three")) > 0.999);
        for (i, name) in ["one", "two", "three", "four", "five", "six"]
            .iter()
            .enumerate()
        {
            let face = die.faces.iter().find(|f| f.name == *name).unwrap();
            assert_eq!(face.keypoints.len(), i + 1);
            for (_, keypoint) in &face.keypoints {
                assert!(
                    (keypoint.dot(up(name)) - 0.008).abs() < 3e-4,
                    "{name}: {keypoint}"
                );
            }
        }
    }
}

/// Others than this program look at which way round triangles are.
#[test]
fn triangles_of_the_shipped_models_are_counter_clockwise_from_outside() {
    let shipped = ["dice/*.gltf", "lego/*.obj", "products/*.obj"];
    let models = shipped.map(|pattern| Listed::from(&*format!("renders/{pattern}")));
    let sources = list::expand(&models).unwrap();
    assert!(sources.len() > 12);
    for source in &sources {
        let model = Model::read(source, 1.0, &|| Ok(())).unwrap();
        let volumes = model.triangle_corners();
        let volume: f32 = volumes.map(|[a, b, c]| a.cross(b).dot(c) / 6.0).sum();
        let share = volume / model.sides().to_array().iter().product::<f32>();
        assert!((0.3..1.01).contains(&share), "{}: {share}", model.path);
    }
}

/// A model in a fresh folder: the die's files, changed by `change`.
fn changed_die(change: impl Fn(&Path)) -> (tempfile::TempDir, Mesh) {
    let folder = tempfile::tempdir().unwrap();
    for file in ["die.gltf", "die.bin"] {
        std::fs::copy(
            Path::new("renders/dice").join(file),
            folder.path().join(file),
        )
        .unwrap();
    }
    change(folder.path());
    let mesh = Mesh {
        models: vec![folder.path().join("die.gltf").into()],
        ..dice()
    };
    (folder, mesh)
}

fn cut(path: &Path, share: f64) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
}

#[test]
fn a_missing_model_is_an_error_that_names_it() {
    let (_folder, mesh) = changed_die(|f| std::fs::remove_file(f.join("die.gltf")).unwrap());
    assert_error(&mesh, &["die.gltf", "help: check the path"]);
}

#[test]
fn a_truncated_model_is_an_error_that_names_it() {
    let (_folder, mesh) = changed_die(|f| cut(&f.join("die.gltf"), 0.5));
    assert_error(&mesh, &["die.gltf", "cannot be read as glTF", "help:"]);
}

#[test]
fn a_truncated_or_missing_buffer_is_an_error_that_names_the_model() {
    let (_folder, mesh) = changed_die(|f| cut(&f.join("die.bin"), 0.5));
    assert_error(&mesh, &["die.gltf", "is cut off", "help:"]);
    let (_folder, mesh) = changed_die(|f| std::fs::remove_file(f.join("die.bin")).unwrap());
    assert_error(&mesh, &["die.gltf", "cannot be read", "die.bin", "help:"]);
}

/// Changes the text of a glTF file.
fn edit(path: &Path, change: impl Fn(&mut serde_json::Value)) {
    let mut json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(path, json.to_string()).unwrap();
}

#[test]
fn a_buffer_shorter_than_its_accessors_is_an_error() {
    let (_folder, mesh) = changed_die(|f| {
        cut(&f.join("die.bin"), 0.5);
        edit(&f.join("die.gltf"), |json| {
            json["buffers"][0]["byteLength"] = 1000.into();
        });
    });
    assert_error(&mesh, &["die.gltf", "beyond the end", "help:"]);
}

#[test]
fn a_model_without_triangles_is_an_error() {
    let (_folder, mesh) = changed_die(|f| {
        edit(&f.join("die.gltf"), |json| {
            json["nodes"][0].as_object_mut().unwrap().remove("mesh");
        });
    });
    assert_error(&mesh, &["die.gltf", "no triangles", "help:"]);
}

#[test]
fn a_model_without_faces_is_one_class_named_after_its_file() {
    let (_folder, mesh) = changed_die(|f| {
        edit(&f.join("die.gltf"), |json| {
            json["nodes"][0]["children"] = serde_json::json!([]);
        });
    });
    let samples = render(&mesh, 2, 16, 1, 8).unwrap();
    assert!(
        samples
            .iter()
            .all(|s| s.labels.class.as_deref() == Some("die"))
    );
}

#[test]
fn a_missing_panorama_is_an_error_that_names_it() {
    let mesh = Mesh {
        environments: vec!["renders/hdri/none.exr".into()],
        ..dice()
    };
    assert_error(&mesh, &["none.exr", "help: check the path"]);
}

#[test]
fn files_name_the_buffers_too() {
    let files = dice().files();
    for file in [
        "renders/dice/die.bin",
        "renders/dice/die.gltf",
        "renders/hdri",
    ] {
        assert!(
            files.iter().any(|f| f == Path::new(file)),
            "{file}: {files:?}"
        );
    }
}

#[test]
fn an_obj_without_faces_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.obj");
    std::fs::write(&path, "v 0 0 0\n").unwrap();
    let mesh = Mesh {
        models: vec![path.into()],
        ..dice()
    };
    assert_error(&mesh, &["empty.obj", "no triangles", "help:"]);
}

#[test]
fn light_finds_the_triangles_that_labels_find() {
    let mut lost = 0;
    for path in ["renders/dice/die_sunk.gltf", "renders/lego/3710.obj"] {
        let model = Model::read(&Source::plain(Path::new(path)), 1.0, &|| Ok(())).unwrap();
        let mut stream = Seed::new(3, "rays").stream(0);
        for _ in 0..4000 {
            let mut around = || {
                let mut draw = || config::draw(&mut stream, [-1.0, 1.0]);
                glam::vec3a(draw(), draw(), draw())
            };
            let origin = model.centre + around() * model.radius;
            let ray = obvhs::ray::Ray::new(origin, around().normalize(), 0.0, f32::INFINITY);
            let [seen, lit] =
                [Sight::Labels, Sight::Light(0, 0.0)].map(|sight| model.hit(ray, sight));
            let distance = |hit: Option<(f32, usize)>| hit.map_or(f32::INFINITY, |(far, _)| far);
            let same = distance(seen) == distance(lit)
                || (distance(seen) - distance(lit)).abs() < 1e-4 * model.size;
            lost += usize::from(!same || model.blocks(ray) != lit.is_some());
        }
    }
    assert!(lost <= 2, "{lost}");
}
