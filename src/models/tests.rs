//! What every model must do, tested on each entry of the registry, and what tests of models share.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use image::RgbImage;
use toml::de::DeValue;

use super::settings::Shared;
use super::task_network::TaskNetwork;
use super::{Batch, LabelEffect, Learner, MODELS, ModelKind, Setting, Translator};
use crate::nn::batch as pictures;
use crate::nn::device::{self, Chosen};
use crate::sample::Extent;
use crate::sample::maps::{Decoded, MAPS, MapKind};
use crate::seed::Seed;
use crate::stage::DeviceChoice;
use crate::testing;

const SIDE: usize = 16;

/// Small networks.
pub(super) fn shared() -> Shared {
    let mut shared = Shared::default();
    shared.generator.channels = 4;
    shared.generator.blocks = 1;
    shared.discriminator.channels = 4;
    shared.pool = 6;
    shared
}

/// A model of this kind with the defaults of its table.
fn create(kind: &ModelKind, shared: &Shared, setting: Setting) -> Box<dyn Learner> {
    let table = DeValue::parse("{}").unwrap();
    let model = (kind.parse)(table.into()).unwrap();
    assert_eq!(model.check(), Ok(()));
    model.create(shared, setting).unwrap()
}

/// What a model of this kind saved.
fn load(kind: &ModelKind, folder: &Path) -> Box<dyn Translator> {
    (kind.load)(folder, &cpu()).unwrap()
}

pub(super) fn cpu() -> Chosen {
    device::choose(DeviceChoice::Cpu).unwrap()
}

/// Calls `create` with the surroundings of a small model on the CPU.
pub(super) fn setting<M>(create: impl FnOnce(Setting) -> M) -> M {
    setting_on(&cpu(), None, create)
}

/// Calls `create` with the surroundings of a small model on a device.
pub(super) fn setting_on<M>(
    device: &Chosen,
    task: Option<&TaskNetwork>,
    create: impl FnOnce(Setting) -> M,
) -> M {
    let seed = Seed::new(1, "train");
    create(Setting {
        device,
        extent: Extent::square(SIDE as u32),
        seed: &seed,
        task,
        maps: &MAPS.iter().collect::<Vec<_>>(),
    })
}

/// Four waves as renders, and their negatives as photos.
pub(super) fn batch() -> Batch {
    batch_on(&Device::flex())
}

/// [`batch`] on a device.
pub(super) fn batch_on(device: &Device) -> Batch {
    let count = (4 * 3 * SIDE * SIDE) as i64;
    let ramp = Tensor::arange(0..count, device).float();
    let renders = (ramp.reshape([4, 3, SIDE, SIDE]) * 0.37).sin();
    Batch {
        photos: -renders.clone(),
        renders,
        masks: Tensor::ones([4, 1, SIDE, SIDE], device),
        classes: vec![0; 4],
        maps: Some(pictures::maps_to_tensor(
            maps().iter(),
            &MAPS.iter().collect::<Vec<_>>(),
            Extent::square(SIDE as u32),
            device,
        )),
    }
}

/// Maps of the renders of [`batch`]: an object in the middle, whose right side is nearer.
pub(super) fn maps() -> Vec<Decoded> {
    let value = |kind: &MapKind, i: usize| {
        let (x, y) = (i % SIDE, i / SIDE);
        let inside = (4..12).contains(&x) && (3..13).contains(&y);
        match kind.name {
            "depth" => [900 - 7 * x as u16, 0, 0],
            "semantic" => [u16::from(inside), 0, 0],
            "normals" => [90, 127, 6],
            _ => [if inside { 200 } else { 40 }, 90, 60],
        }
    };
    let values = |kind: &'static MapKind| {
        let values = (0..SIDE * SIDE).map(|i| value(kind, i));
        (kind, values.collect())
    };
    vec![MAPS.iter().map(values).collect(); 4]
}

struct Count(usize);

impl ModuleVisitor for Count {
    fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
        self.0 += 1;
    }
}

/// How many tensors of `module` the gradients of `loss` reach, and how many it has.
pub(super) fn count_gradients<M: Module>(loss: Tensor<1>, module: &M) -> (usize, usize) {
    let mut count = Count(0);
    module.visit(&mut count);
    let gradients = GradientsParams::from_grads(loss.backward(), module);
    (gradients.len(), count.0)
}

/// A model of this kind that has seen photos, computing in so many threads.
fn model(kind: &ModelKind, threads: usize) -> Box<dyn Learner> {
    model_with(kind, threads, &shared(), None)
}

fn model_with(
    kind: &ModelKind,
    threads: usize,
    shared: &Shared,
    task: Option<&TaskNetwork>,
) -> Box<dyn Learner> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap().install(|| {
        let mut model = setting_on(&cpu(), task, |setting| create(kind, shared, setting));
        model
            .study(&testing::album(&pictures::to_pictures(batch().photos)))
            .unwrap();
        model
    })
}

/// The renders of [`batch`], translated.
fn translated(translator: &dyn Translator) -> Vec<RgbImage> {
    let renders = pictures::to_pictures(batch().renders);
    let seed = Seed::new(0, "translate");
    let mut streams: Vec<_> = (0..4).map(|index| seed.stream(index)).collect();
    translator.translate(&renders, &maps(), &mut streams)
}

/// The digest of the files that a model saves for translation.
pub(super) fn saved(model: &dyn Learner) -> String {
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path()).unwrap();
    let files = crate::artifact::list_files(folder.path()).unwrap();
    assert!(!files.is_empty());
    crate::artifact::digest(&files)
}

/// Every model; the name is printed where a test fails.
fn each(test: impl Fn(&ModelKind)) {
    for kind in MODELS {
        println!("{}", kind.name);
        test(kind);
    }
}

#[test]
fn the_same_seed_saves_the_same_bytes() {
    each(|kind| {
        let trained = || {
            let mut model = model(kind, 2);
            model.step(&batch(), 1e-3);
            saved(model.as_ref())
        };
        assert_eq!(trained(), trained());
    });
}

#[test]
fn a_saved_model_translates_as_it_did_before() {
    each(|kind| {
        let folder = tempfile::tempdir().unwrap();
        let mut model = model(kind, 1);
        model.step(&batch(), 1e-3);
        model.save(folder.path()).unwrap();
        let loaded = load(kind, folder.path());
        let before = translated(model.translator().as_ref());
        assert_eq!(before, translated(loaded.as_ref()));
        if kind.labels == LabelEffect::Kept {
            let side = SIDE as u32;
            assert!(before.iter().all(|p| p.dimensions() == (side, side)));
        }
    });
}

#[test]
fn shards_add_up_to_the_same_step() {
    each(|kind| {
        let (mut one, mut two) = (model(kind, 1), model(kind, 2));
        for _ in 0..2 {
            let (a, b) = (one.step(&batch(), 1e-4), two.step(&batch(), 1e-4));
            for (name, value) in a {
                let other = b[&name];
                assert!((value - other).abs() < 1e-3, "{name}: {value}, {other}");
            }
        }
        let [one, two] = [one, two].map(|model| translated(model.translator().as_ref()));
        let bytes = one
            .iter()
            .zip(&two)
            .flat_map(|(a, b)| a.iter().zip(b.iter()));
        assert!(bytes.map(|(a, b)| a.abs_diff(*b)).max().unwrap() <= 1);
    });
}

#[test]
fn a_loaded_state_goes_on_bit_by_bit() {
    each(|kind| {
        let (mut whole, mut first) = (model(kind, 2), model(kind, 2));
        for _ in 0..2 {
            whole.step(&batch(), 1e-3);
            first.step(&batch(), 1e-3);
        }
        let folder = tempfile::tempdir().unwrap();
        first.save_state(folder.path()).unwrap();
        let mut second = setting(|setting| create(kind, &shared(), setting));
        second.load_state(folder.path()).unwrap();
        for _ in 0..2 {
            assert_eq!(whole.step(&batch(), 1e-3), second.step(&batch(), 1e-3));
        }
        assert_eq!(saved(whole.as_ref()), saved(second.as_ref()));
    });
}

#[test]
fn every_trained_model_takes_all_losses_of_label_safety_in_any_number_of_threads() {
    let mut shared = shared();
    shared.label_safety = serde_json::from_value(serde_json::json!({
        "inside": 1.0, "outside": 1.0, "perceptual": 1.0, "class": 1.0, "mask": 1.0,
        "dice": 1.0, "edges": 1.0, "boundary": 1.0, "geometry": 1.0,
    }))
    .unwrap();
    let classes = vec!["a".to_string(), "b".to_string()];
    let mut stream = Seed::new(1, "task").stream(0);
    let device = Device::flex().autodiff();
    let task = TaskNetwork::new(
        classes,
        Extent::square(SIDE as u32),
        4,
        &mut stream,
        &device,
    );
    each(|kind| {
        let values = [1, 2].map(|threads| {
            let mut model = model_with(kind, threads, &shared, Some(&task));
            model.step(&batch(), 1e-4);
            model.step(&batch(), 1e-4)
        });
        if values[0].is_empty() {
            return;
        }
        for name in [
            "inside",
            "outside",
            "perceptual",
            "class",
            "mask",
            "dice",
            "geometry",
        ] {
            let [one, two] = [&values[0], &values[1]].map(|values| values[name]);
            assert!((one - two).abs() < 1e-3, "{name}: {one}, {two}");
        }
    });
}
