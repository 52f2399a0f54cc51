//! What every generator must do, tested on each entry of the registry.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use image::RgbImage;
use toml::de::DeValue;

use super::*;
use crate::nn::batch::to_tensor;
use crate::nn::device;
use crate::seed::{Seed, Stream};
use crate::stage::{DeviceChoice, LEAVES_DISCRIMINATOR};
use crate::testing;

const SIDE: u32 = 16;

fn cpu() -> Chosen {
    device::choose(DeviceChoice::Cpu).unwrap()
}

/// A generator with small networks, as far as its table has settings for them.
fn model(kind: &GeneratorKind) -> Box<dyn Model> {
    model_with(kind, &[])
}

/// The same with further settings, which its table must have.
fn model_with(kind: &GeneratorKind, settings: &[&str]) -> Box<dyn Model> {
    let small = ["channels = 8", "latent = 6", "units = 32", "layers = 2"];
    let mut known: Vec<&str> = small.into_iter().filter(|s| has(kind, s)).collect();
    known.extend(settings);
    let model = read(kind, &known.join(", ")).unwrap();
    assert_eq!(model.check(), Ok(()));
    model
}

fn has(kind: &GeneratorKind, setting: &str) -> bool {
    read(kind, setting).is_ok()
}

fn read(kind: &GeneratorKind, settings: &str) -> Result<Box<dyn Model>, toml::de::Error> {
    let table = format!("{{ {settings} }}");
    (kind.parse)(DeValue::parse(&table).unwrap().into())
}

fn learner(kind: &GeneratorKind) -> Box<dyn Learner> {
    learner_of(&cpu(), kind, model(kind).as_ref())
}

fn learner_of(device: &Chosen, kind: &GeneratorKind, model: &dyn Model) -> Box<dyn Learner> {
    let seed = Seed::new(1, kind.name);
    let setting = Setting {
        device,
        extent: Extent::square(SIDE),
        columns: 2,
        ema: 0.9,
        seed: &seed,
    };
    model.create(&setting).unwrap()
}

/// Discs and squares.
fn batch(first: usize) -> Batch {
    let samples = testing::shapes(40, SIDE, 1);
    let chosen = &samples[first..first + 8];
    let pictures: Vec<RgbImage> = chosen.iter().map(|s| s.pixels().unwrap()).collect();
    let class =
        |s: &crate::sample::Sample| usize::from(s.labels.class.as_deref() == Some("square"));
    let classes: Vec<usize> = chosen.iter().map(class).collect();
    Batch {
        pictures: to_tensor(pictures.iter(), &Device::flex()),
        conditions: matrix(&rows(&classes), &Device::flex()),
    }
}

fn rows(classes: &[usize]) -> Vec<Vec<f32>> {
    let row = |class: &usize| {
        [0, 1]
            .map(|place| f32::from(u8::from(place == *class)))
            .to_vec()
    };
    classes.iter().map(row).collect()
}

fn streams(count: u64) -> Vec<Stream> {
    let seed = Seed::new(2, "draw");
    (0..count).map(|index| seed.stream(index)).collect()
}

fn drawn(generator: &dyn Generator, classes: &[usize]) -> Vec<RgbImage> {
    generate(
        generator,
        &rows(classes),
        0.8,
        &mut streams(classes.len() as u64),
    )
}

fn loaded(kind: &GeneratorKind, folder: &Path) -> Box<dyn Generator> {
    (kind.load)(folder, &cpu()).unwrap()
}

#[test]
fn what_is_saved_draws_as_before_and_whatever_else_is_drawn() {
    for kind in GENERATORS {
        let mut learner = learner(kind);
        for first in [0, 8] {
            let losses = learner.step(&batch(first), 1e-3);
            assert!(
                losses.values().all(|loss| loss.is_finite()),
                "{}",
                kind.name
            );
        }
        let folder = tempfile::tempdir().unwrap();
        learner.save(folder.path()).unwrap();
        let generator = loaded(kind, folder.path());
        let pictures = drawn(generator.as_ref(), &[0, 1, 1]);
        assert_eq!(pictures[0].dimensions(), (SIDE, SIDE), "{}", kind.name);
        assert_eq!(
            pictures,
            drawn(learner.generator().as_ref(), &[0, 1, 1]),
            "{}",
            kind.name
        );
        assert_eq!(
            pictures[..1],
            drawn(generator.as_ref(), &[0]),
            "{}",
            kind.name
        );
        let other = drawn(generator.as_ref(), &[1]);
        assert_ne!(
            pictures[0], other[0],
            "{}: the class makes no difference",
            kind.name
        );
        assert_ne!(
            pictures[1], pictures[2],
            "{}: all pictures are alike",
            kind.name
        );
    }
}

#[test]
fn a_training_that_was_stopped_goes_on_bit_by_bit() {
    for kind in GENERATORS {
        let mut whole = learner(kind);
        whole.step(&batch(0), 1e-3);
        let folder = tempfile::tempdir().unwrap();
        whole.save_state(folder.path()).unwrap();
        let mut resumed = learner(kind);
        resumed.load_state(folder.path()).unwrap();
        for first in [8, 16] {
            let [a, b] = [&mut whole, &mut resumed].map(|l| l.step(&batch(first), 1e-3));
            assert_eq!(a, b, "{}", kind.name);
        }
        let [a, b] = [whole, resumed].map(|l| drawn(l.generator().as_ref(), &[0, 1]));
        assert_eq!(a, b, "{}", kind.name);
    }
}

/// Pictures of a batch are compared with one another.
const COMPARES: &str = "minibatch_stddev = true";

#[test]
fn every_generator_has_the_same_losses_on_another_device() {
    for kind in GENERATORS {
        let mut models = vec![model(kind)];
        if has(kind, COMPARES) {
            models.push(model_with(kind, &[COMPARES]));
        }
        for model in models {
            let step = |device: &Chosen, batch: &Batch| {
                learner_of(device, kind, model.as_ref()).step(batch, 2e-4)
            };
            same_step_elsewhere(kind.name, &batch(0), step);
        }
    }
}

/// The first step on a batch, which `step` takes on a device, has the same losses within 0.1 % on the CPU in one piece and
/// on [another](testing::other_device) device, if there is one.
pub(super) fn same_step_elsewhere(
    name: &str,
    batch: &Batch,
    step: impl Fn(&Chosen, &Batch) -> BTreeMap<String, f64>,
) {
    let step = |device: &Chosen| {
        let batch = Batch {
            pictures: batch.pictures.clone().to_device(&device.device),
            conditions: batch.conditions.clone().to_device(&device.device),
        };
        step(device, &batch)
    };
    let ours = step(&cpu());
    let compare = |other: &Chosen| {
        let theirs = step(other);
        println!("{name}: CPU {ours:?}, {} {theirs:?}", other.name);
        for (loss, value) in &ours {
            let error = (value - theirs[loss]).abs();
            let most = 1e-3 * value.abs().max(1.0);
            assert!(error < most, "{name}: {loss} {error}");
        }
    };
    // Other devices take a batch in one piece.
    compare(&Chosen {
        cpu: false,
        name: "CPU in one piece".into(),
        ..cpu()
    });
    let other = testing::other_device();
    if other.cpu {
        println!("{name}: skipped: no GPU here; VERISMO_TEST_DEVICE can name one");
        return;
    }
    compare(&other);
}

#[test]
fn those_that_know_probabilities_come_to_need_fewer_bits() {
    for kind in GENERATORS {
        let mut learner = learner(kind);
        let Some(before) = learner.bits(&batch(16)) else {
            continue;
        };
        for step in 0..60 {
            learner.step(&batch(step % 3 * 8 % 16), 3e-3);
        }
        let after = learner.bits(&batch(16)).unwrap();
        assert!(after < before - 0.5, "{}: {before} {after}", kind.name);
    }
}

#[test]
fn a_discriminator_is_left_for_recognisers_to_begin_with() {
    let device = cpu();
    for kind in GENERATORS {
        let folder = tempfile::tempdir().unwrap();
        let generator = testing::publish(folder.path(), &[], 16);
        learner(kind).save(folder.path()).unwrap();
        let found = adversary::discriminator_of(&generator, &device);
        assert_eq!(found.is_ok(), kind.leaves_discriminator, "{}", kind.name);
        let named = LEAVES_DISCRIMINATOR.contains(&format!("`{}`", kind.name));
        assert_eq!(named, kind.leaves_discriminator, "{}", kind.name);
        if let Err(problem) = found {
            assert!(
                problem.to_string().contains("holds no discriminator"),
                "{problem}"
            );
        }
    }
}

#[test]
fn sizes_that_cannot_be_drawn_are_refused_in_words() {
    for kind in GENERATORS {
        let model = model(kind);
        assert_eq!(
            model.check_extent(Extent::square(32)),
            Ok(()),
            "{}",
            kind.name
        );
        let problem = model.check_extent(Extent::new(333, 333)).unwrap_err();
        assert!(
            problem.contains("333") && problem.contains("choose"),
            "{}: {problem}",
            kind.name
        );
    }
}

#[test]
fn a_way_between_two_vectors_keeps_their_length() {
    let mut stream = Seed::new(1, "x").stream(0);
    let [a, b] = [(); 2].map(|()| kind::normal(1000, &mut stream));
    let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
    let middle = between(&a, &b, 0.5);
    assert!((length(&middle) / length(&a) - 1.0).abs() < 0.1);
    assert_eq!(between(&a, &b, 0.0), a);
}
