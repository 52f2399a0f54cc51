//! What moves which network, and what the maps of the renders do.

use super::*;
use crate::models::task_network::TaskNetwork;
use crate::models::tests::{
    batch, count_gradients, cpu, setting_on, shared, size_of_weights, task,
};
use crate::testing;

/// A small model that has seen the photos of [`batch`].
fn model(config: GBufferConfig, task: Option<&TaskNetwork>) -> GBuffer {
    let config = GBufferConfig {
        channels: 4,
        ..config
    };
    let mut model = setting_on(&cpu(), task, |setting| {
        GBuffer::new(&config, &shared(), setting).unwrap()
    });
    let photos = testing::album(&to_pictures(batch().photos));
    model.study(&photos).unwrap();
    model
}

#[test]
fn gradients_arrive_at_the_whole_generator_and_at_nothing_that_judges() {
    let task = task();
    for task in [None, Some(&task)] {
        let mut model = model(GBufferConfig::default(), task);
        let (windows, real) = model.matching.draw(&batch().renders, 2, 2);
        let matched = Matched {
            regions: batch().masks,
            batch: batch(),
            windows,
            real,
        };
        let matched = matched.part(0..4, &model.arena.device);
        let judge = model.critic.judge(&model.arena);
        let generator = model.generator.network.clone();
        let losses = || {
            let others = (&judge, model.task.as_ref(), &model.matching.grid);
            losses(&model.config, others, &generator, &matched)
        };
        let (arrived, all) = count_gradients(losses().total, &generator);
        assert_eq!(arrived, all);
        if let Some(task) = &model.task {
            assert_eq!(count_gradients(losses().total, task).0, 0);
        }
        assert_eq!(count_gradients(losses().total, judge.network()).0, 0);
    }
}

#[test]
fn a_step_moves_generator_average_and_critic_and_not_the_task_network() {
    let task = task();
    let mut model = model(GBufferConfig::default(), Some(&task));
    let sizes = |model: &GBuffer| {
        [
            size_of_weights(&model.generator.network),
            size_of_weights(&model.average),
            size_of_weights(model.critic.judge(&model.arena).network()),
            size_of_weights(model.task.as_ref().unwrap()),
        ]
    };
    let before = sizes(&model);
    let values = model.step(&batch(), 1e-3);
    let moved = sizes(&model)
        .iter()
        .zip(before)
        .map(|(after, before)| (after - before).abs() > 0.0)
        .collect::<Vec<_>>();
    assert_eq!(moved, [true, true, true, false]);
    for name in ["adversarial", "change", "discriminator", "accuracy"] {
        assert!(values[name].is_finite(), "{values:?}");
    }
}

#[test]
fn the_perceptual_loss_keeps_the_render() {
    let task = task();
    for task in [None, Some(&task)] {
        let change = |weight: f64| {
            let config = GBufferConfig {
                perceptual: weight,
                ..GBufferConfig::default()
            };
            let mut model = model(config, task);
            for _ in 0..8 {
                model.step(&batch(), 3e-3);
            }
            let network = model.generator.network.valid();
            let batch = batch();
            let planes = batch.maps.unwrap();
            let translated = network.forward(batch.renders.clone(), planes);
            l1(translated, batch.renders).into_scalar::<f32>()
        };
        let (free, held) = (change(0.0), change(100.0));
        assert!(held < 0.8 * free, "{held}, {free}");
    }
}

#[test]
fn the_maps_count_and_one_that_a_render_lacks_is_unknown() {
    let mut model = model(GBufferConfig::default(), None);
    for _ in 0..4 {
        model.step(&batch(), 3e-3);
    }
    let renders = to_pictures(batch().renders);
    let translate = |maps: &[Decoded]| model.translator().translate(&renders, maps, &mut []);
    let whole = crate::models::tests::maps();
    let without: Vec<Decoded> = whole.iter().map(|maps| maps[..3].to_vec()).collect();
    let all = translate(&whole);
    assert_eq!(all, translate(&whole));
    assert_ne!(all, translate(&without));
    assert_ne!(all, translate(&[(); 4].map(|()| Decoded::new())));
}

#[test]
fn renders_without_maps_are_refused_with_the_remedy() {
    let problem = setting_on(&cpu(), None, |setting| {
        let setting = Setting {
            maps: &[],
            ..setting
        };
        let made = GBuffer::new(&GBufferConfig::default(), &shared(), setting);
        made.err().unwrap().to_string()
    });
    assert!(problem.contains("maps = [\"normals\""), "{problem}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let wrong = |change: fn(&mut GBufferConfig)| {
        let mut config = GBufferConfig::default();
        assert_eq!(config.check(), Ok(()));
        change(&mut config);
        config.check().unwrap_err()
    };
    assert!(wrong(|c| c.window = 0.0).contains("`window`"));
    assert!(wrong(|c| c.window = f64::NAN).contains("`window`"));
    assert!(wrong(|c| c.nearest = 0).contains("`nearest`"));
    assert!(wrong(|c| c.perceptual = -1.0).contains("`perceptual`"));
    let (config, mut shared) = (GBufferConfig::default(), shared());
    let square = Extent::square;
    assert_eq!(
        config.check_extents(&shared, square(64), square(64)),
        Ok(())
    );
    let cut = config.check_extents(&shared, square(64), square(48));
    assert!(cut.unwrap_err().contains("leave out `crop`"));
    shared.discriminator.layers = 4;
    let small = config.check_extents(&shared, square(64), square(64));
    assert!(small.unwrap_err().contains("`gbuffer.window`"));
    shared.generator.kind = GeneratorKind::UNet;
    let kind = config.check_extents(&shared, square(64), square(64));
    assert!(kind.unwrap_err().contains("generator.kind"));
}
