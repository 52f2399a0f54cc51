//! Trainings from end to end, on tiny networks and on models made up to fail.

use std::collections::BTreeMap;
use std::path::Path;

use image::RgbImage;

use super::checkpoint::TrainingState;
use super::config::{Keep, OnFailure, Schedule, TrainConfig};
use super::faults::Fault;
use super::*;
use crate::models::{Batch, Learner, MODELS, Translator};
use crate::registry::Name;
use crate::sample::image::encode_png;
use crate::sample::mapping::Border;
use crate::sample::maps::{self, Decoded, albedo, normals, semantic};
use crate::sample::{Mapping, Sample};
use crate::seed::{Seed, Stream};
use crate::stage::DeviceChoice;
use crate::stage::checkpoints::Checkpoints;
use crate::{artifact, testing};

/// A model that fails as told: it translates by `translate`, and its loss is not a number from step
/// `breaks_at` on, until it has been loaded `heals_after` times.
struct Stub {
    steps: u64,
    loads: u64,
    breaks_at: u64,
    heals_after: u64,
    rates: Vec<f64>,
    translate: fn(u8) -> u8,
}

impl Stub {
    fn new(translate: fn(u8) -> u8) -> Self {
        Stub {
            steps: 0,
            loads: 0,
            breaks_at: u64::MAX,
            heals_after: u64::MAX,
            rates: Vec::new(),
            translate,
        }
    }
}

/// Translates value by value.
struct Change(fn(u8) -> u8);

impl Translator for Change {
    fn translate(&self, renders: &[RgbImage], _: &[Decoded], _: &mut [Stream]) -> Vec<RgbImage> {
        let mut changed = renders.to_vec();
        for value in changed.iter_mut().flat_map(|picture| picture.iter_mut()) {
            *value = (self.0)(*value);
        }
        changed
    }
}

impl Learner for Stub {
    fn step(&mut self, _: &Batch, rate: f64) -> BTreeMap<String, f64> {
        self.steps += 1;
        self.rates.push(rate);
        let broken = self.steps >= self.breaks_at && self.loads < self.heals_after;
        let loss = if broken { f64::NAN } else { 1.0 };
        BTreeMap::from([("loss".into(), loss), ("accuracy".into(), 1.0)])
    }

    fn translator(&self) -> Box<dyn Translator> {
        Box::new(Change(self.translate))
    }

    fn parameters(&self) -> usize {
        1
    }

    fn save(&self, folder: &Path) -> Result<()> {
        std::fs::write(folder.join("kept"), self.steps.to_string()).unwrap();
        Ok(())
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        std::fs::write(folder.join("steps"), self.steps.to_string()).unwrap();
        Ok(())
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        let text = std::fs::read_to_string(folder.join("steps")).unwrap();
        self.steps = text.parse().unwrap();
        self.loads += 1;
        Ok(())
    }
}

/// Trains a stub on made-up pictures; returns how it ended and the warnings.
fn train(config: &TrainConfig, stub: &mut Stub) -> (Result<TrainingState>, Vec<String>) {
    train_on(44, config, stub)
}

/// As [`train`], with so many photos; from 80 on, distances are measured.
fn train_on(
    photos: u64,
    config: &TrainConfig,
    stub: &mut Stub,
) -> (Result<TrainingState>, Vec<String>) {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let renders = testing::publish(folders[0].path(), &testing::shapes(44, 16, 1), 16);
    let photos = testing::publish(folders[1].path(), &testing::shapes(photos, 16, 2), 16);
    let inputs = [("renders", renders), ("photos", photos)];
    let device = device::choose(DeviceChoice::Cpu).unwrap();
    let stage = stage(config.clone());
    let work = |context: &Context| {
        let data = Data::read(context, &Wanted::default()).unwrap();
        let watch = Some(Watch::new(config, context, &data, None, &device).unwrap());
        Training {
            config,
            settings: stage.model.as_ref(),
            context,
            data: &data,
            device: &device,
            model: stub,
            watch,
            checkpoints: Checkpoints::in_folder(context.out.join("checkpoints"))
                .unwrap()
                .unwrap(),
            saved: Instant::now(),
        }
        .run(config.steps)
    };
    testing::in_context("train", inputs, 16, folders[2].path(), work)
}

fn short() -> TrainConfig {
    TrainConfig {
        steps: 8,
        batch: 2,
        watch_every: 4,
        watch_pictures: 22,
        schedule: Schedule::Constant,
        ..TrainConfig::default()
    }
}

#[test]
fn losses_that_are_no_number_lead_to_a_restart_at_half_the_rate() {
    let mut stub = Stub::new(|x| x);
    (stub.breaks_at, stub.heals_after) = (6, 1);
    let (state, warnings) = train(&short(), &mut stub);
    let state = state.unwrap();
    assert_eq!((state.step, state.restarts), (8, 1));
    assert_eq!(state.faults, [(6, Fault::NotFinite)]);
    // Six steps, back to the checkpoint at step 4, and four more.
    assert_eq!(stub.rates.len(), 10);
    assert_eq!(stub.rates[9], 0.5 * stub.rates[0]);
    assert!(warnings[0].contains("clip_norm"), "{warnings:?}");
    assert!(warnings[1].contains("back to step 4"), "{warnings:?}");
}

#[test]
fn a_training_that_fails_again_and_again_ends_with_its_story() {
    let mut stub = Stub::new(|x| x);
    stub.breaks_at = 6;
    let (state, _) = train(&short(), &mut stub);
    let error = state.unwrap_err().to_string();
    for word in ["step 6", "2 restarts", "those of step 4", "rate"] {
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn inverted_colours_are_warned_of_once_and_not_kept() {
    let mut stub = Stub::new(|x| 255 - x);
    let (state, warnings) = train(&short(), &mut stub);
    let state = state.unwrap();
    assert_eq!(state.faults, [(4, Fault::Inversion)]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("inverted"));
    assert_eq!(state.kept.map(|(step, _)| step), Some(8));
}

#[test]
fn where_asked_to_a_fault_in_pictures_leads_to_a_restart() {
    let config = TrainConfig {
        on_failure: OnFailure::Restart,
        restarts: 1,
        ..short()
    };
    let mut stub = Stub::new(|x| 255 - x);
    let (state, warnings) = train(&config, &mut stub);
    assert!(state.unwrap_err().to_string().contains("1 restarts"));
    assert!(warnings[1].contains("back to step 0"), "{warnings:?}");
}

#[test]
fn a_discriminator_that_is_always_right_is_noticed() {
    let config = TrainConfig {
        steps: 210,
        batch: 1,
        watch_every: 0,
        keep: Keep::Last,
        ..short()
    };
    let (state, warnings) = train(&config, &mut Stub::new(|x| x));
    assert_eq!(state.unwrap().faults, [(200, Fault::Saturation)]);
    assert!(warnings[0].contains("spectral"), "{warnings:?}");
}

#[test]
fn the_nearest_to_the_photos_is_kept_or_the_last() {
    for (keep, step) in [(Keep::Kid, 4), (Keep::Last, 8)] {
        let config = TrainConfig { keep, ..short() };
        let (state, _) = train_on(80, &config, &mut Stub::new(|x| x));
        // All looks are alike, and only a better one replaces the kept one.
        assert_eq!(state.unwrap().kept.map(|(step, _)| step), Some(step));
    }
}

/// The stage with the defaults of the model's table.
pub(super) fn stage(config: TrainConfig) -> Train {
    let table = toml::de::DeValue::parse("{}").unwrap();
    let model = (config.model.entry().parse)(table.into()).unwrap();
    Train { config, model }
}

pub(super) fn tiny() -> TrainConfig {
    let mut config = short();
    config.generator.channels = 4;
    config.generator.blocks = 1;
    config.discriminator.channels = 4;
    config
}

#[test]
fn a_training_leaves_its_networks_curves_and_sheets() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let renders = testing::publish(folders[0].path(), &testing::shapes(44, 16, 1), 16);
    let photos = testing::publish(folders[1].path(), &testing::shapes(80, 16, 2), 16);
    let inputs = [("renders", renders), ("photos", photos)];
    let out = folders[2].path();
    let summary = testing::run_with(&stage(tiny()), "train", inputs, 16, out).unwrap();
    let ruler = &summary["ruler"];
    let name = ruler["name"].as_str().unwrap();
    assert!(name.starts_with("distance/") && name.len() == 17, "{name}");
    assert!(ruler["kept"]["value"].is_f64() && summary["kept_step"].is_u64());
    assert!(ruler["ceiling"]["low"].is_f64() && ruler["floor"]["high"].is_f64());
    let text = std::fs::read_to_string(out.join("history.json")).unwrap();
    let history: serde_json::Value = serde_json::from_str(&text).unwrap();
    for point in history["steps"].as_array().unwrap() {
        assert!(point["values"]["distance"].is_f64(), "{point}");
    }
    let files = artifact::walk(out).unwrap();
    let names: Vec<_> = files
        .iter()
        .filter_map(|p| p.file_name()?.to_str())
        .collect();
    assert_eq!(
        names,
        [
            "generator.bpk",
            "generator.json",
            "history.json",
            "sheet-000004.png",
            "sheet-000008.png"
        ]
    );
}

#[test]
fn a_task_network_tells_how_well_labels_are_kept() {
    let folders = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let renders = testing::publish(folders[0].path(), &testing::shapes(44, 32, 1), 16);
    let photos = testing::publish(folders[1].path(), &testing::shapes(44, 32, 2), 16);
    let device = burn::tensor::Device::flex().autodiff();
    let classes = vec!["disc".into(), "square".into()];
    let mut stream = Seed::new(1, "task").stream(0);
    let network = TaskNetwork::new(classes, Extent::square(32), 4, &mut stream, &device);
    network.save(folders[2].path()).unwrap();
    let task = artifact::Artifact {
        folder: folders[2].path().to_path_buf(),
        manifest: renders.manifest.clone(),
    };
    let config = TrainConfig {
        steps: 2,
        watch_every: 1,
        keep: Keep::Agreement,
        ..tiny()
    };
    let inputs = [("renders", renders), ("photos", photos), ("task", task)];
    let out = folders[3].path();
    let summary = testing::run_with(&stage(config), "train", inputs, 16, out).unwrap();
    let values = &summary["last"]["values"];
    for name in ["agreement_class", "agreement_mask"] {
        let value = values[name].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&value), "{name}: {value}");
    }
}

/// Shapes in pictures that are wider than high.
fn wide(count: u64, seed: u64) -> Vec<Sample> {
    let mut samples = testing::shapes(count, 24, seed);
    for sample in &mut samples {
        let shift = glam::DAffine2::from_translation(glam::DVec2::new(0.0, -4.0));
        let mapping = Mapping::new(shift, sample.extent, Extent::new(24, 16));
        let pixels = mapping.bilinear(&sample.pixels().unwrap(), Border::Replicate);
        let labels = sample.labels.map(&mapping, Border::Replicate, &sample.id);
        sample.image = encode_png(&pixels).unwrap();
        sample.extent = mapping.to;
        sample.labels = labels.unwrap();
        add_maps(sample);
    }
    samples
}

/// Adds its own colours as albedo, its objects, and normals that lean outwards from the middle of the picture.
pub(super) fn add_maps(sample: &mut Sample) {
    let Extent { width, height } = sample.extent;
    let pixels = sample.pixels().unwrap();
    let colours = pixels
        .pixels()
        .map(|pixel| pixel.0.map(|v| u16::from(v.max(1))));
    let colours: Vec<maps::Value> = colours.collect();
    let normals: Vec<maps::Value> = pixels
        .enumerate_pixels()
        .map(|(x, y, _)| {
            let from_middle = |at: u32, side: u32| at as f32 + 0.5 - side as f32 / 2.0;
            let (x, y) = (from_middle(x, width), from_middle(y, height));
            normals::value(glam::Vec3::new(x, y, -8.0).normalize())
        })
        .collect();
    let classes = ["disc", "square"].into_iter();
    let semantic = semantic::draw(sample.labels.objects(), classes, sample.extent);
    for (kind, values) in [
        (&albedo::MAP, colours),
        (&normals::MAP, normals),
        (&semantic::MAP, semantic),
    ] {
        let maps = &mut sample.labels.maps;
        maps.draw(kind, &values, (width, height)).unwrap();
    }
}

#[test]
fn every_network_takes_pictures_that_are_not_square() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let renders = testing::publish(folders[0].path(), &wide(44, 1), 16);
    let photos = testing::publish(folders[1].path(), &wide(44, 2), 16);
    let run = |name: &str, text: &str, inputs: &[(&'static str, &artifact::Artifact)]| {
        let stage = testing::stage(name, text);
        let inputs = inputs.iter().map(|(role, input)| (*role, (*input).clone()));
        let folder = tempfile::tempdir().unwrap();
        let summary = testing::run_with(stage.as_ref(), name, inputs, 16, folder.path()).unwrap();
        let mut made = testing::describe(folder.path(), &[]);
        made.manifest.summary = summary;
        made.manifest.count = 44;
        (folder, made)
    };
    let (_kept, task) = run(
        "task",
        "{ steps = 2, batch = 4, channels = 4 }",
        &[("samples", &renders)],
    );
    for kind in MODELS {
        let text = format!(
            "{{ model = \"{}\", steps = 2, batch = 2, watch_every = 1, watch_pictures = 22, \
             generator = {{ channels = 4, blocks = 1 }}, discriminator = {{ channels = 4 }}, \
             label_safety = {{ class = 1.0, mask = 1.0 }} }}",
            kind.name
        );
        let inputs = [("renders", &renders), ("photos", &photos), ("task", &task)];
        let (_kept, model) = run("train", &text, &inputs);
        let (_kept, translated) = run(
            "translate",
            "{}",
            &[("renders", &renders), ("model", &model)],
        );
        let first = translated.samples().next().unwrap().unwrap();
        if kind.labels == LabelEffect::Mapped {
            assert_eq!(first.extent, Extent::new(48, 32), "{}", kind.name);
            continue;
        }
        assert_eq!(first.extent, Extent::new(24, 16), "{}", kind.name);
        let inputs = [
            ("samples", &translated),
            ("renders", &renders),
            ("task", &task),
        ];
        run("gate", "{ max_lost = 1.0 }", &inputs);
    }
}

#[test]
fn a_model_refuses_only_sizes_that_its_own_networks_cannot_read() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let renders = testing::publish(folders[0].path(), &testing::shapes(44, 18, 1), 16);
    let photos = testing::publish(folders[1].path(), &testing::shapes(44, 18, 2), 16);
    for kind in MODELS {
        let mut config = tiny();
        config.model = Name::find(kind.name).unwrap();
        config.steps = 1;
        let inputs = [("renders", renders.clone()), ("photos", photos.clone())];
        let out = tempfile::tempdir().unwrap();
        let result = testing::run_with(&stage(config), "train", inputs, 16, out.path());
        // The shared generator halves a side twice; these models do without it.
        if ["simgan", "srgan", "histogram", "fda"].contains(&kind.name) {
            assert!(result.is_ok(), "{}: {result:?}", kind.name);
        } else {
            let problem = result.unwrap_err().to_string();
            assert!(
                problem.contains("cannot be halved"),
                "{}: {problem}",
                kind.name
            );
        }
    }
}

#[test]
fn sizes_and_settings_that_cannot_work_are_refused() {
    let wrong = |change: fn(&mut TrainConfig)| {
        let mut config = tiny();
        assert!(config.check().is_ok());
        change(&mut config);
        config.check().unwrap_err()
    };
    assert!(wrong(|c| c.decay_every = 0.0).contains("decay_every"));
    assert!(wrong(|c| c.decay_every = f64::NAN).contains("decay_every"));
    assert!(wrong(|c| c.decay_from = f64::NAN).contains("decay_from"));
    assert!(wrong(|c| c.decay_factor = 2.0).contains("decay_factor"));
    assert!(wrong(|c| c.rate = 0.0).contains("`rate`"));
    assert!(wrong(|c| c.rate = f64::NAN).contains("`rate`"));
    assert!(wrong(|c| c.rate = f64::INFINITY).contains("`rate`"));
    assert!(wrong(|c| c.ema = 1.0).contains("ema"));
    assert!(wrong(|c| c.crop = Some(Extent::new(0, 8))).contains("crop"));
    assert!(wrong(|c| c.watch_every = 0).contains("keep"));
    assert!(wrong(|c| c.watch_pictures = 0).contains("watch_pictures"));
    assert!(wrong(|c| c.discriminator.scales = 0).contains("scales"));
    assert!(wrong(|c| c.generator.kernel = 4).contains("kernel"));
    let plateau = wrong(|c| {
        c.schedule = Schedule::Plateau;
        c.patience = 0;
    });
    assert!(plateau.contains("patience"));
    let odd = wrong(|c| {
        c.label_safety.temporal = 1.0;
        c.batch = 3;
    });
    assert!(odd.contains("`batch` must be even"), "{odd}");

    let refused = |config: TrainConfig| {
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let renders = testing::publish(folders[0].path(), &testing::shapes(12, 16, 1), 16);
        let photos = testing::publish(folders[1].path(), &testing::shapes(12, 16, 2), 16);
        let inputs = [("renders", renders), ("photos", photos)];
        let result = testing::run_with(&stage(config), "train", inputs, 16, folders[2].path());
        result.unwrap_err().to_string()
    };
    let cuts = |width, height| TrainConfig {
        crop: Some(Extent::new(width, height)),
        ..tiny()
    };
    assert!(refused(cuts(16, 20)).contains("cannot cut 16×20 pixels out of"));
    assert!(refused(cuts(10, 16)).contains("whose width is 10 pixels cannot be halved"));
    let mut many = tiny();
    many.discriminator.scales = 4;
    assert!(refused(many).contains("scales"));
    if cfg!(target_os = "linux") {
        let batch = 1 << 30;
        assert!(refused(TrainConfig { batch, ..tiny() }).contains("accumulate"));
    }
}
