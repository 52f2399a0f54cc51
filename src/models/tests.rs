//! What every model must do, tested on each entry of the registry, and what tests of models share.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use image::RgbImage;
use toml::de::DeValue;

use super::settings::Shared;
use super::task_network::TaskNetwork;
use super::{Batch, LabelEffect, Learner, MODELS, Model, ModelKind, Setting, Translator};
use crate::nn::batch as pictures;
use crate::nn::device::{self, Chosen};
use crate::sample::Extent;
use crate::sample::maps::{Decoded, MAPS, MapKind, objects};
use crate::seed::{Seed, Stream};
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

/// The defaults of its table.
fn defaults(kind: &ModelKind) -> Box<dyn Model> {
    let table = DeValue::parse("{}").unwrap();
    let model = (kind.parse)(table.into()).unwrap();
    assert_eq!(model.check(), Ok(()));
    model
}

/// A model of this kind with the defaults of its table, and a task network if it needs one.
fn create(kind: &ModelKind, shared: &Shared, setting: Setting) -> Box<dyn Learner> {
    let (model, own) = (defaults(kind), task());
    let task = setting.task.or(model.reads_objects().then_some(&own));
    model.create(shared, Setting { task, ..setting }).unwrap()
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

/// The untrained task network of small models.
pub(super) fn task() -> TaskNetwork {
    let classes = vec!["a".to_string(), "b".to_string()];
    let mut stream = Seed::new(1, "task").stream(0);
    let device = Device::flex().autodiff();
    TaskNetwork::new(
        classes,
        Extent::square(SIDE as u32),
        4,
        &mut stream,
        &device,
    )
}

/// The streams of so many samples, from this index on.
pub(super) fn streams(from: u64, count: u64) -> Vec<Stream> {
    let seed = Seed::new(1, "translate");
    let indices = from..from + count;
    indices.map(|index| seed.stream(index)).collect()
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
        motion: None,
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

/// The maps that a model of this kind is given of the renders of [`batch`].
pub(super) fn maps_of(kind: &ModelKind) -> Vec<Decoded> {
    if !defaults(kind).reads_objects() {
        return maps();
    }
    let objects = |maps: Decoded| {
        let semantic = maps.into_iter().find(|(kind, _)| kind.name == "semantic");
        semantic
            .map(|(_, values)| (&objects::MAP, values))
            .into_iter()
            .collect()
    };
    maps().into_iter().map(objects).collect()
}

/// [`batch`] with the maps that a model of this kind reads.
pub(super) fn batch_of(kind: &ModelKind) -> Batch {
    let (maps, extent) = (maps_of(kind), Extent::square(SIDE as u32));
    let kinds: Vec<_> = maps[0].iter().map(|(kind, _)| *kind).collect();
    Batch {
        maps: Some(pictures::maps_to_tensor(
            maps.iter(),
            &kinds,
            extent,
            &Device::flex(),
        )),
        ..batch()
    }
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

/// The sum of the absolute values of all weights.
pub(super) fn size_of_weights<M: Module>(module: &M) -> f64 {
    struct Sum(f64);
    impl ModuleVisitor for Sum {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += f64::from(param.val().abs().sum().into_scalar::<f32>());
        }
    }
    let mut sum = Sum(0.0);
    module.visit(&mut sum);
    sum.0
}

/// A model of this kind that has seen photos, computing in so many threads.
fn model(kind: &ModelKind, threads: usize) -> Box<dyn Learner> {
    model_with(kind, threads, &shared(), None)
}

/// A model of this kind on a device.
pub(super) fn model_on(
    device: &Chosen,
    kind: &ModelKind,
    shared: &Shared,
    task: Option<&TaskNetwork>,
) -> Box<dyn Learner> {
    let mut model = setting_on(device, task, |setting| create(kind, shared, setting));
    let photos = testing::album(&pictures::to_pictures(batch().photos));
    model.study(&photos).unwrap();
    model
}

fn model_with(
    kind: &ModelKind,
    threads: usize,
    shared: &Shared,
    task: Option<&TaskNetwork>,
) -> Box<dyn Learner> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap()
        .install(|| model_on(&cpu(), kind, shared, task))
}

/// The renders of [`batch`], translated by a model of this kind.
fn translated(kind: &ModelKind, translator: &dyn Translator) -> Vec<RgbImage> {
    let renders = pictures::to_pictures(batch().renders);
    translator.translate(&renders, &maps_of(kind), &mut streams(0, 4))
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
            model.step(&batch_of(kind), 1e-3);
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
        model.step(&batch_of(kind), 1e-3);
        model.save(folder.path()).unwrap();
        let loaded = load(kind, folder.path());
        let before = translated(kind, model.translator().as_ref());
        assert_eq!(before, translated(kind, loaded.as_ref()));
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
            let (a, b) = (
                one.step(&batch_of(kind), 1e-4),
                two.step(&batch_of(kind), 1e-4),
            );
            for (name, value) in a {
                let other = b[&name];
                assert!((value - other).abs() < 1e-3, "{name}: {value}, {other}");
            }
        }
        let [one, two] = [one, two].map(|model| translated(kind, model.translator().as_ref()));
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
            whole.step(&batch_of(kind), 1e-3);
            first.step(&batch_of(kind), 1e-3);
        }
        let folder = tempfile::tempdir().unwrap();
        first.save_state(folder.path()).unwrap();
        let mut second = setting(|setting| create(kind, &shared(), setting));
        second.load_state(folder.path()).unwrap();
        for _ in 0..2 {
            assert_eq!(
                whole.step(&batch_of(kind), 1e-3),
                second.step(&batch_of(kind), 1e-3)
            );
        }
        assert_eq!(saved(whole.as_ref()), saved(second.as_ref()));
    });
}

#[test]
fn every_trained_model_takes_all_losses_of_label_safety_in_any_number_of_threads() {
    let mut shared = shared();
    shared.label_safety = serde_json::from_value(serde_json::json!({
        "inside": 1.0, "outside": 1.0, "perceptual": 1.0, "class": 1.0, "mask": 1.0,
        "dice": 1.0, "edges": 1.0, "boundary": 1.0, "geometry": 1.0, "temporal": 1.0,
    }))
    .unwrap();
    let task = task();
    each(|kind| {
        let values = [1, 2].map(|threads| {
            let mut model = model_with(kind, threads, &shared, Some(&task));
            let batch = Batch {
                motion: Some(Tensor::ones([4, 3, SIDE, SIDE], &Device::flex())),
                ..batch_of(kind)
            };
            model.step(&batch, 1e-4);
            model.step(&batch, 1e-4)
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
            "temporal",
        ] {
            let [one, two] = [&values[0], &values[1]].map(|values| values[name]);
            assert!((one - two).abs() < 1e-3, "{name}: {one}, {two}");
        }
    });
}
