//! What `sculpt` makes of models, and what it refuses.

use std::collections::BTreeSet;
use std::path::Path;

use glam::Vec3A;

use super::grid::tests::cuboid;
use super::*;
use crate::stage::shapes::Shape;
use crate::stage::{Context, Misfit};
use crate::testing;

/// So many boxes of each of two classes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Boxes(u32);

impl ShapeList for Boxes {
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn classes(&self) -> Result<Vec<String>, String> {
        Ok(vec!["flat".into(), "tall".into()])
    }

    fn check_files(&self) -> Result<(), Misfit> {
        Ok(())
    }

    fn read(&self, _: &Context, each: &mut dyn FnMut(Shape) -> Result<()>) -> Result<()> {
        let shape = |(class, [width, height]): (&str, [f32; 2]), number: u32| Shape {
            class: class.to_owned(),
            path: format!("{class}/{number}.obj"),
            triangles: cuboid(
                Vec3A::ZERO,
                Vec3A::new(width, height + 0.02 * number as f32, 0.1),
            ),
        };
        let kinds = [("flat", [0.4, 0.1]), ("tall", [0.1, 0.4])];
        let numbers = 0..self.0;
        numbers
            .flat_map(|number| kinds.map(|kind| shape(kind, number)))
            .try_for_each(each)
    }
}

fn small(count: u32) -> Sculpt<Boxes> {
    Sculpt {
        models: Boxes(count),
        per_class: 3,
        resolution: 16,
        steps: 4,
        batch: 4,
        ema: 0.0,
        watch_every: 2,
        gan3d: Gan3dConfig {
            latent: 4,
            channels: 4,
            ..Gan3dConfig::default()
        },
        ..Sculpt::default()
    }
}

fn run(stage: &Sculpt<Boxes>, out: &Path) -> Result<serde_json::Value> {
    testing::run_with(stage, "sculpt", [], 16, out)
}

#[test]
fn it_makes_models_of_each_class_and_the_same_ones_again() {
    let folders = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let stage = Sculpt {
        per_class: 6,
        ..small(30)
    };
    let summaries = folders
        .each_ref()
        .map(|out| run(&stage, out.path()).unwrap());
    assert_eq!(summaries[0], summaries[1]);
    assert_eq!(summaries[0]["classes"]["tall"], 6);
    let figures = &summaries[0]["figures"]["made"];
    assert!(figures["coverage"].as_f64().is_some(), "{figures}");
    for name in [
        "flat/flat-00000.obj",
        "flat/flat-00002.obj",
        "tall/tall-00001.obj",
    ] {
        let read = |out: &tempfile::TempDir| std::fs::read(out.path().join("models").join(name));
        let obj = read(&folders[0]).unwrap();
        assert!(obj.starts_with(b"v ") && obj.len() > 500, "{name}");
        assert_eq!(obj, read(&folders[1]).unwrap());
    }
    for file in ["sheet-000000002.png", "history.json", looking::FILE] {
        assert!(folders[0].path().join(file).exists(), "{file}");
    }
    let shown = parts_of(folders[0].path());
    let kinds: BTreeSet<&str> = shown.iter().map(String::as_str).collect();
    assert_eq!(kinds, BTreeSet::from([looking::MODEL, looking::SCULPTED]));
}

fn parts_of(folder: &Path) -> Vec<String> {
    let shown = crate::artifact::parts::read_part(&folder.join(looking::FILE)).unwrap();
    let kinds = shown
        .into_iter()
        .flat_map(|sample| sample.provenance.transforms);
    kinds.collect()
}

#[test]
fn it_learns_what_boxes_look_like() {
    let stage = Sculpt {
        steps: 200,
        batch: 8,
        rate: 3e-3,
        per_class: 12,
        held_out: 0.3,
        ema: 0.95,
        ..small(30)
    };
    let out = tempfile::tempdir().unwrap();
    let summary = run(&stage, out.path()).unwrap();
    let distance = |set: &str| {
        let figures = &summary["figures"][set];
        figures["minimum_matching_distance"].as_f64().unwrap()
    };
    // A voxel is a sixteenth.
    assert!(distance("made") < 0.08, "{summary}");
    assert!(distance("given") < 0.02, "{summary}");
}

#[test]
fn too_few_models_are_said_and_settings_out_of_range_refused() {
    let out = tempfile::tempdir().unwrap();
    let none = run(&small(0), out.path()).unwrap_err().to_string();
    assert!(none.contains("no models to learn from"), "{none}");
    let few = run(&small(8), out.path()).unwrap();
    assert_eq!(few["models"]["held_out"], 4);
    assert!(few["figures"]["made"].is_null());
    assert_eq!(few["findings"][0]["number"], "not compared");
    let wrong: [fn(&mut Sculpt<Boxes>); 7] = [
        |stage| stage.per_class = 0,
        |stage| stage.resolution = 24,
        |stage| stage.stretch = f32::NAN,
        |stage| stage.held_out = 0.9,
        |stage| stage.batch = 1,
        |stage| stage.ema = 1.0,
        |stage| stage.gan3d.latent = 0,
    ];
    for change in wrong {
        let mut stage = small(12);
        assert_eq!(stage.check(), Ok(()));
        change(&mut stage);
        assert!(stage.check().is_err());
    }
}
