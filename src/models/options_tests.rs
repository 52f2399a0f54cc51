//! What holds for models whatever their options: a saved one resumes as it was, and devices agree.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::cyclegan::CycleGanConfig;
use super::learner::Divisible;
use super::settings::{Balance, Shared};
use super::tests::{batch_of, batch_on, cpu, model_on, saved, setting_on, shared};
use super::translator::load_translator;
use super::{Batch, Learner, MODELS, Model};
use crate::nn::batch::to_pictures;
use crate::nn::convolution::Precision;
use crate::nn::device::Chosen;
use crate::nn::diff_augment;
use crate::nn::discriminator::{DiscriminatorKind, Slope};
use crate::nn::generator::GeneratorKind;
use crate::nn::losses::AdversarialLoss;
use crate::nn::norm::NormKind;
use crate::testing;

fn create(shared: &Shared, device: &Chosen) -> Box<dyn Learner> {
    setting_on(device, None, |setting| {
        CycleGanConfig::default().create(shared, setting).unwrap()
    })
}

/// Photos that are no mere negatives of the renders, so that no difference of devices cancels out.
fn batch(device: &Device) -> Batch {
    let batch = batch_on(device);
    Batch {
        photos: (batch.renders.clone() * 1.7).cos() * 0.8,
        ..batch
    }
}

type Change = fn(&mut Shared);

/// One change a group of options, so that each is trained with at least once.
const OPTIONS: &[(&str, Change)] = &[
    ("default", |_| ()),
    ("bce, clipping, two rates", |c| {
        c.adversarial.loss = AdversarialLoss::Bce;
        c.adversarial.clip_norm = 0.5;
        c.adversarial.discriminator_rate = 2.0;
    }),
    ("hinge, spectral norm, no norm", |c| {
        c.adversarial.loss = AdversarialLoss::Hinge;
        c.discriminator.spectral = true;
        c.discriminator.norm = NormKind::None;
        c.generator.norm = NormKind::None;
    }),
    ("U-Net, group norm, pixels", |c| {
        c.generator.kind = GeneratorKind::UNet;
        c.generator.norm = NormKind::Group;
        c.discriminator.kind = DiscriminatorKind::Pixel;
        c.discriminator.norm = NormKind::Group;
    }),
    ("batch norm, feature matching", |c| {
        c.generator.norm = NormKind::Batch;
        c.discriminator.norm = NormKind::Batch;
        c.adversarial.feature_matching = 2.0;
    }),
    ("two scales, slow balance, parts", |c| {
        c.discriminator.scales = 2;
        c.adversarial.balance = Balance::Slow;
        c.adversarial.balance_at = 0.5;
        c.adversarial.accumulate = 2;
    }),
    ("skip balance, no pool", |c| {
        c.adversarial.balance = Balance::Skip;
        c.adversarial.balance_at = 0.5;
        c.pool = 0;
    }),
    ("changed pictures, LeCam, gradient penalty", |c| {
        use diff_augment::Change::{Colour, Cutout, Translation};
        c.adversarial.augment = vec![Colour, Translation, Cutout];
        c.adversarial.lecam = 0.3;
        c.adversarial.r1 = 1.0;
        c.discriminator.slope = Slope::Smooth;
    }),
];

#[test]
fn with_every_option_a_loaded_state_goes_on_bit_by_bit() {
    let device = cpu();
    for (name, change) in OPTIONS {
        let mut shared = shared();
        change(&mut shared);
        let (mut whole, mut first) = (create(&shared, &device), create(&shared, &device));
        for _ in 0..2 {
            whole.step(&batch(&device.device), 1e-3);
            first.step(&batch(&device.device), 1e-3);
        }
        let folder = tempfile::tempdir().unwrap();
        first.save_state(folder.path()).unwrap();
        let mut second = create(&shared, &device);
        second.load_state(folder.path()).unwrap();
        for _ in 0..2 {
            let values = whole.step(&batch(&device.device), 1e-3);
            assert!(values.values().all(|v| v.is_finite()), "{name}: {values:?}");
            assert_eq!(values, second.step(&batch(&device.device), 1e-3), "{name}");
        }
        assert_eq!(saved(whole.as_ref()), saved(second.as_ref()), "{name}");
    }
}

#[test]
fn with_every_option_a_saved_model_translates_as_before() {
    let device = cpu();
    for (name, change) in OPTIONS {
        let mut shared = shared();
        change(&mut shared);
        let mut model = create(&shared, &device);
        model.step(&batch(&device.device), 1e-3);
        let folder = tempfile::tempdir().unwrap();
        model.save(folder.path()).unwrap();
        let loaded = load_translator(folder.path(), &device).unwrap();
        let renders = to_pictures(batch(&device.device).renders);
        let before = model.translator().translate(&renders, &[], &mut []);
        assert_eq!(before, loaded.translate(&renders, &[], &mut []), "{name}");
    }
}

/// The losses of some steps.
fn course(shared: &Shared, device: &Chosen, steps: usize) -> Vec<BTreeMap<String, f64>> {
    let mut model = create(shared, device);
    (0..steps)
        .map(|_| model.step(&batch(&device.device), 2e-4))
        .collect()
}

fn assert_near(
    a: &[BTreeMap<String, f64>],
    b: &[BTreeMap<String, f64>],
    tolerance: f64,
    what: &str,
) {
    for (step, (a, b)) in a.iter().zip(b).enumerate() {
        for (name, value) in a {
            let difference = (value - b[name]).abs();
            // An accuracy is a count: a single score near the threshold moves it.
            let allowed = if name == "accuracy" {
                0.05
            } else {
                tolerance * value.abs().max(0.05)
            };
            assert!(
                difference <= allowed,
                "{what}, step {step}, {name}: {value}, {}",
                b[name]
            );
        }
    }
}

#[test]
fn a_batch_in_parts_gives_the_same_steps() {
    let mut shared = shared();
    let whole = course(&shared, &cpu(), 3);
    shared.adversarial.accumulate = 4;
    assert_near(&whole, &course(&shared, &cpu(), 3), 2e-3, "parts");
}

/// In bfloat16 one step agrees within 5 %.
#[test]
fn half_precision_gives_nearly_the_same_losses() {
    let other = testing::other_device();
    if !Precision::Bf16.is_on(&other.device) {
        println!("skipped: {} has no bf16", other.name);
        return;
    }
    let mut shared = shared();
    let ours = course(&shared, &cpu(), 1);
    shared.generator.precision = Precision::Bf16;
    shared.discriminator.precision = Precision::Bf16;
    assert_near(&ours, &course(&shared, &other, 1), 5e-2, "bf16");
}

/// One step agrees within 0.1 %, ten within 3 %: rounding differs, and Adam amplifies it.
#[test]
fn another_device_gives_the_same_losses() {
    let other = testing::other_device();
    if other.cpu {
        println!("skipped: no GPU here; VERISMO_TEST_DEVICE can name one");
        return;
    }
    for (name, change) in OPTIONS {
        let mut shared = shared();
        change(&mut shared);
        let (ours, theirs) = (course(&shared, &cpu(), 10), course(&shared, &other, 10));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            println!("{name}: CPU {ours:?}, {} {theirs:?}", other.name);
        }
        assert_near(&ours[..1], &theirs[..1], 1e-3, name);
        assert_near(&ours, &theirs, 3e-2, name);
    }
}

#[test]
fn every_model_has_the_same_losses_on_another_device() {
    let other = testing::other_device();
    if other.cpu {
        println!("skipped: no GPU here; VERISMO_TEST_DEVICE can name one");
        return;
    }
    for kind in MODELS {
        let [ours, theirs] = [&cpu(), &other].map(|device| {
            let batch = batch_of(kind).part(0..4, &device.device);
            model_on(device, kind, &shared(), None).step(&batch, 2e-4)
        });
        println!("{}: CPU {ours:?}, {} {theirs:?}", kind.name, other.name);
        assert_near(&[ours], &[theirs], 1e-3, kind.name);
    }
}
