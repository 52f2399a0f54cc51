//! How well a model enlarges photos that it has not learned from, beside bicubic enlargement.

use std::collections::BTreeMap;

use image::RgbImage;
use image::imageops::FilterType;
use serde_json::{Value, json};

use super::checkpoint::TrainingState;
use super::data::Data;
use crate::Result;
use crate::appearance::fidelity::{psnr, ssim};
use crate::sample::image::resize;

/// Held-out photos, made smaller and enlarged again.
pub(super) struct Enlarging {
    photos: Vec<RgbImage>,
    /// What the model enlarges.
    pub small: Vec<RgbImage>,
    bicubic: Vec<RgbImage>,
}

impl Enlarging {
    /// At most `count` photos; `None` for a model that does not enlarge, or where no photo is held out.
    ///
    /// # Errors
    /// If a photo cannot be read.
    pub(super) fn new(data: &Data, count: usize) -> Result<Option<Self>> {
        let held = &data.held_out;
        if data.enlargement == 1 || held.is_empty() {
            return Ok(None);
        }
        let (all, count) = (held.len(), held.len().min(count));
        let chosen = (0..count).map(|place| held[place * all / count]);
        let photos = chosen.map(|number| Ok(data.photos.get(number)?.picture.clone()));
        let photos: Vec<RgbImage> = photos.collect::<Result<_>>()?;
        let small = |photo: &RgbImage| {
            let times = data.enlargement;
            resize(photo, photo.width() / times, photo.height() / times)
        };
        let small: Vec<RgbImage> = photos.iter().map(small).collect();
        let pairs = small.iter().zip(&photos);
        let bicubic = pairs.map(|(small, photo)| resize(small, photo.width(), photo.height()));
        Ok(Some(Enlarging {
            bicubic: bicubic.collect(),
            photos,
            small,
        }))
    }

    /// What is measured, in a line.
    pub(super) fn in_words(&self) -> String {
        let [psnr, ssim] = self.means(&self.bicubic);
        format!(
            "{} photos are held out; bicubic enlargement brings them back to a PSNR of {psnr:.2} dB and an SSIM of \
             {ssim:.3}",
            self.photos.len()
        )
    }

    /// Means over all photos, for the curves; `enlarged` are [`Enlarging::small`] as the model enlarges them.
    pub(super) fn measure(&self, enlarged: &[RgbImage]) -> BTreeMap<String, f64> {
        let ([psnr, ssim], [psnr_bicubic, ssim_bicubic]) =
            (self.means(enlarged), self.means(&self.bicubic));
        let named = [
            ("psnr", psnr),
            ("psnr_bicubic", psnr_bicubic),
            ("ssim", ssim),
            ("ssim_bicubic", ssim_bicubic),
        ];
        named.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Rows of a sheet: photos made smaller, enlarged by bicubic interpolation and by the model, and as they are.
    pub(super) fn rows(&self, enlarged: &[RgbImage]) -> [Vec<RgbImage>; 4] {
        let pairs = self.small.iter().zip(&self.photos);
        let blocks = pairs.map(|(small, photo)| {
            let (width, height) = photo.dimensions();
            image::imageops::resize(small, width, height, FilterType::Nearest)
        });
        [
            blocks.collect(),
            self.bicubic.clone(),
            enlarged.to_vec(),
            self.photos.clone(),
        ]
    }

    fn means(&self, enlarged: &[RgbImage]) -> [f64; 2] {
        [psnr, ssim].map(|measure| {
            let pairs = enlarged.iter().zip(&self.photos);
            let sum: f64 = pairs.map(|(made, photo)| measure(made, photo)).sum();
            sum / self.photos.len() as f64
        })
    }
}

/// What was measured of the networks that are kept, for the summary; null where nothing was.
pub(super) fn fidelity(state: &TrainingState) -> Value {
    let kept = state.kept.map(|(step, _)| step);
    let point = state.history.iter().find(|point| Some(point.step) == kept);
    let values = point
        .map(|point| &point.values)
        .filter(|values| values.contains_key("psnr"));
    values.map_or(Value::Null, |values| {
        let value = |name: &str| values.get(name).copied();
        json!({
            "psnr": value("psnr"),
            "psnr_bicubic": value("psnr_bicubic"),
            "ssim": value("ssim"),
            "ssim_bicubic": value("ssim_bicubic"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::data::Wanted;
    use super::super::tests::{stage, tiny};
    use super::*;
    use crate::artifact::Artifact;
    use crate::registry::Name;
    use crate::sample::Labels;
    use crate::testing;

    /// Photos, two crops of each.
    fn photos(folder: &std::path::Path) -> Artifact {
        let mut photos = testing::shapes(40, 16, 1);
        for photo in &mut photos {
            photo.provenance.origin = format!("photos-{:06}", photo.index / 2 * 2);
            photo.labels = Labels::default();
        }
        testing::publish(folder, &photos, 16)
    }

    #[test]
    fn a_model_that_enlarges_is_measured_on_photos_that_it_never_sees() {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let photos = photos(folders[0].path());
        let inputs = [("renders", photos.clone()), ("photos", photos)];
        let mut config = tiny();
        config.model = Name::find("srgan").unwrap();
        let out = folders[1].path();
        let summary = testing::run_with(&stage(config), "train", inputs, 16, out).unwrap();
        assert_eq!(summary["kept_step"], 8);
        assert!(summary["ruler"].is_null());
        for name in ["psnr", "psnr_bicubic", "ssim", "ssim_bicubic"] {
            assert!(summary["fidelity"][name].is_f64(), "{summary}");
        }
        let number = summary["findings"].as_array().unwrap().last().unwrap()["number"].clone();
        assert!(number.as_str().unwrap().ends_with(" dB"), "{number}");
    }

    #[test]
    fn photos_are_held_out_in_whole_groups() {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let photos = photos(folders[0].path());
        let inputs = [("renders", photos.clone()), ("photos", photos)];
        let (held, _) = testing::in_context("train", inputs, 16, folders[1].path(), |context| {
            let mut data = Data::read(context, &Wanted::default()).unwrap();
            assert!(data.held_out.is_empty());
            data.hold_out(2);
            data.held_out
        });
        assert_eq!(held.len(), 4);
        let pairs = held.chunks(2);
        assert!(
            pairs
                .into_iter()
                .all(|pair| pair[0].is_multiple_of(2) && pair[1] == pair[0] + 1)
        );
    }
}
