//! Looking at a training while it runs: distance to the photos, agreement with the labels, faults, and
//! a sheet of examples.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use image::RgbImage;
use serde_json::json;

use super::config::TrainConfig;
use super::data::Data;
use super::faults::{self, Fault, fit};
use crate::models::album::Example;
use crate::models::task_network::{Layers, Score, TaskNetwork};
use crate::models::{Learner, Translator};
use crate::nn::batch;
use crate::nn::device::Chosen;
use crate::nn::kid::{Features, Kid, encoder_hash, kid};
use crate::sample::Extent;
use crate::sample::image::contact_sheet;
use crate::seed::Seed;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// What every look at a model compares with.
pub(super) struct Watch<'a> {
    device: &'a Chosen,
    task: Option<&'a TaskNetwork>,
    encoder: Layers,
    renders: Vec<(Arc<Example>, usize)>,
    photos: Vec<RgbImage>,
    /// The yardstick, where there are pictures enough for one.
    pub yardstick: Option<Yardstick>,
}

/// The kernel distance of this training, between what it can reach and where it starts.
pub(super) struct Yardstick {
    /// `KID-local/HASH`; the hash names the encoder.
    pub name: String,
    photo_features: Vec<Features>,
    /// Photos against other photos: what a perfect translation reaches.
    pub floor: Kid,
    /// Renders as they are against photos.
    pub ceiling: Kid,
}

/// What was seen at one step.
pub(super) struct Look {
    /// For the curves.
    pub values: BTreeMap<String, f64>,
    pub faults: Vec<Fault>,
    /// Kernel distance of translations to photos.
    pub kid: Option<f64>,
    /// Share of translations read as their class.
    pub agreement: Option<f64>,
    translations: Vec<RgbImage>,
    /// The first of them brought back, if the model can.
    back: Vec<RgbImage>,
}

/// Fewer pictures than this give no distance worth a number.
const FEWEST: usize = 20;

/// Pictures that go through a network at once.
const AT_ONCE: usize = 32;

/// Examples on a sheet.
const COLUMNS: usize = 16;

impl<'a> Watch<'a> {
    /// Picks the pictures to look at, and measures floor and ceiling.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub(super) fn new(
        config: &TrainConfig,
        data: &Data,
        task: Option<&'a TaskNetwork>,
        device: &'a Chosen,
    ) -> Result<Self> {
        let encoder = task.map_or_else(|| untrained(data.extent, device), |t| t.layers.clone());
        let count = config.watch_pictures;
        let renders = data.renders.examples(data.renders.spread(count))?;
        let photos = data.photos.spread(2 * count);
        let photos = photos.map(|number| Ok(data.photos.get(number)?.picture.clone()));
        let photos = photos.collect::<Result<_>>()?;
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
        Ok(watch)
    }

    fn measure(&self) -> Yardstick {
        // Every second photo on either side, so that the order of the files does not matter.
        let mut halves = [Vec::new(), Vec::new()];
        for (number, features) in self.features(&self.photos).into_iter().enumerate() {
            halves[number % 2].push(features);
        }
        let renders = self.sources();
        let [photo_features, others] = halves;
        Yardstick {
            name: format!("KID-local/{}", encoder_hash(&self.encoder)),
            floor: kid(&others, &photo_features),
            ceiling: kid(&self.features(&renders), &photo_features),
            photo_features,
        }
    }

    /// Tells floor and ceiling; returns them for the summary.
    pub(super) fn tell(&self, context: &Context) -> serde_json::Value {
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

    /// The renders as they are.
    fn sources(&self) -> Vec<RgbImage> {
        let renders = self.renders.iter();
        renders.map(|(render, _)| render.picture.clone()).collect()
    }

    /// Translates, measures and checks.
    pub(super) fn look(&self, model: &dyn Learner) -> Look {
        let sources = self.sources();
        let translations = translated(model.translator().as_ref(), &sources);
        let first = &sources[..sources.len().min(COLUMNS)];
        let back = model
            .round_trip()
            .map(|way| translated(way.as_ref(), first));
        let mut look = Look {
            values: BTreeMap::new(),
            faults: faults::seen(&sources, &translations, &self.photos),
            kid: None,
            agreement: None,
            translations,
            back: back.unwrap_or_default(),
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
            let score = self.score(task, &look.translations);
            look.agreement = Some(score.accuracy());
            let named = [
                ("agreement_class", score.accuracy()),
                ("agreement_mask", score.mask_iou()),
            ];
            let named = named.map(|(name, value)| (name.to_owned(), value));
            look.values.extend(named);
        }
        look
    }

    /// How well the task network reads `pictures`, one a render, as their renders.
    fn score(&self, task: &TaskNetwork, pictures: &[RgbImage]) -> Score {
        let mut score = Score::default();
        for (renders, pictures) in self.renders.chunks(AT_ONCE).zip(pictures.chunks(AT_ONCE)) {
            let fitted: Vec<_> = pictures.iter().map(|p| fit(p, task.extent)).collect();
            let fitted: Vec<&RgbImage> = fitted.iter().map(|picture| &**picture).collect();
            score += task.score(&fitted, renders, &self.device.device);
        }
        score
    }

    /// Writes `sheet-STEP.png` into `folder`: rows of renders, translations, these brought back where the model can,
    /// and photos.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn sheet(&self, folder: &Path, look: &Look, step: u64) -> Result<()> {
        let (width, height) = self.renders[0].0.picture.dimensions();
        let row = |pictures: &mut dyn Iterator<Item = &RgbImage>| {
            let mut row: Vec<RgbImage> = pictures.take(COLUMNS).cloned().collect();
            row.resize(
                COLUMNS,
                RgbImage::from_pixel(width, height, image::Rgb([128; 3])),
            );
            row
        };
        let mut cells = row(&mut self.renders.iter().map(|(render, _)| &render.picture));
        cells.extend(row(&mut look.translations.iter()));
        if !look.back.is_empty() {
            cells.extend(row(&mut look.back.iter()));
        }
        cells.extend(row(&mut self.photos.iter()));
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

/// `renders` translated; what is drawn is drawn alike at every look.
fn translated(model: &dyn Translator, renders: &[RgbImage]) -> Vec<RgbImage> {
    let seed = Seed::new(0, "sheet");
    let translate = |chunk: &[RgbImage]| {
        let mut streams: Vec<_> = (0..chunk.len() as u64).map(|i| seed.stream(i)).collect();
        model.translate(chunk, &mut streams)
    };
    renders.chunks(AT_ONCE).flat_map(translate).collect()
}
