//! What an open aperture and a shaking hand do: rays against the disc that was asked for, pictures against sharp ones.

use glam::Vec2;

use super::super::camera::Aperture;
use super::scenes::{scene, surroundings};
use super::*;
use crate::sample::colour::to_linear;

#[test]
fn a_point_an_object_s_size_behind_the_focus_becomes_a_disc_as_wide_as_asked() {
    const PIXELS: f32 = 6.0;
    let mesh = dice();
    let (cast, environment) = surroundings(&mesh);
    for index in 0..4 {
        let scene = scene(&mesh, &cast, &environment, index);
        let (camera, object) = (&scene.camera, &scene.instances[0]);
        let aperture = Aperture::new(&scene, PIXELS);
        let axis = camera.rotation.row(2);
        let depth_of = |point| axis.dot(point - camera.position);
        // Where rays through one pixel and the rim of the lens are at a depth.
        let width = |depth: f32| {
            let at = |place: usize| {
                let on_rim = (1.0, place as f32 / 16.0);
                let (origin, direction) = camera.ray(20.3, 11.7, &aperture, on_rim);
                let way = (depth - depth_of(origin)) / axis.dot(direction);
                camera.project(origin + direction * way)
            };
            let ends: Vec<Vec2> = (0..16).map(at).collect();
            let pairs = ends
                .iter()
                .flat_map(|a| ends.iter().map(|b| a.distance(*b)));
            pairs.fold(0.0, f32::max)
        };
        let focus = depth_of(object.centre);
        assert!(width(focus) < 0.02, "{index}: {}", width(focus));
        let behind = width(focus + object.model.size);
        assert!((behind - PIXELS).abs() < 0.02 * PIXELS, "{index}: {behind}");
    }
}

/// Pairs of neighbours between which there is an edge, not noise alone.
fn edges(picture: &RgbImage) -> f64 {
    const STEP: u8 = 60;
    let (width, height) = picture.dimensions();
    let at = |x: u32, y: u32| picture.get_pixel(x, y).0[1];
    let places = (1..height).flat_map(|y| (1..width).map(move |x| (x, y)));
    let steps =
        places.flat_map(|(x, y)| [at(x - 1, y), at(x, y - 1)].map(|near| near.abs_diff(at(x, y))));
    steps.filter(|step| *step > STEP).count() as f64
}

#[test]
fn what_is_blurred_keeps_its_labels_and_its_light() {
    let plain = || {
        let mut mesh = crowded();
        let lens = &mut mesh.lens;
        (lens.blur_pixels, lens.chroma_blur_pixels) = ([0.0; 2], [0.0; 2]);
        (lens.sharpening, lens.noise, lens.gradient) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        lens.jpeg_share = 0.0;
        mesh
    };
    let (mut defocused, mut shaken) = (plain(), plain());
    defocused.lens.defocus_pixels = [16.0; 2];
    shaken.lens.shake_pixels = [8.0; 2];
    let sharp = render(&plain(), 4, 64, 2, 4).unwrap();
    let pictures = |samples: &[Sample]| -> Vec<RgbImage> {
        samples.iter().map(|s| s.pixels().unwrap()).collect()
    };
    // Of light, for sRGB values that are mixed in linear light become larger on average.
    let light = |picture: &RgbImage| {
        let values = picture.iter().map(|v| to_linear(f32::from(*v) / 255.0));
        values.map(f64::from).sum::<f64>() / picture.len() as f64
    };
    for (name, mesh) in [("defocus", defocused), ("shake", shaken)] {
        let blurred = render(&mesh, 4, 64, 2, 4).unwrap();
        for (blurred, sharp) in blurred.iter().zip(&sharp) {
            assert_eq!(blurred.labels, sharp.labels, "{name}");
        }
        let [blurred, sharp] = [&blurred[..], &sharp[..]].map(pictures);
        let all = |pictures: &[RgbImage], of: fn(&RgbImage) -> f64| -> f64 {
            pictures.iter().map(of).sum()
        };
        let left = all(&blurred, edges) / all(&sharp, edges);
        assert!(left < 0.7, "{name}: {left}");
        let change = all(&blurred, light) / all(&sharp, light) - 1.0;
        assert!(change.abs() < 0.03, "{name}: {change}");
    }
}

#[test]
fn a_sensor_changes_pictures_and_no_labels() {
    let plain = render(&dice(), 4, 32, 2, 4).unwrap();
    let mut noisy = dice();
    noisy.lens.sensor = serde_json::from_value(serde_json::json!({
        "vignetting": [0.3, 0.5], "fringe": [0.01, 0.02], "shot_noise": [0.02, 0.03],
        "read_noise": [0.001, 0.002], "mosaic_share": 1.0, "white_balance": [1.2, 1.3],
    }))
    .unwrap();
    assert_eq!(noisy.check(), Ok(()));
    let taken = render(&noisy, 4, 32, 2, 4).unwrap();
    let redder = |sample: &Sample| {
        let pixels = sample.pixels().unwrap();
        let sums = pixels.pixels().fold([0_u64; 2], |[red, blue], pixel| {
            [red + u64::from(pixel.0[0]), blue + u64::from(pixel.0[2])]
        });
        sums[0] as f64 / sums[1] as f64
    };
    for (taken, plain) in taken.iter().zip(&plain) {
        assert_eq!(taken.labels, plain.labels);
        assert!(redder(taken) > 1.1 * redder(plain));
    }
    noisy.lens.sensor.mosaic_share = 2.0;
    let problem = noisy.check().unwrap_err();
    assert!(
        problem.contains("`mesh.lens.sensor.mosaic_share`"),
        "{problem}"
    );
}
