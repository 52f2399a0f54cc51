//! What moves which network, and what drawings depend on.

use super::*;
use crate::models::condition::Sight;
use crate::models::tests::{
    batch_of, count_gradients, cpu, maps_of, setting_on, shared, size_of_weights, streams, task,
};

/// A small model with the task network of the tests, whose classes are `a` and `b`.
fn model(config: &SpadeConfig) -> Spade {
    setting_on(&cpu(), Some(&task()), |setting| {
        Spade::new(config, &shared(), setting).unwrap()
    })
}

#[test]
fn gradients_arrive_at_generator_and_encoder_and_at_nothing_that_judges() {
    let config = SpadeConfig {
        // The vectors of its power iterations have none.
        spectral: false,
        ..SpadeConfig::default()
    };
    let mut model = model(&config);
    let drawn = model.draw(&batch_of(&MODEL));
    assert_eq!(drawn.map.dims(), [4, 3, 16, 16]);
    let drawn = drawn.part(0..4, &model.arena.device);
    let networks = model.networks.network.clone();
    let judge = model.critic.judge(&model.arena);
    let losses = || losses(&model.config, &judge, &networks, &drawn).total;
    let (arrived, all) = count_gradients(losses(), &networks);
    assert_eq!(arrived, all);
    assert_eq!(count_gradients(losses(), judge.network()).0, 0);
}

#[test]
fn a_step_moves_all_networks_but_the_task_network() {
    let mut model = model(&SpadeConfig::default());
    let photos = batch_of(&MODEL).photos;
    let sizes = |model: &Spade| {
        [
            size_of_weights(&model.networks.network.generator),
            size_of_weights(&model.networks.network.encoder),
            size_of_weights(&model.average),
            size_of_weights(model.critic.judge(&model.arena).network()),
        ]
    };
    let (before, seen) = (sizes(&model), model.seer.see(&photos));
    let values = model.step(&batch_of(&MODEL), 1e-3);
    let after = sizes(&model);
    assert!(
        before
            .iter()
            .zip(after)
            .all(|(before, after)| *before != after)
    );
    let unmoved = model.seer.see(&photos);
    assert_eq!(unmoved.mask.into_data(), seen.mask.into_data());
    for name in ["adversarial", "features", "kl", "discriminator", "accuracy"] {
        assert!(values[name].is_finite(), "{values:?}");
    }
}

#[test]
fn one_map_has_many_appearances_and_the_sample_s_stream_chooses() {
    let mut model = model(&SpadeConfig::default());
    for _ in 0..3 {
        model.step(&batch_of(&MODEL), 1e-3);
    }
    let translator = model.translator();
    assert_eq!(translator.classes().unwrap(), ["a", "b"]);
    let renders = crate::nn::batch::to_pictures(batch_of(&MODEL).renders);
    let maps = maps_of(&MODEL);
    let draw = |numbers: Range<usize>, maps: &[Decoded], from: u64| {
        let count = numbers.len() as u64;
        translator.translate(&renders[numbers], maps, &mut streams(from, count))
    };
    let together = draw(0..4, &maps, 0);
    for (number, picture) in together.iter().enumerate() {
        let alone = draw(number..number + 1, &maps[..1], number as u64);
        assert_eq!(&alone[0], picture);
    }
    // Colours of renders do not matter, styles, places and classes of objects do.
    assert_eq!(draw(0..1, &maps[..1], 7), draw(2..3, &maps[..1], 7));
    assert_ne!(draw(0..1, &maps[..1], 7), draw(0..1, &maps[..1], 8));
    assert_ne!(draw(0..1, &maps[..1], 7), draw(0..1, &[], 7));
    let mut other = maps[..1].to_vec();
    for value in &mut other[0][0].1 {
        value[0] *= 2;
    }
    assert_ne!(draw(0..1, &maps[..1], 7), draw(0..1, &other, 7));
}

#[test]
fn a_photo_s_class_counts_where_the_task_network_is_sure() {
    let device = Device::flex();
    let sight = Sight {
        mask: Tensor::full([2, 1, 4, 4], 0.5, &device),
        classes: tensor_of([0.9, 0.1, 0.6, 0.4].into_iter(), [2, 2], &device),
    };
    let planes = of_photos(sight, 0.8).mean_dims(&[2, 3]);
    let planes: Vec<f32> = planes.into_data().try_to_vec().unwrap();
    assert_eq!(planes, [0.5, 0.0, 0.0, 0.0, 0.0, 0.5]);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let wrong = |change: fn(&mut SpadeConfig)| {
        let mut config = SpadeConfig::default();
        assert_eq!(config.check(), Ok(()));
        change(&mut config);
        config.check().unwrap_err()
    };
    assert!(wrong(|c| c.style = 0).contains("`style`"));
    assert!(wrong(|c| c.scales = 5).contains("`scales`"));
    assert!(wrong(|c| c.confidence = f64::NAN).contains("`confidence`"));
    assert!(wrong(|c| c.kl = -1.0).contains("`kl`"));
    let many = SpadeConfig {
        scales: 4,
        ..SpadeConfig::default()
    };
    let problem = many.check_extents(&shared(), Extent::square(16), Extent::square(16));
    assert!(problem.unwrap_err().contains("`spade.scales`"));
}
