//! The renderer seen from outside: labels that agree with each other, the same bytes for any
//! number of threads, and errors that name the file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use image::RgbImage;

use super::config::Colour;
use super::*;
use crate::artifact::Artifact;
use crate::artifact::parts::read_part;
use crate::sample::Visibility;
use crate::sample::maps::depth;
use crate::seed::Seed;
use crate::stage::{DeviceChoice, Share};

/// Renders with a pool of `threads`, parts of `part_size`.
fn render(
    mesh: &Mesh,
    count: u64,
    size: u32,
    threads: usize,
    part_size: usize,
) -> Result<Vec<Sample>> {
    render_with(mesh, BTreeMap::new(), count, size, threads, part_size)
}

/// As [`render`], for a stage with `inputs`.
fn render_with(
    mesh: &Mesh,
    inputs: BTreeMap<&'static str, Artifact>,
    count: u64,
    size: u32,
    threads: usize,
    part_size: usize,
) -> Result<Vec<Sample>> {
    let out = tempfile::tempdir().unwrap();
    let context = Context {
        id: "render",
        seed: Seed::new(7, "render"),
        inputs,
        share: Share::All,
        out: out.path(),
        resume: None,
        part_size,
        device: DeviceChoice::Cpu,
        events: &|_| (),
        interrupted: &AtomicBool::new(false),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build()
        .unwrap()
        .install(|| mesh.render(&context, count, size))?;
    let mut parts: Vec<_> = std::fs::read_dir(out.path())
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    parts.sort();
    Ok(parts
        .iter()
        .flat_map(|part| read_part(part).unwrap())
        .collect())
}

fn crowded() -> Mesh {
    Mesh {
        neighbours: Neighbours {
            count: [2, 3],
            gap: [0.0, 0.3],
        },
        ..Mesh::default()
    }
}

#[test]
fn the_same_bytes_for_any_threads_and_part_size() {
    let once = render(&crowded(), 10, 24, 1, 256).unwrap();
    assert_eq!(once.len(), 10);
    assert_eq!(once[3].id, "render-000003");
    assert_eq!(once, render(&crowded(), 10, 24, 2, 7).unwrap());
}

#[test]
fn every_class_comes_up() {
    let samples = render(&Mesh::default(), 60, 8, 2, 256).unwrap();
    let mut counts = BTreeMap::new();
    for sample in samples {
        *counts.entry(sample.labels.class.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 6, "{counts:?}");
}

fn mask_of(object: &crate::sample::Object) -> &crate::sample::Mask {
    object.mask.as_ref().unwrap()
}

#[test]
fn pose_camera_keypoints_masks_and_boxes_agree() {
    let (size, mut hidden) = (64, 0);
    for sample in render(&crowded(), 24, size, 2, 256).unwrap() {
        let camera = sample.labels.camera.unwrap();
        let main = &sample.labels.objects()[0];
        assert_eq!(sample.labels.class.as_ref(), Some(&main.class));
        assert!(main.visible_fraction >= VISIBLE);
        for instance in sample.labels.objects() {
            assert_eq!(mask_of(instance).bbox_xywh(size), Some(instance.bbox_xywh));
            assert!((0.0..=1.0).contains(&instance.visible_fraction));
            let model = Model::read(Path::new(&sample.provenance.source), 1.0).unwrap();
            let face = model
                .faces
                .iter()
                .find(|f| f.name == instance.class)
                .unwrap();
            assert_eq!(instance.keypoints.len(), face.keypoints.len());
            let pose = instance.pose.unwrap();
            let bitmap = mask_of(instance).to_bitmap(size, size);
            for (keypoint, (_, point)) in instance.keypoints.iter().zip(&face.keypoints) {
                let [x, y, z] = [0, 4, 8].map(|r| {
                    pose[r] * point.x + pose[r + 1] * point.y + pose[r + 2] * point.z + pose[r + 3]
                });
                let u = x / z * camera.fx + camera.cx;
                let v = y / z * camera.fy + camera.cy;
                // Neighbours may be of the other model, whose pips lie elsewhere.
                if std::ptr::eq(instance, main) {
                    assert!(
                        (u - keypoint.x).hypot(v - keypoint.y) < 0.01,
                        "{u} {v} {keypoint:?}"
                    );
                }
                match keypoint.visibility {
                    Visibility::Visible => {
                        let pixel = keypoint.y as usize * size as usize + keypoint.x as usize;
                        assert!(bitmap[pixel], "{}: {keypoint:?}", sample.id);
                    }
                    Visibility::Hidden => hidden += 1,
                    Visibility::Outside => assert!(
                        !((0.0..64.0).contains(&keypoint.x) && (0.0..64.0).contains(&keypoint.y))
                    ),
                }
            }
        }
    }
    assert!(hidden < 60, "{hidden} keypoints of top faces hidden");
}

#[test]
fn depth_is_that_of_the_top_face_at_its_keypoints() {
    let samples = render(&Mesh::default(), 12, 64, 2, 256).unwrap();
    for sample in samples {
        let depths = image::load_from_memory(sample.labels.maps.get(&depth::MAP).unwrap())
            .unwrap()
            .into_luma16();
        let main = &sample.labels.objects()[0];
        let model = Model::read(Path::new(&sample.provenance.source), 1.0).unwrap();
        let face = model.faces.iter().find(|f| f.name == main.class).unwrap();
        let pose = main.pose.unwrap();
        for (keypoint, (_, p)) in main.keypoints.iter().zip(&face.keypoints) {
            let along = pose[8] * p.x + pose[9] * p.y + pose[10] * p.z + pose[11];
            let measured =
                f32::from(depths.get_pixel(keypoint.x as u32, keypoint.y as u32).0[0]) / 10_000.0;
            // The pip is a dent of about half a millimetre; a pixel is about as wide.
            assert!((measured - along).abs() < 1.5e-3, "{measured} m, {along} m");
        }
    }
}

#[test]
fn the_dice_follow_the_western_layout() {
    for path in Mesh::default().models {
        let die = Model::read(&path, 1.0).unwrap();
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
        models: vec![folder.path().join("die.gltf")],
        ..Mesh::default()
    };
    (folder, mesh)
}

fn assert_error(mesh: &Mesh, parts: &[&str]) {
    let error = render(mesh, 1, 8, 1, 8).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
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
    assert_error(&mesh, &["die.gltf", "missing or cut off", "help:"]);
    let (_folder, mesh) = changed_die(|f| std::fs::remove_file(f.join("die.bin")).unwrap());
    assert_error(&mesh, &["die.gltf", "missing or cut off", "help:"]);
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
            json["buffers"][0]["byteLength"] = 1000.into()
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
            json["nodes"][0]["children"] = serde_json::json!([])
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
        ..Mesh::default()
    };
    assert_error(&mesh, &["none.exr", "help: check the path"]);
}

#[test]
fn files_name_the_buffers_too() {
    let files = Mesh::default().files();
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
fn ranges_are_checked() {
    assert_eq!(Mesh::default().check(), Ok(()));
    let mut mesh = Mesh::default();
    mesh.camera.tilt_degrees = [40.0, 20.0];
    assert!(mesh.check().unwrap_err().contains("camera.tilt_degrees"));
}

/// An OBJ of a part, cut out onto white.
fn part() -> Mesh {
    let mut mesh = Mesh {
        models: vec!["renders/lego/3710.obj".into()],
        neighbours: Neighbours {
            count: [0, 0],
            gap: [0.0, 0.0],
        },
        ..Mesh::default()
    };
    mesh.camera.tilt_degrees = [0.0, 0.0];
    mesh.camera.roll_degrees = [0.0, 0.0];
    mesh.camera.off_centre = 0.0;
    mesh.lie.turns_degrees = vec![90.0];
    mesh.backdrop.colours = vec![Colour([255; 3])];
    mesh.backdrop.shadow = [0.0, 0.0];
    mesh.lens.blur_pixels = [0.0, 0.0];
    mesh.lens.chroma_blur_pixels = [0.0, 0.0];
    mesh.lens.noise = [0.0, 0.0];
    mesh.lens.sharpening = [0.0, 0.0];
    mesh
}

#[test]
fn an_obj_on_a_plain_backdrop_is_labelled_where_it_is_seen() {
    let mut mesh = part();
    // A plate of 32 mm by 8 mm in a field of 64 mm, seen from far above.
    mesh.camera.fov_degrees = [1.0, 1.0];
    mesh.camera.field_metres = Some([0.064, 0.064]);
    for sample in render(&mesh, 3, 64, 2, 8).unwrap() {
        let [instance] = sample.labels.objects() else {
            panic!("{} instances", sample.labels.objects().len());
        };
        assert_eq!(instance.class, "3710");
        let [x, y, width, height] = instance.bbox_xywh;
        assert!((width - 8.0).abs() <= 1.0 && (height - 32.0).abs() <= 1.0);
        assert!((x + width / 2.0 - 32.0).abs() <= 1.0 && (y + height / 2.0 - 32.0).abs() <= 1.0);
        let pixels = sample.pixels().unwrap();
        let mask = mask_of(instance).to_bitmap(64, 64);
        let white = pixels.pixels().map(|p| p.0 == [255; 3]);
        let wrong = white.zip(&mask).filter(|(white, inside)| white == *inside);
        // The pixels on the outline may be a little of both.
        assert!(wrong.count() <= 80);
    }
}

#[test]
fn shadows_fall_on_a_backdrop_that_asks_for_them() {
    let mut mesh = part();
    mesh.backdrop.shadow = [1.0, 1.0];
    let [sample] = &render(&mesh, 1, 48, 1, 8).unwrap()[..] else {
        panic!("one sample");
    };
    let pixels = sample.pixels().unwrap();
    let mask = mask_of(&sample.labels.objects()[0]).to_bitmap(48, 48);
    let around = pixels.pixels().zip(mask).filter(|(_, inside)| !inside);
    assert!(around.clone().any(|(p, _)| p.0[0] < 225));
    assert!(around.clone().any(|(p, _)| p.0[0] > 235));
}

#[test]
fn photos_stand_behind_the_object_where_they_are_given() {
    let mut mesh = part();
    mesh.backdrop.colours.clear();
    // A photo of one colour: any render serves as the sample around it.
    let mut photo = render(&mesh, 1, 16, 1, 8).unwrap().remove(0);
    let green = RgbImage::from_pixel(20, 16, image::Rgb([10, 200, 30]));
    photo.image = encode_png(&green).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let photos = crate::testing::publish(folder.path(), &[photo], 8);
    let inputs = BTreeMap::from([("backgrounds", photos)]);
    let samples = render_with(&mesh, inputs, 1, 48, 1, 8).unwrap();
    let corner = *samples[0].pixels().unwrap().get_pixel(0, 0);
    assert_eq!(corner.0, [10, 200, 30]);
}

#[test]
fn parts_lie_on_the_sides_on_which_they_stay() {
    let mut mesh = part();
    mesh.lie.pose = Pose::Stable;
    mesh.lie.steadiness_degrees = 30.0;
    // Studs up or studs down: the same outline.
    mesh.camera.field_metres = Some([0.064, 0.064]);
    let samples = render(&mesh, 12, 32, 2, 8).unwrap();
    let mut ups = Vec::new();
    for sample in samples {
        let instance = &sample.labels.objects()[0];
        // Row 2 of the pose is the camera's axis, which looks down, in the model's coordinates.
        ups.push(-instance.pose.unwrap()[9]);
    }
    assert!(ups.iter().all(|up| up.abs() > 0.99), "{ups:?}");
    assert!(
        ups.iter().any(|&up| up > 0.0) && ups.iter().any(|&up| up < 0.0),
        "{ups:?}"
    );
}

#[test]
fn an_obj_without_faces_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.obj");
    std::fs::write(&path, "v 0 0 0\n").unwrap();
    let mesh = Mesh {
        models: vec![path],
        ..Mesh::default()
    };
    assert_error(&mesh, &["empty.obj", "no triangles", "help:"]);
}
