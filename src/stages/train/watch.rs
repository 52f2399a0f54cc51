//! Looking at a training while it runs: distance to the photos, agreement with the labels, faults, and
//! a sheet of examples.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use image::RgbImage;
use serde::Serialize;

use super::config::TrainConfig;
use super::data::Data;
use super::enlarging::Enlarging;
use super::faults::{self, Fault, fit};
use crate::models::album::Example;
use crate::models::task_network::{Score, TaskNetwork};
use crate::models::{Learner, Translator};
use crate::nn::device::Chosen;
use crate::nn::ruler::{Closed, Distance, Domains, FEWEST, Pictures, Ruler};
use crate::sample::image::{contact_sheet, resize};
use crate::sample::maps::Decoded;
use crate::seed::Seed;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// What every look at a model compares with.
pub(super) struct Watch<'a> {
    device: &'a Chosen,
    /// Where the renders have classes to be read.
    task: Option<&'a TaskNetwork>,
    /// Whether their masks are known, too.
    has_masks: bool,
    renders: Vec<(Arc<Example>, usize)>,
    /// Whether the model reads their maps.
    reads_maps: bool,
    /// The groups of `renders`.
    groups: Vec<u64>,
    photos: Vec<RgbImage>,
    /// How many times smaller than they are renders are translated, so that translations are as large as photos.
    enlargement: u32,
    /// Of a model that enlarges, what it is measured by.
    enlarging: Option<Enlarging>,
    /// Where there are pictures enough for one.
    pub ruler: Option<Ruler>,
}

/// Between what a training moves, for its summary.
#[derive(Serialize)]
pub(super) struct Ends {
    /// Names the ruler's encoder.
    name: String,
    /// Photos from other photos.
    floor: Distance,
    /// Renders as they are from photos.
    ceiling: Distance,
    /// Translations of the kept networks from photos.
    kept: Option<Distance>,
    /// The share of the way that they have made.
    closed: Option<Closed>,
}

impl Ends {
    /// With what the kept networks reached.
    pub(super) fn with(self, reached: Option<(Distance, Option<Closed>)>) -> Self {
        Ends {
            kept: reached.map(|(distance, _)| distance),
            closed: reached.and_then(|(_, closed)| closed),
            ..self
        }
    }
}

/// What was seen at one step.
pub(super) struct Look {
    /// For the curves.
    pub values: BTreeMap<String, f64>,
    pub faults: Vec<Fault>,
    /// How far translations are from the photos, and the share of the way that they have made.
    pub distance: Option<(Distance, Option<Closed>)>,
    /// Share of translations read as their class.
    pub agreement: Option<f64>,
    /// What the first of them were drawn from, if that is not the renders' colours.
    conditions: Vec<RgbImage>,
    translations: Vec<RgbImage>,
    /// The first of them brought back, if the model can.
    back: Vec<RgbImage>,
    /// Held-out photos made smaller and enlarged again.
    enlarged: Vec<RgbImage>,
}

/// Pictures that go through a network at once.
pub(super) const AT_ONCE: usize = 32;

/// Attempt of the stage's seed that the ruler learns from; restarts of a training count from 1.
pub(super) const RULER: u64 = 1 << 32;

/// Examples on a sheet.
const COLUMNS: usize = 16;

impl<'a> Watch<'a> {
    /// Picks the pictures to look at, and makes a ruler from others.
    ///
    /// # Errors
    /// If a picture cannot be read, or the run is interrupted.
    pub(super) fn new(
        config: &TrainConfig,
        context: &Context,
        data: &Data,
        task: Option<&'a TaskNetwork>,
        device: &'a Chosen,
    ) -> Result<Self> {
        let count = config.watch_pictures;
        let ruler = data.enough_to_measure();
        // Those that the ruler does not learn from.
        let watched: Vec<usize> = match ruler {
            true => data
                .renders
                .spread(count.min(data.renders.len() / 2))
                .collect(),
            false => data.renders.spread(count).collect(),
        };
        let renders = data.renders.examples(watched.iter().copied())?;
        let photos = data.photos.spread(2 * count);
        let photos = photos.map(|number| Ok(data.photos.get(number)?.picture.clone()));
        let photos = photos.collect::<Result<_>>()?;
        let mut watch = Watch {
            device,
            task: task.filter(|_| data.all_have_class),
            has_masks: data.all_have_objects,
            groups: watched
                .iter()
                .map(|&number| data.render_groups[number])
                .collect(),
            renders,
            reads_maps: !data.maps.is_empty(),
            photos,
            enlargement: data.enlargement,
            enlarging: Enlarging::new(data, count)?,
            ruler: None,
        };
        if ruler {
            watch.ruler = watch.learn_ruler(context, data, &watched)?;
        }
        Ok(watch)
    }

    /// A ruler that has learned from half of the photos and from renders that are not `watched`.
    fn learn_ruler(
        &self,
        context: &Context,
        data: &Data,
        watched: &[usize],
    ) -> Result<Option<Ruler>> {
        let watched: BTreeSet<usize> = watched.iter().copied().collect();
        let others: Vec<usize> = (0..data.renders.len())
            .filter(|number| !watched.contains(number))
            .collect();
        let renders = Data::pictures(&data.renders, &data.render_groups, &others)?;
        let all: Vec<usize> = (0..data.photos.len()).collect();
        let photos = Data::pictures(&data.photos, &data.photo_groups, &all)?;
        let seed = context.seed.attempt(RULER);
        let [known, measured] = photos.halves(&seed.attempt(0));
        let done = Cell::new(0);
        let tick = || {
            done.set(done.get() + 1);
            let note = "learns to measure the distance to the photos";
            context.progress(done.get(), Ruler::STEPS, note)
        };
        Ruler::learn(
            Domains {
                renders: &renders,
                photos: &known,
            },
            Domains {
                renders: &self.pictures(&self.sources()),
                photos: &measured,
            },
            &seed.attempt(1),
            self.device,
            &tick,
        )
    }

    /// Tells floor and ceiling; returns them for the summary.
    pub(super) fn tell(&self, context: &Context) -> Option<Ends> {
        if let Some(enlarging) = &self.enlarging {
            let text = enlarging.in_words();
            context.emit(Event::Note { text });
            return None;
        }
        let Some(ruler) = &self.ruler else {
            let text = format!(
                "no distance to the photos is measured: that takes {FEWEST} renders and {} photos, not all crops of \
                 a few",
                2 * FEWEST
            );
            context.emit(Event::Note { text });
            return None;
        };
        let (floor, ceiling) = (ruler.floor(), ruler.ceiling());
        let text = format!(
            "distance to the photos: renders {:.3} ({:.3} to {:.3}), photos among themselves {:.3} ({:.3} to {:.3})",
            ceiling.value, ceiling.low, ceiling.high, floor.value, floor.low, floor.high
        );
        context.emit(Event::Note { text });
        Some(Ends {
            name: ruler.name(),
            floor,
            ceiling,
            kept: None,
            closed: None,
        })
    }

    /// Pictures, one a watched render, for the ruler.
    fn pictures(&self, pictures: &[RgbImage]) -> Pictures {
        let pictures = pictures.iter().cloned();
        Pictures::new(
            &pictures
                .zip(self.groups.iter().copied())
                .collect::<Vec<_>>(),
        )
    }

    /// The renders as they are, or so much smaller as the model enlarges them.
    fn sources(&self) -> Vec<RgbImage> {
        let source = |picture: &RgbImage| match self.enlargement {
            1 => picture.clone(),
            times => resize(picture, picture.width() / times, picture.height() / times),
        };
        let renders = self.renders.iter();
        renders.map(|(render, _)| source(&render.picture)).collect()
    }

    /// Translates, measures and checks.
    ///
    /// # Errors
    /// If there are no threads to measure with.
    pub(super) fn look(&self, model: &dyn Learner) -> Result<Look> {
        let sources = self.sources();
        let maps: Vec<Decoded> = match self.reads_maps {
            true => self
                .renders
                .iter()
                .map(|(render, _)| render.maps.clone())
                .collect(),
            false => Vec::new(),
        };
        let translator = model.translator();
        let translations = translated(translator.as_ref(), &sources, &maps);
        let first = &sources[..sources.len().min(COLUMNS)];
        let back = model
            .round_trip()
            .map(|way| translated(way.as_ref(), first, &maps));
        let first_maps = &maps[..maps.len().min(first.len())];
        let conditions = model.condition(first, Some(first_maps));
        let mut look = Look {
            conditions: conditions.unwrap_or_default(),
            values: BTreeMap::new(),
            faults: faults::seen(&sources, &translations, &self.photos),
            distance: None,
            agreement: None,
            translations,
            back: back.unwrap_or_default(),
            enlarged: Vec::new(),
        };
        if let Some(enlarging) = &self.enlarging {
            look.enlarged = translated(translator.as_ref(), &enlarging.small, &[]);
            look.values.extend(enlarging.measure(&look.enlarged));
        }
        if let Some(ruler) = &self.ruler {
            let measured = ruler.measure(&self.pictures(&look.translations))?;
            look.distance = Some(measured);
            let named = [
                ("distance", measured.0.value),
                ("distance_floor", ruler.floor().value),
                ("distance_ceiling", ruler.ceiling().value),
            ];
            look.values
                .extend(named.map(|(name, value)| (name.to_owned(), value)));
        }
        if let Some(task) = self.task {
            let score = self.score(task, &look.translations);
            look.agreement = Some(score.accuracy());
            let mask = self.has_masks.then(|| ("agreement_mask", score.mask_iou()));
            let named = [("agreement_class", score.accuracy())]
                .into_iter()
                .chain(mask);
            let named = named.map(|(name, value)| (name.to_owned(), value));
            look.values.extend(named);
        }
        Ok(look)
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

    /// Writes `sheet-STEP.png` into `folder`: rows of renders, the conditions that the model draws from if it does,
    /// translations, these brought back where the model can, and photos; of a model that enlarges, rows of held-out
    /// photos made smaller, enlarged in two ways, and as they are.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn sheet(&self, folder: &Path, look: &Look, step: u64) -> Result<()> {
        let (width, height) = self.renders[0].0.picture.dimensions();
        let row = |pictures: &mut dyn Iterator<Item = &RgbImage>| -> Vec<RgbImage> {
            let mut row: Vec<RgbImage> = pictures.take(COLUMNS).cloned().collect();
            row.resize(
                COLUMNS,
                RgbImage::from_pixel(width, height, image::Rgb([128; 3])),
            );
            row
        };
        let mut cells = Vec::new();
        if let Some(enlarging) = &self.enlarging {
            for pictures in enlarging.rows(&look.enlarged) {
                cells.extend(row(&mut pictures.iter()));
            }
        } else {
            cells.extend(row(&mut self
                .renders
                .iter()
                .map(|(render, _)| &render.picture)));
            if !look.conditions.is_empty() {
                cells.extend(row(&mut look.conditions.iter()));
            }
            cells.extend(row(&mut look.translations.iter()));
            if !look.back.is_empty() {
                cells.extend(row(&mut look.back.iter()));
            }
            cells.extend(row(&mut self.photos.iter()));
        }
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
}

/// `renders` translated; what is drawn is drawn alike at every look.
fn translated(model: &dyn Translator, renders: &[RgbImage], maps: &[Decoded]) -> Vec<RgbImage> {
    let seed = Seed::new(0, "sheet");
    let translate = |(number, chunk): (usize, &[RgbImage])| {
        let mut streams: Vec<_> = (0..chunk.len() as u64).map(|i| seed.stream(i)).collect();
        let maps = maps.get(number * AT_ONCE..).unwrap_or_default();
        let maps = &maps[..maps.len().min(chunk.len())];
        model.translate(chunk, maps, &mut streams)
    };
    let chunks = renders.chunks(AT_ONCE).enumerate();
    chunks.flat_map(translate).collect()
}
