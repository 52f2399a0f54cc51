//! Frames are judged object by object: what became of each is measured in a cut around it, as a whole picture is. Of an
//! object that was spoiled, the render's pixels stay, or its frame is rejected, as the settings say.

use image::{GrayImage, RgbImage};
use rayon::prelude::*;

use super::config::{Gate, Spoiled};
use super::criteria::CRITERIA;
use super::measure::View;
use super::renders::Renders;
use crate::Result;
use crate::artifact::{Artifact, parts};
use crate::sample::image::encode_png;
use crate::sample::mapping::Border;
use crate::sample::{Extent, Labels, Sample, Verdict, crop};
use crate::stage::Context;
use crate::stage::exhibit::{Cell, Column, Content, Table, Value};

/// The criteria that a single object is judged by: those that compare it with its render.
const JUDGED: [&str; 4] = ["edges", "luminance", "contrast", "clipped"];

/// Room around an object's box in its cut, as a share of the box.
const MARGIN: f64 = 0.2;

/// The shortest side of a box that is judged, in pixels: of less, no edges are left.
const LEAST: f32 = 8.0;

/// Pixels around a mask over which the render's pixels fade into the translation.
const FADE: i32 = 3;

/// An object that a translation spoiled.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// Its place among the objects of its sample.
    pub place: usize,
    class: String,
    /// The criteria that it failed.
    pub reasons: Vec<&'static str>,
}

/// What was found in all samples.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Of each sample, in their order.
    pub of: Vec<Vec<Fault>>,
    /// Objects that were judged.
    pub judged: usize,
}

impl Faults {
    /// Judges every object of the samples that were not rejected, and notes the spoiled ones in the verdicts.
    ///
    /// # Errors
    /// If a sample or its render cannot be read.
    pub(super) fn find(
        gate: &Gate,
        context: &Context,
        input: &Artifact,
        verdicts: &mut [Verdict],
    ) -> Result<Self> {
        let mut faults = Faults::default();
        let Some(spoiled) = gate.objects else {
            faults.of.resize_with(verdicts.len(), Vec::new);
            return Ok(faults);
        };
        let mut renders = Renders::index(context, context.input("renders")?)?;
        for path in input.parts() {
            let samples = parts::read_part(&path)?;
            let befores = renders.of(context, &samples)?;
            let start = faults.of.len();
            let couples: Vec<(Sample, Sample)> = samples.into_iter().zip(befores).collect();
            let judged =
                couples.into_par_iter().enumerate().map(|(number, couple)| {
                    match verdicts[start + number].is_kept() {
                        true => judge(gate, &View::new(couple)?),
                        false => Ok((Vec::new(), 0)),
                    }
                });
            let judged: Vec<(Vec<Fault>, usize)> = judged.collect::<Result<_>>()?;
            for (found, count) in judged {
                faults.judged += count;
                faults.of.push(found);
            }
            context.progress(faults.of.len() as u64, input.manifest.count, "objects")?;
        }
        for (verdict, found) in verdicts.iter_mut().zip(&faults.of) {
            note(verdict, found, spoiled);
        }
        Ok(faults)
    }

    /// How many were judged and spoiled, for the summary, and by which criteria.
    pub(super) fn summary(&self) -> serde_json::Value {
        let spoiled = || self.of.iter().flatten();
        let by = |name: &&str| {
            spoiled()
                .filter(|fault| fault.reasons.contains(name))
                .count()
        };
        let reasons: serde_json::Map<String, serde_json::Value> = JUDGED
            .iter()
            .map(|name| ((*name).to_owned(), by(name).into()))
            .collect();
        serde_json::json!({
            "judged": self.judged,
            "spoiled": spoiled().count(),
            "frames": self.of.iter().filter(|found| !found.is_empty()).count(),
            "reasons": reasons,
        })
    }
}

/// How many objects were judged and spoiled, by criterion, as the summary has it; nothing if none were judged.
pub(super) fn table(summary: &serde_json::Value) -> Option<Content> {
    let objects = summary["objects"].as_object()?;
    let count = |value: &serde_json::Value| Cell::Value(Value::Count(value.as_u64().unwrap_or(0)));
    let mut rows: Vec<Vec<Cell>> = [
        ("judged", "judged"),
        ("spoiled", "spoiled"),
        ("frames", "frames with one"),
    ]
    .into_iter()
    .map(|(key, name)| vec![Cell::text(name), count(&objects[key])])
    .collect();
    let reasons = objects["reasons"].as_object().into_iter().flatten();
    rows.extend(reasons.map(|(name, value)| vec![Cell::text(format!("by {name}")), count(value)]));
    Some(Content::Table(Table {
        columns: Column::plain(&["objects", "count"]),
        rows,
    }))
}

/// Says in the verdict which objects were spoiled; where their frame is dropped, by what.
fn note(verdict: &mut Verdict, found: &[Fault], spoiled: Spoiled) {
    if found.is_empty() {
        return;
    }
    let told = found.iter().map(|fault| {
        format!(
            "{} {}: {}",
            fault.place,
            fault.class,
            fault.reasons.join(", ")
        )
    });
    verdict.objects = Some(told.collect::<Vec<_>>().join("; "));
    if spoiled == Spoiled::Drop {
        let is_failed = |name: &&str| found.iter().any(|fault| fault.reasons.contains(name));
        let failed = JUDGED.iter().filter(|name| is_failed(name));
        verdict
            .reasons
            .extend(failed.map(|name| (*name).to_owned()));
    }
}

/// The spoiled objects of a frame, and how many were judged.
fn judge(gate: &Gate, view: &View) -> Result<(Vec<Fault>, usize)> {
    let (mut faults, mut judged) = (Vec::new(), 0);
    for (place, object) in view.sample.labels.objects().iter().enumerate() {
        let Some(own) = cut(view, place)? else {
            continue;
        };
        judged += 1;
        let scores = own.scores();
        let failed = CRITERIA.iter().filter(|criterion| {
            let score = scores.get(criterion.name).copied().flatten();
            JUDGED.contains(&criterion.name)
                && score.is_some_and(|score| criterion.fails(gate, score))
        });
        let reasons: Vec<&str> = failed.map(|criterion| criterion.name).collect();
        if !reasons.is_empty() {
            faults.push(Fault {
                place,
                class: object.class.clone(),
                reasons,
            });
        }
    }
    Ok((faults, judged))
}

/// The part of a view around one of its objects; `None` of one that is too small to be judged.
fn cut(view: &View, place: usize) -> Result<Option<View>> {
    let object = &view.sample.labels.objects()[place];
    let [x, y, width, height] = object.bbox_xywh;
    if width.min(height) < LEAST {
        return Ok(None);
    }
    let extent = view.sample.extent;
    let shape = Extent::new(width.ceil() as u32, height.ceil() as u32);
    let corners = [x, y, x + width, y + height].map(f64::from);
    let Some(rectangle) = crop::around_box(corners, MARGIN, extent, shape) else {
        return Ok(None);
    };
    let mapping = rectangle.mapping(extent, rectangle.extent);
    let own = Labels {
        objects: Some(vec![object.clone()]),
        ..Labels::default()
    };
    let mut sample = view.sample.clone();
    sample.labels = own.map(&mapping, Border::Replicate, &sample.id)?;
    sample.extent = rectangle.extent;
    Ok(Some(View {
        sample,
        output: crop::cut(&view.output, rectangle),
        render: crop::cut(&view.render, rectangle),
    }))
}

/// The sample with its render's pixels where its spoiled objects are.
///
/// # Errors
/// If a picture cannot be read or encoded.
pub(super) fn mended(sample: Sample, render: Sample, faults: &[Fault]) -> Result<Sample> {
    let mut view = View::new((sample, render))?;
    let mut spoiled = view.sample.clone();
    let objects = spoiled.labels.objects.get_or_insert_default();
    *objects = faults
        .iter()
        .map(|fault| objects[fault.place].clone())
        .collect();
    blend(&mut view.output, &view.render, &spoiled.object_mask());
    view.sample.image = encode_png(&view.output)?;
    Ok(view.sample)
}

/// Puts pixels of `render` where the mask is, fading around it.
fn blend(output: &mut RgbImage, render: &RgbImage, mask: &GrayImage) {
    let (width, height) = mask.dimensions();
    let share = |x: u32, y: u32| -> f32 {
        let mut nearest = FADE + 1;
        for dy in -FADE..=FADE {
            for dx in -FADE..=FADE {
                let (u, v) = (x as i32 + dx, y as i32 + dy);
                let inside = u >= 0 && v >= 0 && (u as u32) < width && (v as u32) < height;
                if inside && mask.get_pixel(u as u32, v as u32).0[0] > 0 {
                    nearest = nearest.min(dx.abs().max(dy.abs()));
                }
            }
        }
        1.0 - nearest as f32 / (FADE + 1) as f32
    };
    for (x, y, pixel) in output.enumerate_pixels_mut() {
        let share = share(x, y);
        if share > 0.0 {
            for (new, old) in pixel.0.iter_mut().zip(render.get_pixel(x, y).0) {
                *new = (f32::from(*new) * (1.0 - share) + f32::from(old) * share).round() as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// Frames, and translations in which the first object of each is painted over.
    fn spoiled() -> (Vec<Sample>, Vec<Sample>) {
        let renders = testing::frames(12, Extent::square(96), 1);
        let mut samples = renders.clone();
        for sample in &mut samples {
            let mut pixels = sample.pixels().unwrap();
            if let Some(object) = sample.labels.objects().first() {
                let [x, y, w, h] = object.bbox_xywh.map(|side| side as u32);
                let ground = *pixels.get_pixel(x.saturating_sub(2), y.saturating_sub(2));
                for (u, v) in (x..x + w + 1).flat_map(|u| (y..y + h + 1).map(move |v| (u, v))) {
                    pixels.put_pixel(u.min(95), v.min(95), ground);
                }
            }
            sample.image = encode_png(&pixels).unwrap();
            sample.provenance.parent = Some(sample.id.clone());
            sample.id = sample.id.replace("render", "translate");
        }
        (renders, samples)
    }

    fn gated(setting: &str) -> (Vec<Sample>, serde_json::Value, Vec<Verdict>) {
        let (renders, samples) = spoiled();
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let inputs = [
            ("samples", testing::publish(folders[0].path(), &samples, 5)),
            ("renders", testing::publish(folders[1].path(), &renders, 5)),
        ];
        // Whole pictures pass, so that objects alone are judged.
        let text = format!(
            "objects = '{setting}'\nmax_lost = 1.0\nluminance = -1.0\nduplicate = 0.0\nspeckle = 0.0\nedges = 0.3"
        );
        let gate: Gate = toml::from_str(&text).unwrap();
        let out = folders[2].path();
        let summary = testing::run_with(&gate, "gate", inputs, 5, out).unwrap();
        let kept = testing::describe(out, &[])
            .samples()
            .map(Result::unwrap)
            .collect();
        let path = out.join(crate::artifact::verdicts::FILE);
        (
            kept,
            summary,
            crate::artifact::verdicts::read(&path).unwrap(),
        )
    }

    #[test]
    fn a_spoiled_object_gets_the_pixels_of_its_render() {
        let (renders, _) = spoiled();
        let (kept, summary, verdicts) = gated("mend");
        assert_eq!(kept.len(), 12);
        let with_objects = renders
            .iter()
            .filter(|r| !r.labels.objects().is_empty())
            .count();
        assert_eq!(summary["objects"]["frames"], with_objects);
        for ((sample, render), verdict) in kept.iter().zip(&renders).zip(&verdicts) {
            let [after, before] = [sample, render].map(|sample| sample.pixels().unwrap());
            let Some(object) = render.labels.objects().first() else {
                assert_eq!(verdict.objects, None);
                continue;
            };
            let [x, y, w, h] = object.bbox_xywh;
            let middle = [x + w / 2.0, y + h / 2.0].map(|place| place as u32);
            assert_eq!(
                after.get_pixel(middle[0], middle[1]),
                before.get_pixel(middle[0], middle[1])
            );
            let told = verdict.objects.as_deref().unwrap();
            assert!(told.starts_with(&format!("0 {}: ", object.class)), "{told}");
            let note = sample.provenance.gate.as_deref().unwrap();
            assert!(note.contains("\"objects\":\"0 "), "{note}");
        }
    }

    #[test]
    fn a_frame_with_a_spoiled_object_can_be_dropped() {
        let (kept, summary, verdicts) = gated("drop");
        assert!(kept.iter().all(|sample| sample.labels.objects().is_empty()));
        assert_eq!(summary["kept"], kept.len());
        assert!(kept.len() < 12);
        for verdict in verdicts.iter().filter(|verdict| !verdict.is_kept()) {
            assert!(
                verdict
                    .reasons
                    .iter()
                    .all(|name| JUDGED.contains(&name.as_str()))
            );
            assert!(verdict.objects.is_some());
        }
    }
}
