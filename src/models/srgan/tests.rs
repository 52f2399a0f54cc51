//! What moves which network, and that it learns to enlarge.

use super::*;
use crate::appearance::fidelity::{psnr, ssim};
use crate::models::task_network::TaskNetwork;
use crate::models::tests::{batch, count_gradients, cpu, saved, setting_on, shared, task};
use crate::sample::image::resize;
use crate::testing;

fn small(config: SrganConfig) -> SrganConfig {
    SrganConfig {
        channels: 4,
        blocks: 1,
        ..config
    }
}

fn model(config: SrganConfig, task: Option<&TaskNetwork>) -> Srgan {
    setting_on(&cpu(), task, |setting| {
        Srgan::new(&small(config), &shared(), setting).unwrap()
    })
}

/// Plays from the second step on.
fn soon() -> SrganConfig {
    SrganConfig {
        pretrain: 1,
        ..SrganConfig::default()
    }
}

#[test]
fn gradients_arrive_at_the_whole_network_and_at_nothing_that_judges() {
    let task = task();
    for task in [None, Some(&task)] {
        let model = model(SrganConfig::default(), task);
        let network = model.upscaler.network.clone();
        let photos = batch().photos.to_device(&model.arena.device);
        let judge = model.critic.judge(&model.arena);
        for judge in [None, Some(&judge)] {
            let losses = || {
                losses(
                    &model.config,
                    (judge, model.task.as_ref()),
                    &network,
                    &photos,
                )
            };
            let (arrived, all) = count_gradients(losses().total, &network);
            assert_eq!(arrived, all);
            if let Some(task) = &model.task {
                assert_eq!(count_gradients(losses().total, task).0, 0);
            }
        }
        let others = (Some(&judge), model.task.as_ref());
        let losses = losses(&model.config, others, &network, &photos);
        assert_eq!(count_gradients(losses.total, judge.network()).0, 0);
    }
}

#[test]
fn the_discriminator_joins_after_the_pretraining() {
    let task = task();
    let mut model = model(soon(), Some(&task));
    let critic = |model: &Srgan| {
        let folder = tempfile::tempdir().unwrap();
        model.critic.save(folder.path(), "critic").unwrap();
        std::fs::read(folder.path().join("critic.bpk")).unwrap()
    };
    let (first, weights) = (critic(&model), saved(&model));
    let values = model.step(&batch(), 1e-3);
    assert_eq!(values.keys().collect::<Vec<_>>(), ["pixel"]);
    assert!(critic(&model) == first && saved(&model) != weights);
    let values = model.step(&batch(), 1e-3);
    let names: Vec<&str> = values.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "accuracy",
            "adversarial",
            "content",
            "discriminator",
            "pixel"
        ]
    );
    assert!(critic(&model) != first);
}

#[test]
fn a_loaded_state_goes_on_bit_by_bit_through_the_pretraining() {
    let (mut whole, mut first) = (model(soon(), None), model(soon(), None));
    whole.step(&batch(), 1e-3);
    first.step(&batch(), 1e-3);
    let folder = tempfile::tempdir().unwrap();
    first.save_state(folder.path()).unwrap();
    let mut second = model(soon(), None);
    second.load_state(folder.path()).unwrap();
    for _ in 0..2 {
        assert_eq!(whole.step(&batch(), 1e-3), second.step(&batch(), 1e-3));
    }
    assert_eq!(saved(&whole), saved(&second));
}

#[test]
fn pictures_become_as_large_as_the_scale_says() {
    for scale in [2, 4] {
        let model = model(
            SrganConfig {
                scale,
                ..SrganConfig::default()
            },
            None,
        );
        let pictures = to_pictures(batch().renders);
        let made = model.translator().translate(&pictures, &[], &mut []);
        assert_eq!(made.len(), 4);
        assert!(
            made.iter()
                .all(|picture| picture.dimensions() == (16 * scale, 16 * scale))
        );
    }
}

/// Discs and squares have sharp edges, which bicubic enlargement blurs.
#[test]
fn it_learns_to_enlarge_better_than_bicubic_interpolation() {
    let config = SrganConfig {
        channels: 8,
        blocks: 1,
        ..SrganConfig::default()
    };
    let shared = Shared {
        ema: 0.9,
        ..shared()
    };
    let mut model = setting_on(&cpu(), None, |setting| {
        Srgan::new(&config, &shared, setting).unwrap()
    });
    let pictures = |count, seed| -> Vec<RgbImage> {
        let samples = testing::shapes(count, 32, seed);
        samples
            .iter()
            .map(|sample| sample.pixels().unwrap())
            .collect()
    };
    let photos = to_tensor(pictures(64, 1).iter(), &Device::flex());
    for step in 0..240 {
        let photos = photos.clone().narrow(0, step % 16 * 4, 4);
        let batch = Batch { photos, ..batch() };
        model.step(&batch, 2e-3);
    }
    let (mut ours, mut bicubic) = ([0.0; 2], [0.0; 2]);
    for photo in pictures(16, 2) {
        let small = resize(&photo, 16, 16);
        let made = model
            .translator()
            .translate(std::slice::from_ref(&small), &[], &mut []);
        for (sums, made) in [
            (&mut ours, &made[0]),
            (&mut bicubic, &resize(&small, 32, 32)),
        ] {
            sums[0] += psnr(made, &photo) / 16.0;
            sums[1] += ssim(made, &photo) / 16.0;
        }
    }
    assert!(
        ours[0] > bicubic[0] + 1.0 && ours[1] > bicubic[1],
        "{ours:?}, {bicubic:?}"
    );
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let wrong = |change: fn(&mut SrganConfig)| {
        let mut config = SrganConfig::default();
        assert_eq!(config.check(), Ok(()));
        change(&mut config);
        config.check().unwrap_err()
    };
    assert!(wrong(|c| c.scale = 3).contains("`scale`"));
    assert!(wrong(|c| c.channels = 0).contains("`channels`"));
    assert!(wrong(|c| c.pixel = 0.0).contains("`pixel`"));
    assert!(wrong(|c| c.adversarial = f64::NAN).contains("`adversarial`"));
    let config = SrganConfig {
        scale: 4,
        ..SrganConfig::default()
    };
    let check = |whole, seen| config.check_extents(&shared(), whole, seen);
    assert_eq!(check(Extent::new(64, 48), Extent::square(32)), Ok(()));
    let problem = check(Extent::new(64, 50), Extent::square(32)).unwrap_err();
    assert!(problem.contains("whose height is 50 pixels"), "{problem}");
    let problem = check(Extent::square(64), Extent::square(24)).unwrap_err();
    assert!(problem.contains("at least 32"), "{problem}");
}
