//! translate: every render through the trained model; what becomes of its labels, the model says.

mod tiles;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifact::resume::Resume;
use crate::artifact::{Artifact, Kind};
use crate::models::{ModelKind, Translator};
use crate::nn::device;
use crate::nn::generator::GeneratorConfig;
use crate::nn::workers::Workers;
use crate::registry::Name;
use crate::sample::maps::objects;
use crate::sample::{Domain, Mapping, Sample};
use crate::seed::number;
use crate::stage::{
    Context, Effort, Facts, Forecast, Given, Givens, Input, Misfit, Stage, StageKind, mapped, parse,
};
use crate::{Error, Result};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "translate",
    about: "makes renders look like photos with a trained model, labels carried over",
    version: 3,
    inputs: &[
        Input::required("renders", Kind::Samples, "labelled renders"),
        Input::required("model", Kind::Adapter, "what `train` learned"),
    ],
    output: Kind::Samples,
    parse: parse::<Translate>,
    schema: || schemars::schema_for!(Translate),
    exhibit: crate::stage::exhibit::nothing,
};

/// Configuration of `translate`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Translate {
    /// Pictures at once.
    pub batch: usize,
    /// A larger picture is translated in squares of this side in pixels, which overlap by an eighth and fade into each
    /// other, so that memory does not grow with it. A multiple of 32. Lower it only where memory asks for it: instance
    /// norm makes noise of a square in which there is nothing.
    pub tile: u32,
}

impl Default for Translate {
    fn default() -> Self {
        Translate {
            batch: 16,
            tile: 4096,
        }
    }
}

impl Stage for Translate {
    fn check(&self) -> Result<(), String> {
        if self.batch == 0 {
            return Err("`batch` must be at least 1".into());
        }
        if self.tile == 0 || !self.tile.is_multiple_of(32) {
            return Err("`tile` must be a multiple of 32".into());
        }
        Ok(())
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        let (renders, model) = (inputs.facts("renders"), inputs.facts("model"));
        let kept = |known: Option<bool>, by_model| match by_model {
            Some(false) => Some(false),
            _ => known,
        };
        Ok(Facts {
            extent: (renders.extent.zip(model.enlargement))
                .map(|(extent, factor)| extent.times(factor)),
            classes: kept(renders.classes, model.classes),
            objects: kept(renders.objects, model.objects),
            class_names: renders.class_names,
            is_listed: renders.is_listed,
            maps: renders.maps.filter(|_| model.objects != Some(false)),
            clips: renders.clips,
            ..Facts::default()
        })
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let config = inputs.get("model").map(Given::config).unwrap_or_default();
        let generator = GeneratorConfig::deserialize(&config["generator"]).ok();
        let extent = inputs.facts("renders").extent;
        let each = generator.zip(extent).map(|(generator, extent)| {
            Effort::products(generator.products(extent)).and(Effort::pixels(extent.area() as f64))
        });
        let count = inputs.count("renders");
        let effort = each
            .zip(count)
            .map(|(each, count)| each.times(count as f64));
        Forecast::new(count, effort)
    }

    fn left_over(&self, resume: &Resume, inputs: &Givens) -> f64 {
        mapped(
            resume,
            inputs.get("renders").and_then(|given| given.artifact),
            "renders",
            true,
        )
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let model = context.input("model")?;
        let name = model.manifest.summary["model"].as_str().unwrap_or_default();
        let kind = Name::<ModelKind>::find(name).ok_or_else(|| {
            Error::failed(
                model.folder.display(),
                format!("was made by the model `{name}`, which this version does not have"),
                "train again",
            )
        })?;
        let kind = kind.entry();
        let chosen = device::choose(context.device)?;
        let network = (kind.load)(&model.folder, &chosen)?;
        let workers = Workers::for_device(&chosen)?;
        context.map_parts("renders", self.batch, |samples| {
            let batches = samples.chunks(self.batch).collect();
            let translated: Result<Vec<Vec<Sample>>> = workers
                .run(batches, |samples| {
                    context.check_interrupt()?;
                    self.translate(context, network.as_ref(), kind, samples, model)
                })
                .into_iter()
                .collect();
            Ok(translated?.concat())
        })?;
        Ok(json!({ "model": name, "checkpoint": model.manifest.digest, "device": chosen.name }))
    }
}

impl Translate {
    fn translate(
        &self,
        context: &Context,
        network: &dyn Translator,
        kind: &ModelKind,
        samples: &[Sample],
        model: &Artifact,
    ) -> Result<Vec<Sample>> {
        let pictures: Vec<_> = samples.iter().map(Sample::pixels).collect::<Result<_>>()?;
        let mut streams: Vec<_> = samples
            .iter()
            // Whatever a model draws is the same for all frames of a clip.
            .map(|sample| {
                context
                    .seed
                    .stream(sample.clip().map_or(sample.index, number))
            })
            .collect();
        let maps = match (kind.maps, network.classes()) {
            ([], None) => Vec::new(),
            (_, classes) => samples
                .iter()
                .map(|sample| {
                    let mut maps = sample.labels.maps.decoded(sample.extent, &sample.id)?;
                    if let Some(classes) = classes {
                        maps.push((&objects::MAP, objects::draw(sample, classes)?));
                    }
                    Ok(maps)
                })
                .collect::<Result<_>>()?,
        };
        let output = tiles::translate(network, &pictures, &maps, &mut streams, self.tile);
        samples
            .iter()
            .zip(output)
            .map(|(sample, pixels)| {
                let id = format!("{}-{:06}", context.id, sample.index);
                let resized = Mapping::resize(sample.extent, pixels.dimensions().into());
                let labels = kind.labels.apply(&sample.labels, &resized, &sample.id)?;
                let mut child = sample.child(id, sample.index, &pixels, labels)?;
                child.provenance.domain = Domain::Translated;
                child.provenance.checkpoint = Some(model.manifest.digest.clone());
                Ok(child)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicBool;

    use image::RgbImage;

    use super::*;
    use crate::models::LabelEffect;
    use crate::sample::Extent;
    use crate::sample::maps::Decoded;
    use crate::seed::{Seed, Stream};
    use crate::stage::{DeviceChoice, Share};
    use crate::testing;

    /// Makes every side twice as long.
    struct Doubling;

    impl Translator for Doubling {
        fn translate(
            &self,
            renders: &[RgbImage],
            _: &[Decoded],
            _: &mut [Stream],
        ) -> Vec<RgbImage> {
            let double =
                |p: &RgbImage| crate::sample::image::resize(p, 2 * p.width(), 2 * p.height());
            renders.iter().map(double).collect()
        }
    }

    /// Four shapes, doubled by a model of this effect.
    fn doubled(effect: LabelEffect) -> (Vec<Sample>, Vec<Sample>) {
        let kind = ModelKind {
            labels: effect,
            ..crate::models::cyclegan::MODEL
        };
        translated_by(&Doubling, &kind)
    }

    /// Four shapes, and what a model makes of them.
    fn translated_by(network: &dyn Translator, kind: &ModelKind) -> (Vec<Sample>, Vec<Sample>) {
        let folder = tempfile::tempdir().unwrap();
        let model = testing::publish(folder.path(), &[], 1);
        let context = Context {
            id: "translate",
            seed: Seed::new(1, "translate"),
            inputs: BTreeMap::new(),
            share: Share::All,
            out: folder.path(),
            resume: None,
            part_size: 4,
            device: DeviceChoice::Cpu,
            events: &|_| (),
            interrupted: &AtomicBool::new(false),
        };
        let samples = testing::shapes(4, 16, 1);
        let stage = Translate::default();
        let made = stage
            .translate(&context, network, kind, &samples, &model)
            .unwrap();
        (samples, made)
    }

    #[test]
    fn labels_are_mapped_to_the_extent_that_the_model_makes() {
        let (before, after) = doubled(LabelEffect::Mapped);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(after.extent, Extent::square(32));
            assert_eq!(after.labels.class, before.labels.class);
            let [old, new] = [before, after].map(|sample| &sample.labels.objects()[0]);
            assert_eq!(new.bbox_xywh, old.bbox_xywh.map(|side| 2.0 * side));
            let area = |object: &crate::sample::Object| object.mask.as_ref().unwrap().area();
            assert_eq!(area(new), 4 * area(old));
            assert_eq!(after.object_mask().dimensions(), (32, 32));
        }
    }

    /// Paints the class numbers that it is given.
    struct Numbers(Vec<String>);

    impl Translator for Numbers {
        fn translate(
            &self,
            renders: &[RgbImage],
            maps: &[Decoded],
            _: &mut [Stream],
        ) -> Vec<RgbImage> {
            let paint = |(render, maps): (&RgbImage, &Decoded)| {
                let (_, values) = maps
                    .iter()
                    .find(|(kind, _)| kind.name == "objects")
                    .unwrap();
                let (width, height) = render.dimensions();
                RgbImage::from_fn(width, height, |x, y| {
                    image::Rgb([values[(y * width + x) as usize][0] as u8; 3])
                })
            };
            renders.iter().zip(maps).map(paint).collect()
        }

        fn classes(&self) -> Option<&[String]> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_model_that_reads_objects_is_given_their_classes_in_its_own_order() {
        let classes = ["square", "disc"].map(String::from).to_vec();
        let kind = &crate::models::spade::MODEL;
        let (before, after) = translated_by(&Numbers(classes.clone()), kind);
        for (before, after) in before.iter().zip(&after) {
            let class = before.labels.class.as_ref();
            let number = 1 + classes
                .iter()
                .position(|other| Some(other) == class)
                .unwrap();
            let mask = before.object_mask();
            let painted = after.pixels().unwrap();
            for (pixel, inside) in painted.pixels().zip(mask.iter()) {
                assert_eq!(pixel.0[0], if *inside > 0 { number as u8 } else { 0 });
            }
        }
    }

    #[test]
    fn samples_whose_labels_are_lost_have_none_and_are_not_emitted() {
        let (_, after) = doubled(LabelEffect::Lost);
        assert!(
            after
                .iter()
                .all(|sample| sample.labels == Default::default())
        );
        let emit = testing::stage("emit", "{ formats = [] }");
        let out = tempfile::tempdir().unwrap();
        let refused = testing::run_into(emit.as_ref(), "emit", &after, 4, out.path());
        let problem = refused.unwrap_err().to_string();
        assert!(problem.contains("samples without labels"), "{problem}");
    }
}
