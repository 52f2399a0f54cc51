//! detection: the class and the box of every object.

pub mod boxes;
mod cut;
mod find;
mod layers;
mod losses;
mod mask_head;
mod network;
mod read;
pub(super) mod score;
mod targets;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use hotcoco::params::IouType;
use rand::RngExt;

use super::{Prediction, Recogniser, Setting, TaskKind, Truth};
use crate::Result;
use crate::models::album::{Album, Example};
use crate::nn::adam::adam;
use crate::nn::batch;
use crate::nn::ema;
use crate::nn::gradient_clip::clip_by_norm;
use crate::sample::Extent;
use crate::seed::{Seed, Stream};
use cut::Cut;
use losses::{cross_entropy, focal, giou};
use network::{Detector, Said};
use targets::{Seen, Targets};

pub use find::Finder;
pub(super) use network::products;
pub use score::{Compared, SURE, compared};

/// The registry entry.
pub const TASK: TaskKind = TaskKind {
    name: "detection",
    about: "class and box of every object, measured by mAP50–95",
    truth: Truth::Objects,
    masks: false,
    metric: "mAP50–95",
    create: |setting, stream| Box::new(Training::new(setting, stream)),
    products: |extent, channels| products(extent, channels, false),
    score: |album, found, numbers| score::score(album, found, numbers, IouType::Bbox),
    details: |album, found, classes| score::details(album, found, classes, IouType::Bbox),
};

/// Weight of the boxes' loss beside the others.
const BOXES: f32 = 2.0;

/// The largest norm of a step's gradients.
const GRADIENTS: f64 = 10.0;

/// A detector with its optimiser: focal loss of objects, GIoU and the fit of their boxes, cross entropy of the classes of
/// their views, binary cross entropy of their masks if it draws any; Adam.
pub struct Training {
    network: Detector,
    optimiser: ModuleOptimizer,
    device: Device,
    crop: Option<u32>,
    /// Draws the parts that are cut out, and the views.
    cuts: Stream,
}

impl Training {
    /// Fresh weights, drawn from `stream`.
    pub fn new(setting: &Setting, stream: &mut Stream) -> Self {
        Training::init(setting, false, stream)
    }

    /// As [`Training::new`], of a detector that also draws masks.
    pub fn with_masks(setting: &Setting, stream: &mut Stream) -> Self {
        Training::init(setting, true, stream)
    }

    fn init(setting: &Setting, masks: bool, stream: &mut Stream) -> Self {
        let device = setting.device.device.clone();
        let size = (setting.classes, setting.channels);
        let network = Detector::new(size, masks, stream, &device.clone().autodiff());
        Training {
            network,
            optimiser: adam(0.9, 0.999),
            device,
            crop: setting.crop,
            cuts: Seed::new(stream.random(), "cuts").stream(0),
        }
    }

    /// One optimiser step on pictures and their objects; returns the loss.
    pub fn learn<'a>(&mut self, examples: impl Iterator<Item = &'a Example>, rate: f64) -> f32 {
        let examples: Vec<&Example> = examples.collect();
        let cuts: Vec<Cut> = examples
            .iter()
            .map(|example| Cut::draw(example, self.crop, &mut self.cuts))
            .collect();
        let widest = |side: fn(&Cut) -> u32| cuts.iter().map(side).max().unwrap_or(1);
        let extent = Extent::new(widest(|c| c.extent.width), widest(|c| c.extent.height));
        let extent = network::padded(extent);
        let device = self.device.clone().autodiff();
        let pictures: Vec<_> = cuts.iter().map(|cut| cut.pixels(extent)).collect();
        let said = self
            .network
            .forward(batch::to_tensor(pictures.iter(), &device));
        let mut targets = Targets::default();
        for cut in &cuts {
            targets.add(&cut.seen, network::grid(extent));
        }
        let mut loss = found(said, targets, &device);
        let views = read::draw(&examples, &mut self.cuts);
        if !views.classes.is_empty() {
            let pictures = batch::to_tensor(views.pictures.iter(), &device);
            let classes = Tensor::<1, Int>::from_data(&views.classes[..], &device);
            let cross_entropy = CrossEntropyLossConfig::new().with_smoothing(Some(0.05));
            let drawn = self.network.draw(pictures.clone());
            let read = self.network.read(pictures);
            loss = loss + cross_entropy.init(&device).forward(read, classes);
            if let Some(apart) = drawn.and_then(|drawn| mask_head::loss(drawn, &views.masks)) {
                loss = loss + apart;
            }
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        let gradients = clip_by_norm(gradients, &self.network, GRADIENTS);
        self.network = self.optimiser.step(rate, self.network.clone(), gradients);
        loss.into_scalar()
    }

    /// What it has learned, to be used.
    pub fn finder(&self) -> Finder {
        Finder::new(self.network.valid(), self.device.clone())
    }

    /// Moves the weights of `average` a little towards what it has learned, by the share 1 − `decay`; running
    /// averages of norms are taken over.
    pub fn lead(&self, average: &mut Finder, decay: f64) {
        let network = ema::update(self.network.valid(), average.network(), 1.0 - decay);
        *average = Finder::new(network, self.device.clone());
    }
}

/// The loss of objects and their boxes.
fn found(said: Said, targets: Targets, device: &Device) -> Tensor<1> {
    let cores = targets.cores.len();
    let rows = |values: Vec<f32>, columns: usize| {
        let shape = [values.len() / columns, columns];
        Tensor::<2>::from_data(TensorData::new(values, shape), device)
    };
    let (wanted, weights) = (rows(targets.objects, 1), rows(targets.weights, 1));
    let loss = focal(said.object, wanted, weights) / cores.max(1) as f32;
    if cores == 0 {
        return loss;
    }
    let places = Tensor::<1, Int>::from_data(&targets.cores[..], device);
    let distances = said.distances.select(0, places.clone());
    let (apart, overlap) = giou(distances, rows(targets.distances, 4));
    let fit = cross_entropy(said.fit.select(0, places), overlap.detach());
    loss + apart.mean() * BOXES + fit
}

impl Recogniser for Training {
    fn step(&mut self, examples: &[(Arc<Example>, usize)], rate: f64) -> f32 {
        self.learn(examples.iter().map(|(example, _)| example.as_ref()), rate)
    }

    fn predict(&self, album: &Album, numbers: &[usize]) -> Result<Vec<Prediction>> {
        let finder = self.finder();
        let mut predictions = Vec::with_capacity(numbers.len());
        for &number in numbers {
            let example = album.get(number)?;
            let detections = finder.find(&example.picture);
            predictions.push(Prediction {
                masks: finder.masks(&example.picture, &detections),
                detections,
                ..Prediction::default()
            });
        }
        Ok(predictions)
    }
}
