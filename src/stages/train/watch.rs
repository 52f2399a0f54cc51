//! Looking at a training while it runs: distance to the photos, agreement with the labels, faults, and
//! a sheet of examples.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use image::RgbImage;
use serde_json::json;

use super::config::TrainConfig;
use super::data::{Data, Render};
use super::faults::{self, Fault};
use crate::models::Adapter;
use crate::models::task_network::{Layers, TaskNetwork, mask_targets};
use crate::nn::batch;
use crate::nn::device::Chosen;
use crate::nn::kid::{Features, Kid, encoder_hash, kid};
use crate::sample::Extent;
use crate::sample::image::contact_sheet;
use crate::seed::Seed;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// What every look at a model compares with.
pub struct Watch<'a> {
    device: &'a Chosen,
    task: Option<&'a TaskNetwork>,
    encoder: Layers,
    renders: Vec<&'a Render>,
    photos: Vec<RgbImage>,
    /// The yardstick, where there are pictures enough for one.
    pub yardstick: Option<Yardstick>,
}

/// The kernel distance of this training, between what it can reach and where it starts.
pub struct Yardstick {
    /// `KID-local/HASH`; the hash names the encoder.
    pub name: String,
    photo_features: Vec<Features>,
    /// Photos against other photos: what a perfect translation reaches.
    pub floor: Kid,
    /// Renders as they are against photos.
    pub ceiling: Kid,
}

/// What was seen at one step.
pub struct Look {
    /// For the curves.
    pub values: BTreeMap<String, f64>,
    pub faults: Vec<Fault>,
    /// Kernel distance of translations to photos.
    pub kid: Option<f64>,
    /// Share of translations read as their class.
    pub agreement: Option<f64>,
    translations: Vec<RgbImage>,
}

/// Fewer pictures than this give no distance worth a number.
const FEWEST: usize = 20;

/// Pictures that go through a network at once.
const AT_ONCE: usize = 32;

impl<'a> Watch<'a> {
    /// Picks the pictures to look at, and measures floor and ceiling.
    pub fn new(
        config: &TrainConfig,
        data: &'a Data,
        task: Option<&'a TaskNetwork>,
        device: &'a Chosen,
    ) -> Self {
        let encoder = task.map_or_else(|| untrained(data.extent, device), |t| t.layers.clone());
        let count = config.watch_pictures;
        let renders: Vec<&Render> = spread(&data.renders, count).collect();
        let photos: Vec<RgbImage> = spread(&data.photos, 2 * count).cloned().collect();
        let mut watch = Watch {
            device,
            task,
            encoder,
            renders,
            photos,
            yardstick: None,
        };
        if watch.renders.len() >= FEWEST && watch.photos.len() >= 2 * FEWEST {
            watch.yardstick = Some(watch.measure());
        }
        watch
    }

    fn measure(&self) -> Yardstick {
        // Every second photo on either side, so that the order of the files does not matter.
        let mut halves = [Vec::new(), Vec::new()];
        for (number, features) in self.features(&self.photos).into_iter().enumerate() {
            halves[number % 2].push(features);
        }
        let renders: Vec<RgbImage> = self.renders.iter().map(|r| r.picture.clone()).collect();
        let [photo_features, others] = halves;
        Yardstick {
            name: format!("KID-local/{}", encoder_hash(&self.encoder)),
            floor: kid(&others, &photo_features),
            ceiling: kid(&self.features(&renders), &photo_features),
            photo_features,
        }
    }

    /// Tells floor and ceiling; returns them for the summary.
    pub fn tell(&self, context: &Context) -> serde_json::Value {
        let text = match &self.yardstick {
            Some(y) => format!(
                "{}: photos against photos {:.4} ± {:.4} (floor), renders against photos {:.4} ± \
                 {:.4} (ceiling)",
                y.name, y.floor.mean, y.floor.error, y.ceiling.mean, y.ceiling.error
            ),
            None => format!(
                "no distance to the photos is measured: that takes {FEWEST} renders and {} photos",
                2 * FEWEST
            ),
        };
        context.emit(Event::Note { text });
        self.yardstick.as_ref().map_or(
            serde_json::Value::Null,
            |y| json!({ "name": y.name, "floor": y.floor.mean, "ceiling": y.ceiling.mean }),
        )
    }

    /// Translates, measures and checks.
    pub fn look(&self, model: &dyn Adapter) -> Look {
        let pictures: Vec<&RgbImage> = self.renders.iter().map(|r| &r.picture).collect();
        let translations: Vec<RgbImage> = pictures
            .chunks(AT_ONCE)
            .flat_map(|chunk| batch::to_pictures(model.translate(self.tensor(chunk))))
            .collect();
        let sources: Vec<RgbImage> = pictures.into_iter().cloned().collect();
        let mut look = Look {
            values: BTreeMap::new(),
            faults: faults::seen(&sources, &translations, &self.photos),
            kid: None,
            agreement: None,
            translations,
        };
        if let Some(y) = &self.yardstick {
            let distance = kid(&self.features(&look.translations), &y.photo_features).mean;
            look.kid = Some(distance);
            look.values.extend([
                (y.name.clone(), distance),
                (format!("{} floor", y.name), y.floor.mean),
                (format!("{} ceiling", y.name), y.ceiling.mean),
            ]);
        }
        if let Some(task) = self.task {
            let (class, iou) = self.agreement(task, &look.translations);
            look.agreement = Some(class);
            let named = [("agreement_class", class), ("agreement_mask", iou)];
            let named = named.map(|(name, value)| (name.to_owned(), value));
            look.values.extend(named);
        }
        look
    }

    /// Share of `pictures`, one a render, read as the render's class; and the intersection over union
    /// of all masks taken together.
    fn agreement(&self, task: &TaskNetwork, pictures: &[RgbImage]) -> (f64, f64) {
        let (mut right, mut common, mut either) = (0, 0.0, 0.0);
        let sum = |x: burn::tensor::Tensor<4>| f64::from(x.sum().into_scalar::<f32>());
        for (renders, pictures) in self.renders.chunks(AT_ONCE).zip(pictures.chunks(AT_ONCE)) {
            let pictures: Vec<&RgbImage> = pictures.iter().collect();
            let reading = task.layers.forward(self.tensor(&pictures));
            let masks = renders.iter().map(|render| &render.mask);
            let masks = batch::masks_to_tensor(masks, &self.device.device);
            let truth = mask_targets(masks, task.mask_extent())
                .greater_elem(0.5)
                .float();
            let found = reading.mask_logits.greater_elem(0.0).float();
            common += sum(truth.clone() * found.clone());
            either += sum((truth + found).greater_elem(0.5).float());
            let best = reading.class_logits.argmax(1).into_data_as::<i32>();
            let best = best.as_slice::<i32>().unwrap_or_default();
            let pairs = renders.iter().zip(best);
            right += pairs.filter(|(r, best)| r.class as i32 == **best).count();
        }
        let count = self.renders.len().max(1) as f64;
        (right as f64 / count, common / f64::max(either, 1.0))
    }

    /// Writes `sheet-STEP.png` into `folder`: rows of renders, translations, these brought back where the model can,
    /// and photos.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn sheet(&self, folder: &Path, model: &dyn Adapter, look: &Look, step: u64) -> Result<()> {
        const COLUMNS: usize = 16;
        let renders: Vec<&RgbImage> = self
            .renders
            .iter()
            .map(|r| &r.picture)
            .take(COLUMNS)
            .collect();
        let back = model.reconstruct(self.tensor(&renders));
        let (width, height) = renders[0].dimensions();
        let row = |pictures: &mut dyn Iterator<Item = RgbImage>| {
            let mut row: Vec<RgbImage> = pictures.take(COLUMNS).collect();
            row.resize(
                COLUMNS,
                RgbImage::from_pixel(width, height, image::Rgb([128; 3])),
            );
            row
        };
        let mut cells = row(&mut renders.iter().map(|r| (*r).clone()));
        cells.extend(row(&mut look.translations.iter().cloned()));
        if let Some(back) = back {
            cells.extend(row(&mut batch::to_pictures(back).into_iter()));
        }
        cells.extend(row(&mut self.photos.iter().cloned()));
        let path = folder.join(format!("sheet-{step:06}.png"));
        let sheet = contact_sheet(&cells, COLUMNS as u32, width.max(height));
        sheet.save(&path).map_err(|e| {
            Error::failed(
                path.display(),
                e,
                "check the free space and the permissions",
            )
        })
    }

    fn tensor(&self, pictures: &[&RgbImage]) -> burn::tensor::Tensor<4> {
        batch::to_tensor(pictures.iter().copied(), &self.device.device)
    }

    fn features(&self, pictures: &[RgbImage]) -> Vec<Features> {
        let rows = |chunk: &[RgbImage]| -> Vec<Features> {
            let pictures: Vec<&RgbImage> = chunk.iter().collect();
            let features = self.encoder.forward(self.tensor(&pictures)).features;
            let [_, width] = features.dims();
            let data = features.into_data_as::<f32>();
            let values = data.as_slice::<f32>().unwrap_or_default();
            values.chunks_exact(width).map(<[f32]>::to_vec).collect()
        };
        pictures.chunks(AT_ONCE).flat_map(rows).collect()
    }
}

/// An encoder for pipelines without a task network: random weights, the same in every run, whose
/// filters still see colour, edges and texture.
fn untrained(extent: Extent, device: &Chosen) -> Layers {
    const CHANNELS: usize = 16;
    let mut stream = Seed::new(0, "untrained encoder").stream(0);
    let device = device.device.clone().autodiff();
    TaskNetwork::new(vec!["any".into()], extent, CHANNELS, &mut stream, &device)
        .layers
        .valid()
}

/// At most `count` of `all`, evenly spread.
fn spread<T>(all: &[T], count: usize) -> impl Iterator<Item = &T> {
    let count = count.min(all.len());
    (0..count).map(move |number| &all[number * all.len() / count])
}
