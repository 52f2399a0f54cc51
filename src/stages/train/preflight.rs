//! Before training: what in photos and renders would make it fail or waste it, and what to change.
//!
//! A translation moves colours and texture, but invents nothing: where the renders lack what photos
//! have, or the photos show nothing, hours of training end in the same place. Everything here is
//! measured on pictures alone, without labels; the ratio of the classes cannot be known.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::data::FEWEST;
use crate::appearance::{Difference, FEATURES, Look, compare, measure};
use crate::models::album::Album;
use crate::stage::finding::{Finding, Level};
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Pictures of each domain that are measured.
const MEASURED: usize = 400;
/// Fewer than this are few.
const FEW: usize = 50;
/// Kolmogorov-Smirnov distance above which a feature is told of: half of one domain lies beyond what
/// the other has.
const FAR: f64 = 0.5;
/// Most features told of.
const TOLD: usize = 4;
/// Brightness and colour that vary by less within a picture are one colour.
const PLAIN: f64 = 0.008;
/// Saturation below this is grey.
const GREY: f64 = 0.02;

/// Checks both domains.
///
/// # Errors
/// If the photos cannot be learned from at all: fewer than ten different ones, or of one colour
/// each. Everything else is a warning with its remedy; by what the domains differ, is also returned.
pub(super) fn check(context: &Context, renders: &Album, photos: &Album) -> Result<Option<Finding>> {
    let different = check_different(context, photos)?;
    let (render_looks, photo_looks) = (looks(renders)?, looks(photos)?);
    check_plain(context, &photo_looks)?;
    let warn = |text: String| context.emit(Event::Warning { text });
    if different < FEW {
        warn(format!(
            "there are only {different} different photos: the translation may learn them by heart; \
             some hundreds are better"
        ));
    }
    let saturation = |looks: &[Look], q: f64| {
        let values = compare::sorted(looks, place("saturation"));
        crate::appearance::features::quantile_of_sorted(&values, q)
    };
    if saturation(&photo_looks, 0.95) < GREY && saturation(&render_looks, 0.5) > GREY {
        warn(
            "the photos are grey and the renders coloured: the translation will take the colours \
             out; use colour photos, or grey renders"
                .to_owned(),
        );
    }
    let differences = differences(&render_looks, &photo_looks);
    if let Some(Finding { text, advice, .. }) = &differences {
        warn(format!("{text}; better before training: {advice}"));
    }
    Ok(differences)
}

/// The place of a feature in [`FEATURES`].
fn place(name: &str) -> usize {
    FEATURES.iter().position(|f| f.name == name).unwrap_or(0)
}

/// Measures up to [`MEASURED`] pictures, evenly spread.
fn looks(pictures: &Album) -> Result<Vec<Look>> {
    let chosen: Vec<usize> = pictures.spread(MEASURED).collect();
    let look = |number| Ok(measure(&pictures.get(number)?.picture));
    chosen.into_par_iter().map(look).collect()
}

/// How many different photos there are.
fn check_different(context: &Context, photos: &Album) -> Result<usize> {
    let hash = |number| Ok(blake3::hash(&photos.get(number)?.picture).into());
    let hashes: Result<BTreeSet<[u8; 32]>> = (0..photos.len()).into_par_iter().map(hash).collect();
    let hashes = hashes?;
    let different = hashes.len();
    if different < FEWEST {
        return Err(Error::failed(
            context.id,
            format!(
                "{} photos, of which {different} are different, are too few to learn from",
                photos.len()
            ),
            format!("give at least {FEWEST} different photos, better some hundreds"),
        ));
    }
    if different * 10 < photos.len() * 9 {
        let text = format!(
            "only {different} of {} photos are different; repeated ones weigh more than others",
            photos.len()
        );
        context.emit(Event::Warning { text });
    }
    Ok(different)
}

fn check_plain(context: &Context, photos: &[Look]) -> Result<()> {
    // Colours of equal brightness differ in the second alone.
    let places = ["contrast", "object_contrast"].map(place);
    let is_plain = |look: &&Look| places.iter().all(|place| look[*place] < PLAIN);
    let plain = photos.iter().filter(is_plain).count();
    let text = format!("{plain} of {} photos show one colour only", photos.len());
    if plain * 2 > photos.len() {
        let remedy =
            "check the boxes and the photos: `verismo inspect` draws what was cut from them";
        return Err(Error::failed(context.id, text, remedy));
    }
    if plain * 50 > photos.len() {
        context.emit(Event::Warning {
            text: format!("{text}: the translation may learn to paint objects over"),
        });
    }
    Ok(())
}

/// By what the domains differ, if by much.
fn differences(renders: &[Look], photos: &[Look]) -> Option<Finding> {
    let counts = [renders.len(), photos.len()];
    let all = compare(renders, photos).into_iter();
    let far: Vec<_> = all.filter(|d| d.ks > FAR && d.is_notable(counts)).collect();
    let told = &far[..far.len().min(TOLD)];
    let mut lines: Vec<String> = told.iter().map(Difference::in_words).collect();
    if far.len() > TOLD {
        lines.push(format!("and {} more", far.len() - TOLD));
    }
    let advice: Vec<&str> = told.iter().map(|difference| difference.advice).collect();
    let number = format!("{} measures", far.len());
    let text = format!("renders are unlike photos: {}", lines.join("; "));
    let found = Finding::new(Level::Note, "renders", number, text);
    let fit = "`verismo fit PIPELINE` searches ranges that fit the photos";
    (!far.is_empty()).then(|| found.with_advice(format!("{}; {fit}", advice.join("; "))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use image::{Rgb, RgbImage};
    use rand::RngExt;

    use super::*;
    use crate::seed::Seed;
    use crate::stage::{DeviceChoice, Share};
    use crate::testing;

    /// Checks, and returns warnings and findings.
    fn told(renders: &[RgbImage], photos: &[RgbImage]) -> Result<(Vec<String>, Vec<String>)> {
        let told = Mutex::new((Vec::new(), Vec::new()));
        let events = |event| {
            if let Event::Warning { text } = event {
                told.lock().unwrap().0.push(text);
            }
        };
        let out = tempfile::tempdir().unwrap();
        let context = Context {
            id: "train",
            seed: Seed::new(1, "train"),
            inputs: BTreeMap::new(),
            share: Share::All,
            out: out.path(),
            resume: None,
            part_size: 8,
            device: DeviceChoice::Cpu,
            events: &events,
            interrupted: &AtomicBool::new(false),
        };
        let found = check(&context, &testing::album(renders), &testing::album(photos))?;
        told.lock().unwrap().1.extend(found.map(|found| found.text));
        Ok(told.into_inner().unwrap())
    }

    /// Squares of random colour and place under a lamp of `light`.
    fn scenes(count: u64, name: &str, light: f64) -> Vec<RgbImage> {
        let seed = Seed::new(1, name);
        let scene = |i| {
            let mut stream = seed.stream(i);
            let mut colour = || [(); 3].map(|()| light * stream.random_range(60.0..250.0));
            let (object, table) = (colour(), colour());
            let [left, top] = [(); 2].map(|()| stream.random_range(3..9));
            RgbImage::from_fn(24, 24, |x, y| {
                let inside = (left..left + 12).contains(&x) && (top..top + 12).contains(&y);
                Rgb(if inside { object } else { table }.map(|c| c as u8))
            })
        };
        (0..count).map(scene).collect()
    }

    #[test]
    fn alike_domains_pass() {
        let (warnings, found) = told(&scenes(120, "a", 1.0), &scenes(100, "b", 1.0)).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn dark_renders_are_told_of_with_the_remedy() {
        let (warnings, found) = told(&scenes(60, "a", 0.4), &scenes(60, "b", 1.0)).unwrap();
        let [warning] = &warnings[..] else {
            panic!("one line for all differences: {warnings:?}");
        };
        for part in ["brightness", "raise the exposure", "verismo fit"] {
            assert!(warning.contains(part), "{warning}");
        }
        assert!(
            found[0].contains("brightness") && found.len() == 1,
            "{found:?}"
        );
    }

    #[test]
    fn few_and_repeated_photos() {
        let photos = scenes(9, "b", 1.0);
        let error = told(&scenes(60, "a", 1.0), &photos)
            .unwrap_err()
            .to_string();
        assert!(error.contains("at least 10 different photos"), "{error}");
        let different = [photos, scenes(3, "c", 1.0)].concat();
        let repeated = vec![different; 5].concat();
        let (warnings, _) = told(&scenes(60, "a", 1.0), &repeated).unwrap();
        assert!(
            warnings[0].contains("only 12 of 60 photos are different"),
            "{warnings:?}"
        );
        assert!(
            warnings[1].contains("only 12 different photos"),
            "{warnings:?}"
        );
    }

    #[test]
    fn as_many_pictures_are_measured_as_there_are_up_to_the_limit() {
        for (count, measured) in [(30, 30), (MEASURED as u64 + 1, MEASURED)] {
            let album = testing::album(&scenes(count, "a", 1.0));
            assert_eq!(looks(&album).unwrap().len(), measured);
        }
    }

    #[test]
    fn photos_of_one_colour_are_refused() {
        let plain = |i: u8| RgbImage::from_pixel(24, 24, Rgb([i, 90, 60]));
        let photos: Vec<RgbImage> = (0..60).map(plain).collect();
        let renders = scenes(60, "a", 1.0);
        let error = told(&renders, &photos).unwrap_err().to_string();
        assert!(error.contains("60 of 60 photos show one colour"), "{error}");
        let some = [scenes(60, "b", 1.0), photos[..5].to_vec()].concat();
        let (warnings, _) = told(&renders, &some).unwrap();
        assert!(warnings[0].contains("5 of 65 photos"), "{warnings:?}");
    }

    #[test]
    fn grey_photos_of_coloured_renders_are_told_of() {
        let grey = |photo: RgbImage| image::DynamicImage::from(photo).to_luma8();
        let photos = scenes(60, "b", 1.0)
            .into_iter()
            .map(|p| image::DynamicImage::from(grey(p)).to_rgb8());
        let (warnings, _) = told(&scenes(60, "a", 1.0), &photos.collect::<Vec<_>>()).unwrap();
        assert!(
            warnings.iter().any(|w| w.contains("take the colours out")),
            "{warnings:?}"
        );
    }
}
