//! Each loss sees its own fault; gradients reach the translation and nothing else.

use super::*;
use crate::models::learner::Divisible;
use crate::models::task_network::TaskNetwork;
use crate::nn::batch::{masks_to_tensor, to_tensor};
use crate::nn::device::{self, Chosen};
use crate::sample::Extent;
use crate::seed::Seed;
use crate::stage::DeviceChoice;
use crate::testing;
use burn::optim::{AdamConfig, GradientsParams};

const SIDE: usize = 32;

fn labelled(count: u64, seed: u64) -> Batch {
    let samples = testing::shapes(count, SIDE as u32, seed);
    let pictures: Vec<_> = samples.iter().map(|s| s.pixels().unwrap()).collect();
    let masks: Vec<_> = samples
        .iter()
        .map(crate::sample::Sample::object_mask)
        .collect();
    let device = Device::flex();
    let renders = to_tensor(pictures.iter(), &device);
    Batch {
        photos: renders.clone(),
        renders,
        masks: masks_to_tensor(masks.iter(), &device),
        classes: (0..count as usize).map(|index| index % 2).collect(),
        maps: None,
        motion: None,
    }
}

/// A task network with random weights.
fn untrained(device: &Device) -> TaskNetwork {
    let classes = vec!["disc".into(), "square".into()];
    let mut stream = Seed::new(1, "task").stream(0);
    TaskNetwork::new(classes, Extent::square(SIDE as u32), 4, &mut stream, device)
}

/// A task network after a few steps on the shapes of `batch`, which it may know by heart.
fn trained(batch: &Batch) -> TaskNetwork {
    let mut network = untrained(&Device::flex().autodiff());
    let mut optimiser = AdamConfig::new().init();
    let extent = network.mask_extent();
    let masks = mask_targets(batch.masks.clone(), extent);
    for _ in 0..40 {
        let reading = network.layers.forward(batch.renders.clone().autodiff());
        let loss = cross_entropy(&reading, &batch.classes)
            + mask_cross_entropy(reading.mask_logits, masks.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &network.layers);
        network.layers = optimiser.step(1e-2, network.layers, gradients);
    }
    network.layers = network.layers.valid().no_grad();
    network
}

fn losses(config: LabelSafetyConfig, task: Option<&TaskNetwork>) -> Result<LabelSafety> {
    let chosen: Chosen = device::choose(DeviceChoice::Cpu).unwrap();
    let seed = Seed::new(1, "train");
    let setting = Setting {
        device: &chosen,
        extent: Extent::square(SIDE as u32),
        seed: &seed,
        task,
        maps: &[],
    };
    LabelSafety::new(&config, &setting)
}

fn all() -> LabelSafetyConfig {
    LabelSafetyConfig {
        inside: 1.0,
        outside: 1.0,
        perceptual: 1.0,
        class: 1.0,
        class_target: ClassTarget::Label,
        mask: 1.0,
        dice: 1.0,
        edges: 1.0,
        boundary: 1.0,
        geometry: 1.0,
        temporal: 0.0,
    }
}

fn value(safety: &LabelSafety, name: &str, batch: &Batch, picture: &Tensor<4>) -> f32 {
    let terms = safety.terms(batch, picture);
    let term = terms.into_iter().find(|(n, _, _)| *n == name);
    term.unwrap().2.into_scalar()
}

/// `[batch, 3, height, width]` moved to the right by two pixels.
fn moved(x: &Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let left = x.clone().slice([0..b, 0..c, 0..h, 0..2]);
    Tensor::cat(vec![left, x.clone().slice([0..b, 0..c, 0..h, 0..w - 2])], 3)
}

#[test]
fn each_loss_sees_its_fault_and_leaves_an_unchanged_picture_alone() {
    let batch = labelled(16, 1);
    let task = trained(&batch);
    let safety = losses(all(), Some(&task)).unwrap();
    let same = &batch.renders;
    let inside = batch.masks.clone();
    let outside = inside.clone() * -1.0 + 1.0;
    let recoloured_inside = same.clone() - inside.clone() * 0.5;
    let recoloured_outside = same.clone() + outside.clone() * 0.5;
    // Discs become squares and squares discs: the order is turned by one.
    let turned = |x: &Tensor<4>| {
        let count = x.dims()[0];
        let parts = x.clone().split_with_sizes(vec![1, count - 1], 0);
        Tensor::cat(vec![parts[1].clone(), parts[0].clone()], 0)
    };
    let (other_class, flat_picture) = (turned(same), same.zeros_like());
    let shifted = moved(same);
    let mirrored = same.clone().flip([3]);

    for name in ["inside", "outside", "perceptual"] {
        assert_eq!(value(&safety, name, &batch, same), 0.0);
    }
    for name in ["edges", "boundary", "geometry"] {
        assert!(value(&safety, name, &batch, same) < 1e-4, "{name}");
    }
    for (name, fault) in [
        ("inside", &recoloured_inside),
        ("outside", &recoloured_outside),
        ("perceptual", &recoloured_inside),
        ("class", &other_class),
        ("mask", &shifted),
        ("dice", &shifted),
        ("edges", &flat_picture),
        ("boundary", &flat_picture),
        ("geometry", &shifted),
        ("geometry", &mirrored),
    ] {
        let (before, after) = (
            value(&safety, name, &batch, same),
            value(&safety, name, &batch, fault),
        );
        assert!(after > before + 0.03, "{name}: {before} to {after}");
    }
    assert_eq!(value(&safety, "inside", &batch, &recoloured_outside), 0.0);
    assert_eq!(value(&safety, "outside", &batch, &recoloured_inside), 0.0);

    let reading = LabelSafetyConfig {
        class: 1.0,
        class_target: ClassTarget::Reading,
        ..LabelSafetyConfig::default()
    };
    let safety = losses(reading, Some(&task)).unwrap();
    assert!(value(&safety, "class", &batch, same).abs() < 1e-6);
    assert!(value(&safety, "class", &batch, &other_class) > 0.1);
}

#[test]
fn gradients_reach_the_translation_and_not_the_task_network() {
    let task = untrained(&Device::flex().autodiff());
    let safety = losses(all(), Some(&task)).unwrap();
    let batch = labelled(4, 1);
    let names: Vec<_> = safety
        .terms(&batch, &batch.renders)
        .iter()
        .map(|t| t.0)
        .collect();
    assert_eq!(names.len(), 9);
    for name in names {
        let translation = (batch.renders.clone() * 0.8 + 0.02)
            .autodiff()
            .require_grad();
        let terms = safety.terms(&batch, &translation);
        let (_, _, loss) = terms.into_iter().find(|term| term.0 == name).unwrap();
        let gradients = loss.backward();
        let size: f32 = translation
            .grad(&gradients)
            .unwrap()
            .abs()
            .sum()
            .into_scalar();
        assert!(size.is_finite() && size > 0.0, "{name}: {size}");
        let layers = safety.task.as_ref().unwrap();
        assert_eq!(GradientsParams::from_grads(gradients, layers).len(), 0);
    }
}

#[test]
fn losses_of_shards_add_up() {
    let task = untrained(&Device::flex().autodiff());
    let safety = losses(all(), Some(&task)).unwrap();
    let batch = labelled(4, 1);
    let translations = moved(&batch.renders);
    let part = |range: std::ops::Range<usize>| Batch {
        motion: None,
        renders: batch.renders.clone().slice([range.clone()]),
        masks: batch.masks.clone().slice([range.clone()]),
        classes: batch.classes[range.clone()].to_vec(),
        photos: batch.photos.clone().slice([range]),
        maps: None,
    };
    let half = |range: std::ops::Range<usize>| {
        safety.terms(&part(range.clone()), &translations.clone().slice([range]))
    };
    let whole = safety.terms(&batch, &translations);
    for ((whole, a), b) in whole.into_iter().zip(half(0..1)).zip(half(1..4)) {
        let number = |term: Term| term.2.into_scalar::<f32>();
        let (name, sum) = (a.0, 0.25 * number(a) + 0.75 * number(b));
        let whole = number(whole);
        assert!((whole - sum).abs() < 1e-4, "{name}: {whole}, {sum}");
    }
}

#[test]
fn a_loss_without_its_network_is_refused() {
    let config = LabelSafetyConfig {
        mask: 1.0,
        ..LabelSafetyConfig::default()
    };
    let error = losses(config, None).err().unwrap().to_string();
    assert!(error.contains("label_safety.mask"), "{error}");
    let config = LabelSafetyConfig {
        edges: 1.0,
        ..LabelSafetyConfig::default()
    };
    assert!(losses(config, None).is_ok());
    assert!(
        LabelSafetyConfig {
            edges: -1.0,
            ..all()
        }
        .check()
        .is_err()
    );
}

#[test]
fn a_translation_that_flickers_along_the_motion_is_seen() {
    let device = Device::flex();
    let still = labelled(2, 1).renders.narrow(0, 0, 1);
    // The second frame shows what the first does two pixels to the right.
    let frames = Tensor::cat(vec![still.clone(), moved(&still)], 0);
    let side = SIDE as i32;
    let motion = Tensor::<4>::zeros([2, 3, SIDE, SIDE], &device)
        .slice_fill([0..1, 0..1, 0..side, 0..side], 2.0)
        .slice_fill([0..1, 2..3, 0..side, 0..side], 1.0);
    let batch = Batch {
        renders: frames.clone(),
        photos: frames.clone(),
        masks: Tensor::ones([2, 1, SIDE, SIDE], &device),
        classes: vec![0; 2],
        maps: None,
        motion: Some(motion),
    };
    let config = LabelSafetyConfig {
        temporal: 1.0,
        ..LabelSafetyConfig::default()
    };
    let safety = losses(config, None).unwrap();
    assert!(safety.is_on());
    assert!(value(&safety, "temporal", &batch, &frames) < 1e-6);
    let [first, second] = [0, 1].map(|number| frames.clone().narrow(0, number, 1));
    let flickers = Tensor::cat(vec![first, second + 0.25], 0);
    let seen = value(&safety, "temporal", &batch, &flickers);
    assert!((seen - 0.25).abs() < 1e-5, "{seen}");
    // Shards keep pairs together.
    assert_eq!(batch.together(), 2);
    let unknown = Batch {
        motion: None,
        ..batch
    };
    assert!(safety.terms(&unknown, &flickers).is_empty());
}
