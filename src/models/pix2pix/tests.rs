//! What moves which network, and what drawings depend on. Renders have the map of objects that `spade` reads, too.

use image::Rgb;

use super::*;
use crate::models::spade;
use crate::models::task_network::TaskNetwork;
use crate::models::tests::{
    batch_of, count_gradients, cpu, maps_of, setting_on, shared, size_of_weights, streams, task,
};
use crate::nn::ruler::{Pictures, two_sample};
use crate::seed::Seed;
use crate::testing;

fn model(config: &Pix2PixConfig, task: Option<&TaskNetwork>) -> Pix2Pix {
    setting_on(&cpu(), task, |setting| {
        Pix2Pix::new(config, &shared(), setting).unwrap()
    })
}

fn of(condition: Condition) -> Pix2PixConfig {
    Pix2PixConfig {
        condition,
        ..Pix2PixConfig::default()
    }
}

#[test]
fn gradients_arrive_at_the_whole_generator_and_at_nothing_that_judges() {
    let task = task();
    for condition in [Condition::Edges, Condition::Mask, Condition::Both] {
        let mut model = model(&of(condition), Some(&task));
        let drawn = model.draw(&batch_of(&spade::MODEL));
        assert_eq!(drawn.condition.dims()[1], model.shape.channels());
        let drawn = drawn.part(0..4, &model.arena.device);
        let generator = model.generator.network.clone();
        let judge = model.critic.judge(&model.arena);
        let losses = || losses(&model.config, &judge, &generator, &drawn).total;
        let (arrived, all) = count_gradients(losses(), &generator);
        assert_eq!(arrived, all);
        assert_eq!(count_gradients(losses(), judge.network()).0, 0);
    }
}

#[test]
fn a_step_moves_generator_average_and_critic_and_learns_nothing_at_rate_0() {
    let mut model = model(&of(Condition::Edges), None);
    let sizes = |model: &Pix2Pix| {
        [
            size_of_weights(&model.generator.network),
            size_of_weights(&model.average),
            size_of_weights(model.critic.judge(&model.arena).network()),
        ]
    };
    let before = sizes(&model);
    model.step(&batch_of(&spade::MODEL), 0.0);
    assert_eq!(sizes(&model), before);
    let values = model.step(&batch_of(&spade::MODEL), 1e-3);
    let after = sizes(&model);
    assert!(
        before
            .iter()
            .zip(after)
            .all(|(before, after)| *before != after)
    );
    for name in ["adversarial", "l1", "discriminator", "accuracy"] {
        assert!(values[name].is_finite(), "{values:?}");
    }
}

#[test]
fn the_l1_loss_draws_the_photos() {
    let config = Pix2PixConfig {
        noise: 0.0,
        ..of(Condition::Edges)
    };
    let mut model = model(&config, None);
    let photos = [square([220; 3], [70; 3]), square([200; 3], [60; 3])];
    let photos = to_tensor(
        photos
            .iter()
            .cycle()
            .take(4)
            .collect::<Vec<_>>()
            .into_iter(),
        &Device::flex(),
    );
    let batch = Batch {
        photos,
        ..batch_of(&spade::MODEL)
    };
    let steps: Vec<f64> = (0..30).map(|_| model.step(&batch, 1e-2)["l1"]).collect();
    assert!(steps[29] < 0.6 * steps[0], "{steps:?}");
}

/// A picture of a square, in one colour on another.
fn square(inside: [u8; 3], outside: [u8; 3]) -> RgbImage {
    RgbImage::from_fn(16, 16, |x, y| {
        let within = (4..12).contains(&x) && (5..11).contains(&y);
        Rgb(if within { inside } else { outside })
    })
}

#[test]
fn colours_of_a_render_are_not_seen_and_its_mask_is() {
    let task = task();
    let drawn = |condition, render: &RgbImage, maps: &[Decoded]| {
        let mut model = model(&of(condition), Some(&task));
        model.step(&batch_of(&spade::MODEL), 3e-3);
        let renders = std::slice::from_ref(render);
        model
            .translator()
            .translate(renders, maps, &mut streams(0, 1))
            .remove(0)
    };
    // Of equal luminance to a grey level or less, but red in place of blue.
    let [red, blue] = [[200, 60, 60], [60, 111, 162]].map(|inside| square(inside, [20, 20, 20]));
    let maps = maps_of(&spade::MODEL);
    let [none, some] = [vec![Decoded::new()], maps[..1].to_vec()];
    for condition in [Condition::Edges, Condition::Both] {
        let [a, b] = [&red, &blue].map(|render| drawn(condition, render, &some));
        let off = a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(off.unwrap() <= 3, "{condition:?}: {off:?}");
    }
    let [a, b] = [&red, &blue].map(|render| drawn(Condition::Mask, render, &some));
    assert_eq!(a, b);
    assert_ne!(a, drawn(Condition::Mask, &red, &none));
    assert_eq!(
        drawn(Condition::Edges, &red, &none),
        drawn(Condition::Edges, &red, &some)
    );
}

#[test]
fn a_sample_s_stream_decides_what_is_dropped_whatever_it_is_translated_with() {
    let task = task();
    let mut model = model(&of(Condition::Both), Some(&task));
    for _ in 0..3 {
        model.step(&batch_of(&spade::MODEL), 3e-3);
    }
    let translator = model.translator();
    let renders = crate::nn::batch::to_pictures(batch_of(&spade::MODEL).renders);
    let maps = maps_of(&spade::MODEL);
    let together = translator.translate(&renders, &maps, &mut streams(0, 4));
    for (number, picture) in together.iter().enumerate() {
        let range = number..number + 1;
        let (render, map) = (&renders[range.clone()], &maps[range]);
        let alone = translator.translate(render, map, &mut streams(number as u64, 1));
        assert_eq!(&alone[0], picture);
        let other = translator.translate(render, map, &mut streams(99, 1));
        assert_ne!(&other[0], picture);
    }
}

/// A classifier tells renders from photos by their colours, and hardly by their edges.
#[test]
fn edges_are_more_alike_than_pictures() {
    let device = cpu();
    let renders = testing::shapes(120, 16, 1);
    let renders: Vec<RgbImage> = renders.iter().map(|s| s.pixels().unwrap()).collect();
    // The same shapes in another light.
    let photos = testing::shapes(120, 16, 2).into_iter().map(|sample| {
        let mut photo = sample.pixels().unwrap();
        photo.pixels_mut().for_each(|pixel| {
            let [r, g, b] = pixel.0.map(|value| 40.0 + 0.6 * f32::from(value));
            *pixel = Rgb([r * 1.1, g, b * 0.7].map(|value| value as u8));
        });
        photo
    });
    let photos: Vec<RgbImage> = photos.collect();
    let told = |renders: &[RgbImage], photos: &[RgbImage]| {
        let renders = Pictures::independent(renders.iter());
        let photos = photos.iter().cloned().zip(1000..).collect::<Vec<_>>();
        let seed = Seed::new(1, "told");
        let told = two_sample(
            &renders,
            &Pictures::new(&photos),
            &seed,
            &device,
            &|| Ok(()),
        );
        told.unwrap().unwrap().accuracy
    };
    let model = model(&of(Condition::Edges), None);
    let (colours, edges) = (
        told(&renders, &photos),
        told(
            &model.condition(&renders, Some(&[])).unwrap(),
            &model.condition(&photos, None).unwrap(),
        ),
    );
    assert!(colours > 0.9, "{colours}");
    assert!(edges < 0.75, "{edges}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let wrong = |change: fn(&mut Pix2PixConfig)| {
        let mut config = Pix2PixConfig::default();
        assert_eq!(config.check(), Ok(()));
        change(&mut config);
        config.check().unwrap_err()
    };
    assert!(wrong(|c| c.noise = 1.0).contains("`noise`"));
    assert!(wrong(|c| c.dropout = f64::NAN).contains("`dropout`"));
    assert!(wrong(|c| c.blur = -1.0).contains("`blur`"));
    assert!(wrong(|c| c.l1 = f64::INFINITY).contains("`l1`"));
    assert!(of(Condition::Both).reads_objects() && !of(Condition::Edges).reads_objects());
    let refused = setting_on(&cpu(), None, |setting| {
        let made = Pix2Pix::new(&of(Condition::Both), &shared(), setting);
        made.err().unwrap().to_string()
    });
    assert!(refused.contains("pix2pix.condition"), "{refused}");
}
