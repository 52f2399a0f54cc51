//! What the search found: the settings, how alike the domains are before and after, and what could
//! not be matched, in words and as a picture.

use image::{Rgb, RgbImage};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Photos;
use super::dials::Panel;
use super::search::Search;
use crate::appearance::features::{deviation, mean};
use crate::appearance::{Difference, FEATURES, Look, compare, measure};
use crate::artifact::settings;
use crate::nn::device;
use crate::nn::ruler::{Accuracy, Pictures, two_sample};
use crate::sample::image::contact_sheet;
use crate::stage::finding::{self, Finding, Level, percent};
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Pictures of each kind on the sheet: three rows.
pub(super) const SHOWN: usize = 48;
const COLUMNS: u32 = 16;
/// Least change of a feature, in deviations of the photos, that makes a setting worth naming.
const STRONG: f64 = 0.15;

/// A setting's way.
#[derive(Debug, Clone, Serialize)]
struct Change {
    setting: String,
    before: Value,
    after: Value,
}

/// A feature that stays different.
#[derive(Debug, Clone, Serialize)]
struct Unmatched {
    #[serde(flatten)]
    difference: Difference,
    /// Settings that move it most; none where no setting does.
    moved_by: Vec<String>,
}

/// What the search found.
pub(super) struct FitOutcome {
    /// Keys to change, as in the configuration.
    overlay: Value,
    changes: Vec<Change>,
    /// Settings that move nothing that is measured.
    idle: Vec<String>,
    /// By feature, the settings that move it most.
    movers: Vec<Vec<String>>,
    candidates: usize,
}

impl FitOutcome {
    /// From the settings `before` and `after` the search.
    pub(super) fn new(
        panel: &Panel,
        before: &Value,
        after: Value,
        search: &Search,
        candidates: usize,
    ) -> Self {
        let (mut overlay, mut changes, mut idle) = (json!({}), Vec::new(), Vec::new());
        for (dial, effects) in panel.parts(&search.effects) {
            let pointer = format!("/{}", dial.path.join("/"));
            let [old, new] =
                [before, &after].map(|c| c.pointer(&pointer).cloned().unwrap_or_default());
            if effects.iter().all(Vec::is_empty) {
                idle.push(dial.name());
            }
            if old != new {
                settings::overlay(&mut overlay, nested(&dial.path, new.clone()));
                changes.push(Change {
                    setting: dial.name(),
                    before: old,
                    after: new,
                });
            }
        }
        let movers = (0..FEATURES.len()).map(|feature| movers(panel, search, feature));
        FitOutcome {
            overlay,
            changes,
            idle,
            movers: movers.collect(),
            candidates,
        }
    }

    /// Writes settings and sheet, tells how it went, and sums up. Settings that gain nothing beyond the error,
    /// on pictures that the search had not seen, are not recommended: they stand in the summary as `tried`, and no
    /// setting is changed.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn write(
        mut self,
        context: &Context,
        before: &[RgbImage],
        after: &[RgbImage],
        photos: &Photos,
    ) -> Result<Value> {
        let looks = |pictures: &[RgbImage]| pictures.par_iter().map(measure).collect::<Vec<Look>>();
        let (old, mut new) = (looks(before), looks(after));
        let mut shown = after;
        let gain = Gain::of(&old, &new, photos);
        let mut tried = Value::Null;
        if !gain.is_certain() {
            let text = format!(
                "found no ranges that are better than those given, beyond the error, and keeps them ({})",
                gain.in_words()
            );
            context.emit(Event::Warning { text });
            tried = json!({
                "settings": std::mem::replace(&mut self.overlay, json!({})),
                "changed": std::mem::take(&mut self.changes),
                "distance": distance(&new, photos),
            });
            (new, shown) = (old.clone(), before);
        }
        let told_before = told_apart(context, before, photos)?;
        let told_after = match self.changes.is_empty() {
            true => told_before.clone(),
            false => told_apart(context, shown, photos)?,
        };
        let unmatched = self.unmatched(&new, photos);
        for Unmatched {
            difference,
            moved_by,
        } in &unmatched
        {
            context.emit(Event::Warning {
                text: in_words(difference, moved_by),
            });
        }
        let path = context.out.join(settings::FILE);
        let text = serde_json::to_string_pretty(&self.overlay).unwrap_or_default();
        std::fs::write(&path, text).map_err(|e| Error::io(&path, e))?;
        let path = context.out.join("sheet.png");
        let png = crate::sample::image::encode_png(&sheet(before, shown, &photos.shown))?;
        std::fs::write(&path, png).map_err(|e| Error::io(&path, e))?;
        let mut summary = json!({
            "candidates": self.candidates,
            "renders": new.len(),
            "photos": photos.looks.len(),
            "distance": { "before": distance(&old, photos), "after": distance(&new, photos) },
            "two_sample": { "before": told_before, "after": told_after },
            "gain": gain,
            "changed": self.changes,
            "tried": tried,
            "unmatched": unmatched,
            "idle": self.idle,
        });
        let found = gain.finding(distance(&old, photos), distance(&new, photos));
        finding::record(&mut summary, &[found]);
        Ok(summary)
    }

    fn unmatched(&self, renders: &[Look], photos: &Photos) -> Vec<Unmatched> {
        let counts = [renders.len(), photos.looks.len()];
        let all = compare(renders, &photos.looks).into_iter();
        let notable = all.filter(|difference| difference.is_notable(counts));
        notable
            .map(|difference| {
                let feature = FEATURES.iter().position(|f| f.name == difference.feature);
                Unmatched {
                    moved_by: feature.map_or(Vec::new(), |i| self.movers[i].clone()),
                    difference,
                }
            })
            .collect()
    }
}

/// How much nearer to the photos the settings bring the renders: the change of [`distance`], measured on blocks of
/// renders, and its error.
#[derive(Debug, Clone, Serialize)]
struct Gain {
    mean: f64,
    /// Half the width of its 95 % interval.
    plus_minus: f64,
}

impl Gain {
    fn of(before: &[Look], after: &[Look], photos: &Photos) -> Self {
        const BLOCKS: usize = 6;
        /// Student's t for six blocks.
        const T: f64 = 2.57;
        let block = |looks: &[Look], number: usize| -> Vec<Look> {
            looks.iter().skip(number).step_by(BLOCKS).cloned().collect()
        };
        let gain = |number| {
            distance(&block(before, number), photos) - distance(&block(after, number), photos)
        };
        let gains: Vec<f64> = (0..BLOCKS).map(gain).collect();
        Gain {
            mean: mean(&gains),
            plus_minus: T * deviation(&gains) / (BLOCKS as f64 - 1.0).sqrt(),
        }
    }

    fn is_certain(&self) -> bool {
        self.mean > self.plus_minus
    }

    fn in_words(&self) -> String {
        format!("a gain of {:.3} ± {:.3}", self.mean, self.plus_minus)
    }

    /// For the verdict on the run.
    fn finding(&self, before: f64, after: f64) -> Finding {
        match self.is_certain() {
            true => Finding::new(
                Level::Good,
                "fit",
                percent((before - after) / before.max(f64::MIN_POSITIVE)),
                format!(
                    "fitted ranges bring the renders nearer to the photos: mean distance {after:.2}, \
                     {before:.2} before"
                ),
            ),
            false => Finding::new(
                Level::Note,
                "fit",
                "0 %",
                format!(
                    "no ranges were found that are better than those given ({})",
                    self.in_words()
                ),
            ),
        }
    }
}

fn in_words(difference: &Difference, moved_by: &[String]) -> String {
    let how = match moved_by {
        [] => "no setting of the renders moves it".to_owned(),
        some => format!("it is moved by {}", some.join(", ")),
    };
    format!(
        "not matched: {}; to come closer: {}; {how}",
        difference.in_words(),
        difference.advice
    )
}

/// The three settings that move a feature most, the strongest first.
fn movers(panel: &Panel, search: &Search, feature: usize) -> Vec<String> {
    let ends: Vec<f64> = (0..search.effects.len())
        .map(|end| search.strength(end, feature))
        .collect();
    let mut dials: Vec<(f64, String)> = panel
        .parts(&ends)
        .map(|(dial, strengths)| (strengths.iter().copied().fold(0.0, f64::max), dial.name()))
        .filter(|(strength, _)| *strength > STRONG)
        .collect();
    dials.sort_by(|a, b| b.0.total_cmp(&a.0));
    dials.into_iter().take(3).map(|(_, name)| name).collect()
}

/// How well a classifier tells renders from photos.
fn told_apart(
    context: &Context,
    renders: &[RgbImage],
    photos: &Photos,
) -> Result<Option<Accuracy>> {
    let chosen = device::choose(context.device)?;
    let renders = Pictures::independent(renders);
    let tick = || context.check_interrupt();
    let seed = context.seed.attempt(1);
    two_sample(&renders, &photos.pictures, &seed, &chosen, &tick)
}

/// Mean Wasserstein distance of all features, in deviations of the photos.
fn distance(renders: &[Look], photos: &Photos) -> f64 {
    let all = compare(renders, &photos.looks);
    mean(&all.iter().map(|d| d.wasserstein).collect::<Vec<_>>())
}

fn nested(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |inner, key| {
        Value::Object(Map::from_iter([(key.clone(), inner)]))
    })
}

/// Renders before, renders after and photos, one above the other.
fn sheet(before: &[RgbImage], after: &[RgbImage], photos: &[RgbImage]) -> RgbImage {
    const GAP: u32 = 10;
    let cell = before.first().map_or(64, |picture| {
        picture.width().max(picture.height()).clamp(48, 96)
    });
    let blocks = [before, after, photos]
        .map(|pictures| contact_sheet(&pictures[..pictures.len().min(SHOWN)], COLUMNS, cell));
    let height = blocks.iter().map(|block| block.height() + GAP).sum::<u32>() - GAP;
    let mut sheet = RgbImage::from_pixel(blocks[0].width(), height, Rgb([255; 3]));
    let mut top = 0;
    for block in &blocks {
        image::imageops::replace(&mut sheet, block, 0, top.into());
        top += block.height() + GAP;
    }
    sheet
}
