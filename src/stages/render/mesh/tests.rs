//! The renderer seen from outside: labels that agree with each other, the same bytes for any
//! number of threads, and errors that name the file.

mod clips;
mod composed;
mod given;
mod hostile;
mod labels;
mod lens;
mod light;
mod listing;
mod maps;
mod models;
mod mutated;
mod proof;
mod scenes;
mod surfaces;
mod visible;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use image::RgbImage;

use super::config::Colour;
use super::labels::Buffer;
use super::list::Source;
use super::scene::Scene;
use super::*;
use crate::artifact::Artifact;
use crate::artifact::parts::read_part;
use crate::sample::image::encode_png;
use crate::sample::maps::depth;
use crate::sample::{Extent, Sample, Visibility};
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
    let size = Extent::square(size);
    render_with(mesh, BTreeMap::new(), count, size, threads, part_size)
}

/// As [`render`], for a stage with `inputs`.
fn render_with(
    mesh: &Mesh,
    inputs: BTreeMap<&'static str, Artifact>,
    count: u64,
    size: Extent,
    threads: usize,
    part_size: usize,
) -> Result<Vec<Sample>> {
    render_wanted(mesh, inputs, wanted(count, size), threads, part_size)
}

/// As [`render_with`], for any wishes.
fn render_wanted(
    mesh: &Mesh,
    inputs: BTreeMap<&'static str, Artifact>,
    wanted: Wanted,
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
        .install(|| mesh.render(&context, wanted))?;
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

fn wanted(count: u64, size: Extent) -> Wanted<'static> {
    Wanted {
        classes: &[],
        count,
        size,
        min_visible: 0.2,
        maps: &[],
        clip: 1,
    }
}

fn assert_error(mesh: &Mesh, parts: &[&str]) {
    let error = render(mesh, 1, 8, 1, 8).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}

/// Dice under the panoramas of the repository.
fn dice() -> Mesh {
    Mesh {
        models: ["die", "die_round"]
            .map(|die| Listed::from(&*format!("renders/dice/{die}.gltf")))
            .into(),
        environments: vec!["renders/hdri".into()],
        ..Mesh::default()
    }
}

fn crowded() -> Mesh {
    Mesh {
        neighbours: Neighbours {
            count: [2, 3],
            gap: [0.0, 0.3],
        },
        ..dice()
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
    let samples = render(&dice(), 60, 8, 2, 256).unwrap();
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
fn ranges_are_checked() {
    assert_eq!(dice().check(), Ok(()));
    let mut mesh = dice();
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
        ..dice()
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
    let samples = render_with(&mesh, inputs, 1, Extent::new(64, 48), 1, 8).unwrap();
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
