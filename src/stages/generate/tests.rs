//! What `generate` draws, with and without a task network.

use std::path::Path;

use burn::tensor::Device;

use super::*;
use crate::artifact::{self, Artifact};
use crate::generators::{GENERATORS, Setting as Made};
use crate::sample::{Domain, Extent, Sample};
use crate::seed::Seed;
use crate::stage::DeviceChoice;
use crate::testing;

/// An untrained generator of two classes in `folder`.
fn generator(folder: &Path, extent: Extent) -> Artifact {
    let artifact = testing::publish(folder, &[], 16);
    let chosen = device::choose(DeviceChoice::Cpu).unwrap();
    let kind = GENERATORS.iter().find(|kind| kind.name == "dcgan").unwrap();
    let table = toml::de::DeValue::parse("{ channels = 8 }").unwrap();
    let seed = Seed::new(1, "learn");
    let learner = (kind.parse)(table.into()).unwrap().create(&Made {
        device: &chosen,
        extent,
        columns: 2,
        ema: 0.9,
        seed: &seed,
    });
    learner.unwrap().save(folder).unwrap();
    let trained = Trained {
        model: kind.name.to_owned(),
        classes: vec!["disc".into(), "square".into()],
        words: Vec::new(),
        captions: Default::default(),
        extent,
    };
    trained.save(folder).unwrap();
    artifact
}

/// A task network of these classes in `folder`, untrained.
fn task(folder: &Path, classes: [&str; 2]) -> Artifact {
    let artifact = testing::publish(folder, &[], 16);
    let classes = classes.map(String::from).to_vec();
    let mut stream = Seed::new(1, "task").stream(0);
    let device = Device::flex().autodiff();
    let network = TaskNetwork::new(classes, Extent::square(16), 4, &mut stream, &device);
    network.save(folder).unwrap();
    artifact
}

fn run(
    generate: &Generate,
    part_size: usize,
    task_classes: Option<[&str; 2]>,
) -> Result<(Vec<Sample>, serde_json::Value)> {
    let folder = tempfile::tempdir().unwrap();
    let task = task_classes.map(|classes| ("task", task(folder.path(), classes)));
    run_with(generate, part_size, task.into_iter().collect())
}

/// With more inputs than the generator.
fn run_with(
    generate: &Generate,
    part_size: usize,
    mut inputs: Vec<(&'static str, Artifact)>,
) -> Result<(Vec<Sample>, serde_json::Value)> {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    inputs.push(("model", generator(folders[0].path(), Extent::square(16))));
    let out = folders[1].path();
    let work = |context: &Context| generate.run(context);
    let (summary, _) = testing::in_context("generate", inputs, part_size, out, work);
    let files = artifact::walk(out)?;
    let samples: Result<Vec<Vec<Sample>>> =
        files.iter().map(|path| parts::read_part(path)).collect();
    Ok((samples?.concat(), summary?))
}

#[test]
fn classes_take_turns_and_parts_change_nothing() {
    let generate = Generate {
        per_class: 5,
        ..Generate::default()
    };
    let (samples, _) = run(&generate, 3, None).unwrap();
    assert_eq!(samples.len(), 10);
    for (index, sample) in samples.iter().enumerate() {
        let class = ["disc", "square"][index % 2];
        assert_eq!(sample.labels.class.as_deref(), Some(class));
        assert_eq!(sample.labels.objects, None);
        assert_eq!(sample.provenance.domain, Domain::Generated);
        assert_eq!(sample.provenance.origin, sample.id);
    }
    assert_ne!(samples[0].image, samples[2].image);
    assert_eq!(samples, run(&generate, 16, None).unwrap().0);
}

#[test]
fn a_task_network_confirms_what_it_reads() {
    let with = |confidence| Generate {
        per_class: 4,
        confidence,
        tries: 3,
        ..Generate::default()
    };
    let classes = Some(["disc", "square"]);
    let (sure, summary) = run(&with(1.0), 16, classes).unwrap();
    assert!(sure.iter().all(|sample| sample.labels.objects.is_none()));
    assert_eq!(summary["confirmed"]["disc"], json!([0, 4]));
    assert_eq!(summary["findings"][0]["level"], "warning");
    let (any, summary) = run(&with(0.0), 16, classes).unwrap();
    let confirmed = any.iter().filter(|sample| sample.labels.objects.is_some());
    let told = ["disc", "square"].map(|class| summary["confirmed"][class][0].as_u64().unwrap());
    assert_eq!(confirmed.count() as u64, told.iter().sum::<u64>());
    for object in any.iter().flat_map(|sample| sample.labels.objects()) {
        let mask = object.mask.as_ref().unwrap();
        assert_eq!(mask.bbox_xywh(16), Some(object.bbox_xywh));
    }
}

#[test]
fn pictures_follow_strokes_better_than_draws_do() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, side: u32, alpha: u8| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let strokes = image::RgbaImage::from_fn(side, side, |x, y| {
            let inside = x > side / 4 && y > side / 4;
            image::Rgba([200, 40, 40, if inside { alpha } else { 0 }])
        });
        strokes.save(path).unwrap();
    };
    write("disc/a.png", 16, 255);
    write("square/b.png", 48, 255);
    let generate = Generate {
        per_class: 2,
        guide: Some(folder.path().to_path_buf()),
        guide_draws: 4,
        guide_steps: 30,
        ..Generate::default()
    };
    let (samples, summary) = run(&generate, 16, None).unwrap();
    let classes: Vec<_> = samples
        .iter()
        .map(|s| s.labels.class.clone().unwrap())
        .collect();
    assert_eq!(classes, ["disc", "square", "disc", "square"]);
    let of = |name: &str| summary["guides"][name].as_f64().unwrap();
    assert!(of("error") < of("best_draw"), "{summary}");
    write("ring/c.png", 16, 255);
    let problem = run(&generate, 16, None).unwrap_err().to_string();
    assert!(
        problem.contains("c.png") && problem.contains("disc, square"),
        "{problem}"
    );
    std::fs::remove_dir_all(folder.path().join("ring")).unwrap();
    write("disc/d.png", 16, 0);
    let problem = run(&generate, 16, None).unwrap_err().to_string();
    assert!(problem.contains("transparent everywhere"), "{problem}");
}

#[test]
fn pictures_follow_renders_where_these_have_masks() {
    let folder = tempfile::tempdir().unwrap();
    let mut renders = testing::shapes(5, 20, 1);
    renders[1].labels.objects = None;
    renders[2].labels.class = Some("ring".into());
    let guides = testing::publish(folder.path(), &renders, 16);
    let generate = Generate {
        per_class: 1,
        guide_draws: 2,
        guide_steps: 20,
        ..Generate::default()
    };
    let (samples, summary) = run_with(&generate, 16, vec![("guides", guides)]).unwrap();
    let classes = samples.iter().map(|sample| &sample.labels.class);
    let given = [0, 3, 4].map(|number| &renders[number].labels.class);
    assert_eq!(classes.collect::<Vec<_>>(), given);
    let [error, best] = ["error", "best_draw"].map(|name| summary["guides"][name].as_f64());
    assert!(error < best, "{summary}");
    let none = testing::publish(folder.path(), &renders[1..3], 16);
    let problem = run_with(&generate, 16, vec![("guides", none)]).unwrap_err();
    assert!(problem.to_string().contains("disc, square"), "{problem}");
}

#[test]
fn a_task_network_of_other_classes_is_refused() {
    let text = run(&Generate::default(), 16, Some(["disc", "ring"]));
    let text = text.unwrap_err().to_string();
    assert!(text.contains("does not know the class `square`"), "{text}");
}

#[test]
fn settings_out_of_range_are_refused() {
    for text in [
        "per_class = 0",
        "truncation = 1.5",
        "confidence = -0.1",
        "tries = 0",
    ] {
        let generate: Generate = toml::from_str(text).unwrap();
        assert!(generate.check().is_err(), "{text}");
    }
    assert_eq!(Generate::default().check(), Ok(()));
}
