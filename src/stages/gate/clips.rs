//! How much clips flicker before and after translation, for the record: no sample is judged by it.
//!
//! Where the renders have the map `flow`, it is known where each pixel went by the next frame. The warping error
//! (Lai et al. 2018, see [`flow::warping_error`]) of the renders is the floor, since light and noise change from frame
//! to frame there, too.

use serde::{Deserialize, Serialize};

use super::measure::View;
use super::renders::Renders;
use crate::Result;
use crate::artifact::parts;
use crate::sample::Sample;
use crate::sample::maps::{self, flow};
use crate::stage::Context;
use crate::stage::exhibit::{Cell, Column, Content, Table, Value};

/// Mean warping errors, 0..1, over the same pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Flicker {
    /// Neighbouring frames that were compared.
    pub pairs: u64,
    pub renders: f64,
    pub translations: f64,
}

impl Flicker {
    /// The error of the translations in those of the renders.
    pub(super) fn times(&self) -> f64 {
        self.translations / self.renders.max(f64::MIN_POSITIVE)
    }
}

/// Compares each translated frame with the next of its clip; `None` where no samples have flow.
///
/// # Errors
/// If a sample has no render, or a picture or map cannot be read.
pub(super) fn flicker(context: &Context) -> Result<Option<Flicker>> {
    let input = context.input("samples")?;
    let has_flow = |sample: &Sample| sample.labels.maps.get(&flow::MAP).is_some();
    let first = input.samples().next().transpose()?;
    if !first.as_ref().is_some_and(has_flow) {
        return Ok(None);
    }
    let mut renders = Renders::index(context, context.input("renders")?)?;
    let (mut sums, mut pairs) = ([0.0; 2], 0_u32);
    let mut last: Option<View> = None;
    for path in input.parts() {
        let samples = parts::read_part(&path)?;
        let befores = renders.of(context, &samples)?;
        for couple in samples.into_iter().zip(befores) {
            context.check_interrupt()?;
            let view = View::new(couple)?;
            if let Some(last) = last
                .take()
                .filter(|last| last.sample.is_followed_by(&view.sample))
                && let Some(errors) = errors(&last, &view)?
            {
                sums.iter_mut()
                    .zip(errors)
                    .for_each(|(sum, error)| *sum += error);
                pairs += 1;
            }
            last = Some(view);
        }
    }
    let [renders, translations] = sums.map(|sum| sum / f64::from(pairs.max(1)));
    Ok((pairs > 0).then_some(Flicker {
        pairs: pairs.into(),
        renders,
        translations,
    }))
}

/// The warping errors of render and translation; `None` where nothing is seen in both frames.
fn errors(view: &View, next: &View) -> Result<Option<[f64; 2]>> {
    let sample = &view.sample;
    let Some(png) = sample.labels.maps.get(&flow::MAP) else {
        return Ok(None);
    };
    let way = maps::decode_of(&flow::MAP, png, sample.extent, &sample.id)?;
    let renders = flow::warping_error(&view.render, &next.render, &way);
    let translations = flow::warping_error(&view.output, &next.output, &way);
    Ok(renders.zip(translations).map(|(a, b)| [a, b]))
}

/// A row for renders and translations each.
pub(super) fn table(flicker: &Flicker) -> Content {
    let row = |name: &str, error: f64, times: f64| {
        vec![
            Cell::text(name),
            Cell::share(error),
            Cell::Value(Value::Number(times)),
            Cell::count(flicker.pairs as usize),
        ]
    };
    Content::Table(Table {
        columns: Column::plain(&["", "warping error", "of the renders'", "pairs of frames"]),
        rows: vec![
            row("renders", flicker.renders, 1.0),
            row("translations", flicker.translations, flicker.times()),
        ],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicBool;

    use image::RgbImage;

    use super::*;
    use crate::sample::image::encode_png;
    use crate::seed::Seed;
    use crate::stage::{DeviceChoice, Share};
    use crate::testing;

    /// Frames of clips of four, in which stripes move by two pixels a frame; translations are brighter in every
    /// other frame by `flash`.
    fn clips(flash: u8, with_flow: bool) -> [Vec<Sample>; 2] {
        let renders = testing::shapes(8, 32, 1).into_iter().map(|mut sample| {
            let shift = 2 * sample.index as u32;
            let shade = |x: u32| [100 + 4 * ((x + 64 - shift) % 16) as u8; 3];
            let pixels = RgbImage::from_fn(32, 32, |x, _| image::Rgb(shade(x)));
            sample.image = encode_png(&pixels).unwrap();
            sample.provenance.origin = format!("render-{:06}", sample.index / 4 * 4);
            if with_flow {
                let values = vec![flow::value([2.0, 0.0], true); 32 * 32];
                sample
                    .labels
                    .maps
                    .draw(&flow::MAP, &values, (32, 32))
                    .unwrap();
            }
            sample
        });
        let renders: Vec<Sample> = renders.collect();
        let translated = renders.iter().map(|render| {
            let mut pixels = render.pixels().unwrap();
            let more = flash * (render.index % 2) as u8;
            pixels.iter_mut().for_each(|value| *value += more);
            let id = format!("translate-{:06}", render.index);
            render
                .child(id, render.index, &pixels, render.labels.clone())
                .unwrap()
        });
        let translated = translated.collect();
        [renders, translated]
    }

    fn measured([renders, translated]: &[Vec<Sample>; 2]) -> Option<Flicker> {
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let inputs = BTreeMap::from([
            ("renders", testing::publish(folders[0].path(), renders, 3)),
            (
                "samples",
                testing::publish(folders[1].path(), translated, 3),
            ),
        ]);
        let context = Context {
            id: "gate",
            seed: Seed::new(1, "gate"),
            inputs,
            share: Share::All,
            out: folders[2].path(),
            resume: None,
            part_size: 3,
            device: DeviceChoice::Cpu,
            events: &|_| (),
            interrupted: &AtomicBool::new(false),
        };
        flicker(&context).unwrap()
    }

    #[test]
    fn a_flash_in_every_other_frame_is_the_warping_error_and_clips_are_not_mixed() {
        let found = measured(&clips(51, true)).unwrap();
        assert_eq!(found.pairs, 6);
        assert!(found.renders < 1e-9, "{found:?}");
        assert!((found.translations - 0.2).abs() < 1e-9, "{found:?}");
        let unchanged = measured(&clips(0, true)).unwrap();
        assert_eq!(unchanged.renders, unchanged.translations);
        let Content::Table(table) = table(&found) else {
            panic!("no table");
        };
        assert!(
            table
                .rows
                .iter()
                .all(|row| row.len() == table.columns.len())
        );
    }

    #[test]
    fn samples_without_flow_are_not_measured() {
        assert_eq!(measured(&clips(51, false)), None);
    }
}
