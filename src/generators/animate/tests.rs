//! The networks that animate: their planes, their training, and what it leaves.

use glam::dvec2;
use rand::RngExt;

use super::*;
use crate::generators::tests::same_step_elsewhere;
use crate::nn::device;
use crate::seed::{Seed, Stream};
use crate::stage::DeviceChoice;

const SIDE: u32 = 16;

fn learner(device: &Chosen) -> Animation {
    let shape = MotionShape {
        extent: Extent::square(SIDE),
        channels: 4,
    };
    shape
        .create(&Setting {
            device,
            extent: shape.extent,
            columns: 1,
            ema: 0.9,
            seed: &Seed::new(1, "animate"),
        })
        .unwrap()
}

/// A bright square with a dark point in its middle, which is at `place`.
fn square(place: DVec2) -> (RgbImage, Vec<bool>) {
    let inside = |x: u32, y: u32| {
        let way = (dvec2(f64::from(x), f64::from(y)) + 0.5 - place).abs();
        way.max_element() <= 3.0
    };
    let picture = RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let way = (dvec2(f64::from(x), f64::from(y)) + 0.5 - place).abs();
        image::Rgb(match (inside(x, y), way.max_element() < 1.0) {
            (true, true) => [200, 20, 20],
            (true, false) => [230, 220, 200],
            _ => [40, 60, 50],
        })
    });
    let mask = (0..SIDE * SIDE).map(|place| inside(place % SIDE, place / SIDE));
    (picture, mask.collect())
}

fn some(count: usize, stream: &mut Stream) -> Batch {
    let mut place = || {
        dvec2(
            stream.random_range(4.0..12.0),
            stream.random_range(4.0..12.0),
        )
    };
    let places: Vec<[DVec2; 2]> = (0..count).map(|_| [place(), place()]).collect();
    let pictures: Vec<_> = places.iter().map(|pair| pair.map(square)).collect();
    let scenes: Vec<(Scene, &RgbImage)> = (places.iter().zip(&pictures))
        .map(|(place, [before, after])| {
            let scene = Scene {
                source: &before.0,
                from: &place[..1],
                to: &place[1..],
                mask: &after.1,
            };
            (scene, &after.0)
        })
        .collect();
    batch(&scenes, &device::choose(DeviceChoice::Cpu).unwrap().device)
}

#[test]
fn a_square_follows_its_point_and_the_point_is_read() {
    let device = device::choose(DeviceChoice::Cpu).unwrap();
    let mut learner = learner(&device);
    let mut stream = Seed::new(2, "squares").stream(0);
    let first = learner.step(&some(16, &mut stream), 4e-3);
    for _ in 0..150 {
        learner.step(&some(16, &mut stream), 4e-3);
    }
    let last = learner.step(&some(16, &mut stream), 4e-3);
    assert!(
        last["picture"] < 0.4 * first["picture"],
        "{first:?} {last:?}"
    );
    let animator = learner.animator();
    let (from, to) = (dvec2(5.0, 6.0), dvec2(11.0, 9.0));
    let ((source, _), (truth, mask)) = (square(from), square(to));
    let scene = Scene {
        source: &source,
        from: &[from],
        to: &[to],
        mask: &mask,
    };
    let made = animator.paint(&[scene]).remove(0);
    let apart = |a: &RgbImage, b: &RgbImage| -> f64 {
        let pairs = a.as_raw().iter().zip(b.as_raw());
        pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum()
    };
    assert!(apart(&made, &truth) < 0.5 * apart(&source, &truth));
    let read = animator.read(&source);
    assert!(read.points[0].0.distance(from) < 1.5, "{:?}", read.points);
    let (inside, all) = (read.mask.iter().zip(square(from).1))
        .fold((0, 0), |(n, all), (a, b)| (n + i32::from(*a == b), all + 1));
    assert!(inside > all * 9 / 10, "{inside} of {all}");
}

#[test]
fn another_device_gives_the_same_losses() {
    let batch = some(4, &mut Seed::new(1, "squares").stream(0));
    same_step_elsewhere("animate", &batch, |device, batch| {
        learner(device).step(batch, 2e-4)
    });
}

#[test]
fn it_resumes_bit_for_bit_and_loads_what_it_saved() {
    let device = device::choose(DeviceChoice::Cpu).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut stream = Seed::new(3, "squares").stream(0);
    let batches: Vec<Batch> = (0..3).map(|_| some(4, &mut stream)).collect();
    let mut through = learner(&device);
    through.step(&batches[0], 1e-3);
    through.save_state(folder.path()).unwrap();
    let mut resumed = learner(&device);
    resumed.load_state(folder.path()).unwrap();
    for batch in &batches[1..] {
        assert_eq!(through.step(batch, 1e-3), resumed.step(batch, 1e-3));
    }
    let (source, mask) = square(dvec2(8.0, 8.0));
    let painted = |animator: &Animator| {
        let place = [dvec2(8.0, 8.0)];
        let scene = Scene {
            source: &source,
            from: &place,
            to: &place,
            mask: &mask,
        };
        animator.paint(&[scene]).remove(0)
    };
    through.save(folder.path()).unwrap();
    let loaded = Animator::load(folder.path(), &device).unwrap();
    assert_eq!(painted(&loaded), painted(&resumed.animator()));
}

#[test]
fn a_motion_carries_pixels_and_points_peak_where_they_are() {
    let extent = Extent::square(SIDE);
    let places = [dvec2(4.25, 5.5), dvec2(11.0, 12.75)];
    let found = peaks(&heat(&places, extent), extent);
    assert_eq!(found.len(), 2);
    for place in places {
        let nearest = found.iter().map(|(at, _)| at.distance(place));
        assert!(nearest.fold(f64::MAX, f64::min) < 0.3, "{found:?}");
    }
    let (source, _) = square(dvec2(6.0, 6.0));
    let (shifted, _) = square(dvec2(9.0, 8.0));
    let motion = Motion::new(&[dvec2(6.0, 6.0)], &[dvec2(9.0, 8.0)]);
    assert_eq!(
        carried(&colours(&source).collect::<Vec<_>>(), extent, &motion),
        colours(&shifted).collect::<Vec<_>>()
    );
}

#[test]
fn sides_that_cannot_be_halved_are_refused() {
    let check = |width, height| {
        let extent = Extent::new(width, height);
        MotionShape {
            extent,
            channels: 4,
        }
        .check()
    };
    assert!(check(64, 48).is_ok());
    assert!(check(60, 64).unwrap_err().contains("width is 60"));
    assert!(check(64, 8).unwrap_err().contains("at least 16"));
}
