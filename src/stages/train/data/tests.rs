//! What batches hold of renders and photos.

use burn::tensor::Tensor;

use super::*;
use crate::sample::{Maps, maps};
use crate::seed::Seed;
use crate::stages::train::tests::{add_maps, tiny};
use crate::testing;

#[test]
fn cuts_take_picture_and_mask_alike() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let renders = testing::publish(folders[0].path(), &testing::shapes(12, 32, 1), 16);
    let photos = testing::publish(folders[1].path(), &testing::shapes(12, 32, 2), 16);
    let inputs = [("renders", renders), ("photos", photos)];
    let read = |context: &Context| Data::read(context, &Wanted::default()).unwrap();
    let (data, _) = testing::in_context("train", inputs, 16, folders[0].path(), read);
    let mut stream = Seed::new(1, "train").stream(0);
    let extent = |width, height| Some(Extent::new(width, height));
    for (resize, crop, seen) in [
        (None, extent(20, 20), [20, 20]),
        (extent(40, 40), extent(24, 24), [24, 24]),
        (extent(48, 48), None, [48, 48]),
        (extent(48, 40), extent(36, 40), [36, 40]),
    ] {
        let config = TrainConfig {
            resize,
            crop,
            batch: 8,
            turn: true,
            ..tiny()
        };
        let batch = data
            .draw(&config, &mut stream, &burn::tensor::Device::flex())
            .unwrap();
        let [width, height] = seen;
        assert_eq!(batch.photos.dims(), [8, 3, height, width]);
        // Objects are brighter than any ground: the mask lies where the picture is bright.
        let bright = batch.renders.max_dim(1).greater_elem(-0.02).float();
        let differ: f32 = (bright - batch.masks).abs().mean().into_scalar();
        assert!(differ < 0.06, "{resize:?} {crop:?}: {differ}");
    }
}

#[test]
fn cuts_around_objects_hold_them_and_photos_may_be_larger() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let frames = testing::frames(12, Extent::square(160), 1);
    let renders = testing::publish(folders[0].path(), &frames, 16);
    let larger = testing::frames(12, Extent::new(256, 200), 2);
    let photos = testing::publish(folders[1].path(), &larger, 16);
    let inputs = [("renders", renders), ("photos", photos)];
    let cut = Some(Extent::square(48));
    let wanted = Wanted {
        cut,
        ..Wanted::default()
    };
    let read = |context: &Context| Data::read(context, &wanted).unwrap();
    let (data, _) = testing::in_context("train", inputs, 16, folders[0].path(), read);
    assert_eq!(data.extent, Extent::square(160));
    let share = |crop_around: f64| -> f32 {
        let config = TrainConfig {
            crop: cut,
            crop_around,
            batch: 64,
            ..tiny()
        };
        let mut stream = Seed::new(1, "train").stream(0);
        let device = burn::tensor::Device::flex();
        let batch = data.draw(&config, &mut stream, &device).unwrap();
        assert_eq!(batch.photos.dims(), [64, 3, 48, 48]);
        batch.masks.mean().into_scalar()
    };
    assert!(share(1.0) > 1.5 * share(0.0));
}

#[test]
fn maps_follow_their_pictures_and_directions_turn() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut shapes = testing::shapes(12, 32, 1);
    shapes.iter_mut().for_each(add_maps);
    // A map that one render lacks is unknown there.
    shapes[0].labels.maps = Maps::default();
    let renders = testing::publish(folders[0].path(), &shapes, 16);
    let photos = testing::publish(folders[1].path(), &testing::shapes(12, 32, 2), 16);
    let inputs = [("renders", renders), ("photos", photos)];
    let wanted = Wanted {
        maps: maps::MAPS,
        objects: true,
        ..Wanted::default()
    };
    let read = |context: &Context| Data::read(context, &wanted).unwrap();
    let (data, _) = testing::in_context("train", inputs, 16, folders[0].path(), read);
    let names: Vec<_> = data.maps.iter().map(|kind| kind.name).collect();
    assert_eq!(names, ["normals", "albedo", "semantic", "objects"]);
    let device = burn::tensor::Device::flex();
    let mut stream = Seed::new(1, "train").stream(0);
    let config = TrainConfig {
        batch: 64,
        flip: true,
        turn: true,
        ..tiny()
    };
    let batch = data.draw(&config, &mut stream, &device).unwrap();
    let planes = batch.maps.unwrap();
    assert_eq!(planes.dims(), [64, 8, 32, 32]);
    let known = planes.clone().narrow(1, 2, 1).lower_elem(-0.1).float();
    let share: f32 = known.clone().mean().into_scalar();
    assert!((0.75..1.0).contains(&share), "{share}");
    let differ =
        |a: Tensor<4>, b: Tensor<4>| -> f32 { ((a - b) * known.clone()).abs().max().into_scalar() };
    assert!(differ(planes.clone().narrow(1, 3, 3), batch.renders) < 0.01);
    assert!(differ(planes.clone().narrow(1, 6, 1), batch.masks.clone()) < 0.01);
    // Objects are drawn from the labels, of every render.
    let objects = planes.clone().narrow(1, 7, 1) - batch.masks;
    assert_eq!(objects.abs().max().into_scalar::<f32>(), 0.0);
    // Mirrored and turned about the middle, what leans outwards still does.
    for (channel, along) in [(0, [1, 1, 1, 32]), (1, [1, 1, 32, 1])] {
        let place = Tensor::arange(0..32, &device).float().reshape(along) - 15.5;
        let lean = planes.clone().narrow(1, channel, 1) * place;
        assert!(lean.min().into_scalar::<f32>() > -0.1);
    }

    // Larger, cut and mirrored, albedo and picture are nearly alike.
    let config = TrainConfig {
        resize: Some(Extent::square(48)),
        crop: Some(Extent::new(40, 24)),
        ..config
    };
    let batch = data.draw(&config, &mut stream, &device).unwrap();
    let planes = batch.maps.unwrap();
    let known = planes.clone().narrow(1, 2, 1).lower_elem(-0.1).float();
    let apart = (planes.narrow(1, 3, 3) - batch.renders) * known;
    assert!(apart.abs().mean().into_scalar::<f32>() < 0.02);
}

/// Clips of four frames with stripes that move to the right by two pixels a frame.
fn stripes(count: u64) -> Vec<Sample> {
    let mut frames = testing::shapes(count, 32, 1);
    for frame in &mut frames {
        let shift = 2 * (frame.index % 4) as u32;
        let shade = |x: u32| [60 + 4 * ((x + 64 - shift) % 32) as u8; 3];
        let pixels = RgbImage::from_fn(32, 32, |x, _| image::Rgb(shade(x)));
        frame.image = crate::sample::image::encode_png(&pixels).unwrap();
        frame.provenance.origin = format!("render-{}", frame.index / 4);
        if frame.index % 4 < 3 {
            let values = vec![flow::value([2.0, 0.0], true); 32 * 32];
            let maps = &mut frame.labels.maps;
            maps.draw(&flow::MAP, &values, (32, 32)).unwrap();
        }
    }
    frames
}

#[test]
fn pairs_are_neighbours_of_one_clip_seen_alike_and_their_motion_follows_the_view() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let renders = testing::publish(folders[0].path(), &stripes(12), 5);
    let photos = testing::publish(folders[1].path(), &testing::shapes(12, 32, 2), 16);
    let inputs = [("renders", renders), ("photos", photos.clone())];
    let wanted = Wanted {
        motion: true,
        ..Wanted::default()
    };
    let read = |context: &Context| Data::read(context, &wanted);
    let (data, _) = testing::in_context("train", inputs, 16, folders[0].path(), read);
    let data = data.unwrap();
    assert_eq!(data.pairs, [0, 1, 2, 4, 5, 6, 8, 9, 10]);
    assert!(data.maps.is_empty());
    let config = TrainConfig {
        batch: 32,
        flip: true,
        turn: true,
        resize: Some(Extent::square(48)),
        crop: Some(Extent::square(40)),
        ..tiny()
    };
    let device = burn::tensor::Device::flex();
    let mut stream = Seed::new(1, "train").stream(0);
    let batch = data.draw(&config, &mut stream, &device).unwrap();
    let motion = batch.motion.unwrap();
    assert_eq!(motion.dims(), [32, 3, 40, 40]);
    let pairs = batch.renders.reshape([16, 6, 40, 40]);
    let [first, second] = [0, 3].map(|from| pairs.clone().narrow(1, from, 3));
    let motion = motion.reshape([16, 6, 40, 40]);
    assert_eq!(
        motion
            .clone()
            .narrow(1, 3, 3)
            .abs()
            .max()
            .into_scalar::<f32>(),
        0.0
    );
    let way = motion.clone().narrow(1, 0, 2);
    assert_eq!(way.clone().abs().max().into_scalar::<f32>(), 3.0);
    let (there, inside) = crate::nn::warp::looked_up(second.clone(), way);
    let seen = motion.narrow(1, 2, 1) * inside;
    let apart = |other: Tensor<4>| -> f32 {
        let differ = (first.clone() - other).abs() * seen.clone();
        (differ.sum() / seen.clone().sum() / 3.0).into_scalar()
    };
    let (along, still) = (apart(there), apart(second));
    assert!(along < 0.4 * still, "{along} {still}");

    // Pictures that are no frames of clips are refused.
    let stills = testing::publish(folders[2].path(), &testing::shapes(12, 32, 1), 16);
    let inputs = [("renders", stills), ("photos", photos)];
    let (refused, _) = testing::in_context("train", inputs, 16, folders[0].path(), read);
    let problem = refused.err().unwrap().to_string();
    assert!(
        problem.contains("`temporal`") && problem.contains("no render has it"),
        "{problem}"
    );
}
