//! classification: the class of the whole picture.

pub(super) mod network;
mod transfer;

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor};
use serde_json::json;

use super::{Details, Prediction, Recogniser, Setting, TaskKind, Truth};
use crate::Result;
use crate::models::album::{Album, Example};
use crate::nn::adam::adam;
use crate::nn::batch;
use crate::nn::convolution::recogniser_products;
use crate::seed::Stream;
use network::Classifier;
use transfer::Transferred;

/// The registry entry.
pub const TASK: TaskKind = TaskKind {
    name: "classification",
    about: "the class of the whole picture, measured by accuracy",
    truth: Truth::Class,
    masks: false,
    metric: "accuracy",
    create,
    products: recogniser_products,
    score,
    details,
};

/// Pictures that are read at once.
const AT_ONCE: usize = 64;

/// A network that reads the class of a picture.
trait Reads: Module + Sync {
    /// `[batch, classes]` of pictures `[batch, 3, height, width]` in −1..1.
    fn logits(&self, pictures: Tensor<4>) -> Tensor<2>;
}

impl Reads for Classifier {
    fn logits(&self, pictures: Tensor<4>) -> Tensor<2> {
        self.forward(pictures)
    }
}

/// A classifier with its optimiser: cross entropy with label smoothing, Adam.
struct Training<N: Reads> {
    network: N,
    optimiser: ModuleOptimizer,
    device: Device,
}

fn create(setting: &Setting, stream: &mut Stream) -> Box<dyn Recogniser> {
    let device = setting.device.device.clone();
    let (classes, channels) = (setting.classes, setting.channels);
    let training = device.clone().autodiff();
    let optimiser = adam(0.9, 0.999);
    match setting.init {
        Some(trunk) => Box::new(Training {
            network: Transferred::new(trunk, classes, stream, &training),
            optimiser,
            device,
        }),
        None => Box::new(Training {
            network: Classifier::new(classes, setting.extent, channels, stream, &training),
            optimiser,
            device,
        }),
    }
}

impl<N: Reads> Recogniser for Training<N> {
    fn step(&mut self, examples: &[(Arc<Example>, usize)], rate: f64) -> f32 {
        let device = self.device.clone().autodiff();
        let pictures = examples.iter().map(|(example, _)| &example.picture);
        let pictures = batch::to_tensor(pictures, &device);
        let targets: Vec<i32> = examples.iter().map(|(_, class)| *class as i32).collect();
        let targets = Tensor::<1, Int>::from_data(&targets[..], &device);
        let loss = CrossEntropyLossConfig::new()
            .with_smoothing(Some(0.05))
            .init(&device)
            .forward(self.network.logits(pictures), targets);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        self.network = self.optimiser.step(rate, self.network.clone(), gradients);
        loss.into_scalar()
    }

    fn predict(&self, album: &Album, numbers: &[usize]) -> Result<Vec<Prediction>> {
        let network = self.network.valid();
        let mut predictions = Vec::with_capacity(numbers.len());
        for numbers in numbers.chunks(AT_ONCE) {
            let examples = album.examples(numbers.iter().copied())?;
            let pictures = examples.iter().map(|(example, _)| &example.picture);
            let logits = network.logits(batch::to_tensor(pictures, &self.device));
            let classes = logits.dims()[1];
            let values = softmax(logits, 1).into_data_as::<f32>();
            let values = values.as_slice::<f32>().unwrap_or_default();
            predictions.extend(values.chunks_exact(classes).map(|row| Prediction {
                probabilities: row.to_vec(),
                ..Prediction::default()
            }));
        }
        Ok(predictions)
    }
}

/// The place of the largest value; the first of equals.
pub fn best(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

/// Accuracy.
fn score(album: &Album, predictions: &[Prediction], numbers: &[usize]) -> Option<f64> {
    let is_right = |number: usize| best(&predictions[number].probabilities) == album.class(number);
    let right = numbers.iter().filter(|&&number| is_right(number)).count();
    (!numbers.is_empty()).then(|| right as f64 / numbers.len() as f64)
}

/// The confusion matrix (rows are the true classes), and the accuracy of each class.
fn details(album: &Album, all: &[Vec<Prediction>], classes: &[String]) -> Details {
    let mut confusion = vec![vec![0_u64; classes.len()]; classes.len()];
    for predictions in all {
        for (truth, prediction) in album.classes().into_iter().zip(predictions) {
            confusion[truth][best(&prediction.probabilities)] += 1;
        }
    }
    let rows = classes.iter().zip(&confusion).enumerate();
    let per_class: BTreeMap<&String, f64> = rows
        .map(|(i, (class, row))| (class, row[i] as f64 / row.iter().sum::<u64>().max(1) as f64))
        .collect();
    Details::from_iter([
        ("per_class".into(), json!(per_class)),
        ("confusion".into(), json!(confusion)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::device;
    use crate::nn::discriminator::Slope;
    use crate::nn::init::{Init, initialise};
    use crate::nn::projection_discriminator::{ProjectionDiscriminator, ProjectionShape};
    use crate::sample::Extent;
    use crate::seed::Seed;
    use crate::stage::DeviceChoice;
    use crate::tasks::Order;
    use crate::testing;

    #[test]
    fn a_recogniser_learns_that_begins_with_a_discriminator() {
        let device = device::choose(DeviceChoice::Cpu).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut album = Album::new(folder.path()).unwrap();
        for (number, sample) in testing::shapes(60, 16, 1).iter().enumerate() {
            album.push_with_mask(sample, number % 2).unwrap();
        }
        let shape = ProjectionShape {
            classes: 2,
            channels: 8,
            levels: 2,
            spectral: true,
            slope: Slope::Leaky,
            spread: true,
        };
        let mut stream = Seed::new(1, "transfer").stream(0);
        let trunk = ProjectionDiscriminator::new(&shape, &device.device.clone().autodiff());
        let trunk = initialise(trunk, Init::He, &mut stream, 1);
        let setting = Setting {
            classes: 2,
            extent: Extent::square(16),
            crop: None,
            channels: 4,
            device: &device,
            init: Some(&trunk),
        };
        let mut recogniser = create(&setting, &mut stream);
        let mut order = Order::new(album.len());
        for _ in 0..80 {
            let examples = album.examples(order.next(16, &mut stream)).unwrap();
            recogniser.step(&examples, 4e-3);
        }
        let all: Vec<usize> = (0..album.len()).collect();
        let predictions = recogniser.predict(&album, &all).unwrap();
        let score = score(&album, &predictions, &all).unwrap();
        assert!(score > 0.9, "{score}");
    }

    #[test]
    fn scores_and_confusions_count_right_predictions() {
        let folder = tempfile::tempdir().unwrap();
        let mut album = Album::new(folder.path()).unwrap();
        for (number, sample) in testing::shapes(4, 16, 1).iter().enumerate() {
            album.push_with_mask(sample, number % 2).unwrap();
        }
        let classes = album.classes();
        let sure = |class: usize| Prediction {
            probabilities: vec![1.0 - class as f32, class as f32],
            ..Prediction::default()
        };
        let mut predictions: Vec<Prediction> = classes.iter().map(|&class| sure(class)).collect();
        predictions[3] = sure(1 - classes[3]);
        assert_eq!(score(&album, &predictions, &[0, 1, 2]), Some(1.0));
        assert_eq!(score(&album, &predictions, &[2, 3]), Some(0.5));
        assert_eq!(score(&album, &predictions, &[]), None);
        let names = ["disc", "square"].map(String::from);
        let details = details(&album, &[predictions.clone(), predictions], &names);
        assert_eq!(details["confusion"][classes[3]][1 - classes[3]], 2);
        assert_eq!(best(&[0.2, 0.4, 0.4]), 1);
    }
}
